/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/builder.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "bus.h"

/* Errors */

static void fail_va(Builder *builder, VirtbusError code, const xmlNode *element, const char *format, va_list arguments) {
        g_autofree char *text = g_strdup_vprintf(format, arguments);
        if (!builder->error)
                xml_fail(&builder->error, code, element, "%s", text);
}

#define FAIL(builder, code, element, format) \
        do { \
                va_list arguments; \
                va_start(arguments, format); \
                fail_va(builder, code, element, format, arguments); \
                va_end(arguments); \
        } while (false)

void builder_fail(Builder *builder, VirtbusError code, const xmlNode *element, const char *format, ...) {
        FAIL(builder, code, element, format);
}

void builder_invalid(Builder *builder, const xmlNode *element, const char *format, ...) {
        FAIL(builder, VIRTBUS_ERROR_INVALID_XML, element ? element : builder->at, format);
}

void builder_unsupported(Builder *builder, const xmlNode *element, const char *format, ...) {
        FAIL(builder, VIRTBUS_ERROR_UNSUPPORTED, element ? element : builder->at, format);
}

void builder_not_here(Builder *builder, const xmlNode *element, const char *what) {
        if (!builder->context->to_show)
                builder_unsupported(builder, element, "the QEMU driver cannot yet start a guest with %s", what);
}

/* Reading: marks are in the nodes' _private. */

static void mark(xmlNode *node) {
        node->_private = node;
}

static xmlNode *child_named(const xmlNode *element, const char *name, size_t length) {
        for (xmlNode *child = element ? element->children : NULL; child; child = child->next)
                if (child->type == XML_ELEMENT_NODE && !child->ns && strncmp((const char *) child->name, name, length) == 0 &&
                    !child->name[length])
                        return child;
        return NULL;
}

/* Follows a path but for an attribute at its end, which is returned in *ATTRIBUTE. */
static xmlNode *follow(const xmlNode *element, const char *path, const char **attribute) {
        *attribute = NULL;
        while (element && *path) {
                if (*path == '@') {
                        *attribute = path + 1;
                        break;
                }
                size_t length = strcspn(path, "/");
                element = child_named(element, path, length);
                if (element)
                        mark((xmlNode *) element);
                path += length + (path[length] == '/');
        }
        return (xmlNode *) element;
}

const char *builder_get(Builder *builder, const xmlNode *element, const char *path) {
        const char *name;
        xmlNode *place = follow(element, path, &name);
        if (!place)
                return NULL;
        xmlAttr *attribute = name ? xmlHasNsProp(place, (const xmlChar *) name, NULL) : NULL;
        if (name && !attribute)
                return NULL;
        if (attribute)
                attribute->_private = attribute;
        xmlChar *text = attribute ? xmlNodeListGetString(place->doc, attribute->children, 1) : xmlNodeGetContent(place);
        g_autofree char *copy = g_strdup(text ? (const char *) text : "");
        xmlFree(text);
        return g_string_chunk_insert(builder->strings, name ? copy : g_strstrip(copy));
}

const char *builder_require(Builder *builder, const xmlNode *element, const char *path) {
        const char *text = builder_get(builder, element, path);
        if (text && *text)
                return text;
        const char *attribute = strchr(path, '@');
        if (attribute)
                builder_invalid(builder, element, "its attribute %.*s%s%s is missing", (int) (attribute - path), path,
                                attribute > path ? " " : "", attribute + 1);
        else
                builder_invalid(builder, element, "<%s> is missing", path);
        return "";
}

xmlNode *builder_element(Builder *builder, const xmlNode *element, const char *path) {
        const char *attribute;
        (void) builder;
        return follow(element, path, &attribute);
}

xmlNode *builder_next(Builder *builder, const xmlNode *element) {
        xmlNode *next = xml_next(element, (const char *) element->name);
        (void) builder;
        if (next)
                mark(next);
        return next;
}

bool builder_is(Builder *builder, const xmlNode *element, const char *path, const char *value) {
        return g_strcmp0(builder_get(builder, element, path), value) == 0;
}

int builder_flag(Builder *builder, const xmlNode *element, const char *path) {
        const char *text = builder_choose(builder, element, path, "on off yes no");
        return !text ? -1 : strcmp(text, "on") == 0 || strcmp(text, "yes") == 0;
}

