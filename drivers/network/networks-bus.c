/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/networks-bus.h"

#include "base/registry-answer.h"
#include "network/dnsmasq.h"
#include "network/network-bus.h"
#include "network/port-bus.h"
#include "network/rules.h"
#include "options.h"
#include "vtables.h"

NETWORKS_VTABLE(Networks, bus);

static void bus_define_network(Call *call, Networks *self, const char *xml, sd_bus_message *options) {
        registry_answer_define(call, &self->registry, xml, options);
}

static void bus_create_network(Call *call, Networks *self, const char *xml, sd_bus_message *options) {
        if (registry_check_options(call, options))
                networks_create(self, xml, call->uid, registry_answer_entry, call);
}

static void bus_get_network_by_uuid(Call *call, Networks *self, const char *uuid) {
        g_autoptr(GError) error = NULL;
        Network *network = networks_find(self, uuid, &error);
        registry_answer_entry(call, (Entry *) network, error);
}

static void bus_get_network_by_name(Call *call, Networks *self, const char *name) {
        g_autoptr(GError) error = NULL;
        Network *network = networks_find_name(self, name, &error);
        registry_answer_entry(call, (Entry *) network, error);
}

/* Where the files would be. */
#define SHOWN_FOLDER "/run/virtbus/network"

static void answer_files(Call *call, const DnsmasqFiles *files, const char *rules) {
        const struct {
                const char *name, *text;
        } shown[] = { { "dnsmasq.conf", files->configuration },
                      { "dhcp-hosts", files->leases },
                      { "hosts", files->names },
                      { "nftables", rules } };
        sd_bus_message *answer = NULL;
        int r = call_begin_answer(call, &answer);
        if (r >= 0)
                r = sd_bus_message_open_container(answer, 'a', "{ss}");
        for (size_t i = 0; i < G_N_ELEMENTS(shown) && r >= 0; i++)
                if (shown[i].text)
                        r = sd_bus_message_append(answer, "{ss}", shown[i].name, shown[i].text);
        if (r >= 0)
                r = sd_bus_message_close_container(answer);
        if (r >= 0)
                call_send_answer(call, answer);
        else
                call_fail_errno(call, r);
        sd_bus_message_unref(answer);
}

/* With a bridge, whatever that will be. */
static NetworkDefinition *read_shown(const char *xml, GError **error) {
        g_autoptr(NetworkDefinition) definition = network_definition_parse(xml, error);
        if (definition && network_definition_lacks_bridge(definition))
                return network_definition_with_bridge(definition, "virbr0", error);
        return g_steal_pointer(&definition);
}

static void bus_network_xml_to_native(Call *call, Networks *self, const char *xml, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        (void) self;
        g_autoptr(NetworkDefinition) definition = options_read(options, &error, NULL) ? read_shown(xml, &error) : NULL;
        g_autoptr(DnsmasqFiles) files = definition && dnsmasq_is_needed(definition) ? dnsmasq_files_new(definition, SHOWN_FOLDER)
                                                                                    : g_new0(DnsmasqFiles, 1);
        g_autofree char *rules = definition && rules_are_needed(definition) ? rules_text(definition) : NULL;
        if (definition)
                answer_files(call, files, rules);
        else
                call_fail(call, error);
}

static const Vtable *const vtables[] = { &bus_vtable, NULL };

static void publish_more(Entry *entry) {
        ((Networks *) entry->registry)->lease_told = network_bus_tell_lease;
        ports_publish((Network *) entry, port_vtables);
}

static void withdraw_ports(Entry *entry) {
        ports_withdraw((Network *) entry);
}

const RegistryFace networks_face = {
        .registry = vtables,
        .entry = network_vtables,
        .published = publish_more,
        .withdraw = withdraw_ports,
};
