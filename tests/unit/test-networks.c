/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "folder.h"
#include "network/default-network.h"
#include "network/networks.h"
#include "network/port.h"

#define UUID "f52a81b2-424e-490c-823d-6bd4235bc573"
#define OTHER "22e1353d-c27e-4d6d-bf15-465053e6ba0b"
#define NETWORK(name, uuid, more) "<network><name>" name "</name><uuid>" uuid "</uuid>" more "</network>"

typedef struct Fixture {
        char *folder;
        sd_event *event;
        Networks *networks;
        Network *answer;
        GError *error;
        unsigned n_answers;
} Fixture;

static void start(Fixture *fixture) {
        g_autoptr(GError) error = NULL;
        g_autofree char *runtime = g_build_filename(fixture->folder, "run", NULL);
        fixture->networks = (Networks *) registry_open(&networks_kind, fixture->event, fixture->folder, runtime, &error);
        g_assert_no_error(error);
}

static void restart(Fixture *fixture) {
        registry_close(&fixture->networks->registry);
        start(fixture);
}

static void set_up(Fixture *fixture, const void *unused) {
        (void) unused;
        fixture->folder = folder_new();
        g_assert_cmpint(sd_event_new(&fixture->event), >=, 0);
        folder_write(fixture->folder, DEFAULT_NETWORK_MADE, "", 0); /* as where "default" was removed */
        start(fixture);
}

static void tear_down(Fixture *fixture, const void *unused) {
        (void) unused;
        registry_close(&fixture->networks->registry);
        sd_event_unref(fixture->event);
        folder_free(fixture->folder);
        g_clear_error(&fixture->error);
}

static void on_done(void *data, Entry *entry, const GError *error) {
        Fixture *fixture = data;
        fixture->n_answers++;
        fixture->answer = (Network *) entry;
        g_clear_error(&fixture->error);
        fixture->error = error ? g_error_copy(error) : NULL;
}

static void wait_answers(Fixture *fixture, unsigned n) {
        while (fixture->n_answers < n)
                g_assert_cmpint(sd_event_run(fixture->event, UINT64_MAX), >=, 0);
        fixture->n_answers = 0;
}

static Network *define(Fixture *fixture, const char *xml) {
        registry_define(&fixture->networks->registry, xml, 1000, on_done, fixture);
        wait_answers(fixture, 1);
        g_assert_no_error(fixture->error);
        return fixture->answer;
}

static void refuse(Fixture *fixture, const char *xml, VirtbusError code, const char *part) {
        registry_define(&fixture->networks->registry, xml, 1000, on_done, fixture);
        wait_answers(fixture, 1);
        g_assert_error(fixture->error, VIRTBUS_ERROR, (int) code);
        if (!strstr(fixture->error->message, part))
                g_error("'%s' is not in '%s'", part, fixture->error->message);
}

static void test_networks_are_found_and_kept(Fixture *fixture, const void *unused) {
        g_autoptr(GError) error = NULL;
        (void) unused;
        Network *network = define(fixture, NETWORK("n", UUID, "<bridge name='own0'/>"));
        network_set_autostart(network, true, on_done, fixture);
        wait_answers(fixture, 1);
        restart(fixture);
        network = networks_find_name(fixture->networks, "n", NULL);
        g_assert_true(networks_find(fixture->networks, UUID, NULL) == network);
        g_assert_cmpuint(network->entry.kept.owner, ==, 1000);
        g_assert_true(network->entry.kept.autostart);
        g_assert_cmpstr(network_definition(network)->bridge, ==, "own0");
        g_assert_null(networks_find_name(fixture->networks, "m", &error));
        g_assert_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_NO_SUCH_NETWORK);
        registry_undefine(&network->entry, on_done, fixture);
        wait_answers(fixture, 1);
        g_assert_null(networks_find(fixture->networks, UUID, NULL));
        restart(fixture);
        g_assert_null(networks_find(fixture->networks, UUID, NULL));
}

static void test_a_bridge_is_chosen_and_stays(Fixture *fixture, const void *unused) {
        (void) unused;
        g_autofree char *first =
                        g_strdup(network_definition(define(fixture, NETWORK("n", UUID, "<bridge name='testbr%d'/>")))->bridge);
        Network *other = define(fixture, NETWORK("m", OTHER, "<bridge name='testbr%d'/>"));
        g_assert_cmpstr(first, ==, "testbr0");
        g_assert_cmpstr(network_definition(other)->bridge, ==, "testbr1");
        Network *again = define(fixture, NETWORK("n", UUID, "<bridge/><mtu size='9000'/>"));
        g_assert_cmpstr(network_definition(again)->bridge, ==, first);
        g_assert_cmpuint(network_definition(again)->mtu, ==, 9000);
        g_assert_cmpuint(again->entry.kept.owner, ==, 1000);
}

static void test_names_uuids_and_bridges_are_one_networks(Fixture *fixture, const void *unused) {
        (void) unused;
        define(fixture, NETWORK("n", UUID, "<bridge name='own0'/>"));
        refuse(fixture, NETWORK("n", OTHER, ""), VIRTBUS_ERROR_ALREADY_EXISTS, "'n' exists with UUID " UUID);
        refuse(fixture, NETWORK("m", UUID, ""), VIRTBUS_ERROR_ALREADY_EXISTS, "is the one of network 'n'");
        refuse(fixture, NETWORK("m", OTHER, "<bridge name='own0'/>"), VIRTBUS_ERROR_ALREADY_EXISTS, "bridge 'own0'");
        /* One of the host's is for all. */
        define(fixture, NETWORK("m", OTHER, "<forward mode='bridge'/><bridge name='own0'/>"));
        define(fixture, "<network><name>o</name><forward mode='bridge'/><bridge name='own0'/></network>");
}

