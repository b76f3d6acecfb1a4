/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "errors.h"
#include "network/network-edit.h"

#define DOCUMENT \
        "<network><name>n</name><forward mode='nat' dev='eth0'/><bridge name='br0'/><dns><txt name='t' value='1'/>" \
        "<srv service='s' protocol='tcp' domain='d' target='x' port='1'/><srv service='s' protocol='tcp' domain='d' " \
        "target='y'/>" \
        "<host ip='10.0.0.5'><hostname>five</hostname><hostname>cinq</hostname></host></dns>" \
        "<ip address='10.0.0.1' prefix='24'><dhcp><range start='10.0.0.10' end='10.0.0.20'/>" \
        "<host mac='52:54:00:00:00:01' name='one' ip='10.0.0.2'/><host name='two' ip='10.0.0.3'/></dhcp></ip>" \
        "<ip family='ipv6' address='fd00::1' prefix='64'><dhcp><host id='00:01' ip='fd00::2'/></dhcp></ip>" \
        "<ip address='10.1.0.1' prefix='24'/><portgroup name='g' default='yes'/></network>"

typedef struct Case {
        const char *command, *section, *xml;
        int parent;
        VirtbusError error; /* 0: none */
        const char *part;   /* of what becomes of it, or of the error; after "!": what is not in it */
} Case;

