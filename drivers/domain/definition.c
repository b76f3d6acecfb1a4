/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/definition.h"
#include "domain/device-elements.h"
#include "domain/vcpu-list.h"

#include <inttypes.h>
#include <string.h>

#define TEXT_BYTES_MAX 65536 /* title and description */
#define MEMORY_MAX (UINT64_C(1) << 50)
#define VCPUS_MAX 4096

Definition *definition_ref(Definition *definition) {
        definition->n_references++;
        return definition;
}

/* Those that have a tree; the last one first. */
static GQueue trees = G_QUEUE_INIT;

static void drop_tree(Definition *definition) {
        g_queue_unlink(&trees, &definition->in_trees);
        g_clear_pointer(&definition->tree, xmlFreeDoc);
}

char *definition_machine_text(const Definition *definition) {
        g_autoptr(xmlDoc) document = definition_document(definition, NULL);
        if (!document)
                return g_strdup(definition->xml);
        disk_chain_forget(document);
        return xml_document_text(document);
}

void definition_keep(Definition *definition, xmlDoc *document) {
        g_autoptr(xmlDoc) taken = document;
        if (definition->tree || strlen(definition->xml) > DEFINITION_TREE_BYTES_MAX)
                return;
        if (trees.length >= DEFINITION_TREES_MAX)
                drop_tree(trees.tail->data);
        definition->tree = g_steal_pointer(&taken);
        definition->in_trees.data = definition;
        g_queue_push_head_link(&trees, &definition->in_trees);
}

xmlDoc *definition_document(const Definition *definition, GError **error) {
        return definition->tree ? xml_copy(definition->tree) : xml_parse_own(definition->xml, "domain", error);
}

void definition_unref(Definition *definition) {
        if (--definition->n_references > 0)
                return;
        if (definition->tree)
                drop_tree(definition);
        char *strings[] = { definition->xml,         definition->name,    definition->uuid,    definition->title,
                            definition->description, definition->type,    definition->os_type, definition->architecture,
                            definition->machine,     definition->emulator };
        for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
                g_free(strings[i]);
        if (definition->devices)
                g_ptr_array_unref(definition->devices);
        g_free(definition);
}

static bool is_name(const char *name) {
        bool blank = true;
        for (const char *c = name; *c; c++) {
                if ((unsigned char) *c < 0x20 || *c == 0x7f || *c == '/')
                        return false;
                blank &= *c == ' ';
        }
        return !blank && strlen(name) <= NAME_BYTES_MAX && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* The UUID that the guest is to read of itself, where the document gives the domain none. */
static char *uuid_in_system_information(xmlNode *root) {
        for (xmlNode *entry = xml_child(xml_find(root, "sysinfo/system"), "entry"); entry; entry = xml_next(entry, "entry"))
                if (xml_attribute_is(entry, "name", "uuid")) {
                        g_autofree char *text = xml_text(entry);
                        return uuid_normalize(text);
                }
        return NULL;
}

static bool read_identity(Definition *definition, xmlNode *root, GError **error) {
        xmlNode *name = xml_child(root, "name"), *uuid = xml_child(root, "uuid");
        if (!name)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "<name> is missing");
        xmlChar *exact = xmlNodeGetContent(name); /* with white space: a name is taken as it is */
        definition->name = g_strdup((const char *) exact);
        xmlFree(exact);
        if (!is_name(definition->name)) {
                g_autofree char *shown = g_strescape(definition->name, NULL);
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, name,
                                "'%.64s' cannot be a name: use 1 to %d bytes without '/' and control characters", shown,
                                NAME_BYTES_MAX);
        }
        g_autofree char *text = uuid ? xml_text(uuid) : NULL;
        if (uuid && !*text) { /* as programs write what they do not know */
                xml_remove(uuid);
                uuid = NULL;
        }
        if (uuid) {
                definition->uuid = uuid_normalize(text);
                if (!definition->uuid)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, uuid,
                                        "'%.64s' is not a UUID: use 32 hexadecimal digits, or leave the element out", text);
        } else {
                definition->uuid = uuid_in_system_information(root);
                if (!definition->uuid)
                        definition->uuid = g_uuid_string_random();
                xmlNode *element = xmlNewDocNode(root->doc, NULL, (const xmlChar *) "uuid", (const xmlChar *) definition->uuid);
                xmlAddNextSibling(name, element);
        }
        definition->title = xml_text_at(root, "title");
        definition->description = xml_text_at(root, "description");
        if (strpbrk(definition->title, "\n\r"))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_child(root, "title"), "a title is one line");
        if (strlen(definition->title) > TEXT_BYTES_MAX || strlen(definition->description) > TEXT_BYTES_MAX)
                return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, root, "title and description may have %d bytes",
                                TEXT_BYTES_MAX);
        return true;
}