static void test_what_comes_at_once_is_done_in_order(Fixture *fixture, const void *unused) {
        static const char xml[] = NETWORK("n", UUID, "<bridge name='own0'/>");
        (void) unused;
        registry_define(&fixture->networks->registry, xml, 1, on_done, fixture);
        registry_define(&fixture->networks->registry, NETWORK("m", OTHER, "<bridge name='own0'/>"), 2, on_done, fixture);
        wait_answers(fixture, 2);
        g_assert_error(fixture->error, VIRTBUS_ERROR, VIRTBUS_ERROR_ALREADY_EXISTS);
        Network *network = networks_find(fixture->networks, UUID, NULL);
        registry_undefine(&network->entry, on_done, fixture);
        network_set_autostart(network, true, on_done, fixture);
        wait_answers(fixture, 2);
        g_assert_error(fixture->error, VIRTBUS_ERROR, VIRTBUS_ERROR_NO_SUCH_NETWORK);
}

static void test_a_damaged_file_costs_itself_alone(Fixture *fixture, const void *unused) {
        g_autofree char *networks = g_build_filename(fixture->folder, "networks", NULL);
        static const char newer[] = "<?xml version=\"1.0\"?>\n<?virtbus format=\"99\"?>\n" NETWORK("m", OTHER, "");
        (void) unused;
        define(fixture, NETWORK("n", UUID, ""));
        folder_write(networks, "11111111-c27e-4d6d-bf15-465053e6ba0b.xml", "<network", -1);
        folder_write(networks, OTHER ".xml", newer, -1);
        restart(fixture);
        g_assert_nonnull(networks_find(fixture->networks, UUID, NULL));
        g_assert_cmpuint(g_hash_table_size(fixture->networks->registry.by_uuid), ==, 1);
        refuse(fixture, NETWORK("m", OTHER, ""), VIRTBUS_ERROR_UNSUPPORTED, "left alone");
        g_autofree char *now = folder_read(networks, OTHER ".xml");
        g_assert_cmpstr(now, ==, newer);
}

static void test_metadata_is_set_and_kept(Fixture *fixture, const void *unused) {
        g_autoptr(GError) error = NULL;
        (void) unused;
        Network *network = define(fixture, NETWORK("n", UUID, "<bridge name='own0'/>"));
        network_set_metadata(network, "urn:a", xml_parse("<a xmlns='urn:a'>x</a>", NULL, &error), on_done, fixture);
        wait_answers(fixture, 1);
        g_assert_no_error(fixture->error);
        restart(fixture);
        network = networks_find(fixture->networks, UUID, NULL);
        g_assert_nonnull(strstr(network_definition(network)->xml, "<a xmlns=\"urn:a\">x</a>"));
        network_set_metadata(network, "urn:a", NULL, on_done, fixture);
        wait_answers(fixture, 1);
        g_assert_null(strstr(network_definition(network)->xml, "urn:a"));
}

static void test_who_waits_is_told_when_it_ends(Fixture *fixture, const void *unused) {
        (void) unused;
        registry_define(&fixture->networks->registry, NETWORK("n", UUID, ""), 1, on_done, fixture);
        registry_define(&fixture->networks->registry, NETWORK("m", OTHER, ""), 1, on_done, fixture);
        registry_cancel(&fixture->networks->registry);
        wait_answers(fixture, 2);
        refuse(fixture, NETWORK("m", OTHER, ""), VIRTBUS_ERROR_CANCELLED, "ending");
        g_assert_nonnull(networks_find(fixture->networks, UUID, NULL)); /* which was being written */
        g_assert_null(networks_find(fixture->networks, OTHER, NULL));
}

static void test_one_user_leaves_others_a_port(void) {
        g_autoptr(GError) error = NULL;
        NetworkDefinition definition = { .name = (char *) "n" };
        g_autoptr(GPtrArray) ports = g_ptr_array_new_with_free_func(g_free);
        Network network = { .entry.definition = &definition, .ports = ports };
        const PortPlace place = { &network, PORT_NETWORK, "" };
        unsigned last = PORTS_MAX;
        for (uid_t user = 1001; user < 1009; user++) {
                unsigned n = 0;
                for (; port_check_count(&place, ports, user, NULL); n++) {
                        Port *port = g_new0(Port, 1);
                        port->owner = user;
                        g_ptr_array_add(ports, port);
                }
                g_assert_cmpuint(n, >=, (last - 1) / 2);
                g_assert_cmpuint(n, <=, last / 2 + 1);
                last = n;
        }
        g_assert_true(port_check_count(&place, ports, 0, &error));
        g_assert_no_error(error);
        g_assert_false(port_check_count(&place, ports, 1001, &error));
        g_assert_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_LIMIT_EXCEEDED);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add("/networks/" #name, Fixture, NULL, set_up, test_##name, tear_down)
        ADD(networks_are_found_and_kept);
        ADD(a_bridge_is_chosen_and_stays);
        ADD(names_uuids_and_bridges_are_one_networks);
        ADD(what_comes_at_once_is_done_in_order);
        ADD(a_damaged_file_costs_itself_alone);
        ADD(metadata_is_set_and_kept);
        ADD(who_waits_is_told_when_it_ends);
        g_test_add_func("/networks/one_user_leaves_others_a_port", test_one_user_leaves_others_a_port);
        return g_test_run();
}
