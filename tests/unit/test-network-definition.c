/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "network/network-definition.h"

#define UUID "f52a81b2-424e-490c-823d-6bd4235bc573"

static NetworkDefinition *parse(const char *xml) {
        g_autoptr(GError) error = NULL;
        NetworkDefinition *definition = network_definition_parse(xml, &error);
        g_assert_no_error(error);
        return definition;
}

static void contains(const char *text, const char *part) {
        if (!strstr(text, part))
                g_error("'%s' is not in '%s'", part, text);
}

/* Of a network with these elements besides its name. */
static void refuse(const char *elements, VirtbusError code, const char *part) {
        g_autoptr(GError) error = NULL;
        g_autofree char *xml = g_strdup_printf("<network><name>n</name>%s</network>", elements);
        g_autoptr(NetworkDefinition) definition = network_definition_parse(xml, &error);
        if (definition)
                g_error("'%s' was taken", elements);
        g_assert_error(error, VIRTBUS_ERROR, (int) code);
        contains(error->message, "line 1, element <");
        contains(error->message, part);
}

static void test_what_is_kept_is_read_again_as_the_same(void) {
        static const char xml[] =
                        "<network ipv6='no' connections='3'><name>n</name><uuid/><title>t</title><description>d</description>"
                        "<metadata><a:x xmlns:a='urn:a' any='thing'>of <b/> its own</a:x></metadata>"
                        "<forward dev='eth0'/><mac address='52:54:00:AB:CD:EF'/><mtu size='9000'/>"
                        "<domain name='example.com' localOnly='yes'/>"
                        "<ip address='192.168.1.1' netmask='255.255.255.0'><dhcp><range start='192.168.1.2' end='192.168.1.9'>"
                        "<lease expiry='10'/></range></dhcp></ip>"
                        "<ip family='ipv6' address='fd00::1' prefix='64'/><ip address='10.1.2.3'/>"
                        "</network>";
        static const char *const parts[] = {
                "<forward dev=\"eth0\" mode=\"nat\">",
                "<interface dev=\"eth0\"/>",
                "stp=\"on\" delay=\"0\"",
                "52:54:00:ab:cd:ef",
                "<lease expiry=\"10\" unit=\"minutes\"",
                "of <b/> its own",
        };
        g_autoptr(NetworkDefinition) first = parse(xml), again = parse(first->xml);
        g_assert_cmpstr(first->xml, ==, again->xml);
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
                contains(first->xml, parts[i]);
        g_assert_null(strstr(first->xml, "ipv6="));
        g_assert_null(strstr(first->xml, "connections"));
        g_assert_true(g_uuid_string_is_valid(first->uuid));
        contains(first->xml, first->uuid);
        g_assert_cmpstr(again->name, ==, "n");
        g_assert_cmpstr(again->title, ==, "t");
        g_assert_cmpstr(again->description, ==, "d");
        g_assert_cmpstr(again->mode, ==, "nat");
        g_assert_cmpstr(again->domain, ==, "example.com");
        g_assert_cmpstr(again->interfaces[0], ==, "eth0");
        g_assert_null(again->interfaces[1]);
        g_assert_cmpuint(again->mtu, ==, 9000);
        g_assert_cmpuint(again->n_subnets, ==, 3);
        g_assert_cmpuint(again->subnets[0].prefix, ==, 24);
        g_assert_cmpuint(again->subnets[1].prefix, ==, 64);
        g_assert_cmpuint(again->subnets[2].prefix, ==, 8);
        g_assert_true(network_definition_lacks_bridge(again));
}

static void test_vlans_are_of_switches_and_of_cards_that_are_handed_on(void) {
        static const char *const documents[] = {
                "<network><name>n</name><forward mode='bridge'/><bridge name='b'/><virtualport type='openvswitch'/>"
                "<portgroup name='p'><vlan><tag id='1'/><tag id='2'/></vlan></portgroup>"
                "<portgroup name='q'><vlan trunk='no'><tag id='1'/></vlan><virtualport><parameters "
                "profileid='x'/></virtualport></portgroup></network>",
                "<network><name>n</name><forward mode='passthrough' dev='eth0'/><vlan><tag id='1'/><tag id='2'/></vlan>"
                "<portgroup name='q'><vlan trunk='no'><tag id='1'/></vlan></portgroup></network>",
        };
        for (size_t i = 0; i < G_N_ELEMENTS(documents); i++) {
                g_autoptr(NetworkDefinition) definition = parse(documents[i]);
                contains(definition->xml, "<vlan trunk=\"yes\">");
                contains(definition->xml, "<vlan>");
        }
}