const char *builder_choose(Builder *builder, const xmlNode *element, const char *path, const char *choices) {
        const char *text = builder_get(builder, element, path);
        if (!text)
                return NULL;
        g_auto(GStrv) names = g_strsplit(choices, " ", -1);
        if (g_strv_contains((const char *const *) names, text))
                return text;
        g_autofree char *known = g_strjoinv(", ", names);
        const char *attribute = strrchr(path, '@');
        builder_invalid(builder, element, "%s is '%.64s'; it must be one of: %s", attribute ? attribute + 1 : path, text, known);
        return NULL;
}

uint64_t builder_number(Builder *builder, const xmlNode *element, const char *path, uint64_t min, uint64_t max,
                        uint64_t otherwise) {
        const char *text = builder_get(builder, element, path);
        bool hexadecimal = text && g_str_has_prefix(text, "0x");
        guint64 value;
        if (!text)
                return otherwise;
        if (g_ascii_string_to_unsigned(text + (hexadecimal ? 2 : 0), hexadecimal ? 16 : 10, min, max, &value, NULL))
                return value;
        bool digits = *text && strspn(text, "0123456789") == strlen(text);
        const char *attribute = strrchr(path, '@');
        builder_fail(builder, digits ? VIRTBUS_ERROR_LIMIT_EXCEEDED : VIRTBUS_ERROR_INVALID_XML, element,
                     "%s is '%.64s'; it must be a number from %" PRIu64 " to %" PRIu64, attribute ? attribute + 1 : path, text,
                     min, max);
        return otherwise;
}

uint64_t builder_size(Builder *builder, const xmlNode *element, const char *path, const char *unit, uint64_t otherwise) {
        xmlNode *place = builder_element(builder, element, path);
        if (!place)
                return otherwise;
        uint64_t factor = xml_unit(builder_get(builder, place, "@unit") ? builder_get(builder, place, "@unit") : unit);
        if (factor == 0) {
                builder_invalid(builder, place, "unit '%.16s' is unknown; use KiB, MiB or GiB",
                                builder_get(builder, place, "@unit"));
                return otherwise;
        }
        return builder_number(builder, place, "", 0, (UINT64_C(1) << 60) / factor, otherwise / factor) * factor;
}

static void know_all(xmlNode *element) {
        mark(element);
        for (xmlAttr *attribute = element->properties; attribute; attribute = attribute->next)
                attribute->_private = attribute;
        for (xmlNode *child = xml_child(element, NULL); child; child = xml_next(child, NULL))
                know_all(child);
}

void builder_know_turned_off(Builder *builder, xmlNode *element) {
        (void) builder;
        know_all(element);
}

void builder_know(Builder *builder, const xmlNode *element, const char *paths) {
        g_auto(GStrv) names = g_strsplit(paths, " ", -1);
        for (size_t i = 0; element && names[i]; i++) {
                const char *attribute;
                xmlNode *place = follow(element, names[i], &attribute);
                if (attribute)
                        builder_get(builder, element, names[i]);
                else
                        for (; place; place = xml_next(place, (const char *) place->name))
                                know_all(place);
        }
}

void builder_refuse_unknown(Builder *builder, const xmlNode *element) {
        for (xmlAttr *attribute = element->properties; attribute; attribute = attribute->next)
                if (!attribute->_private) {
                        builder_unsupported(builder, element, "the QEMU driver does not know its attribute %s here; leave it out",
                                            (const char *) attribute->name);
                        return;
                }
        for (xmlNode *child = xml_child(element, NULL); child && !builder->error; child = xml_next(child, NULL)) {
                if (!child->_private)
                        builder_unsupported(builder, child, "the QEMU driver does not know this element here; leave it out");
                else
                        builder_refuse_unknown(builder, child);
        }
}

/* Writing */

