/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/filter-rule.h"

#include <stdlib.h>
#include <string.h>

/* Protocols. What two attributes say together: */

typedef enum FieldNeeds {
        NEEDS_NOTHING,
        NEEDS_OTHER,  /* the attribute that it names */
        NEEDS_PORTS,  /* a protocol with ports */
        NEEDS_ICMPV6, /* the protocol icmpv6 */
} FieldNeeds;

typedef struct FilterField {
        const char *name;
        const FilterValue *value;
        const char *other; /* which it needs: what it is a mask or the end of */
        FieldNeeds needs;  /* besides */
} FilterField;

struct FilterProtocol {
        const char *name;
        FilterField fields[FILTER_FIELDS_MAX]; /* in libvirt's order; a NULL at the end */
};

#define FIELD(field, value_) \
        { .name = (field), .value = &filter_value_##value_ }
#define BELOW(field, value_, whose) \
        { .name = (field), .value = &filter_value_##value_, .other = (whose) }
#define FIELD_IF(field, value_, need) \
        { .name = (field), .value = &filter_value_##value_, .needs = (need) }
#define BELOW_IF(field, value_, whose, need) \
        { .name = (field), .value = &filter_value_##value_, .other = (whose), .needs = (need) }

#define SOURCE_MAC FIELD("srcmacaddr", mac)
#define SOURCE_MAC_AND_MASK SOURCE_MAC, BELOW("srcmacmask", mac_mask, "srcmacaddr")
#define MACS SOURCE_MAC_AND_MASK, FIELD("dstmacaddr", mac), BELOW("dstmacmask", mac_mask, "dstmacaddr")
#define COMMENT FIELD("comment", comment)
#define ADDRESSES(version) \
        FIELD("srcipaddr", version), BELOW("srcipmask", version##_mask, "srcipaddr"), FIELD("dstipaddr", version), \
                        BELOW("dstipmask", version##_mask, "dstipaddr")
#define BLOCKS(version) \
        FIELD("srcipfrom", version), BELOW("srcipto", version, "srcipfrom"), FIELD("dstipfrom", version), \
                        BELOW("dstipto", version, "dstipfrom")
#define PORTS(need) \
        FIELD_IF("srcportstart", u16, need), BELOW_IF("srcportend", u16, "srcportstart", need), \
                        FIELD_IF("dstportstart", u16, need), BELOW_IF("dstportend", u16, "dstportstart", need)

/* What is above IP, and how connections are tracked. */
#define TRACKED(version) \
        SOURCE_MAC, ADDRESSES(version), BLOCKS(version), FIELD("dscp", dscp), FIELD("connlimit-above", u16), \
                        FIELD("state", state), FIELD("ipset", ipset), BELOW("ipsetflags", ipset_flags, "ipset")
#define PLAIN(protocol, version) \
        { \
                protocol, { \
                        TRACKED(version), COMMENT \
                } \
        }
#define WITH_PORTS(protocol, version) \
        { \
                protocol, { \
                        TRACKED(version), PORTS(NEEDS_NOTHING), COMMENT \
                } \
        }
#define ARP(protocol) \
        { \
                protocol, { \
                        MACS, FIELD("hwtype", u16), FIELD("protocoltype", u16), FIELD("opcode", opcode), \
                                        FIELD("arpsrcmacaddr", mac), FIELD("arpdstmacaddr", mac), FIELD("arpsrcipaddr", ipv4), \
                                        BELOW("arpsrcipmask", ipv4_mask, "arpsrcipaddr"), FIELD("arpdstipaddr", ipv4), \
                                        BELOW("arpdstipmask", ipv4_mask, "arpdstipaddr"), FIELD("gratuitous", boolean), COMMENT \
                } \
        }
#define STP_RANGE(field, value_) FIELD(field, value_), BELOW(field "-hi", value_, field)

static const FilterProtocol protocols[] = {
        { "mac", { MACS, FIELD("protocolid", ether_type), COMMENT } },
        { "vlan", { MACS, FIELD("vlanid", vlan_id), FIELD("encap-protocol", encapsulated), COMMENT } },
        { "stp",
          { SOURCE_MAC_AND_MASK, FIELD("type", u8), FIELD("flags", u8), STP_RANGE("root-priority", u16),
            FIELD("root-address", mac), BELOW("root-address-mask", mac_mask, "root-address"), STP_RANGE("root-cost", u32),
            STP_RANGE("sender-priority", u16), FIELD("sender-address", mac),
            BELOW("sender-address-mask", mac_mask, "sender-address"), STP_RANGE("port", u16), STP_RANGE("age", u16),
            STP_RANGE("max-age", u16), STP_RANGE("hello-time", u16), STP_RANGE("forward-delay", u16), COMMENT } },
        ARP("arp"),
        ARP("rarp"),
        { "ip", { MACS, ADDRESSES(ipv4), FIELD("protocol", protocol), PORTS(NEEDS_PORTS), FIELD("dscp", dscp), COMMENT } },
        { "ipv6",
          { MACS, ADDRESSES(ipv6), FIELD("protocol", protocol), PORTS(NEEDS_PORTS), FIELD_IF("type", u8, NEEDS_ICMPV6),
            BELOW_IF("typeend", u8, "type", NEEDS_ICMPV6), FIELD_IF("code", u8, NEEDS_ICMPV6),
            BELOW_IF("codeend", u8, "code", NEEDS_ICMPV6), COMMENT } },
        WITH_PORTS("udp", ipv4),
        WITH_PORTS("sctp", ipv4),
        WITH_PORTS("udp-ipv6", ipv6),
        WITH_PORTS("sctp-ipv6", ipv6),
        { "tcp", { TRACKED(ipv4), PORTS(NEEDS_NOTHING), FIELD("flags", tcp_flags), COMMENT } },
        { "tcp-ipv6", { TRACKED(ipv6), PORTS(NEEDS_NOTHING), FIELD("flags", tcp_flags), COMMENT } },
        { "icmp", { TRACKED(ipv4), FIELD("type", u8), FIELD("code", u8), COMMENT } },
        { "icmpv6", { TRACKED(ipv6), FIELD("type", u8), FIELD("code", u8), COMMENT } },
        PLAIN("igmp", ipv4),
        PLAIN("esp", ipv4),
        PLAIN("ah", ipv4),
        PLAIN("udplite", ipv4),
        PLAIN("all", ipv4),
        PLAIN("esp-ipv6", ipv6),
        PLAIN("ah-ipv6", ipv6),
        PLAIN("udplite-ipv6", ipv6),
        PLAIN("all-ipv6", ipv6),
};

void filter_rule_free(FilterRule *rule) {
        for (size_t i = 0; i < FILTER_FIELDS_MAX; i++)
                g_free(rule->values[i]);
        g_free(rule);
}

const char *filter_protocol_name(const FilterProtocol *protocol) {
        return protocol->name;
}

const char *filter_protocol_field(const FilterProtocol *protocol, unsigned i) {
        return i < FILTER_FIELDS_MAX ? protocol->fields[i].name : NULL;
}

const FilterValue *filter_protocol_value(const FilterProtocol *protocol, unsigned i) {
        return protocol->fields[i].value;
}

/* Reading */

bool filter_read_priority(const xmlNode *element, int *priority, GError **error) {
        g_autofree char *text = xml_attribute(element, "priority");
        if (!text)
                return true;
        const char *digits = text + (text[0] == '-');
        size_t n = strlen(digits);
        int number = atoi(text);
        if (n == 0 || n > 5 || strspn(digits, "0123456789") != n || number < FILTER_PRIORITY_MIN || number > FILTER_PRIORITY_MAX)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                "priority is '%.64s'; it must be a number from %d to %d", text, FILTER_PRIORITY_MIN,
                                FILTER_PRIORITY_MAX);
        *priority = number;
        return true;
}

static const FilterProtocol *find_protocol(const xmlNode *element) {
        for (size_t i = 0; i < G_N_ELEMENTS(protocols); i++)
                if (xml_is(element, protocols[i].name))
                        return &protocols[i];
        return NULL;
}

/* The field's place; -1 where the protocol does not have it. */
static int find_field(const FilterProtocol *protocol, const char *name) {
        for (int i = 0; i < FILTER_FIELDS_MAX && protocol->fields[i].name; i++)
                if (strcmp(protocol->fields[i].name, name) == 0)
                        return i;
        return -1;
}

static bool read_field(FilterRule *rule, const xmlNode *element, const char *name, bool negated, GError **error) {
        int i = find_field(rule->protocol, name);
        g_autofree char *text = xml_attribute(element, name);
        if (i < 0)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "the attribute '%.64s' is not known; leave it out",
                                name);
        const FilterField *field = &rule->protocol->fields[i];
        if (rule->values[i])
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                "another element of the rule has '%s' as well: leave one out", name);
        rule->values[i] = filter_value_read(field->value, text);
        rule->negated[i] = negated && !field->value->is_mask && field->value != &filter_value_comment;
        g_autofree char *printable = g_strescape(text, NULL);
        return rule->values[i] ||
               xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "%s is '%.64s'; it must be %s%s", name, printable,
                        field->value->what, field->value->is_constant ? "" : ", or a variable: $NAME");
}

static bool read_element(FilterRule *rule, xmlNode *element, GError **error) {
        static const char *const answers[] = { "yes", "no", NULL };
        const FilterProtocol *protocol = element->ns ? NULL : find_protocol(element);
        if (!protocol)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "it is not a protocol that rules know; leave it out");
        if (rule->protocol && rule->protocol != protocol)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "the rule is one of <%s>: make another rule of this",
                                rule->protocol->name);
        if (xml_child(element, NULL))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_child(element, NULL),
                                "it is not known in <%s>; leave it out", protocol->name);
        if (!xml_one_of(element, "match", answers, error))
                return false;
        bool negated = xml_attribute_is(element, "match", "no");
        rule->protocol = protocol;
        for (const xmlAttr *attribute = element->properties; attribute; attribute = attribute->next)
                if (strcmp((const char *) attribute->name, "match") != 0 &&
                    !read_field(rule, element, (const char *) attribute->name, negated, error))
                        return false;
        return true;
}

