/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esx/machine-document.h"

#include <string.h>

#include "vmx/vmx-complete.h"
#include "vmx/vmx-file.h"
#include "vmx/vmx-network.h"
#include "vmx/vmx-read.h"

static const char *value_of(GHashTable *values, const char *property) {
        const char *value = g_hash_table_lookup(values, property);
        return value ? value : "";
}

/* "debian12_64Guest" is "debian12-64" in a configuration. */
static char *system_of(const char *id) {
        g_autoptr(GString) text = g_string_new(id);
        if (g_str_has_suffix(text->str, "Guest64")) {
                g_string_truncate(text, text->len - strlen("Guest64"));
                g_string_append(text, "-64");
        } else if (g_str_has_suffix(text->str, "Guest"))
                g_string_truncate(text, text->len - strlen("Guest"));
        g_string_replace(text, "_", "-", 0);
        return g_strdup(text->str);
}

/* VMware's "a%2fb" is "a/b", which is not a name of a domain: it keeps the one that it has there. */
static char *name_of(const char *name) {
        g_autofree char *lower = g_ascii_strdown(name, -1);
        return strstr(lower, "%2f") ? vmx_escape(name, '%', "/\\") : g_strdup(name);
}

static void put_number(GString *lines, const char *key, guint64 number) {
        g_string_append_printf(lines, "%s = \"%" G_GUINT64_FORMAT "\"\n", key, number);
}

static guint64 number_of(GHashTable *values, const char *property) {
        return g_ascii_strtoull(value_of(values, property), NULL, 10);
}

/* Its configuration, as VMware would write it into a file. */
static char *write_lines(GHashTable *values, const char *devices) {
        g_autoptr(GString) lines = g_string_new("config.version = \"8\"\n");
        g_autofree char *system = system_of(value_of(values, "config.guestId")),
                        *digits = vmx_network_split_digits(value_of(values, "config.uuid"));
        const char *version = strrchr(value_of(values, "config.version"), '-');
        guint64 cores = number_of(values, "config.hardware.numCoresPerSocket"),
                memory = number_of(values, "config.hardware.memoryMB");
        put_number(lines, "virtualHW.version", version ? g_ascii_strtoull(version + 1, NULL, 10) : 7);
        g_autofree char *name = name_of(value_of(values, "name"));
        vmx_put(lines, name, "displayName");
        vmx_put(lines, digits, "uuid.bios");
        if (*value_of(values, "config.annotation"))
                vmx_put(lines, value_of(values, "config.annotation"), "annotation");
        put_number(lines, "memsize", (memory + VMX_MEMORY_STEP - 1) / VMX_MEMORY_STEP * VMX_MEMORY_STEP);
        put_number(lines, "numvcpus", MAX(number_of(values, "config.hardware.numCPU"), 1));
        if (cores > 1)
                put_number(lines, "cpuid.coresPerSocket", cores);
        if (*value_of(values, MACHINE_SHARES) && strcmp(value_of(values, MACHINE_SHARES), "normal") != 0)
                vmx_put(lines, value_of(values, MACHINE_SHARES), "sched.cpu.shares");
        if (*system)
                vmx_put(lines, system, "guestOS");
        if (*value_of(values, "config.firmware"))
                vmx_put(lines, value_of(values, "config.firmware"), "firmware");
        g_string_append(lines, devices);
        return g_strdup(lines->str);
}

Definition *machine_document_read(GHashTable *values, const char *devices, GError **error) {
        g_autofree char *lines = write_lines(values, devices);
        g_autoptr(xmlDoc) document = vmx_from_native(lines, error);
        if (document)
                vmx_complete(document);
        return document ? definition_from_document(document, error) : NULL;
}
