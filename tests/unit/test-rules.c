/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "network/rules.h"

#define UUID "f52a81b2-424e-490c-823d-6bd4235bc573"
#define CHAIN(part) "net_f52a81b2424e490c823d6bd4235bc573_" part
#define RULE(part) "add rule inet virtbus " CHAIN(part) " "
#define NETWORK(forward, more) \
        "<network><name>n</name><uuid>" UUID "</uuid>" forward "<bridge name='br0'/><ip address='10.0.0.9' prefix='24'/>" \
        "<ip family='ipv6' address='fd00::1' prefix='64'/>" more "</network>"

/* Packets themselves are tried in test-network-runs.py: these are lines that the table of rules.h is made of, which there are,
 * and, after "!", are not. */
static const struct {
        const char *xml;
        const char *lines[8];
} cases[] = {
        { NETWORK("<forward mode='nat'/>", ""),
          { RULE("to") "ip daddr 10.0.0.0/24 ct state established,related return", RULE("to") "ip6 daddr fd00::/64 return",
            RULE("from") "ip saddr 10.0.0.0/24 accept", RULE("to") "reject", RULE("from") "reject",
            RULE("nat") "ip saddr 10.0.0.0/24 ip daddr != 10.0.0.0/24 meta l4proto { tcp, udp } masquerade to :1024-65535",
            RULE("nat") "ip saddr 10.0.0.0/24 ip daddr != 10.0.0.0/24 masquerade",
            "!" RULE("nat") "ip6 saddr fd00::/64 ip6 daddr != fd00::/64 masquerade" } },
        { NETWORK("<forward mode='nat'><nat ipv6='yes'/></forward>", ""),
          { RULE("to") "ip6 daddr fd00::/64 ct state established,related return", RULE("nat") "ip6 daddr ff02::/16 return",
            RULE("nat") "ip6 saddr fd00::/64 ip6 daddr != fd00::/64 masquerade" } },
        { NETWORK("<forward mode='nat'><nat><address start='192.0.2.1' end='192.0.2.9'/><port start='500' "
                  "end='900'/></nat></forward>",
                  ""),
          { RULE("nat") "ip saddr 10.0.0.0/24 ip daddr != 10.0.0.0/24 meta l4proto { tcp, udp } snat ip to "
                        "192.0.2.1-192.0.2.9:500-900",
            RULE("nat") "ip saddr 10.0.0.0/24 ip daddr != 10.0.0.0/24 snat ip to 192.0.2.1-192.0.2.9" } },
        { NETWORK("<forward mode='nat' dev='eth0'/>", ""),
          { RULE("to") "iifname \"eth0\" ip daddr 10.0.0.0/24 ct state established,related return",
            RULE("from") "oifname \"eth0\" ip saddr 10.0.0.0/24 accept", "!" RULE("from") "ip saddr 10.0.0.0/24 accept",
            RULE("nat") "oifname \"eth0\" ip saddr 10.0.0.0/24 ip daddr != 10.0.0.0/24 masquerade" } },
        { NETWORK("<forward mode='route'/>", ""),
          { RULE("to") "ip daddr 10.0.0.0/24 return", RULE("from") "ip saddr 10.0.0.0/24 accept", RULE("to") "reject",
            "!" RULE("nat") "ip saddr 10.0.0.0/24 ip daddr != 10.0.0.0/24 masquerade" } },
        { NETWORK("", ""),
          { RULE("to") "iifname \"br0\" return", RULE("from") "oifname \"br0\" accept", RULE("to") "reject",
            RULE("from") "reject", "!" RULE("from") "ip saddr 10.0.0.0/24 accept",
            "!" RULE("to") "ip daddr 10.0.0.0/24 return" } },
};

static bool has_line(const char *text, const char *line) {
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        return g_strv_contains((const char *const *) lines, line);
}

static void test_each_mode_has_its_rules(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GError) error = NULL;
                g_autoptr(NetworkDefinition) definition = network_definition_parse(cases[i].xml, &error);
                g_assert_no_error(error);
                g_assert_true(rules_are_needed(definition));
                g_autofree char *text = rules_text(definition);
                for (const char *const *line = cases[i].lines; line < cases[i].lines + G_N_ELEMENTS(cases[i].lines) && *line;
                     line++) {
                        g_test_message("%s in:\n%s", *line, text);
                        g_assert_true(has_line(text, *line + (**line == '!')) == (**line != '!'));
                }
        }
}

/* What is not let through above is rejected below it, whatever comes before. */
static void test_rejection_is_the_last_rule(void) {
        static const char *const parts[] = { CHAIN("to"), CHAIN("from") };
        g_autoptr(NetworkDefinition) definition = network_definition_parse(cases[0].xml, NULL);
        g_autofree char *text = rules_text(definition);
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
                g_autofree char *start = g_strdup_printf("add rule inet virtbus %s ", parts[i]);
                const char *last = NULL;
                for (char **line = lines; *line; line++)
                        last = g_str_has_prefix(*line, start) ? *line + strlen(start) : last;
                g_assert_cmpstr(last, ==, "reject");
        }
}

/* It is added before it is deleted: one of a table that somebody has flushed is not in the way. */
static void test_removal_needs_nothing_to_be_there(void) {
        static const char *const parts[] = { "to", "from", "nat" };
        g_autoptr(NetworkDefinition) definition = network_definition_parse(cases[0].xml, NULL);
        g_autofree char *text = rules_removal(definition);
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
                g_autofree char *add = g_strdup_printf("add chain inet virtbus " CHAIN("%s"), parts[i]),
                                *delete = g_strdup_printf("delete chain inet virtbus " CHAIN("%s"), parts[i]),
                                *element = g_strdup_printf("delete element inet virtbus guests_%s { \"br0\" : jump " CHAIN(
                                                                           "%s") " }",
                                                           parts[i], parts[i]);
                g_assert_true(has_line(text, add));
                g_assert_true(has_line(text, delete));
                g_assert_true(has_line(text, element));
                g_assert_true(strstr(text, add) < strstr(text, element) && strstr(text, element) < strstr(text, delete));
        }
}

static void test_other_modes_have_none(void) {
        static const char *const documents[] = {
                NETWORK("<forward mode='open'/>", ""),
                "<network><name>n</name><forward mode='bridge'/><bridge name='br0'/></network>",
                "<network><name>n</name><forward mode='private'><interface dev='eth0'/></forward></network>",
        };
        for (size_t i = 0; i < G_N_ELEMENTS(documents); i++) {
                g_autoptr(NetworkDefinition) definition = network_definition_parse(documents[i], NULL);
                g_assert_false(rules_are_needed(definition));
        }
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/rules/each-mode-has-its-rules", test_each_mode_has_its_rules);
        g_test_add_func("/rules/rejection-is-the-last-rule", test_rejection_is_the_last_rule);
        g_test_add_func("/rules/removal-needs-nothing-to-be-there", test_removal_needs_nothing_to_be_there);
        g_test_add_func("/rules/other-modes-have-none", test_other_modes_have_none);
        return g_test_run();
}