void builder_copy_properties(Builder *builder, const xmlNode *element, JsonObject *object, const Property *properties, size_t n) {
        for (size_t i = 0; i < n; i++) {
                const Property *property = properties + i;
                int state;
                switch (property->type) {
                case PROPERTY_STRING:
                        json_add(object, property->name, 's', builder_get(builder, element, property->path), NULL);
                        break;
                case PROPERTY_BOOL:
                case PROPERTY_ON_OFF:
                        state = builder_flag(builder, element, property->path);
                        if (state >= 0 && property->type == PROPERTY_BOOL)
                                json_add(object, property->name, 'b', state, NULL);
                        else if (state >= 0)
                                json_add(object, property->name, 's', state ? "on" : "off", NULL);
                        break;
                case PROPERTY_NUMBER:
                        if (builder_get(builder, element, property->path))
                                json_add(object, property->name, 'i',
                                         (gint64) builder_number(builder, element, property->path, 0, G_MAXINT64, 0), NULL);
                        break;
                }
        }
}

/* What only a machine that is being made can be given. */
static void refuse_live(Builder *builder, const char *option) {
        if (builder->live)
                builder_unsupported(builder, builder->at ? builder->at : builder->root,
                                    "QEMU takes this only when it starts (%s): use the option config, and start the domain anew",
                                    option);
}

void builder_add(Builder *builder, const char *option, const char *format, ...) {
        va_list arguments;
        refuse_live(builder, option);
        va_start(arguments, format);
        g_ptr_array_add(builder->line->arguments, g_strdup(option));
        if (format)
                g_ptr_array_add(builder->line->arguments, g_strdup_vprintf(format, arguments));
        va_end(arguments);
}

/* The commands that do what arguments do. */
static const struct {
        const char *option, *command;
} live_commands[] = {
        { "-device", "device_add" },
        { "-blockdev", "blockdev-add" },
        { "-netdev", "netdev_add" },
        { "-object", "object-add" },
};

static void add_live(Builder *builder, const char *option, JsonObject *object) {
        for (size_t i = 0; i < G_N_ELEMENTS(live_commands); i++)
                if (strcmp(option, live_commands[i].option) == 0) {
                        builder_add_command(builder, live_commands[i].command, object);
                        return;
                }
        refuse_live(builder, option);
        json_object_unref(object);
}

void builder_add_json(Builder *builder, const char *option, JsonObject *object) {
        const Capabilities *capabilities = builder->context->capabilities;
        const char *driver = strcmp(option, "-device") == 0 ? json_string(object, "driver") : NULL;
        if (driver && capabilities && !capabilities_has_device(capabilities, driver))
                builder_unsupported(builder, builder->at ? builder->at : builder->root, "this QEMU, %s, has no device '%s'",
                                    capabilities_version(capabilities), driver);
        if (builder->live) {
                add_live(builder, option, object);
                return;
        }
        g_ptr_array_add(builder->line->arguments, g_strdup(option));
        g_ptr_array_add(builder->line->arguments, json_text(object));
        json_object_unref(object);
}

/* A back end of -chardev as chardev-add takes it: QAPI's ChardevBackend, which has other names for some members. */

static JsonObject *inet_address(JsonObject *options, const char *host, const char *port) {
        return json_make("type", 's', "inet", "data", 'o',
                         json_make("host", 's', json_string(options, host) ? json_string(options, host) : "", "port", 's',
                                   json_string(options, port), NULL),
                         NULL);
}

static JsonObject *socket_address(JsonObject *options) {
        const char *path = json_string(options, "path"), *fd = json_string(options, "fd");
        if (fd)
                return json_make("type", 's', "fd", "data", 'o', json_make("str", 's', fd, NULL), NULL);
        if (path)
                return json_make("type", 's', "unix", "data", 'o', json_make("path", 's', path, NULL), NULL);
        return inet_address(options, "host", "port");
}

