/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/rules.h"

#include <string.h>

#include "network/document-check.h"

#define TABLE "inet virtbus"

/* Names begin so that none is a word of nft's. */
#define FRAME \
        "add table " TABLE "\n" \
        "add map " TABLE " guests_to { type ifname : verdict; }\n" \
        "add map " TABLE " guests_from { type ifname : verdict; }\n" \
        "add map " TABLE " guests_nat { type ifname : verdict; }\n" \
        "add chain " TABLE " guests_forward { type filter hook forward priority filter; policy accept; }\n" \
        "add chain " TABLE " guests_postrouting { type nat hook postrouting priority srcnat; policy accept; }\n"

/* What the target of a packet says counts first. */
#define HOOKS \
        "flush chain " TABLE " guests_forward\n" \
        "flush chain " TABLE " guests_postrouting\n" \
        "add rule " TABLE " guests_forward oifname vmap @guests_to\n" \
        "add rule " TABLE " guests_forward iifname vmap @guests_from\n" \
        "add rule " TABLE " guests_postrouting iifname vmap @guests_nat\n"

/* Ports from which nobody takes a guest for a program of root's. */
#define PORTS "1024-65535"

static const char *const parts[] = { "to", "from", "nat" };

/* A network's part of the table that is being written. */
typedef struct Rules {
        const NetworkDefinition *definition;
        const xmlNode *nat;      /* <nat>, or NULL */
        const char *way;         /* the only interface that leads outwards, or NULL */
        bool forwards, masks[2]; /* of IPv4, of IPv6: behind an address of the host's */
        char *id;
        GString *text;
} Rules;

static void add(Rules *rules, const char *part, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void add(Rules *rules, const char *part, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        g_string_append_printf(rules->text, "add rule " TABLE " net_%s_%s ", rules->id, part);
        g_string_append_vprintf(rules->text, format, arguments);
        g_string_append_c(rules->text, '\n');
        va_end(arguments);
}

static void begin(Rules *rules, const NetworkDefinition *definition) {
        const xmlNode *root = xmlDocGetRootElement(definition->document);
        bool is_nat = strcmp(definition->mode, "nat") == 0;
        const xmlNode *nat = is_nat ? xml_find(root, "forward/nat") : NULL;
        *rules = (Rules){ .definition = definition,
                          .nat = nat,
                          .way = definition->interfaces[0],
                          .forwards = is_nat || strcmp(definition->mode, "route") == 0,
                          .masks = { is_nat, is_nat && xml_attribute_is(nat, "ipv6", "yes") },
                          .text = g_string_new(FRAME) };
        g_auto(GStrv) pieces = g_strsplit(definition->uuid, "-", -1);
        rules->id = g_strjoinv("", pieces);
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
                g_string_append_printf(rules->text,
                                       "add chain " TABLE " net_%s_%s\n"
                                       "flush chain " TABLE " net_%s_%s\n",
                                       rules->id, parts[i], rules->id, parts[i]);
}

static char *finish(Rules *rules) {
        g_free(rules->id);
        return g_string_free(rules->text, FALSE);
}

static void add_elements(Rules *rules, const char *verb) {
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
                g_string_append_printf(rules->text, "%s element " TABLE " guests_%s { \"%s\" : jump net_%s_%s }\n", verb,
                                       parts[i], rules->definition->bridge, rules->id, parts[i]);
}

/* The block as nft writes it, and what it is a block of. */
static char *block_of(const Subnet *subnet, const char **family) {
        Address first = subnet_first(subnet);
        g_autofree char *text = address_text(&first);
        *family = subnet->address.family == AF_INET ? "ip" : "ip6";
        return g_strdup_printf("%s/%u", text, subnet->prefix);
}

/* Forwarding */

static void add_ways(Rules *rules, const Subnet *subnet) {
        const char *family;
        g_autofree char *block = block_of(subnet, &family),
                        *in = rules->way ? g_strdup_printf("iifname \"%s\" ", rules->way) : g_strdup(""),
                        *out = rules->way ? g_strdup_printf("oifname \"%s\" ", rules->way) : g_strdup("");
        bool answers_alone = rules->masks[subnet->address.family == AF_INET6];
        add(rules, "to", "%s%s daddr %s %sreturn", in, family, block, answers_alone ? "ct state established,related " : "");
        add(rules, "from", "%s%s saddr %s accept", out, family, block);
}

static void add_forwarding(Rules *rules) {
        const NetworkDefinition *definition = rules->definition;
        add(rules, "to", "iifname \"%s\" return", definition->bridge);
        add(rules, "from", "oifname \"%s\" accept", definition->bridge);
        for (size_t i = 0; i < definition->n_subnets && rules->forwards; i++)
                add_ways(rules, &definition->subnets[i]);
        add(rules, "to", "reject");
        add(rules, "from", "reject");
}

/* Addresses of the host's */

/* What a range of the document is, as "START-END", or only START; NULL where there is none. */
static char *range_of(const xmlNode *element) {
        g_autofree char *start = xml_attribute(element, "start"), *end = xml_attribute(element, "end");
        return !start || !end || strcmp(start, end) == 0 ? g_steal_pointer(&start) : g_strdup_printf("%s-%s", start, end);
}

/* IPv4 alone has a range of addresses. */
static void add_mask(Rules *rules, const Subnet *subnet) {
        const char *family;
        bool is_6 = subnet->address.family == AF_INET6;
        g_autofree char *block = block_of(subnet, &family), *addresses = is_6 ? NULL : range_of(xml_child(rules->nat, "address")),
                        *given = range_of(xml_child(rules->nat, "port")),
                        *ports = given ? g_steal_pointer(&given) : g_strdup(PORTS),
                        *out = rules->way ? g_strdup_printf("oifname \"%s\" ", rules->way) : g_strdup(""),
                        *what = g_strdup_printf("%s%s saddr %s %s daddr != %s", out, family, block, family, block),
                        *how = addresses ? g_strdup_printf("snat %s to %s", family, addresses) : g_strdup("masquerade");
        add(rules, "nat", "%s meta l4proto { tcp, udp } %s%s:%s", what, how, addresses ? "" : " to ", ports);
        add(rules, "nat", "%s %s", what, how);
}

static void add_masks(Rules *rules) {
        const NetworkDefinition *definition = rules->definition;
        if (rules->masks[0])
                add(rules, "nat", "ip daddr { 224.0.0.0/24, 255.255.255.255 } return");
        if (rules->masks[1])
                add(rules, "nat", "ip6 daddr ff02::/16 return");
        for (size_t i = 0; i < definition->n_subnets; i++)
                if (rules->masks[definition->subnets[i].address.family == AF_INET6])
                        add_mask(rules, &definition->subnets[i]);
}

bool rules_are_needed(const NetworkDefinition *definition) {
        return document_mode_has_bridge(definition->mode) && strcmp(definition->mode, "open") != 0;
}

char *rules_text(const NetworkDefinition *definition) {
        Rules rules;
        begin(&rules, definition);
        add_forwarding(&rules);
        add_masks(&rules);
        add_elements(&rules, "add");
        g_string_append(rules.text, HOOKS);
        return finish(&rules);
}

/* What is not there cannot be deleted: it is added first. */
char *rules_removal(const NetworkDefinition *definition) {
        Rules rules;
        begin(&rules, definition);
        add_elements(&rules, "add");
        add_elements(&rules, "delete");
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
                g_string_append_printf(rules.text, "delete chain " TABLE " net_%s_%s\n", rules.id, parts[i]);
        return finish(&rules);
}
