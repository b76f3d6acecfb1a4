/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/firmware.h"

#include <fnmatch.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "qemu/host/descriptions.h"

/* Where there are no descriptors. */
static const struct {
        const char *code, *variables;
        bool secure_boot, enrolled;
} known[] = {
        { "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd", false, false },
        { "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd", false, false },
        { "/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd", false, false },
        { "/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd", true, true },
        { "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd", true, false },
        { "/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd", "/usr/share/edk2/ovmf/OVMF_VARS.secboot.fd", true, true },
};

void firmware_free(Firmware *firmware) {
        g_free(firmware->code);
        g_free(firmware->format);
        g_free(firmware->variables);
        g_free(firmware->variables_format);
        g_free(firmware);
}

/* What a document asks for; -1: it does not say. */
typedef struct Wish {
        char *code, *format;
        int secure_boot, enrolled;
        const char *machine, *architecture;
} Wish;

static int state_of(const xmlNode *element, const char *attribute) {
        g_autofree char *text = xml_attribute(element, attribute);
        return !text ? -1 : strcmp(text, "yes") == 0;
}

/* The names without a version are of the newest one. */
static const char *full_machine(const char *machine) {
        return strcmp(machine, "q35") == 0 ? "pc-q35-0" : strcmp(machine, "pc") == 0 || !machine[0] ? "pc-i440fx-0" : machine;
}

static Wish read_wish(xmlNode *root, const Definition *definition) {
        xmlNode *os = xml_child(root, "os"), *loader = xml_child(os, "loader");
        Wish wish = { .code = xml_text(loader),
                      .format = xml_attribute(loader, "format"),
                      .secure_boot = state_of(loader, "secure"),
                      .enrolled = -1 };
        wish.architecture = definition->architecture;
        wish.machine = full_machine(definition->machine);
        for (xmlNode *feature = xml_find(os, "firmware/feature"); feature; feature = xml_next(feature, "feature")) {
                if (xml_attribute_is(feature, "name", "enrolled-keys"))
                        wish.enrolled = state_of(feature, "enabled");
                else if (xml_attribute_is(feature, "name", "secure-boot") && state_of(feature, "enabled") >= 0)
                        wish.secure_boot = state_of(feature, "enabled");
        }
        if (wish.enrolled == 1 && wish.secure_boot < 0)
                wish.secure_boot = 1;
        return wish;
}

static bool has_text(JsonArray *array, const char *text) {
        for (guint i = 0; array && i < json_array_get_length(array); i++)
                if (g_strcmp0(json_array_get_string_element(array, i), text) == 0)
                        return true;
        return false;
}

static bool is_for(JsonObject *descriptor, const Wish *wish) {
        JsonArray *targets = json_array(descriptor, "targets");
        for (guint i = 0; targets && i < json_array_get_length(targets); i++) {
                JsonObject *target = json_object_at(targets, i);
                JsonArray *machines = json_array(target, "machines");
                if (g_strcmp0(json_string(target, "architecture"), wish->architecture) != 0)
                        continue;
                for (guint k = 0; machines && k < json_array_get_length(machines); k++) {
                        const char *pattern = json_array_get_string_element(machines, k);
                        if (pattern && fnmatch(pattern, wish->machine, 0) == 0)
                                return true;
                }
        }
        return false;
}

static bool is_flat(const char *format) {
        return g_strcmp0(format, "raw") == 0 || g_strcmp0(format, "qcow2") == 0;
}

/* Flash with variables of their own, which is what a machine here can have; NULL for another kind, or another machine's. */
static Firmware *read_descriptor(JsonNode *node, const Wish *wish) {
        JsonObject *descriptor = node ? json_node_get_object(node) : NULL, *mapping = json_member(descriptor, "mapping"),
                   *code = json_member(mapping, "executable"), *variables = json_member(mapping, "nvram-template");
        const char *mode = json_string(mapping, "mode"), *file = json_string(code, "filename");
        if (!descriptor || !has_text(json_array(descriptor, "interface-types"), "uefi") || !is_for(descriptor, wish) ||
            g_strcmp0(json_string(mapping, "device"), "flash") != 0 || (mode && strcmp(mode, "split") != 0) || !file ||
            !is_flat(json_string(code, "format")) || !json_string(variables, "filename") ||
            !is_flat(json_string(variables, "format")))
                return NULL;
        JsonArray *features = json_array(descriptor, "features");
        Firmware *firmware = g_new0(Firmware, 1);
        *firmware = (Firmware){
                .code = g_strdup(file),
                .format = g_strdup(json_string(code, "format")),
                .variables = g_strdup(json_string(variables, "filename")),
                .variables_format = g_strdup(json_string(variables, "format")),
                .secure_boot = has_text(features, "secure-boot"),
                .enrolled = has_text(features, "enrolled-keys"),
                .needs_smm = has_text(features, "requires-smm"),
        };
        return firmware;
}