static JsonObject *chardev_data(JsonObject *options, const char **type) {
        static const struct {
                const char *backend, *from, *to;
        } members[] = {
                { "file", "path", "out" },    { "serial", "path", "device" }, { "parallel", "path", "device" },
                { "pipe", "path", "device" }, { "spicevmc", "name", "type" }, { "spiceport", "name", "fqdn" },
                { "dbus", "name", "name" },
        };
        static const char *const same[] = {
                "append", "mouse", "clipboard", "wait", "telnet", "reconnect", "logfile", "logappend"
        };
        JsonObject *data = json_object_new();
        const char *backend = json_string(options, "backend");
        *type = backend;
        for (size_t i = 0; i < G_N_ELEMENTS(members); i++)
                if (strcmp(backend, members[i].backend) == 0)
                        json_add(data, members[i].to, 's', json_string(options, members[i].from), NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(same); i++)
                if (json_object_has_member(options, same[i]))
                        json_object_set_member(data, same[i], json_node_copy(json_object_get_member(options, same[i])));
        if (strcmp(backend, "socket") == 0)
                json_add(data, "addr", 'o', socket_address(options), "server", 'b',
                         json_object_get_boolean_member_with_default(options, "server", FALSE), NULL);
        else if (strcmp(backend, "udp") == 0)
                json_add(data, "remote", 'o', inet_address(options, "host", "port"), "local", 'o',
                         json_object_has_member(options, "localport") ? inet_address(options, "localaddr", "localport") : NULL,
                         NULL);
        return data;
}

static void add_live_chardev(Builder *builder, JsonObject *options) {
        const char *type;
        JsonObject *data = chardev_data(options, &type);
        builder_add_command(builder, "chardev-add",
                            json_make("id", 's', json_string(options, "id"), "backend", 'o',
                                      json_make("type", 's', type, "data", 'o', data, NULL), NULL));
        json_object_unref(options);
}

void builder_add_options(Builder *builder, const char *option, JsonObject *object) {
        if (builder->live && strcmp(option, "-chardev") == 0) {
                add_live_chardev(builder, object);
                return;
        }
        g_autoptr(GString) text = g_string_new(NULL);
        g_autoptr(GList) names = json_object_get_members(object);
        for (GList *link = names; link; link = link->next) {
                JsonNode *node = json_object_get_member(object, link->data);
                GType type = json_node_get_value_type(node);
                if (text->len > 0)
                        g_string_append_printf(text, ",%s=", (const char *) link->data);
                if (type == G_TYPE_STRING)
                        g_string_append(text, builder_escape(builder, json_node_get_string(node)));
                else if (type == G_TYPE_BOOLEAN)
                        g_string_append(text, json_node_get_boolean(node) ? "on" : "off");
                else
                        g_string_append_printf(text, "%" G_GINT64_FORMAT, json_node_get_int(node));
        }
        builder_add(builder, option, "%s", text->str);
        json_object_unref(object);
}

void builder_add_command_with_fd(Builder *builder, const char *name, JsonObject *arguments, int fd) {
        g_ptr_array_add(builder->line->commands, monitor_request_new(name, arguments, fd));
}

void builder_add_command(Builder *builder, const char *name, JsonObject *arguments) {
        builder_add_command_with_fd(builder, name, arguments, -1);
}

const char *builder_escape(Builder *builder, const char *text) {
        g_auto(GStrv) parts = g_strsplit(text, ",", -1);
        g_autofree char *joined = g_strjoinv(",,", parts);
        return g_string_chunk_insert(builder->strings, joined);
}

const char *builder_format(Builder *builder, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        g_autofree char *text = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        return g_string_chunk_insert(builder->strings, text);
}

void builder_choose_now(xmlNode *element, const char *name, const char *value) {
        xml_set_attribute(element, name, value);
        mark(element);
        xmlAttr *attribute = xmlHasProp(element, (const xmlChar *) name);
        attribute->_private = attribute;
}

/* Files and descriptors */

static int pass_number(Builder *builder, int fd) {
        if (fd >= 0)
                g_array_append_val(builder->line->fds, fd);
        return fd;
}

const char *builder_pass(Builder *builder, int fd) {
        if (!builder->live)
                return builder_format(builder, "%d", pass_number(builder, fd));
        const char *name = builder_format(builder, "virtbus-%s-%u", builder->alias, builder->line->commands->len);
        builder_add_command_with_fd(builder, "getfd", json_make("fdname", 's', name, NULL), fd);
        return name;
}

const char *builder_pass_to_read(Builder *builder, const xmlNode *element, const char *path) {
        File *file = builder_file(builder, element);
        refuse_live(builder, "a ROM");
        return file ? builder_format(builder, "/proc/self/fd/%d", pass_number(builder, steal_fd(&file->fd))) : path;
}

