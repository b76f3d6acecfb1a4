/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/network-bus.h"

#include <string.h>

#include "base/registry-answer.h"
#include "domain/definition-edit.h"
#include "domain/metadata.h"
#include "network/lease-bus.h"
#include "network/network-update.h"
#include "network/port-bus.h"
#include "network/run.h"
#include "network/value.h"
#include "options.h"
#include "vtables.h"

NETWORK_VTABLE(Network, bus);

#define NETWORK_PROPERTY(type, name, value) \
        static type bus_get_##name(const Network *self) { \
                return value; \
        }

NETWORK_PROPERTY(const char *, name, network_definition(self)->name)
NETWORK_PROPERTY(const char *, uuid, network_definition(self)->uuid)
NETWORK_PROPERTY(const char *, title, run_live(self)->title)
NETWORK_PROPERTY(const char *, description, run_live(self)->description)
NETWORK_PROPERTY(const char *, forward_mode, run_live(self)->mode)
NETWORK_PROPERTY(const char *, bridge, run_live(self)->bridge)
NETWORK_PROPERTY(const char *, domain_name, run_live(self)->domain)
NETWORK_PROPERTY(uint32_t, mtu, run_live(self)->mtu)
NETWORK_PROPERTY(bool, active, run_is_active(self))
NETWORK_PROPERTY(bool, persistent, !network_definition(self)->is_transient)
NETWORK_PROPERTY(uint32_t, owner, self->entry.kept.owner)
NETWORK_PROPERTY(bool, autostart, self->entry.kept.autostart)

static int bus_get_forward_interfaces(const Network *self, sd_bus_message *m) {
        return sd_bus_message_append_strv(m, run_live(self)->interfaces);
}

static int bus_get_obstacles(const Network *self, sd_bus_message *m) {
        g_autofree char **strings = run_obstacles(self);
        return sd_bus_message_append_strv(m, strings);
}

static int bus_get_addresses(const Network *self, sd_bus_message *m) {
        const NetworkDefinition *definition = run_live(self);
        int r = sd_bus_message_open_container(m, 'a', "(su)");
        for (size_t i = 0; i < definition->n_subnets && r >= 0; i++) {
                g_autofree char *text = address_text(&definition->subnets[i].address);
                r = sd_bus_message_append(m, "(su)", text, definition->subnets[i].prefix);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static void bus_get_xml(Call *call, Network *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        bool inactive = false;
        if (options_read(options, &error, "inactive", 'b', &inactive, NULL))
                reply_network_get_xml(call, inactive ? network_definition(self)->xml : run_live(self)->xml);
        else
                call_fail(call, error);
}

static void bus_undefine(Call *call, Network *self, sd_bus_message *options) {
        if (registry_check_options(call, options))
                network_undefine(self, registry_answer_nothing, call);
}

static void bus_start(Call *call, Network *self, sd_bus_message *options) {
        if (registry_check_options(call, options))
                run_start(self, registry_answer_nothing, call);
}

static void bus_stop(Call *call, Network *self, sd_bus_message *options) {
        if (registry_check_options(call, options))
                run_stop(self, registry_answer_nothing, call);
}

static void bus_add_port(Call *call, Network *self, const char *domain_name, const char *domain_uuid, const char *mac,
                         sd_bus_message *options) {
        port_bus_add(call, self, domain_name, domain_uuid, mac, options);
}

static void bus_get_leases(Call *call, Network *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        const char *mac = NULL;
        bool fine = options_read(options, &error, "mac", 's', &mac, NULL) &&
                    (!mac || value_mac.check(&value_mac, mac) ||
                     virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "'%.64s' is not %s", mac, value_mac.what));
        if (!fine) {
                call_fail(call, error);
                return;
        }
        g_autoptr(GPtrArray) leases = run_leases(self, mac);
        lease_bus_answer(call, self, leases);
}

static void bus_update(Call *call, Network *self, const char *command, const char *section, int32_t parent_index, const char *xml,
                       sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        bool live = false, config = false;
        NetworkEdit *edit = options_read(options, &error, "live", 'b', &live, "config", 'b', &config, NULL)
                                            ? network_edit_read(command, section, parent_index, xml, &error)
                                            : NULL;
        if (edit)
                network_update(self, edit, live, config, registry_answer_nothing, call);
        else
                call_fail(call, error);
}

static void bus_set_autostart(Call *call, Network *self, bool value) {
        network_set_autostart(self, value, registry_answer_nothing, call);
}

static void bus_get_metadata(Call *call, Network *self, const char *uri, sd_bus_message *options) {
        if (!registry_check_options(call, options))
                return;
        xmlNode *element = definition_edit_find_metadata(xmlDocGetRootElement(network_definition(self)->document), uri);
        g_autofree char *text = element ? xml_element_alone(element) : g_strdup("");
        reply_network_get_metadata(call, text);
}

static void bus_set_metadata(Call *call, Network *self, const char *uri, const char *key, const char *xml,
                             sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        xmlDoc *metadata = NULL;
        if (options_read(options, &error, NULL) && metadata_parse(uri, key, xml, &metadata, &error))
                network_set_metadata(self, uri, metadata, registry_answer_nothing, call);
        else
                call_fail(call, error);
}

void network_bus_tell_lease(void *network, LeaseChange change, const Lease *lease) {
        lease_bus_signal(network, &bus_vtable, change, lease);
}

const Vtable *const network_vtables[] = { &bus_vtable, NULL };