static bool read_memory(xmlNode *element, uint64_t *bytes, GError **error) {
        g_autofree char *text = xml_text(element), *unit = xml_attribute(element, "unit");
        uint64_t number, factor = xml_unit(unit ? unit : "KiB");
        if (!xml_number(element, "its size", text, 0, MEMORY_MAX, &number, error))
                return false;
        if (factor == 0)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "unit '%.16s' is unknown; use KiB, MiB or GiB", unit);
        if (number > MEMORY_MAX / factor)
                return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, element, "more than %" PRIu64 " bytes", MEMORY_MAX);
        *bytes = number * factor;
        return true;
}

static bool read_resources(Definition *definition, xmlNode *root, GError **error) {
        xmlNode *memory = xml_child(root, "memory"), *current = xml_child(root, "currentMemory");
        xmlNode *vcpu = xml_child(root, "vcpu");
        uint64_t vcpus = 1;
        if (!memory)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "<memory> is missing");
        if (!read_memory(memory, &definition->max_memory, error))
                return false;
        if (definition->max_memory == 0)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, memory, "a machine needs memory: more than 0");
        definition->memory = definition->max_memory;
        if (current && !read_memory(current, &definition->memory, error))
                return false;
        definition->memory = MIN(definition->memory, definition->max_memory);
        if (vcpu) {
                g_autofree char *text = xml_text(vcpu);
                if (*text && !xml_number(vcpu, "the number of processors", text, 1, VCPUS_MAX, &vcpus, error))
                        return false;
        }
        definition->max_vcpus = (uint32_t) vcpus;
        if (!xml_number_attribute(vcpu, "current", 1, vcpus, &vcpus, error))
                return false;
        definition->vcpus = vcpu_list_count(root, definition->max_vcpus, (uint32_t) vcpus);
        return true;
}

static bool read_action(xmlNode *root, const char *name, LifecycleAction otherwise, LifecycleAction *action, GError **error) {
        static const struct {
                const char *name;
                LifecycleAction action;
        } actions[] = {
                { "destroy", ACTION_DESTROY },          { "restart", ACTION_RESTART },
                { "preserve", ACTION_PRESERVE },        { "coredump-destroy", ACTION_DESTROY },
                { "coredump-restart", ACTION_RESTART }, { "rename-restart", ACTION_RESTART },
        };
        xmlNode *element = xml_child(root, name);
        *action = otherwise;
        if (!element)
                return true;
        g_autofree char *text = xml_text(element);
        for (size_t i = 0; i < G_N_ELEMENTS(actions); i++)
                if (strcmp(text, actions[i].name) == 0) {
                        *action = actions[i].action;
                        return true;
                }
        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "'%.32s' is unknown; use destroy, restart or preserve", text);
}

static bool read_machine(Definition *definition, xmlNode *root, GError **error) {
        xmlNode *type = xml_find(root, "os/type");
        definition->type = xml_attribute_at(root, "", "type");
        if (!definition->type[0])
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "its attribute type is missing, such as type='kvm'");
        if (!type)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_child(root, "os") ? xml_child(root, "os") : root,
                                "<os><type> is missing: use <type>hvm</type>");
        definition->os_type = xml_text_at(root, "os/type");
        definition->architecture = xml_attribute_at(type, "", "arch");
        definition->machine = xml_attribute_at(type, "", "machine");
        definition->emulator = xml_text_at(root, "devices/emulator");
        if (!definition->architecture[0]) {
                g_free(definition->architecture);
                definition->architecture = g_strdup("x86_64");
        }
        return read_action(root, "on_poweroff", ACTION_DESTROY, &definition->on_poweroff, error) &&
               read_action(root, "on_reboot", ACTION_RESTART, &definition->on_reboot, error) &&
               read_action(root, "on_crash", ACTION_DESTROY, &definition->on_crash, error);
}

