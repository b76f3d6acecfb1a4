/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The addresses of a guest's cards: of leases or of the host's table of neighbours, or as its agent tells. */

#include <string.h>

#include "calls.h"
#include "rows.h"
#include "usage.h"

#define CARD INTERFACE("Device.NetworkInterface")

#define IPV4 0
#define IPV6 1

typedef enum AddressSource {
        SOURCE_LEASE,
        SOURCE_AGENT,
        SOURCE_ARP,
} AddressSource;

static const char *const sources[] = { [SOURCE_LEASE] = "lease", [SOURCE_AGENT] = "agent", [SOURCE_ARP] = "arp" };

/* The cards of a domain, asked one after another. */
typedef struct Cards {
        GPtrArray *cards; /* UsageDevice */
        unsigned int next;
        GVariantBuilder interfaces;
} Cards;

static void cards_free(void *data) {
        Cards *cards = data;
        g_ptr_array_unref(cards->cards);
        g_variant_builder_clear(&cards->interfaces);
        g_free(cards);
}

static void ask_next_card(Call *call);

static void on_addresses(Call *call, GVariant *reply) {
        Cards *cards = call->state;
        const UsageDevice *card = cards->cards->pdata[cards->next++];
        g_autoptr(GVariantIter) iterator = NULL;
        GVariantBuilder addresses;
        const char *address;
        uint32_t prefix, n = 0;
        g_variant_builder_init(&addresses, G_VARIANT_TYPE("a(isu)"));
        g_variant_get(reply, "(a(su))", &iterator);
        for (; g_variant_iter_loop(iterator, "(&su)", &address, &prefix); n++)
                g_variant_builder_add(&addresses, "(isu)", strchr(address, ':') ? IPV6 : IPV4, address, prefix);
        g_autoptr(GVariant) all = g_variant_ref_sink(g_variant_builder_end(&addresses));
        if (n > 0)
                g_variant_builder_add(&cards->interfaces, "(sms@a(isu))", card->name, card->source, all);
        ask_next_card(call);
}

static void ask_next_card(Call *call) {
        Cards *cards = call->state;
        uint32_t source;
        g_variant_get_child(call->arguments, 1, "u", &source);
        if (cards->next < cards->cards->len) {
                const UsageDevice *card = cards->cards->pdata[cards->next];
                call_ask(call, card->path, CARD, "GetAddresses", g_variant_new("(sa{sv})", sources[source], NULL), "(a(su))",
                         on_addresses);
        } else
                call_answer(call, g_variant_new("(@a(smsa(isu)))", g_variant_builder_end(&cards->interfaces)));
}

static void on_cards(Call *call, GVariant *reply) {
        g_autoptr(GVariant) objects = g_variant_get_child_value(reply, 0);
        Cards *cards = g_new0(Cards, 1);
        cards->cards = usage_cards(objects);
        g_variant_builder_init(&cards->interfaces, G_VARIANT_TYPE("a(smsa(isu))"));
        call->state = cards;
        call->free_state = cards_free;
        ask_next_card(call);
}

/* What the agent knows of one interface's addresses. */
static GVariant *agent_addresses(GVariant *interface) {
        GVariantBuilder addresses;
        g_autoptr(GVariant) all = g_variant_lookup_value(interface, "ip-addresses", G_VARIANT_TYPE("aa{sv}"));
        g_variant_builder_init(&addresses, G_VARIANT_TYPE("a(isu)"));
        for (size_t i = 0; all && i < g_variant_n_children(all); i++) {
                g_autoptr(GVariant) address = g_variant_get_child_value(all, i);
                g_variant_builder_add(&addresses, "(isu)",
                                      strcmp(member_text(address, "ip-address-type"), "ipv6") == 0 ? IPV6 : IPV4,
                                      member_text(address, "ip-address"), (uint32_t) member_number(address, "prefix"));
        }
        return g_variant_builder_end(&addresses);
}

static void on_agent_interfaces(Call *call, GVariant *reply) {
        g_autoptr(GVariant) interfaces = g_variant_get_child_value(reply, 0);
        GVariantBuilder builder;
        g_variant_builder_init(&builder, G_VARIANT_TYPE("a(smsa(isu))"));
        for (size_t i = 0; i < g_variant_n_children(interfaces); i++) {
                g_autoptr(GVariant) interface = g_variant_get_child_value(interfaces, i);
                const char *address = member_text(interface, "hardware-address");
                g_variant_builder_add(&builder, "(sms@a(isu))", member_text(interface, "name"), *address ? address : NULL,
                                      agent_addresses(interface));
        }
        call_answer(call, g_variant_new("(a(smsa(isu)))", &builder));
}

static void on_active_to_list(Call *call, GVariant *properties) {
        uint32_t source;
        (void) properties;
        g_variant_get_child(call->arguments, 1, "u", &source);
        if (source == SOURCE_AGENT)
                row_ask_guest(call, "GetInterfaces", NULL, "(aa{sv})", on_agent_interfaces);
        else
                row_objects(call, on_cards);
}

static void get_addresses(Call *call) {
        uint32_t source;
        g_variant_get_child(call->arguments, 1, "u", &source);
        if (source == SOURCE_AGENT && call->client->read_only)
                call_refuse(call, LIBVIRT_OPERATION_DENIED, "the agent is not asked: the connection was opened to read only");
        else if (source < G_N_ELEMENTS(sources))
                row_if_active(call, on_active_to_list);
        else
                call_refuse(call, LIBVIRT_ARGUMENT_UNSUPPORTED, "argument unsupported: Unknown IP address data source %u",
                            source);
}

const CallRow address_calls[] = {
        { REMOTE_DOMAIN_INTERFACE_ADDRESSES, get_addresses },
        {},
};
