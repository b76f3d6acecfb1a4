/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "network/filter-definition.h"

#define UUID "f52a81b2-424e-490c-823d-6bd4235bc573"

static FilterDefinition *parse(const char *xml) {
        g_autoptr(GError) error = NULL;
        FilterDefinition *definition = filter_definition_parse(xml, &error);
        g_assert_no_error(error);
        return definition;
}

static void contains(const char *text, const char *part) {
        if (!strstr(text, part))
                g_error("'%s' is not in '%s'", part, text);
}

/* Of a filter with a rule that says this. */
static FilterDefinition *with_rule(const char *match, GError **error) {
        g_autofree char *xml = g_strdup_printf("<filter name='n'><rule action='drop' direction='out'>%s</rule></filter>", match);
        return filter_definition_parse(xml, error);
}

static void refuse(const char *xml, const char *part) {
        g_autoptr(GError) error = NULL;
        g_autoptr(FilterDefinition) definition = filter_definition_parse(xml, &error);
        if (definition)
                g_error("'%s' was taken", xml);
        g_assert_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_XML);
        contains(error->message, "line 1, element <");
        contains(error->message, part);
}

static void test_what_is_kept_is_read_again_as_the_same(void) {
        static const char xml[] =
                        "<filter name='n' chain='arp-x'><!-- gone --><rule action='drop' direction='out'><arp/></rule>"
                        "<filterref filter='b'><parameter name='Z' value='1'/><parameter name='A' value='10.0.0.1'/>"
                        "<parameter name='Z' value='0'/></filterref><uuid>" UUID "</uuid><filterref filter='a'/></filter>";
        g_autoptr(FilterDefinition) first = parse(xml), again = parse(first->xml);
        g_assert_cmpstr(first->xml, ==, again->xml);
        g_assert_cmpstr(first->uuid, ==, UUID);
        g_assert_cmpstr(first->name, ==, "n");
        g_assert_cmpstr(first->chain, ==, "arp-x");
        g_assert_cmpint(first->priority, ==, -500);
        g_assert_cmpstr(first->references[0], ==, "b");
        g_assert_cmpstr(first->references[1], ==, "a");
        g_assert_null(first->references[2]);
        contains(first->xml, "<filter name=\"n\" chain=\"arp-x\" priority=\"-500\">");
        contains(first->xml, "priority=\"500\"");
        g_assert_null(strstr(first->xml, "gone"));
        g_assert_true(strstr(first->xml, "<uuid>") < strstr(first->xml, "<rule"));
        const char *a = strstr(first->xml, "name=\"A\""), *one = strstr(first->xml, "value=\"1\""),
                   *zero = strstr(first->xml, "value=\"0\"");
        g_assert_true(a < one && one < zero);
}

static void test_chains_have_their_priorities(void) {
        static const struct {
                const char *attributes;
                const char *chain;
                int priority;
        } cases[] = { { "", "root", 0 },
                      { "chain='root' priority='7'", "root", 0 },
                      { "chain='mac'", "mac", -800 },
                      { "chain='vlan-1'", "vlan-1", -750 },
                      { "chain='ipv4'", "ipv4", -700 },
                      { "chain='ipv6'", "ipv6", -600 },
                      { "chain='rarp'", "rarp", -400 },
                      { "chain='stp'", "stp", 0 },
                      { "chain='ipv4' priority='0'", "ipv4", 0 },
                      { "chain='arp' priority='-1000'", "arp", -1000 },
                      { "chain='arp' priority='1000'", "arp", 1000 } };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *xml = g_strdup_printf("<filter name='n' %s/>", cases[i].attributes);
                g_autoptr(FilterDefinition) definition = parse(xml), again = parse(definition->xml);
                g_assert_cmpint(again->priority, ==, cases[i].priority);
                g_assert_cmpstr(definition->chain, ==, cases[i].chain);
                g_assert_cmpint(definition->priority, ==, cases[i].priority);
        }
}