const char *builder_pass_as_file(Builder *builder, int *fd, const char *path) {
        if (!fd)
                return path;
        /* The set says whose it is, for when the device goes. */
        unsigned set = ++builder->n_fdsets;
        const char *whose = builder->alias ? builder->alias : "machine";
        if (path)
                g_hash_table_insert(builder->line->fd_sets, GUINT_TO_POINTER(set), g_strdup(path));
        if (builder->live)
                builder_add_command_with_fd(builder, "add-fd",
                                            json_make("fdset-id", 'i', (gint64) set, "opaque", 's', whose, NULL), steal_fd(fd));
        else
                builder_add(builder, "-add-fd", "fd=%d,set=%u,opaque=%s", pass_number(builder, steal_fd(fd)), set,
                            builder_escape(builder, whose));
        return builder_format(builder, "/dev/fdset/%u", set);
}

File *builder_file(const Builder *builder, const xmlNode *element) {
        for (guint i = 0; builder->files && i < builder->files->len; i++)
                if (((File *) builder->files->pdata[i])->element == element)
                        return builder->files->pdata[i];
        return NULL;
}

/* QEMU reads a secret's value past its function for names of descriptors, when it makes the object. */
static const char *secret_file(Builder *builder, File *file) {
        int number = !file ? -1 : builder->live ? file->number : pass_number(builder, steal_fd(&file->fd));
        return number < 0 ? NULL : builder_format(builder, "/proc/self/fd/%d", number);
}

const char *builder_add_secret(Builder *builder, const xmlNode *element, const char *id) {
        if (!builder_get(builder, element, "@usage") && !builder_get(builder, element, "@uuid"))
                builder_invalid(builder, element, "its attribute uuid or usage is missing");
        builder_know(builder, element, "@usage @uuid @type");
        builder_add_json(builder, "-object",
                         json_make("qom-type", 's', "secret", "id", 's', id, "file", 's',
                                   secret_file(builder, builder_file(builder, element)), NULL));
        return id;
}

/* Devices */

JsonObject *builder_device_new(const char *driver, const DeviceDefinition *part) {
        return json_make("driver", 's', driver, "id", 's', part->alias, NULL);
}

static const Property virtio_options[] = {
        { "driver/@iommu", "iommu_platform", PROPERTY_BOOL },
        { "driver/@ats", "ats", PROPERTY_BOOL },
        { "driver/@packed", "packed", PROPERTY_BOOL },
        { "driver/@page_per_vq", "page-per-vq", PROPERTY_BOOL },
};

void builder_add_virtio_options(Builder *builder, const xmlNode *element, JsonObject *device) {
        builder_copy_properties(builder, element, device, virtio_options, G_N_ELEMENTS(virtio_options));
}

JsonObject *builder_virtio_device_new(Builder *builder, const xmlNode *element, const DeviceDefinition *part, const char *name) {
        const char *model = part->model, *suffix = "";
        if (g_str_has_suffix(model, "-non-transitional"))
                suffix = "-non-transitional";
        else if (g_str_has_suffix(model, "-transitional"))
                suffix = "-transitional";
        JsonObject *device = builder_device_new(builder_format(builder, "%s-pci%s", name, suffix), part);
        builder_add_virtio_options(builder, element, device);
        return device;
}

/* The elements that USB companion controllers are not. */
xmlNode *builder_controller_at(const Builder *builder, const char *type, uint64_t index) {
        for (xmlNode *element = xml_child(builder->devices, "controller"); element; element = xml_next(element, "controller")) {
                g_autofree char *number_text = xml_attribute(element, "index");
                if (xml_attribute_is(element, "type", type) && !xml_child(element, "master") && number_text &&
                    strtoul(number_text, NULL, 0) == index)
                        return element;
        }
        return NULL;
}

/* The ID that a controller's device has. */
static const char *controller_id(Builder *builder, const char *type, uint64_t index) {
        guint i = 0;
        xmlNode *controller = builder_controller_at(builder, type, index);
        for (xmlNode *element = definition_first_device(builder->context->document); element;
             element = definition_next_device(element), i++)
                if (element == controller)
                        return ((DeviceDefinition *) builder->definition->devices->pdata[i])->alias;
        return NULL;
}