/* What values say together */

const char *filter_rule_value(const FilterRule *rule, const char *name) {
        int i = rule->protocol ? find_field(rule->protocol, name) : -1;
        return i < 0 ? NULL : rule->values[i];
}

/* Those that come after libvirt's words have the number of dccp, which has ports too. */
static bool has_ports(const char *protocol) {
        static const char *const with_ports[] = { "tcp", "udp", "sctp", "33", "0x21", NULL };
        return g_strv_contains(with_ports, protocol) || protocol[0] == '$';
}

static bool check_order(const FilterRule *rule, const xmlNode *element, const FilterField *field, const char *end,
                        GError **error) {
        const char *start = filter_rule_value(rule, field->other);
        if (!filter_value_is_number(field->value) || start[0] == '$' || end[0] == '$' ||
            g_ascii_strtoull(start, NULL, 0) <= g_ascii_strtoull(end, NULL, 0))
                return true;
        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "%s, %s, is less than %s, %s: a range goes up", field->name,
                        end, field->other, start);
}

static bool check_field(const FilterRule *rule, const xmlNode *element, size_t i, GError **error) {
        const FilterField *field = &rule->protocol->fields[i];
        const char *protocol = filter_rule_value(rule, "protocol");
        if (field->other && !filter_rule_value(rule, field->other))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                "%s means nothing without %s: add it, or leave this out", field->name, field->other);
        if (field->needs == NEEDS_PORTS && (!protocol || !has_ports(protocol)))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                "%s needs a protocol that has ports: add protocol='tcp', 'udp' or 'sctp'", field->name);
        if (field->needs == NEEDS_ICMPV6 && (!protocol || (strcmp(protocol, "icmpv6") != 0 && protocol[0] != '$')))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "%s needs protocol='icmpv6'", field->name);
        return !field->other || check_order(rule, element, field, rule->values[i], error);
}