static const Case cases[] = {
        { "add-last", "ip-dhcp-host", "<host mac='52:54:00:00:00:09' ip='10.0.0.9'/>", -1, 0,
          "name=\"two\" ip=\"10.0.0.3\"/>\n      <host mac=\"52:54:00:00:00:09\"" },
        { "add-first", "ip-dhcp-host", "<host mac='52:54:00:00:00:09' ip='10.0.0.9'/>", -1, 0,
          "ip=\"10.0.0.9\"/>\n      <host mac=\"52:54:00:00:00:01\"" },
        { "add-last", "ip-dhcp-host", "<host id='00:02' ip='fd00::3'/>", -1, 0, "fd00::3" },
        { "add-last", "ip-dhcp-host", "<host id='00:02' ip='fd00::3'/>", 0, VIRTBUS_ERROR_INVALID_XML, "<host>" },
        { "add-last", "ip-dhcp-host", "<host id='00:02' ip='fd00::3'/>", 1, 0, "fd00::3" },
        { "add-last", "ip-dhcp-host", "<host mac='52:54:00:00:00:09' ip='10.0.0.9'/>", 3, VIRTBUS_ERROR_INVALID_ARGUMENT,
          "parent" },
        { "add-last", "ip-dhcp-host", "<host mac='52:54:00:00:00:01' ip='10.0.0.9'/>", -1, VIRTBUS_ERROR_ALREADY_EXISTS, "host" },
        { "add-last", "ip-dhcp-host", "<host mac='52:54:00:00:00:09' ip='10.0.0.3'/>", -1, VIRTBUS_ERROR_ALREADY_EXISTS, "host" },
        { "add-last", "ip-dhcp-host", "<host id='00:09' ip='fd00:0::2'/>", -1, VIRTBUS_ERROR_ALREADY_EXISTS, "host" },
        { "add-last", "ip-dhcp-host", "<host mac='52:54:00:00:00:09' ip='10.2.0.3'/>", -1, VIRTBUS_ERROR_INVALID_XML,
          "10.0.0.0" },
        { "modify", "ip-dhcp-host", "<host name='two' ip='10.0.0.7'/>", -1, 0, "name=\"two\" ip=\"10.0.0.7\"" },
        { "modify", "ip-dhcp-host", "<host name='three' ip='10.0.0.7'/>", -1, VIRTBUS_ERROR_INVALID_ARGUMENT, "none" },
        { "modify", "ip-dhcp-host", "<host mac='52:54:00:00:00:01' name='two' ip='10.0.0.7'/>", -1,
          VIRTBUS_ERROR_INVALID_ARGUMENT, "several" },
        { "delete", "ip-dhcp-host", "<host mac='52:54:00:00:00:01'/>", -1, 0, "!52:54" },
        { "delete", "ip-dhcp-host", "<host mac='52:54:00:00:00:01' ip='10.0.0.3'/>", -1, VIRTBUS_ERROR_INVALID_ARGUMENT, "none" },
        { "delete", "ip-dhcp-host", "<host ip='FD00::0:2'/>", -1, 0, "!fd00::2" },
        { "add-last", "ip-dhcp-range", "<range start='10.0.0.30' end='10.0.0.40'/>", -1, 0, "10.0.0.40" },
        { "add-last", "ip-dhcp-range", "<range start='10.0.0.15' end='10.0.0.40'/>", -1, VIRTBUS_ERROR_INVALID_XML, "overlaps" },
        { "add-last", "ip-dhcp-range", "<range start='10.0.0.10' end='10.0.0.20'/>", -1, VIRTBUS_ERROR_ALREADY_EXISTS, "range" },
        { "modify", "ip-dhcp-range", "<range start='10.0.0.10' end='10.0.0.20'><lease expiry='3'/></range>", -1, 0,
          "expiry=\"3\"" },
        { "delete", "ip-dhcp-range", "<range start='10.0.0.10' end='10.0.0.20'/>", -1, 0, "!<range" },
        { "delete", "ip-dhcp-range", "<range start='10.0.0.10' end='10.0.0.21'/>", -1, VIRTBUS_ERROR_INVALID_ARGUMENT, "none" },
        { "delete", "forward-interface", "<interface dev='eth0'/>", -1, 0, "!eth0" },
        { "add-last", "forward-interface", "<interface dev='eth1'/>", -1, VIRTBUS_ERROR_INVALID_XML, "one interface" },
        { "modify", "forward-interface", "<interface dev='eth0'/>", -1, VIRTBUS_ERROR_UNSUPPORTED, "delete" },
        { "add-first", "portgroup", "<portgroup name='h'/>", -1, 0, "<portgroup name=\"h\"/>\n  <portgroup name=\"g\"" },
        { "add-first", "portgroup", "<portgroup name='h' default='yes'/>", -1, VIRTBUS_ERROR_INVALID_XML, "default" },
        { "modify", "portgroup", "<portgroup name='g'/>", -1, 0, "!default" },
        { "delete", "portgroup", "<portgroup name='g'/>", -1, 0, "!portgroup" },
        { "add-last", "dns-host", "<host ip='10.0.0.6'><hostname>six</hostname></host>", -1, 0, "six" },
        { "add-last", "dns-host", "<host ip='10.0.0.6'><hostname>cinq</hostname></host>", -1, VIRTBUS_ERROR_ALREADY_EXISTS,
          "cinq" },
        { "modify", "dns-host", "<host ip='10.0.0.5'><hostname>funf</hostname></host>", -1, 0, "!five" },
        { "delete", "dns-host", "<host><hostname>cinq</hostname></host>", -1, 0, "!five" },
        { "delete", "dns-host", "<host ip='10.0.0.5'><hostname>other</hostname></host>", -1, VIRTBUS_ERROR_INVALID_ARGUMENT,
          "none" },
        { "add-last", "dns-txt", "<txt name='u' value='2'/>", -1, 0, "name=\"u\"" },
        { "add-last", "dns-txt", "<txt name='t' value='2'/>", -1, VIRTBUS_ERROR_ALREADY_EXISTS, "txt" },
        { "modify", "dns-txt", "<txt name='t' value='2'/>", -1, 0, "value=\"2\"" },
        { "add-last", "dns-srv", "<srv service='s' protocol='tcp' domain='d' target='x' port='2'/>", -1, 0, "port=\"2\"" },
        { "add-last", "dns-srv", "<srv service='s' protocol='tcp' domain='d' target='x' port='1'/>", -1,
          VIRTBUS_ERROR_ALREADY_EXISTS, "srv" },
        { "modify", "dns-srv", "<srv service='s' protocol='tcp' domain='d' target='y' port='9'/>", -1, 0, "port=\"9\"" },
        { "delete", "dns-srv", "<srv service='s' protocol='tcp'/>", -1, VIRTBUS_ERROR_INVALID_ARGUMENT, "several" },
        { "delete", "dns-srv", "<srv service='s' protocol='tcp' target='x'/>", -1, 0, "!target=\"x\"" },
        { "delete", "domain", "<domain/>", -1, VIRTBUS_ERROR_UNSUPPORTED, "'domain'" },
        { "delete", "frob", "<domain/>", -1, VIRTBUS_ERROR_INVALID_ARGUMENT, "'frob'" },
        { "frob", "dns-txt", "<txt/>", -1, VIRTBUS_ERROR_INVALID_ARGUMENT, "'frob'" },
        { "add-last", "dns-txt", "<host/>", -1, VIRTBUS_ERROR_INVALID_XML, "txt" },
        { "add-last", "dns-txt", "<txt name='a\nb' value='1'/>", -1, VIRTBUS_ERROR_INVALID_XML, "txt" },
};