static void test_a_bridge_that_is_chosen_is_kept(void) {
        g_autoptr(GError) error = NULL;
        g_autoptr(NetworkDefinition) plain = parse("<network><name>n</name></network>"),
                                     numbered = parse("<network><name>n</name><bridge name='br%d'/></network>"),
                                     hosts = parse("<network><name>n</name><forward mode='bridge'/></network>");
        g_assert_cmpstr(plain->mode, ==, "isolated");
        g_assert_true(network_definition_lacks_bridge(plain));
        g_assert_true(network_definition_lacks_bridge(numbered));
        g_assert_false(network_definition_lacks_bridge(hosts));
        g_autoptr(NetworkDefinition) named = network_definition_with_bridge(numbered, "br7", &error);
        g_assert_no_error(error);
        g_assert_cmpstr(named->bridge, ==, "br7");
        g_assert_cmpstr(named->uuid, ==, numbered->uuid);
        g_assert_false(network_definition_lacks_bridge(named));
}

static void test_what_is_not_known_is_refused_by_name(void) {
        static const char *const cases[][2] = {
                { "<color/>", "<color>: it is not known in <network>" },
                { "<forward color='red'/>", "'color' is not known" },
                { "<dns><host ip='1.2.3.4'><color/></host></dns>", "<color>: it is not known in <host>" },
                { "text", "text outside" },
                { "<x:ip xmlns:x='urn:x'/>", "<ip>: it is not known" },
                { "<forward xmlns:x='urn:x' x:mode='nat'/>", "'mode' is not known" },
                { "<options><option value='a'/></options>", "<options>: it is not known" },
                { "<name>m</name>", "only one <name>" },
                { "<bridge name='a'/><bridge name='b'/>", "only one <bridge>" },
                { "<mac/>", "'address' is missing" },
                { "<vlan/>", "<tag> is missing" },
                { "<forward mode='teleport'/>", "must be one of: nat, route" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                refuse(cases[i][0], VIRTBUS_ERROR_INVALID_XML, cases[i][1]);
}

static void test_values_are_what_they_must_be_to_the_letter(void) {
        static const char *const cases[][2] = {
                { "<bridge name='all'/>", "neither 'all' nor 'default'" },
                { "<forward mode='nat' dev='default'/>", "neither 'all' nor 'default'" },
                { "<uuid>f52a81b2</uuid>", "a UUID" },
                { "<title>a\nb</title>", "one line" },
                { "<bridge name='a/b'/>", "the name of a bridge" },
                { "<bridge name='..'/>", "the name of a bridge" },
                { "<bridge name='a,b'/>", "the name of a bridge" },
                { "<bridge name='sixteen-letters-'/>", "the name of a bridge" },
                { "<bridge name='v%dr'/>", "the name of a bridge" },
                { "<bridge name='%s'/>", "the name of a bridge" },
                { "<bridge delay='31'/>", "a number from 0 to 30" },
                { "<bridge delay='-1'/>", "a number from 0 to 30" },
                { "<bridge delay=' 1'/>", "a number from 0 to 30" },
                { "<mac address='52:54:00:ab:cd'/>", "a MAC address" },
                { "<mac address='52:54:00:ab:cd:e:'/>", "a MAC address" },
                { "<mac address='52:54:00:ab:cd:efe'/>", "a MAC address" },
                { "<mtu size='18446744073709551616'/>", "a number from 68 to 65535" },
                { "<domain name='a b'/>", "a name of DNS" },
                { "<domain name='a&#10;dhcp-script=/x'/>", "a name of DNS" },
                { "<domain name='a..b'/>", "a name of DNS" },
                { "<domain name='a/b'/>", "a name of DNS" },
                { "<dns><txt name='a' value='b&#10;c'/></dns>", "one line" },
                { "<dns><forwarder/></dns>", "an addr or a domain" },
                { "<dns><forwarder addr='8.8.8'/></dns>", "an IPv4 or IPv6 address" },
                { "<dns><srv service='s,t' protocol='tcp'/></dns>", "letters, digits" },
                { "<dns><srv service='s' protocol='tcp' port='0'/></dns>", "a number from 1 to 65535" },
                { "<dns><srv service='s' protocol='tcp' weight='1'/></dns>", "nothing without target" },
                { "<forward mode='bridge'/><virtualport/>", "'type' is missing" },
                { "<vlan><tag id='4096'/></vlan>", "a number from 0 to 4095" },
                { "<ip address='192.168.1.1' netmask='255.0.255.0'/>", "a netmask" },
                { "<ip address='192.168.1.1' prefix='33'/>", "a number up to 32" },
                { "<ip address='192.168.1.1/24'/>", "an IPv4 or IPv6 address" },
                { "<ip address='fe80::1%eth0' family='ipv6'/>", "an IPv4 or IPv6 address" },
                { "<ip address='192.168.1.1' netmask='255.255.255.0'><tftp root='relative'/></ip>", "an absolute path" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                refuse(cases[i][0], VIRTBUS_ERROR_INVALID_XML, cases[i][1]);
}

static void test_what_does_not_fit_the_mode_is_refused(void) {
        static const char *const cases[][2] = {
                { "<forward mode='bridge'/><bridge name='br0' stp='on'/>", "'stp' is not of a network of mode 'bridge'" },
                { "<forward mode='vepa'/><bridge name='br0'/>", "'name' is not of a network of mode 'vepa'" },
                { "<forward mode='bridge'/><mtu size='1500'/>", "not of a network of mode 'bridge'" },
                { "<forward mode='vepa' dev='a'/><dns><txt name='a' value='b'/></dns>", "not of a network of mode 'vepa'" },
                { "<forward mode='private' dev='a'/><domain name='x'/>", "not of a network of mode 'private'" },
                { "<forward mode='hostdev'/><mac address='52:54:00:00:00:01'/>", "not of a network of mode 'hostdev'" },
                { "<forward mode='passthrough' dev='a'/><bandwidth><inbound average='1'/></bandwidth>",
                  "not of a network of mode 'passthrough'" },
                { "<forward mode='bridge' dev='a'/><bandwidth><inbound average='1'/></bandwidth>", "without a bridge's name" },
                { "<forward mode='bridge'/><bridge name='b'/><vlan><tag id='1'/></vlan>", "without Open vSwitch has no VLANs" },
                { "<portgroup name='p'><vlan><tag id='1'/></vlan></portgroup>", "has no VLANs" },
                { "<forward mode='passthrough' dev='a'/><portgroup name='p'><virtualport type='openvswitch'/><vlan><tag "
                  "id='1'/></vlan></portgroup>",
                  "has no VLANs" },
                { "<forward mode='route'><nat/></forward><ip address='10.0.0.1'/>", "not of a network of mode 'route'" },
                { "<forward mode='open' dev='eth0'/>", "'dev' is not of a network of mode 'open'" },
                { "<forward/>", "needs an address" },
                { "<forward dev='a'><interface dev='b'/></forward><ip address='10.0.0.1'/>", "the first <interface> is 'b'" },
                { "<forward><interface dev='a'/><interface dev='b'/></forward><ip address='10.0.0.1'/>",
                  "leads to one interface" },
                { "<forward mode='vepa'><interface dev='a'/><interface dev='a'/></forward>", "'a' is given twice" },
                { "<forward mode='passthrough'><interface dev='a'/><pf dev='b'/></forward>", "exclude each other" },
                { "<forward mode='passthrough'><pf dev='a'/><pf dev='b'/></forward>", "<pf>: there are two" },
                { "<forward mode='bridge' dev='a'/><bridge name='b'/>", "exclude each other" },
                { "<forward><nat><port start='9' end='8'/></nat></forward><ip address='10.0.0.1'/>", "end is before its start" },
                { "<forward><nat><address start='1.2.3.5' end='1.2.3.4'/></nat></forward><ip address='10.0.0.1'/>",
                  "end is before" },
                { "<vlan><tag id='1'/></vlan>", "mode 'isolated' without Open vSwitch has no VLANs" },
                { "<forward mode='passthrough' dev='a'/><vlan trunk='no'><tag id='1'/><tag id='2'/></vlan>",
                  "trunk must be 'yes'" },
                { "<forward mode='bridge'/><virtualport type='midonet'><parameters profileid='x'/></virtualport>",
                  "has only: interfaceid" },
                { "<portgroup name='a'/><portgroup name='a'/>", "given twice" },
                { "<portgroup name='a' default='yes'/><portgroup name='b' default='yes'/>", "the default one" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                refuse(cases[i][0], VIRTBUS_ERROR_INVALID_XML, cases[i][1]);
}

#define IP4(inside) "<ip address='192.168.1.1' netmask='255.255.255.0'><dhcp>" inside "</dhcp></ip>"
#define IP6(inside) "<ip family='ipv6' address='fd00::1' prefix='64'><dhcp>" inside "</dhcp></ip>"

static void test_addresses_fit_their_blocks_and_each_other(void) {
        static const char *const cases[][2] = {
                { "<ip address='fd00::1'/>", "say family='ipv6'" },
                { "<ip family='ipv6' address='fd00::1' netmask='255.0.0.0'/>", "use 'prefix'" },
                { "<ip address='10.0.0.1' netmask='255.0.0.0' prefix='8'/>", "exclude each other" },
                { "<ip address='0.0.0.0'/>", "not one that a host can have" },
                { "<ip address='224.0.0.1' prefix='8'/>", "not one that a host can have" },
                { "<ip address='127.0.0.2' prefix='8'/>", "not one that a host can have" },
                { "<ip family='ipv6' address='::1' prefix='128'/>", "not one that a host can have" },
                { "<ip address='10.0.0.0' prefix='24'/>", "its address 10.0.0.0 is the network's own of" },
                { "<ip address='10.0.0.255' prefix='24'/>", "is the one for all hosts of" },
                { "<mac address='01:00:5e:00:00:01'/>", "MAC address of one interface" },
                { "<dns enable='no'><host ip='10.0.0.2'><hostname>a</hostname></host></dns>", "enable='no'" },
                { "<ip address='10.0.0.1'/><ip address='10.0.0.1' prefix='8'/>", "given twice" },
                { "<ip address='10.0.0.1' prefix='24'/><ip address='10.0.9.1' prefix='16'/>", "overlaps the one of another" },
                { IP4("") "<ip address='10.0.0.1'><dhcp/></ip>", "one block of each family" },
                { IP4("<range start='192.168.2.2' end='192.168.2.9'/>"), "is not of 192.168.1.0/24" },
                { IP4("<range start='192.168.1.9' end='192.168.1.2'/>"), "end is before its start" },
                { IP4("<range start='192.168.1.0' end='192.168.1.2'/>"), "the network's own" },
                { IP4("<range start='192.168.1.2' end='192.168.1.255'/>"), "for all hosts" },
                { IP4("<range start='192.168.1.2' end='192.168.1.9'/><range start='192.168.1.9' end='192.168.1.10'/>"),
                  "overlaps" },
                { IP4("<range start='192.168.1.2' end='192.168.1.9'><lease expiry='1'/></range>"), "120 to" },
                { IP4("<host ip='192.168.1.2'/>"), "needs a mac or a name" },
                { IP4("<host id='0:1' name='n' ip='192.168.1.2'/>"), "'id' is not of a host" },
                { IP4("<host mac='53:54:00:ab:cd:ef' ip='192.168.1.2'/>"), "of one interface" },
                { IP4("<host name='7up' ip='192.168.1.2'/>"), "first a letter" },
                { IP4("<host name='ignore' ip='192.168.1.2'/>"), "neither 'ignore'" },
                { IP4("<host name='n' ip='192.168.1.1'/>"), "the one of the bridge" },
                { IP4("<host name='n' ip='192.168.1.2'/><host name='m' ip='192.168.1.2'/>"), "another host has its ip" },
                { IP6("<host mac='52:54:00:ab:cd:ef' name='n' ip='fd00::2'/>"), "'mac' is not of a host" },
                { IP6("<host id='0:xy' ip='fd00::2'/>"), "a DHCP unique identifier" },
                { IP6("<bootp file='f'/>"), "of IPv4 addresses only" },
                { "<ip address='10.0.0.1' prefix='20' localPtr='yes'/>", "a multiple of 8" },
                { "<ip address='10.0.0.1'/><route address='10.9.0.1' prefix='16' gateway='10.0.0.2'/>",
                  "bits behind the prefix" },
                { "<ip address='10.0.0.1'/><route address='11.9.0.0' prefix='16' gateway='12.0.0.2'/>", "its gateway is not" },
                { "<ip address='10.0.0.1'/><route address='11.9.0.0' prefix='16' gateway='10.0.0.1'/>", "its gateway is not" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                refuse(cases[i][0], VIRTBUS_ERROR_INVALID_XML, cases[i][1]);
        refuse(IP6("<range start='fd00::2' end='fd00::1:1'/>"), VIRTBUS_ERROR_LIMIT_EXCEEDED, "may have 65535 addresses");
}

/* What is compared with all others of its kind is bounded: this is not to take more than a moment. */
static void test_many_of_a_kind_are_bounded(void) {
        g_autoptr(GString) blocks = g_string_new(NULL), hosts = g_string_new(NULL);
        for (int i = 0; i < 65; i++)
                g_string_append_printf(blocks, "<ip address='10.%d.0.1' prefix='16'/>", i);
        refuse(blocks->str, VIRTBUS_ERROR_LIMIT_EXCEEDED, "can have 64 <ip>");
        for (int i = 2; i < 10002; i++)
                g_string_append_printf(hosts, "<host name='h%d' ip='10.0.%d.%d'/>", i, i / 256, i % 256);
        g_autofree char *xml = g_strdup_printf("<network><name>n</name><ip address='10.0.0.1'><dhcp>%s</dhcp></ip></network>",
                                               hosts->str);
        g_autoptr(NetworkDefinition) many = parse(xml);
        g_assert_cmpuint(many->n_subnets, ==, 1);
}

static void test_no_option_has_a_program_run(void) {
        static const char *const options[] = { "dhcp-script=/a", " dhcp-luascript = /a", "conf-script=/a",
                                               "conf-file=/a",   "\tconf-dir=/a",        "conf-file" };
        for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
                g_autofree char *text =
                                g_strdup_printf("<network xmlns:d='http://libvirt.org/schemas/network/dnsmasq/1.0'><name>n</name>"
                                                "<d:options><d:option value='%s'/></d:options></network>",
                                                options[i]);
                g_autoptr(GError) error = NULL;
                g_assert_null(network_definition_parse(text, &error));
                contains(error->message, "runs no program");
        }
}

static void test_dnsmasqs_own_options_are_kept(void) {
        g_autoptr(NetworkDefinition) definition = parse("<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>"
                                                        "<name>n</name><dnsmasq:options><dnsmasq:option value='foo=bar'/>"
                                                        "</dnsmasq:options></network>");
        contains(definition->xml, "<dnsmasq:option value=\"foo=bar\"/>");
}

static void test_metadata_is_changed_in_a_copy(void) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) metadata = xml_parse("<a xmlns='urn:a'>x</a>", NULL, &error);
        g_autoptr(NetworkDefinition) before = parse("<network><name>n</name><uuid>" UUID "</uuid></network>"),
                                     with = network_definition_with_metadata(before, "urn:a", metadata, &error),
                                     without = network_definition_with_metadata(with, "urn:a", NULL, &error);
        g_assert_no_error(error);
        contains(with->xml, "<a xmlns=\"urn:a\">x</a>");
        g_assert_null(strstr(before->xml, "urn:a"));
        g_assert_null(strstr(without->xml, "urn:a"));
}

static void test_blocks_are_compared_bit_by_bit(void) {
        Subnet one, other;
        Address mask, first, last;
        g_assert_true(address_parse("192.168.4.1", AF_INET, &one.address));
        g_assert_true(address_parse("192.168.7.255", AF_UNSPEC, &other.address));
        one.prefix = 22;
        other.prefix = 32;
        g_assert_true(subnets_overlap(&one, &other));
        one.prefix = 23;
        g_assert_false(subnets_overlap(&one, &other));
        mask = subnet_mask(&one);
        g_assert_cmpint(address_mask_prefix(&mask), ==, 23);
        first = subnet_first(&one);
        last = subnet_last(&one);
        g_assert_cmpuint(address_count(&first, &last), ==, 512);
        g_assert_true(address_parse("::", AF_INET6, &first));
        g_assert_true(address_parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AF_INET6, &last));
        g_assert_cmpuint(address_count(&first, &last), ==, UINT64_MAX);
        g_assert_true(address_parse("::1:0", AF_INET6, &last));
        g_assert_cmpuint(address_count(&first, &last), ==, 65537);
        g_assert_false(address_parse("1.2.3.4", AF_INET6, &first));
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add_func("/network-definition/" #name, test_##name)
        ADD(what_is_kept_is_read_again_as_the_same);
        ADD(vlans_are_of_switches_and_of_cards_that_are_handed_on);
        ADD(a_bridge_that_is_chosen_is_kept);
        ADD(what_is_not_known_is_refused_by_name);
        ADD(values_are_what_they_must_be_to_the_letter);
        ADD(what_does_not_fit_the_mode_is_refused);
        ADD(addresses_fit_their_blocks_and_each_other);
        ADD(many_of_a_kind_are_bounded);
        ADD(dnsmasqs_own_options_are_kept);
        ADD(no_option_has_a_program_run);
        ADD(metadata_is_changed_in_a_copy);
        ADD(blocks_are_compared_bit_by_bit);
        return g_test_run();
}