static void test_rules_are_written_as_libvirt_writes_them(void) {
        static const struct {
                const char *given, *kept;
        } cases[] = {
                { "<mac srcmacaddr='1:2:3:4:5:A' srcmacmask='FF:ff:0:0:0:0' protocolid='0x0806'/>",
                  "<mac srcmacaddr=\"01:02:03:04:05:0a\" srcmacmask=\"ff:ff:00:00:00:00\" protocolid=\"arp\"/>" },
                { "<tcp comment='c' dstportstart='22' srcipaddr='10.0.0.1' srcipmask='255.255.255.0' flags='ack,syn/syn'/>",
                  "<tcp srcipaddr=\"10.0.0.1\" srcipmask=\"24\" dstportstart=\"22\" flags=\"SYN,ACK/SYN\" comment=\"c\"/>" },
                { "<ipv6 srcipaddr='FE80:0::1' srcipmask='ffff::' protocol='58' type='133' typeend='0x88'/>",
                  "<ipv6 srcipaddr=\"fe80::1\" srcipmask=\"16\" protocol=\"icmpv6\" type=\"133\" typeend=\"0x88\"/>" },
                { "<arp opcode='reply' gratuitous='1'/>", "<arp opcode=\"Reply\" gratuitous=\"true\"/>" },
                { "<all state='related,NEW' ipset='x' ipsetflags='SRC,dst'/>",
                  "<all state=\"NEW,RELATED\" ipset=\"x\" ipsetflags=\"src,dst\"/>" },
                { "<udp srcportstart='$A[  @0 ] ' dstportstart='$B[ 2]' dscp='$C[@3]'/>",
                  "<udp dscp=\"$C[@3]\" srcportstart=\"$A\" dstportstart=\"$B[2]\"/>" },
                { "<icmp match='yes'/>", "<icmp/>" },
                { "<vlan vlanid='0xfff' encap-protocol='0x3c'/>", "<vlan vlanid=\"0xfff\" encap-protocol=\"0x3c\"/>" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GError) error = NULL;
                g_autoptr(FilterDefinition) definition = with_rule(cases[i].given, &error);
                g_assert_no_error(error);
                contains(definition->xml, cases[i].kept);
        }
}

static void test_what_is_negated_has_an_element_of_its_own(void) {
        g_autoptr(GError) error = NULL;
        g_autoptr(FilterDefinition) definition = with_rule("<ip match='no' srcipaddr='10.0.0.1' srcipmask='24' dscp='3'/>"
                                                           "<ip protocol='tcp' dstportstart='7'/>",
                                                           &error);
        g_assert_no_error(error);
        const char *first = strstr(definition->xml, "<ip match=\"no\" srcipaddr=\"10.0.0.1\" srcipmask=\"24\"/>"),
                   *second = strstr(definition->xml, "<ip protocol=\"tcp\" dstportstart=\"7\"/>"),
                   *third = strstr(definition->xml, "<ip match=\"no\" dscp=\"3\"/>");
        g_assert_true(first && second && third && first < second && second < third);
}