static bool check_match(const FilterRule *rule, const xmlNode *element, GError **error) {
        for (size_t i = 0; rule->protocol && i < FILTER_FIELDS_MAX; i++)
                if (rule->values[i] && !check_field(rule, element, i, error))
                        return false;
        return true;
}

/* Writing */

/* One after the other: where one is negated and its neighbours are not, it has an element of its own. */
static void write_match(const FilterRule *rule, xmlNode *into) {
        xmlNode *element = NULL;
        bool negated = false;
        for (size_t i = 0; rule->protocol && i < FILTER_FIELDS_MAX; i++) {
                if (!rule->values[i])
                        continue;
                bool is_mask = rule->protocol->fields[i].value->is_mask;
                if (!element || (!is_mask && negated != rule->negated[i])) {
                        negated = rule->negated[i];
                        element = xml_add(into, rule->protocol->name, NULL);
                        if (negated)
                                xml_set_attribute(element, "match", "no");
                }
                xml_set_attribute(element, rule->protocol->fields[i].name, rule->values[i]);
        }
        if (rule->protocol && !element)
                xml_add(into, rule->protocol->name, NULL);
}

static void remove_children(xmlNode *element) {
        for (xmlNode *child = element->children, *next; child; child = next) {
                next = child->next;
                xml_remove(child);
        }
}

