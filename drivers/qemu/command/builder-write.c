/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/builder-write.h"

#include <string.h>

#include "bus.h"
#include "qemu/command/builder-read.h"

void builder_copy_properties(Builder *builder, const xmlNode *element, JsonObject *object, const Property *properties, size_t n) {
        for (size_t i = 0; i < n; i++) {
                const Property *property = properties + i;
                const char *text;
                int state;
                switch (property->type) {
                case PROPERTY_STRING:
                        json_add(object, property->name, 's', builder_get(builder, element, property->path), NULL);
                        break;
                case PROPERTY_FLAG:
                case PROPERTY_BOOL:
                        state = property->type == PROPERTY_FLAG ? builder_flag(builder, element, property->path)
                                                                : builder_switch(builder, element, property->path);
                        if (state >= 0)
                                json_add(object, property->name, 'b', state, NULL);
                        break;
                case PROPERTY_ON_OFF:
                        json_add(object, property->name, 's', builder_choose(builder, element, property->path, "on off"), NULL);
                        break;
                case PROPERTY_NUMBER: /* decimal digits: hexadecimal ones are for addresses */
                        text = builder_get(builder, element, property->path);
                        if (text && g_str_has_prefix(text, "0x"))
                                builder_invalid(builder, element, "%s is '%.64s'; it must be a decimal number", property->path,
                                                text);
                        else if (text)
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
                                    "QEMU takes this only when it starts (%s): use the option config, and start the domain again",
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
        static const char *const same[] = { "append",    "mouse",     "clipboard", "wait",     "telnet",
                                            "reconnect", "tls-creds", "logfile",   "logappend" };
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
                JsonType type = json_node_type(node);
                if (text->len > 0)
                        g_string_append_printf(text, ",%s=", (const char *) link->data);
                if (type == JSON_STRING)
                        g_string_append(text, builder_escape(builder, json_node_get_string(node)));
                else if (type == JSON_BOOLEAN)
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

void builder_choose_now(xmlNode *element, const char *name, const char *value) {
        xml_set_attribute(element, name, value);
        builder_mark(element);
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
        for (guint i = 0; builder->files && i < builder->files->len; i++) {
                File *file = builder->files->pdata[i];
                if (file->element == element && file->purpose != FILE_LEAVE)
                        return file;
        }
        return NULL;
}

/* QEMU reads a secret's value past its function for names of descriptors, when it makes the object. */
static const char *secret_file(Builder *builder, File *file) {
        int number = !file ? -1 : builder->live ? file->number : pass_number(builder, steal_fd(&file->fd));
        return number < 0 ? NULL : builder_format(builder, "/proc/self/fd/%d", number);
}

void builder_add_secret_object(Builder *builder, const xmlNode *element, const char *id) {
        builder_add_json(builder, "-object",
                         json_make("qom-type", 's', "secret", "id", 's', id, "file", 's',
                                   secret_file(builder, builder_file(builder, element)), NULL));
}

const char *builder_add_secret(Builder *builder, const xmlNode *element, const char *id) {
        if (!builder_get(builder, element, "@usage") && !builder_get(builder, element, "@uuid"))
                builder_invalid(builder, element, "its attribute uuid or usage is missing");
        builder_know(builder, element, "@usage @uuid @type");
        builder_add_secret_object(builder, element, id);
        return id;
}