const char *builder_controller_bus(Builder *builder, const xmlNode *element, const char *type, uint64_t index) {
        const char *id = controller_id(builder, type, index);
        if (!id) {
                builder_invalid(builder, element, "there is no controller of type %s with index %" PRIu64, type, index);
                return "";
        }
        bool is_built_in = index == 0 &&
                           ((strcmp(type, "ide") == 0 && !builder->q35) || (strcmp(type, "sata") == 0 && builder->q35));
        return is_built_in ? "ide" : strcmp(type, "pci") == 0 ? id : builder_format(builder, "%s", id);
}

static void add_pci_address(Builder *builder, const xmlNode *address, JsonObject *device) {
        uint64_t bus = builder_number(builder, address, "@bus", 0, 255, 0),
                 slot = builder_number(builder, address, "@slot", 0, 31, 0),
                 function = builder_number(builder, address, "@function", 0, 7, 0);
        const char *multifunction = builder_choose(builder, address, "@multifunction", "on off");
        if (builder_number(builder, address, "@domain", 0, 0xffff, 0) != 0)
                builder_unsupported(builder, address, "QEMU's x86 machines have just PCI domain 0");
        const char *name = bus == 0 ? (builder->q35 ? "pcie.0" : "pci.0") : builder_controller_bus(builder, address, "pci", bus);
        json_add(device, "bus", 's', name, "addr", 's',
                 function ? builder_format(builder, "0x%" PRIx64 ".0x%" PRIx64, slot, function)
                          : builder_format(builder, "0x%" PRIx64, slot),
                 NULL);
        if (multifunction)
                json_add(device, "multifunction", 'b', strcmp(multifunction, "on") == 0, NULL);
}

static void add_usb_address(Builder *builder, const xmlNode *address, JsonObject *device) {
        uint64_t bus = builder_number(builder, address, "@bus", 0, 255, 0);
        json_add(device, "bus", 's', builder_format(builder, "%s.0", builder_controller_bus(builder, address, "usb", bus)),
                 "port", 's', builder_get(builder, address, "@port"), NULL);
}

static void add_isa_address(Builder *builder, const xmlNode *address, JsonObject *device) {
        static const Property properties[] = {
                { "@iobase", "iobase", PROPERTY_NUMBER },
                { "@irq", "irq", PROPERTY_NUMBER },
        };
        builder_copy_properties(builder, address, device, properties, G_N_ELEMENTS(properties));
}

static void add_address(Builder *builder, const xmlNode *element, JsonObject *device) {
        xmlNode *address = builder_element(builder, element, "address");
        const char *type = builder_get(builder, address, "@type");
        if (!address)
                return;
        if (xml_child(address, "zpci"))
                builder_unsupported(builder, builder_element(builder, address, "zpci"), "x86 machines have no zPCI addresses");
        if (!type)
                builder_invalid(builder, address, "its attribute type is missing");
        else if (strcmp(type, "pci") == 0)
                add_pci_address(builder, address, device);
        else if (strcmp(type, "usb") == 0)
                add_usb_address(builder, address, device);
        else if (strcmp(type, "isa") == 0)
                add_isa_address(builder, address, device);
        else if (strcmp(type, "virtio-mmio") == 0 || strcmp(type, "ccw") == 0 || strcmp(type, "spapr-vio") == 0)
                builder_unsupported(builder, address, "x86 machines have no addresses of type %s", type);
}

void builder_add_boot(Builder *builder, const xmlNode *element, JsonObject *device, const DeviceDefinition *part, unsigned kind) {
        gint64 order = !builder->order_by_kind ? part->boot : builder->first[kind] == element ? builder->order[kind] : 0;
        if (order > 0)
                json_add(device, "bootindex", 'i', order, NULL);
}

static void add_rom(Builder *builder, const xmlNode *element, JsonObject *device) {
        xmlNode *rom = builder_element(builder, element, "rom");
        const char *file = builder_get(builder, rom, "@file");
        int bar = builder_flag(builder, rom, "@bar");
        if (!rom)
                return;
        if (builder_is(builder, rom, "@enabled", "no")) {
                if (file || bar >= 0)
                        builder_invalid(builder, rom, "a disabled ROM has neither file nor bar");
                json_add(device, "romfile", 's', "", NULL);
                return;
        }
        builder_know(builder, rom, "@enabled");
        if (bar >= 0)
                json_add(device, "rombar", 'i', (gint64) bar, NULL);
        if (file)
                json_add(device, "romfile", 's', builder_pass_to_read(builder, rom, file), NULL);
}

