/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/interface-form.h"

#include <string.h>

static char *check(const char *xml) {
        g_autoptr(GError) error = NULL;
        char *kept = interface_form_check(xml, &error);
        g_assert_no_error(error);
        return kept;
}

#define IP4(inside) "<protocol family='ipv4'>" inside "</protocol>"
#define IP6(inside) "<protocol family='ipv6'>" inside "</protocol>"
#define ETHERNET(name) "<interface type='ethernet' name='" name "'/>"

static void test_what_libvirt_has_is_taken_and_stays_so(void) {
        static const char *const documents[] = {
                "<interface type='ethernet' name='eth0'><start mode='hotplug'/><mac address='52:54:00:00:00:01'/><mtu "
                "size='9000'/>"
                "<link speed='1000' state='up'/>" IP4("<dhcp peerdns='no'/>")
                                IP6("<autoconf/><dhcp/><ip address='fd00::1' prefix='64'/>"
                                    "<route gateway='fd00::2'/>") "</interface>",
                "<interface type='ethernet' name='eth0.7:1'>" IP4("<ip address='10.0.0.1'/><ip address='10.0.0.2' prefix='8'/>"
                                                                  "<route gateway='10.0.0.9'/>") "</interface>",
                "<interface type='bridge' name='br0'><bridge/></interface>",
                "<interface type='bridge' name='br0'><bridge stp='on' delay='0.5'>" ETHERNET(
                                "eth0") "<interface type='vlan' name='eth1.3'><vlan tag='3'><interface "
                                        "name='eth1'/></vlan></interface>"
                                        "<interface type='bond' name='bond0'><bond mode='802.3ad'><miimon freq='100' updelay='1' "
                                        "downdelay='2' carrier='netif'/>" ETHERNET("eth2")
                                                        ETHERNET("eth3") "</bond></interface></bridge></interface>",
                "<interface type='bond' name='bond0'><bond><arpmon interval='1' target='10.0.0.1' validate='all'/>" ETHERNET(
                                "eth0") "</bond></interface>",
        };
        for (size_t i = 0; i < G_N_ELEMENTS(documents); i++) {
                g_autofree char *kept = check(documents[i]), *again = check(kept);
                g_assert_cmpstr(kept, ==, again);
        }
}

static void test_a_vlan_is_named_after_what_it_is_on(void) {
        g_autofree char *kept = check("<interface type='vlan'><vlan tag='42'><interface name='eth0'/></vlan></interface>");
        g_assert_nonnull(strstr(kept, "name=\"eth0.42\""));
}

