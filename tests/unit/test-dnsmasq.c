/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "network/dnsmasq.h"

#define NETWORK(attributes, inside) "<network" attributes "><name>n</name><bridge name='br0'/>" inside "</network>"
#define IP4(inside) "<ip address='10.0.0.1' prefix='24'>" inside "</ip>"
#define IP6(inside) "<ip family='ipv6' address='fd00::1' prefix='64'>" inside "</ip>"

static DnsmasqFiles *files_of(const char *xml) {
        g_autoptr(GError) error = NULL;
        g_autoptr(NetworkDefinition) definition = network_definition_parse(xml, &error);
        g_assert_no_error(error);
        return dnsmasq_files_new(definition, "/run/n");
}

/* Whether a text has a line. */
static bool has_line(const char *text, const char *line) {
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        return g_strv_contains((const char *const *) lines, line);
}

/* Each line of the second text is one of the configuration; of those that begin with "!", none is. */
static void test_each_element_becomes_its_lines(void) {
        static const char *const cases[][2] = {
                { NETWORK("", IP4("")),
                  "strict-order\nexcept-interface=lo\nbind-dynamic\ninterface=br0\naddn-hosts=/run/n/hosts" },
                { NETWORK("", IP4("")), "dhcp-option=3\nno-resolv\nra-param=*,0,0\n!port=0\n!enable-ra" },
                { NETWORK("", "<forward mode='open'/>" IP4("")), "!dhcp-option=3\n!no-resolv\n!dhcp-lease-max=0" },
                { NETWORK("", "<dns enable='no'/>" IP4("")), "port=0\n!addn-hosts=/run/n/hosts" },
                { NETWORK("", "<domain name='a.b'/>" IP4("")), "domain=a.b\nexpand-hosts\n!local=/a.b/" },
                { NETWORK("", "<domain name='a.b' localOnly='yes'/>" IP4("")), "domain=a.b\nexpand-hosts\nlocal=/a.b/" },
                { NETWORK("", "<dns forwardPlainNames='no'/>" IP4("")), "domain-needed\nlocal=//" },
                { NETWORK("",
                          "<forward mode='open'/><dns><forwarder domain='a' addr='1.1.1.1'/><forwarder domain='b'/></dns>" IP4(
                                          "")),
                  "server=/a/1.1.1.1\nserver=/b/#\n!no-resolv" },
                { NETWORK("", "<forward mode='open'/><dns><forwarder addr='1.1.1.1'/></dns>" IP4("")),
                  "server=1.1.1.1\nno-resolv" },
                { NETWORK("", "<dns><txt name='a' value='b c'/><txt name='d' value='x, \"y\" #\\'/></dns>" IP4("")),
                  "txt-record=a,b c\ntxt-record=d,\"x, \\\"y\\\" #\\\\\"" },
                { NETWORK("", "<dns><srv service='s' protocol='tcp'/></dns>" IP4("")), "srv-host=_s._tcp" },
                { NETWORK("", "<dns><srv service='s' protocol='udp' domain='d' target='t' weight='7'/></dns>" IP4("")),
                  "srv-host=_s._udp.d,t,1,0,7" },
                { NETWORK("", "<mtu size='9000'/>" IP4("")), "dhcp-option=option:mtu,9000" },
                { NETWORK("", IP4("<dhcp><range start='10.0.0.2' end='10.0.0.9'/></dhcp>")),
                  "dhcp-range=10.0.0.2,10.0.0.9,255.255.255.0\ndhcp-no-override\ndhcp-authoritative\ndhcp-lease-max=8\n"
                  "dhcp-hostsfile=/run/n/dhcp-hosts" },
                { NETWORK("",
                          IP4("<dhcp><range start='10.0.0.2' end='10.0.0.9'><lease expiry='7' unit='hours'/></range></dhcp>")),
                  "dhcp-range=10.0.0.2,10.0.0.9,255.255.255.0,7h" },
                { NETWORK("", IP6("<dhcp><range start='fd00::2' end='fd00::9'><lease expiry='0'/></range></dhcp>")),
                  "dhcp-range=fd00::2,fd00::9,64,infinite\nenable-ra\n!dhcp-no-override\n!dhcp-range=fd00::1,ra-only" },
                { NETWORK("", IP6("<dhcp><host name='a' ip='fd00::2'/></dhcp>")), "dhcp-range=fd00::1,static,64" },
                { NETWORK("", IP6("")), "dhcp-range=fd00::1,ra-only\n!enable-ra" },
                { NETWORK("", IP4("<tftp root='/a b'/><dhcp><range start='10.0.0.2' end='10.0.0.2'/><bootp file='f,g' "
                                  "server='10.0.0.3'/></dhcp>")),
                  "enable-tftp\ntftp-root=/a b\ndhcp-boot=\"f,g\",,10.0.0.3" },
                { NETWORK("", "<ip address='10.1.2.1' prefix='16' localPtr='yes'/>"
                              "<ip family='ipv6' address='fd0a::1' prefix='12' localPtr='yes'/>"),
                  "local=/1.10.in-addr.arpa/\nlocal=/0.d.f.ip6.arpa/" },
                { NETWORK(" xmlns:d='http://libvirt.org/schemas/network/dnsmasq/1.0'",
                          IP4("") "<d:options><d:option value='cname=*.foo,bar'/></d:options>"),
                  "cname=*.foo,bar" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(DnsmasqFiles) files = files_of(cases[i][0]);
                g_auto(GStrv) wanted = g_strsplit(cases[i][1], "\n", -1);
                for (char **line = wanted; *line; line++)
                        if (has_line(files->configuration, **line == '!' ? *line + 1 : *line) == (**line == '!'))
                                g_error("'%s' of %s is wrong in:\n%s", *line, cases[i][0], files->configuration);
        }
}

static void test_hosts_are_in_files_of_their_own(void) {
        g_autoptr(DnsmasqFiles) files = files_of(NETWORK(
                        "",
                        "<dns><host ip='10.0.0.5'><hostname>a</hostname><hostname>b</hostname></host></dns>" IP4(
                                        "<dhcp><host mac='52:54:00:00:00:01' name='a' ip='10.0.0.5'><lease expiry='0'/></host>"
                                        "<host name='b' ip='10.0.0.6'/><host mac='52:54:00:00:00:02' ip='10.0.0.7'/></dhcp>")
                                        IP6("<dhcp><host id='0:1' ip='fd00::5'/><host id='0:2' name='d' ip='fd00::6'/>"
                                            "<host name='e' ip='fd00::7'/></dhcp>"))),
                                none = files_of(NETWORK("", "<dns enable='no'/>" IP4("")));
        g_assert_cmpstr(files->names, ==, "10.0.0.5\ta\tb\n");
        g_assert_cmpstr(files->leases, ==,
                        "52:54:00:00:00:01,10.0.0.5,a,infinite\nb,10.0.0.6\n52:54:00:00:00:02,10.0.0.7\n"
                        "id:0:1,[fd00::5]\nid:0:2,d,[fd00::6]\ne,[fd00::7]\n");
        g_assert_null(none->names);
        g_assert_null(none->leases);
}

static void test_a_network_without_addresses_needs_none(void) {
        static const struct {
                const char *xml;
                bool needed;
        } cases[] = {
                { NETWORK("", ""), false },
                { NETWORK("", IP4("")), true },
                { "<network><name>n</name><forward mode='bridge'/></network>", false },
                { "<network><name>n</name><forward mode='passthrough'/><ip address='10.0.0.1'/></network>", false },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(NetworkDefinition) definition = network_definition_parse(cases[i].xml, NULL);
                g_assert_cmpint(dnsmasq_is_needed(definition), ==, cases[i].needed);
        }
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/dnsmasq/each_element_becomes_its_lines", test_each_element_becomes_its_lines);
        g_test_add_func("/dnsmasq/hosts_are_in_files_of_their_own", test_hosts_are_in_files_of_their_own);
        g_test_add_func("/dnsmasq/a_network_without_addresses_needs_none", test_a_network_without_addresses_needs_none);
        return g_test_run();
}
