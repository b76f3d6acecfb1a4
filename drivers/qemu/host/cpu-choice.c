/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/cpu-choice.h"

#include "qemu/host/host.h"
#include "qemu/monitor/cpu-document.h"
#include "qemu/monitor/cpu-tables.h"

static xmlNode *cpu_of(const xmlDoc *document) {
        return xml_child(xmlDocGetRootElement((xmlDoc *) document), "cpu");
}

bool cpu_choice_is_left(const xmlDoc *document) {
        const xmlNode *cpu = cpu_of(document);
        return cpu && cpu_document_is_of_host(cpu);
}

bool cpu_choice_learn(Connection *connection, const Capabilities *capabilities, void (*done)(void *data), void *data) {
        return cpu_tables_learn(host_of(connection)->cpus, capabilities, done, data);
}

bool cpu_choice_make(Connection *connection, const Capabilities *capabilities, xmlDoc *document, GError **error) {
        bool kvm = xml_attribute_is(xmlDocGetRootElement(document), "type", "kvm");
        const CpuModels *models = cpu_tables_find(host_of(connection)->cpus, capabilities, kvm);
        xmlNode *cpu = cpu_of(document);
        if (!models || !cpu || !cpu_document_is_of_host(cpu))
                return true;
        const char *target = json_string(capabilities_data(capabilities), "target");
        const CpuHost host = cpu_host_of_guests(models, g_strcmp0(target, "i386") == 0 ? "i686" : target);
        return cpu_document_expand(models, &host, cpu, error);
}