static NetworkDefinition *edited(const NetworkDefinition *definition, const Case *one, GError **error) {
        g_autoptr(NetworkEdit) edit = network_edit_read(one->command, one->section, one->parent, one->xml, error);
        return edit ? network_edit(definition, edit, error) : NULL;
}

static void test_each_section_is_changed_by_what_it_is_known_by(void) {
        g_autoptr(NetworkDefinition) definition = network_definition_parse(DOCUMENT, NULL);
        g_autofree char *before = g_strdup(definition->xml);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                const Case *one = &cases[i];
                g_autoptr(GError) error = NULL;
                g_autoptr(NetworkDefinition) now = edited(definition, one, &error);
                const char *text = now ? now->xml : error->message, *part = one->part + (*one->part == '!');
                g_test_message("%s %s %s: %s", one->command, one->section, one->xml, text);
                if (one->error)
                        g_assert_error(error, VIRTBUS_ERROR, (int) one->error);
                else
                        g_assert_no_error(error);
                g_assert_true(!strstr(text, part) == (*one->part == '!'));
                g_assert_cmpstr(definition->xml, ==, before);
        }
}

/* What was added and is deleted again leaves nothing. */
static void test_what_was_added_is_deleted(void) {
        static const Case both[][2] = {
                { { "add-last", "ip-dhcp-host", "<host mac='52:54:00:00:00:09' ip='10.1.0.9'/>", 2 },
                  { "delete", "ip-dhcp-host", "<host mac='52:54:00:00:00:09'/>", 2 } },
                { { "add-first", "dns-txt", "<txt name='u' value='2'/>", -1 }, { "delete", "dns-txt", "<txt name='u'/>", -1 } },
        };
        static const char *const documents[] = {
                "<network><name>n</name><uuid>f52a81b2-424e-490c-823d-6bd4235bc573</uuid>"
                "<bridge name='br0'/><ip address='10.0.0.1' prefix='24'/>"
                "<ip family='ipv6' address='fd00::1' prefix='64'/><ip address='10.1.0.1' prefix='24'/>"
                "</network>"
        };
        for (size_t i = 0; i < G_N_ELEMENTS(both); i++) {
                g_autoptr(NetworkDefinition) before = network_definition_parse(documents[0], NULL);
                g_autoptr(GError) error = NULL;
                g_autoptr(NetworkDefinition) with = edited(before, &both[i][0], &error);
                g_assert_no_error(error);
                g_assert_cmpstr(with->xml, !=, before->xml);
                g_autoptr(NetworkDefinition) without = edited(with, &both[i][1], &error);
                g_assert_no_error(error);
                g_assert_null(strstr(without->xml, "dhcp"));
                g_assert_null(strstr(without->xml, "dns"));
        }
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/network-edit/each-section-is-changed-by-what-it-is-known-by",
                        test_each_section_is_changed_by_what_it_is_known_by);
        g_test_add_func("/network-edit/what-was-added-is-deleted", test_what_was_added_is_deleted);
        return g_test_run();
}