static void test_what_is_wrong_is_refused_with_its_place(void) {
        static const char *const cases[][2] = {
                { "<interface/>", "'type' is missing" },
                { "<interface type='ethernet'/>", "'name' is missing" },
                { "<interface type='tunnel' name='a'/>", "must be one of: ethernet, bridge, bond, vlan" },
                { "<interface type='ethernet' name='a/b'/>", "name of an interface" },
                { "<interface type='ethernet' name='a-name-of-16-byt'/>", "name of an interface" },
                { "<interface type='ethernet' name='a'><color/></interface>", "<color>: it is not known in <interface>" },
                { "<interface type='ethernet' name='a' color='red'/>", "'color' is not known" },
                { "<interface type='ethernet' name='a'>text</interface>", "text outside" },
                { "<interface xmlns='urn:x' type='ethernet' name='a'/>", "another namespace" },
                { "<interface type='ethernet' name='a'><start mode='never'/></interface>", "onboot, none, hotplug" },
                { "<interface type='ethernet' name='a'><start mode='none'/><start mode='none'/></interface>",
                  "only one <start>" },
                { "<interface type='ethernet' name='a'><link state='fine'/></interface>", "must be one of: unknown, notpresent" },
                { "<interface type='ethernet' name='a'><mac address='x'/></interface>", "a MAC address" },
                { "<interface type='ethernet' name='a'><bridge/></interface>", "not of an interface of type 'ethernet'" },
                { "<interface type='bridge' name='a'/>", "<bridge> is missing" },
                { "<interface type='bridge' name='a'><mac address='52:54:00:00:00:01'/><bridge/></interface>",
                  "not of an interface of type 'bridge'" },
                { "<interface type='bridge' name='a'><bridge stp='yes'/></interface>", "must be one of: on, off" },
                { "<interface type='bridge' name='a'><bridge delay='-1'/></interface>", "seconds, such as 0.01" },
                { "<interface type='bridge' name='a'><bridge delay='nan'/></interface>", "seconds, such as 0.01" },
                { "<interface type='bridge' name='a'><bridge>" ETHERNET("a") "</bridge></interface>", "is there already" },
                { "<interface type='bridge' name='a'><bridge>" ETHERNET("b") ETHERNET("b") "</bridge></interface>",
                  "is there already" },
                { "<interface type='bridge' name='a'><bridge><interface type='bridge' name='b'/></bridge></interface>",
                  "in <bridge> it must be one of: ethernet bond vlan" },
                { "<interface type='bridge' name='a'><bridge><interface type='ethernet' name='b'><mtu "
                  "size='1'/></interface></bridge></interface>",
                  "<mtu>: it is not known" },
                { "<interface type='bond' name='a'><bond/></interface>", "<interface> is missing" },
                { "<interface type='bond' name='a'><bond mode='fast'>" ETHERNET("b") "</bond></interface>",
                  "must be one of: balance-rr" },
                { "<interface type='bond' name='a'><bond><miimon freq='1'/><arpmon interval='1' target='10.0.0.1'/>" ETHERNET(
                                  "b") "</bond></interface>",
                  "exclude each other" },
                { "<interface type='bond' name='a'><bond><arpmon interval='1' target='fd00::1'/>" ETHERNET(
                                  "b") "</bond></interface>",
                  "an IPv4 address" },
                { "<interface type='bond' name='a'><bond><interface type='bond' name='b'><bond>" ETHERNET(
                                  "c") "</bond></interface></bond></interface>",
                  "in <bond> it must be one of: ethernet" },
                { "<interface type='vlan' name='a'><vlan tag='4096'><interface name='b'/></vlan></interface>", "from 0 to 4095" },
                { "<interface type='vlan' name='a'><vlan tag='1'/></interface>", "<interface> is missing" },
                { "<interface type='vlan' name='a'><vlan tag='1'><interface name='a'/></vlan></interface>", "on itself" },
                { "<interface type='vlan'><vlan tag='4000'><interface name='a-long-name'/></vlan></interface>",
                  "too long for a name" },
                { "<interface type='ethernet' name='a'>" IP4("<dhcp/>") IP4("<dhcp/>") "</interface>", "given twice" },
                { "<interface type='ethernet' name='a'>" IP4("<ip address='fd00::1'/>") "</interface>",
                  "must be an IPv4 address" },
                { "<interface type='ethernet' name='a'>" IP6("<ip address='10.0.0.1'/>") "</interface>",
                  "must be an IPv6 address" },
                { "<interface type='ethernet' name='a'>" IP4("<ip address='10.0.0.1' prefix='33'/>") "</interface>",
                  "a number up to 32" },
                { "<interface type='ethernet' name='a'>" IP4("<ip address='224.0.0.1'/>") "</interface>", "of a group" },
                { "<interface type='ethernet' name='a'>" IP4("<ip address='10.0.0.1'/><ip address='10.0.0.1'/>") "</interface>",
                  "given twice" },
                { "<interface type='ethernet' name='a'>" IP4("<autoconf/>") "</interface>", "family 'ipv6' only" },
                { "<interface type='ethernet' name='a'>" IP4("<route gateway='fd00::1'/>") "</interface>",
                  "must be an IPv4 address" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GError) error = NULL;
                g_autofree char *kept = interface_form_check(cases[i][0], &error);
                if (kept)
                        g_error("'%s' was taken", cases[i][0]);
                g_test_message("%s: %s", cases[i][0], error->message);
                g_assert_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_XML);
                g_assert_nonnull(strstr(error->message, "line 1, element <"));
                g_assert_nonnull(strstr(error->message, cases[i][1]));
        }
}

static void test_how_much_one_has_is_bounded(void) {
        g_autoptr(GString) xml = g_string_new("<interface type='bridge' name='a'><bridge>");
        g_autoptr(GError) error = NULL;
        for (unsigned i = 0; i <= INTERFACE_MEMBERS_MAX; i++)
                g_string_append_printf(xml, "<interface type='ethernet' name='e%u'/>", i);
        g_string_append(xml, "</bridge></interface>");
        g_assert_null(interface_form_check(xml->str, &error));
        g_assert_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_LIMIT_EXCEEDED);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/interface-form/kept", test_what_libvirt_has_is_taken_and_stays_so);
        g_test_add_func("/interface-form/vlan", test_a_vlan_is_named_after_what_it_is_on);
        g_test_add_func("/interface-form/wrong", test_what_is_wrong_is_refused_with_its_place);
        g_test_add_func("/interface-form/bounds", test_how_much_one_has_is_bounded);
        return g_test_run();
}