static void add_known(GPtrArray *list) {
        for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
                Firmware *firmware = g_new0(Firmware, 1);
                *firmware = (Firmware){
                        .code = g_strdup(known[i].code),
                        .format = g_strdup("raw"),
                        .variables = g_strdup(known[i].variables),
                        .variables_format = g_strdup("raw"),
                        .secure_boot = known[i].secure_boot,
                        .enrolled = known[i].enrolled,
                        .needs_smm = known[i].secure_boot,
                };
                g_ptr_array_add(list, firmware);
        }
}

static GPtrArray *list_firmware(const Wish *wish, bool named) {
        g_autoptr(GPtrArray) descriptions = descriptions_read("firmware");
        GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify) firmware_free);
        for (guint i = 0; i < descriptions->len; i++) {
                Firmware *firmware = read_descriptor(descriptions->pdata[i], wish);
                if (firmware)
                        g_ptr_array_add(list, firmware);
        }
        if (named || descriptions->len == 0)
                add_known(list);
        return list;
}

static bool agrees(int wish, bool is) {
        return wish < 0 || (wish == 1) == is;
}

/* How well one does: 0 not at all. What a document does not ask for is not switched on where it can be helped. */
static unsigned rank(const Firmware *firmware, const Wish *wish, bool named) {
        bool fits = (!wish->format || strcmp(firmware->format, wish->format) == 0) &&
                    agrees(wish->secure_boot, firmware->secure_boot) && agrees(wish->enrolled, firmware->enrolled);
        if (named)
                return strcmp(firmware->code, wish->code) != 0 ? 0 : fits ? 2 : 1;
        if (!fits || access(firmware->code, R_OK) < 0)
                return 0;
        return wish->secure_boot < 0 && firmware->secure_boot ? 1 : 2;
}

Firmware *firmware_choose(xmlNode *root, const Definition *definition) {
        Wish wish = read_wish(root, definition);
        g_autofree char *code = wish.code, *format = wish.format;
        bool named = code && *code;
        g_autoptr(GPtrArray) list = list_firmware(&wish, named);
        guint best = 0;
        for (guint i = 1; i < list->len; i++)
                if (rank(list->pdata[i], &wish, named) > rank(list->pdata[best], &wish, named))
                        best = i;
        if (list->len > 0 && rank(list->pdata[best], &wish, named) > 0)
                return g_ptr_array_steal_index(list, best);
        if (!named)
                return NULL;
        Firmware *own = g_new0(Firmware, 1);
        *own = (Firmware){ .code = g_steal_pointer(&code), .format = g_strdup(format ? format : "raw") };
        own->secure_boot = own->needs_smm = wish.secure_boot == 1;
        own->enrolled = wish.enrolled == 1;
        return own;
}

GPtrArray *firmware_list(const char *architecture, const char *machine) {
        const Wish wish = { .secure_boot = -1, .enrolled = -1, .machine = full_machine(machine), .architecture = architecture };
        GPtrArray *list = list_firmware(&wish, false);
        for (guint i = list->len; i > 0; i--) {
                const Firmware *firmware = list->pdata[i - 1];
                if (access(firmware->code, R_OK) < 0)
                        g_ptr_array_remove_index(list, i - 1);
        }
        return list;
}

bool firmware_fits(const Firmware *firmware, xmlNode *root, const Definition *definition) {
        Wish wish = read_wish(root, definition);
        g_autofree char *code = wish.code, *format = wish.format;
        return agrees(wish.secure_boot, firmware->secure_boot) && (!format || strcmp(format, firmware->format) == 0);
}

char *firmware_variables_format(xmlNode *root, const Firmware *firmware) {
        xmlNode *nvram = xml_find(root, "os/nvram");
        char *format = xml_attribute(nvram, "format");
        if (!format)
                format = xml_attribute(nvram, "templateFormat");
        if (!format && !xmlHasProp(nvram ? nvram : root, (const xmlChar *) "template"))
                format = g_strdup(firmware->variables_format);
        return format ? format : g_strdup("raw");
}

char *firmware_variables(xmlNode *root) {
        xmlNode *nvram = xml_find(root, "os/nvram"), *source = xml_child(nvram, "source");
        char *path = xml_attribute_is(nvram, "type", "block") ? xml_attribute(source, "dev")
                     : source                                 ? xml_attribute(source, "file")
                                                              : xml_text(nvram);
        if (path && *path)
                return path;
        g_free(path);
        return NULL;
}

xmlNode *firmware_variables_element(xmlNode *root) {
        xmlNode *os = xml_child(root, "os"), *nvram = xml_child(os, "nvram"), *loader = xml_child(os, "loader");
        return nvram ? nvram : loader ? loader : root;
}

char *firmware_nvram(Connection *connection, const char *uuid) {
        return g_strdup_printf("%s/nvram/%s.fd", connection->state_directory, uuid);
}