Definition *definition_from_document(xmlDoc *document, GError **error) {
        g_autoptr(Definition) definition = g_new0(Definition, 1);
        xmlNode *root = xmlDocGetRootElement(document);
        definition->n_references = 1;
        definition->devices = g_ptr_array_new_with_free_func((GDestroyNotify) device_definition_free);
        if (!read_identity(definition, root, error) || !read_resources(definition, root, error) ||
            !read_machine(definition, root, error) || !device_definition_read(document, definition->devices, error) ||
            !(definition->xml = xml_checked_text(document, error)))
                return NULL;
        /* Every string is there: devices set only what they have. */
        for (guint i = 0; i < definition->devices->len; i++) {
                DeviceDefinition *device = definition->devices->pdata[i];
                char **strings[] = { &device->model, &device->type,   &device->source_type, &device->source, &device->target,
                                     &device->bus,   &device->format, &device->mac,         &device->name,   &device->bridge };
                for (size_t j = 0; j < G_N_ELEMENTS(strings); j++)
                        if (!*strings[j])
                                *strings[j] = g_strdup("");
        }
        return g_steal_pointer(&definition);
}

Definition *definition_parse(const char *xml, GError **error) {
        g_autoptr(xmlDoc) document = xml_parse(xml, "domain", error);
        return document ? definition_from_document(document, error) : NULL;
}

/* What lets somebody in: passwords are attributes of graphics elements, cookies are of the sources of disks and of the images
 * below them. */
void definition_remove_secrets(xmlNode *element) {
        xmlAttr *password = xml_is(element, "graphics") ? xmlHasProp(element, (const xmlChar *) "passwd") : NULL;
        if (password)
                xmlRemoveProp(password);
        for (xmlNode *child = xml_child(element, NULL), *next; child; child = next) {
                next = xml_next(child, NULL);
                if (xml_is(element, "source") && xml_is(child, "cookies"))
                        xml_remove(child);
                else
                        definition_remove_secrets(child);
        }
}

char *definition_text(const Definition *definition, bool secrets, uint32_t id) {
        g_autoptr(xmlDoc) document = definition_document(definition, NULL);
        if (!document)
                return g_strdup(definition->xml);
        if (!secrets)
                for (xmlNode *element = device_elements_first(document); element; element = device_elements_next(element))
                        definition_remove_secrets(element);
        if (id > 0) {
                char number[12];
                g_snprintf(number, sizeof number, "%u", id);
                xml_set_attribute(xmlDocGetRootElement(document), "id", number);
        }
        return xml_document_text(document);
}

char *definition_device_text(const Definition *definition, guint index) {
        g_autoptr(xmlDoc) document = definition_document(definition, NULL);
        xmlNode *element = document ? device_elements_at(document, index) : NULL;
        if (!element)
                return g_strdup("");
        definition_remove_secrets(element);
        return xml_element_text(element);
}

void definition_write_aliases(const Definition *definition, xmlDoc *document) {
        xmlNode *element = device_elements_first(document);
        for (guint i = 0; element && i < definition->devices->len; i++, element = device_elements_next(element)) {
                const DeviceDefinition *device = definition->devices->pdata[i];
                xml_set_attribute(xml_ensure_child(element, "alias"), "name", device->alias);
        }
}

DeviceDefinition *definition_find_device(const Definition *definition, const char *alias) {
        for (guint i = 0; i < definition->devices->len; i++) {
                DeviceDefinition *device = definition->devices->pdata[i];
                if (strcmp(device->alias, alias) == 0)
                        return device;
        }
        return NULL;
}

const DeviceDefinition *definition_find_disk(const Definition *definition, const char *target) {
        for (guint i = 0; i < definition->devices->len; i++) {
                const DeviceDefinition *device = definition->devices->pdata[i];
                if (device->device_class == DEVICE_DISK && strcmp(device->target, target) == 0)
                        return device;
        }
        return NULL;
}

xmlNode *definition_find_element(xmlDoc *document, const Definition *definition, const char *alias) {
        for (guint i = 0; i < definition->devices->len; i++)
                if (strcmp(((DeviceDefinition *) definition->devices->pdata[i])->alias, alias) == 0)
                        return device_elements_at(document, i);
        return NULL;
}
