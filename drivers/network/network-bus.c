/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/network-bus.h"

#include <string.h>

#include "domain/definition-edit.h"
#include "domain/metadata.h"
#include "options.h"
#include "vtables.h"

NETWORK_VTABLE(Network, bus);

#define NETWORK_PROPERTY(type, name, value) \
        static type bus_get_##name(const Network *self) { \
                return value; \
        }

NETWORK_PROPERTY(const char *, name, self->definition->name)
NETWORK_PROPERTY(const char *, uuid, self->definition->uuid)
NETWORK_PROPERTY(const char *, title, self->definition->title)
NETWORK_PROPERTY(const char *, description, self->definition->description)
NETWORK_PROPERTY(const char *, forward_mode, self->definition->mode)
NETWORK_PROPERTY(const char *, bridge, self->definition->bridge)
NETWORK_PROPERTY(const char *, domain_name, self->definition->domain)
NETWORK_PROPERTY(uint32_t, mtu, self->definition->mtu)
NETWORK_PROPERTY(uint32_t, owner, self->owner)
NETWORK_PROPERTY(bool, autostart, self->autostart)

static int bus_get_forward_interfaces(const Network *self, sd_bus_message *m) {
        return sd_bus_message_append_strv(m, self->definition->interfaces);
}

static int bus_get_addresses(const Network *self, sd_bus_message *m) {
        const NetworkDefinition *definition = self->definition;
        int r = sd_bus_message_open_container(m, 'a', "(su)");
        for (size_t i = 0; i < definition->n_subnets && r >= 0; i++) {
                g_autofree char *text = address_text(&definition->subnets[i].address);
                r = sd_bus_message_append(m, "(su)", text, definition->subnets[i].prefix);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* Whether a method has the options that it takes: none are defined yet. */
static bool check_options(Call *call, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        bool fine = options_read(options, &error, NULL);
        if (!fine)
                call_fail(call, error);
        return fine;
}

static void bus_get_xml(Call *call, Network *self, sd_bus_message *options) {
        if (check_options(call, options))
                reply_network_get_xml(call, self->definition->xml);
}

/* A change answers nothing, or why it is not made. */
static void answer_change(void *call, Network *network, const GError *error) {
        (void) network;
        if (error)
                call_fail(call, error);
        else
                call_reply(call, "");
}

static void bus_undefine(Call *call, Network *self, sd_bus_message *options) {
        if (check_options(call, options))
                network_undefine(self, answer_change, call);
}

static void bus_set_autostart(Call *call, Network *self, bool value) {
        network_set_autostart(self, value, answer_change, call);
}

static void bus_get_metadata(Call *call, Network *self, const char *uri, sd_bus_message *options) {
        if (!check_options(call, options))
                return;
        xmlNode *element = definition_edit_find_metadata(xmlDocGetRootElement(self->definition->document), uri);
        g_autofree char *text = element ? xml_element_text(element) : g_strdup("");
        reply_network_get_metadata(call, text);
}

static void bus_set_metadata(Call *call, Network *self, const char *uri, const char *key, const char *xml,
                             sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        xmlDoc *metadata = NULL;
        if (options_read(options, &error, NULL) && metadata_parse(uri, key, xml, &metadata, &error))
                network_set_metadata(self, uri, metadata, answer_change, call);
        else
                call_fail(call, error);
}

/* Publishing */

static void publish(Network *network) {
        static const Vtable *const vtables[] = { &bus_vtable, NULL };
        g_autofree char *path = g_strdup_printf("%s/network/%s", network->networks->path, network->definition->uuid);
        network->published = objects_publish(network->networks->objects, g_strdelimit(path, "-", '_'), network, vtables);
}

static void withdraw(Network *network) {
        g_clear_pointer(&network->published, published_withdraw);
}

static void tell_changed(Network *network) {
        published_changed(network->published, &bus_vtable, NULL);
}

const NetworkListener network_bus_listener = { .added = publish, .changed = tell_changed, .removed = withdraw };