static void override_property(Builder *builder, xmlNode *property, JsonObject *device) {
        const char *name = builder_require(builder, property, "@name"),
                   *type = builder_choose(builder, property, "@type", "string signed unsigned bool remove"),
                   *value = builder_get(builder, property, "@value");
        char *end = NULL;
        mark(property);
        if (!type)
                builder_require(builder, property, "@type");
        else if (strcmp(type, "remove") == 0) {
                if (json_object_has_member(device, name))
                        json_object_remove_member(device, name);
        } else if (!value)
                builder_require(builder, property, "@value");
        else if (strcmp(type, "string") == 0)
                json_add(device, name, 's', value, NULL);
        else if (strcmp(type, "bool") == 0)
                json_add(device, name, 'b', g_strcmp0(builder_choose(builder, property, "@value", "true false"), "true") == 0,
                         NULL);
        else {
                gint64 number = strcmp(type, "signed") == 0 ? g_ascii_strtoll(value, &end, 0)
                                                            : (gint64) g_ascii_strtoull(value, &end, 0);
                if (*end || !*value)
                        builder_invalid(builder, property, "value is '%.32s'; it must be a number", value);
                json_add(device, name, 'i', number, NULL);
        }
}

/* <qemu:override><qemu:device alias='...'><qemu:frontend><qemu:property .../>: the author's own values of a device's properties. */
static void override_properties(Builder *builder, JsonObject *device) {
        const char *id = json_string(device, "id");
        for (xmlNode *override = xml_child(builder->root, NULL); override; override = xml_next(override, NULL)) {
                if (!override->ns || strcmp((const char *) override->ns->href, QEMU_NAMESPACE) != 0 ||
                    !xml_is(override, "override"))
                        continue;
                for (xmlNode *one = xml_child(override, NULL); one; one = xml_next(one, NULL)) {
                        if (!xml_attribute_is(one, "alias", id ? id : ""))
                                continue;
                        for (xmlNode *side = xml_child(one, NULL); side; side = xml_next(side, NULL)) {
                                mark(side);
                                if (!xml_is(side, "frontend"))
                                        builder_unsupported(builder, side,
                                                            "the QEMU driver does not know this element; leave it out");
                                for (xmlNode *property = xml_child(side, NULL); property; property = xml_next(property, NULL))
                                        override_property(builder, property, device);
                        }
                }
        }
}

void builder_add_device(Builder *builder, const xmlNode *element, JsonObject *device) {
        static const Property common[] = { { "acpi/@index", "acpi-index", PROPERTY_NUMBER } };
        add_address(builder, element, device);
        builder_copy_properties(builder, element, device, common, G_N_ELEMENTS(common));
        add_rom(builder, element, device);
        if (builder_get(builder, element, "boot/@loadparm"))
                builder_not_here(builder, builder_element(builder, element, "boot"),
                                 "a loadparm, as s390 machines have: leave it out");
        builder_know(builder, element, "alias");
        override_properties(builder, device);
        builder_add_json(builder, "-device", device);
}

/* <iothreadids> gives some of the threads their numbers; the others have the lowest that are left. */
static bool has_io_thread(Builder *builder, uint64_t id) {
        uint64_t n = builder_number(builder, builder->root, "iothreads", 0, IO_THREADS_MAX, 0), n_named = 0, n_below = 0;
        for_each (builder, thread, builder->root, "iothreadids/iothread") {
                uint64_t named = builder_number(builder, thread, "@id", 1, UINT32_MAX, 0);
                if (named == id)
                        return true;
                n_named++;
                n_below += named < id;
        }
        return n > n_named && id - n_below <= n - n_named;
}

const char *builder_io_thread(Builder *builder, const xmlNode *element, const char *path) {
        uint64_t id = builder_number(builder, element, path, 1, UINT32_MAX, 0);
        if (id == 0)
                return NULL;
        if (!has_io_thread(builder, id))
                builder_invalid(builder, element, "there is no I/O thread %" PRIu64 ": raise <iothreads>, or name another", id);
        return builder_format(builder, "iothread%" PRIu64, id);
}
