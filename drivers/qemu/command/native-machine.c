/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/native-machine.h"

#include <string.h>

void native_machine_option(NativeReader *reader, const char *text) {
        g_autoptr(GHashTable) properties = native_parse(reader, text, "type");
        g_autofree char *type = native_take(properties, "type"), *accelerator = native_take(properties, "accel"),
                        *acpi = native_take(properties, "acpi"), *smm = native_take(properties, "smm"),
                        *vmport = native_take(properties, "vmport"), *usb = native_take(properties, "usb"),
                        *memory = native_take(properties, "memory-backend");
        NativeBackend *backend = memory ? native_find_backend(reader, "object", memory) : NULL;
        const char *memory_type = backend ? g_hash_table_lookup(backend->properties, "qom-type") : NULL;
        if (memory && (g_strcmp0(memory_type, "memory-backend-ram") != 0 || g_hash_table_size(backend->properties) > 2))
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED,
                            "-machine: memory of a kind of its own ('%.64s') has no counterpart here", memory);
        reader->usb |= native_is_on(usb);
        native_set(xml_ensure_child(reader->os, "type"), "machine", type);
        reader->kvm |= accelerator && g_str_has_prefix(accelerator, "kvm");
        reader->acpi = g_strcmp0(acpi, "off") != 0;
        if (smm)
                native_set(xml_add(reader->features, "smm", NULL), "state", smm);
        if (vmport)
                native_set(xml_add(reader->features, "vmport", NULL), "state", vmport);
        native_drop(properties, "dump-guest-core graphics");
        native_check_empty(reader, properties, "-machine");
}

void native_machine_memory(NativeReader *reader, const char *text) {
        g_autoptr(GHashTable) properties = native_parse(reader, text, "size");
        g_autofree char *size = native_take(properties, "size");
        g_autofree char *kib = g_strdup_printf("%" PRIu64, native_parse_size(reader, size ? size : "128", NATIVE_MIB) / 1024);
        xmlNode *memory = xml_ensure_child(reader->root, "memory");
        xmlNodeSetContent(memory, (const xmlChar *) kib);
        native_set(memory, "unit", "KiB");
        native_check_empty(reader, properties, "-m");
}

void native_machine_processors(NativeReader *reader, const char *text) {
        static const char *const names[] = { "sockets", "dies", "cores", "threads" };
        g_autoptr(GHashTable) properties = native_parse(reader, text, "cpus");
        g_autofree char *cpus = native_take(properties, "cpus"), *max = native_take(properties, "maxcpus");
        xmlNode *vcpu = xml_ensure_child(reader->root, "vcpu"), *topology = NULL;
        xmlNodeSetContent(vcpu, (const xmlChar *) (max ? max : cpus ? cpus : "1"));
        if (max && cpus)
                native_set(vcpu, "current", cpus);
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *value = native_take(properties, names[i]);
                if (!value)
                        continue;
                if (!topology)
                        topology = xml_add(reader->cpu, "topology", NULL);
                native_set(topology, names[i], value);
        }
        if (topology) /* all of them, or none */
                for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                        if (!xmlHasProp(topology, (const xmlChar *) names[i]))
                                native_set(topology, names[i], "1");
        native_check_empty(reader, properties, "-smp");
}

void native_machine_cpu(NativeReader *reader, const char *text) {
        g_auto(GStrv) parts = g_strsplit(text, ",", -1);
        bool host = g_strcmp0(parts[0], "host") == 0, max = g_strcmp0(parts[0], "max") == 0;
        native_set(reader->cpu, "mode", host ? "host-passthrough" : max ? "maximum" : "custom");
        if (!host && !max && parts[0]) {
                native_set(reader->cpu, "match", "exact");
                xml_add(reader->cpu, "model", parts[0]);
        }
        for (size_t i = 1; parts[0] && parts[i]; i++) {
                char *equals = strchr(parts[i], '=');
                bool off = parts[i][0] == '-' || (equals && strcmp(equals, "=off") == 0),
                     on = parts[i][0] == '+' || (equals && strcmp(equals, "=on") == 0);
                if (!on && !off) {
                        native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-cpu: '%.64s' has no counterpart in a document",
                                    parts[i]);
                        continue;
                }
                if (equals)
                        *equals = '\0';
                xmlNode *feature = xml_add(reader->cpu, "feature", NULL);
                native_set(feature, "policy", off ? "disable" : "require");
                native_set(feature, "name", parts[i] + (parts[i][0] == '+' || parts[i][0] == '-'));
        }
}