static void test_what_a_rule_cannot_be_is_refused(void) {
        static const char *const cases[][2] = {
                { "<bogus/>", "not a protocol" },
                { "<tcp bogus='1'/>", "'bogus'" },
                { "<tcp/><udp/>", "<tcp>" },
                { "<tcp><a/></tcp>", "<a>" },
                { "<tcp>text</tcp>", "text" },
                { "<tcp match='perhaps'/>", "match" },
                { "<tcp dscp='1'/><tcp dscp='2'/>", "dscp" },
                { "<tcp srcportstart='65536'/>", "0 to 65535" },
                { "<tcp srcportstart='-1'/>", "0 to 65535" },
                { "<tcp srcportend='1'/>", "srcportstart" },
                { "<tcp srcportstart='9' srcportend='0x8'/>", "goes up" },
                { "<tcp srcipmask='24'/>", "srcipaddr" },
                { "<tcp srcipaddr='::1'/>", "IPv4" },
                { "<tcp-ipv6 srcipaddr='10.0.0.1'/>", "IPv6" },
                { "<tcp srcipaddr='10.0.0.1' srcipmask='33'/>", "0 to 32" },
                { "<tcp srcipaddr='10.0.0.1' srcipmask='255.0.255.0'/>", "0 to 32" },
                { "<tcp srcmacaddr='1:2:3:4:5'/>", "MAC" },
                { "<mac srcmacaddr='1:2:3:4:5:6' srcmacmask='ff:0:ff:0:0:0'/>", "mask" },
                { "<mac protocolid='0x5ff'/>", "0x600" },
                { "<vlan vlanid='4096'/>", "4095" },
                { "<ip srcportstart='1'/>", "protocol" },
                { "<ip protocol='icmp' srcportstart='1'/>", "protocol" },
                { "<ipv6 protocol='tcp' type='1'/>", "icmpv6" },
                { "<icmp type='256'/>", "255" },
                { "<tcp flags='SYN'/>", "'/'" },
                { "<tcp flags='SYN/FOO'/>", "SYN" },
                { "<tcp state='NEW,NONE'/>", "NONE" },
                { "<all ipset='a!' ipsetflags='src'/>", "ipset" },
                { "<all ipset='a' ipsetflags='src,dst,src,dst,src,dst,src'/>", "six" },
                { "<all ipsetflags='src'/>", "ipset" },
                { "<tcp srcportstart='$'/>", "variable" },
                { "<tcp srcportstart='$A-B'/>", "variable" },
                { "<tcp srcportstart='$A[@x]'/>", "variable" },
                { "<tcp srcportstart='$A[1'/>", "variable" },
                { "<tcp state='$A'/>", "NEW" },
                { "<arp opcode='65536'/>", "65535" },
                { "<arp gratuitous='perhaps'/>", "true or false" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *xml = g_strdup_printf("<filter name='n'><rule action='drop' direction='out'>%s</rule></filter>",
                                                       cases[i][0]);
                refuse(xml, cases[i][1]);
        }
}

static void test_what_a_filter_cannot_be_is_refused(void) {
        static const char *const cases[][2] = {
                { "<filter/>", "'name'" },
                { "<filter name='a/b'/>", "name" },
                { "<filter name='n' xmlns='urn:a'/>", "namespace" },
                { "<filter name='n' color='red'/>", "'color'" },
                { "<filter name='n' chain='foo'/>", "chain" },
                { "<filter name='n' chain='arp-abcdefghi'/>", "chain" },
                { "<filter name='n' chain='arp;'/>", "chain" },
                { "<filter name='n' chain='arp' priority='1001'/>", "1000" },
                { "<filter name='n' chain='arp' priority='x'/>", "1000" },
                { "<filter name='n'><uuid>x</uuid></filter>", "UUID" },
                { "<filter name='n'><uuid/><uuid/></filter>", "two of it" },
                { "<filter name='n'><title/></filter>", "not known" },
                { "<filter name='n'>text</filter>", "text" },
                { "<filter name='n'><rule direction='out'/></filter>", "'action'" },
                { "<filter name='n'><rule action='drop'/></filter>", "'direction'" },
                { "<filter name='n'><rule action='DROP' direction='out'/></filter>", "action" },
                { "<filter name='n'><rule action='drop' direction='up'/></filter>", "direction" },
                { "<filter name='n'><rule action='drop' direction='out' priority='-1001'/></filter>", "-1000" },
                { "<filter name='n'><rule action='drop' direction='out' statematch='x'/></filter>", "statematch" },
                { "<filter name='n'><rule action='drop' direction='out' x='x'/></filter>", "'x'" },
                { "<filter name='n'><filterref/></filter>", "'filter'" },
                { "<filter name='n'><filterref filter='a/b'/></filter>", "filter" },
                { "<filter name='n'><filterref filter='a'><x/></filterref></filter>", "<x>" },
                { "<filter name='n'><filterref filter='a'><parameter name='A'/></filterref></filter>", "'value'" },
                { "<filter name='n'><filterref filter='a'><parameter name='a b' value='1'/></filterref></filter>", "variable" },
                { "<filter name='n'><filterref filter='a'><parameter name='A' value='1;2'/></filterref></filter>", "value" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                refuse(cases[i][0], cases[i][1]);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/filter-definition/what is kept is read again as the same", test_what_is_kept_is_read_again_as_the_same);
        g_test_add_func("/filter-definition/chains have their priorities", test_chains_have_their_priorities);
        g_test_add_func("/filter-definition/rules are written as libvirt writes them",
                        test_rules_are_written_as_libvirt_writes_them);
        g_test_add_func("/filter-definition/what is negated has an element of its own",
                        test_what_is_negated_has_an_element_of_its_own);
        g_test_add_func("/filter-definition/what a rule cannot be is refused", test_what_a_rule_cannot_be_is_refused);
        g_test_add_func("/filter-definition/what a filter cannot be is refused", test_what_a_filter_cannot_be_is_refused);
        return g_test_run();
}