/* The rule's own attributes */

bool filter_check_attributes(const xmlNode *element, const char *const *known, GError **error) {
        for (const xmlAttr *attribute = element->properties; attribute; attribute = attribute->next)
                if (attribute->ns || !g_strv_contains(known, (const char *) attribute->name))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                        "the attribute '%.64s' is not known; leave it out", (const char *) attribute->name);
        return true;
}

/* The place of an attribute's value among WORDS, NULL at the end; -1 with an error. */
static int read_word(const xmlNode *element, const char *name, const char *const *words, GError **error) {
        g_autofree char *text = xml_attribute(element, name);
        if (!text)
                xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "the attribute '%s' is missing", name);
        else if (xml_one_of(element, name, words, error))
                for (int i = 0; words[i]; i++)
                        if (strcmp(words[i], text) == 0)
                                return i;
        return -1;
}

static const char *const actions[] = { [FILTER_ACCEPT] = "accept", [FILTER_DROP] = "drop",         [FILTER_REJECT] = "reject",
                                       [FILTER_RETURN] = "return", [FILTER_CONTINUE] = "continue", NULL };
static const char *const directions[] = { [FILTER_IN] = "in", [FILTER_OUT] = "out", [FILTER_INOUT] = "inout", NULL };

static bool read_attributes(FilterRule *rule, const xmlNode *element, GError **error) {
        static const char *const known[] = { "action", "direction", "priority", "statematch", NULL };
        g_autofree char *text = xml_attribute(element, "statematch"),
                        *kept = text ? filter_value_read(&filter_value_boolean, text) : g_strdup("true");
        if (!kept)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "statematch is '%.64s'; it must be true or false",
                                text);
        rule->statematch = strcmp(kept, "true") == 0;
        rule->priority = FILTER_PRIORITY_DEFAULT;
        int action = filter_check_attributes(element, known, error) ? read_word(element, "action", actions, error) : -1;
        int direction = action >= 0 ? read_word(element, "direction", directions, error) : -1;
        rule->action = (FilterAction) action;
        rule->direction = (FilterDirection) direction;
        return direction >= 0 && filter_read_priority(element, &rule->priority, error);
}

static void write_rule(const FilterRule *rule, xmlNode *element) {
        xml_set_number(element, "priority", rule->priority);
        xmlUnsetProp(element, (const xmlChar *) "statematch");
        if (!rule->statematch)
                xml_set_attribute(element, "statematch", "false");
        remove_children(element);
        write_match(rule, element);
}

FilterRule *filter_rule_read(xmlNode *element, GError **error) {
        g_autoptr(FilterRule) rule = g_new0(FilterRule, 1);
        if (!read_attributes(rule, element, error))
                return NULL;
        for (xmlNode *child = xml_child(element, NULL); child; child = xml_next(child, NULL))
                if (!read_element(rule, child, error))
                        return NULL;
        if (!check_match(rule, element, error))
                return NULL;
        write_rule(rule, element);
        return g_steal_pointer(&rule);
}
