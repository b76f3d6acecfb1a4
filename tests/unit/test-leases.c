/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/foreign.h"
#include "domain/agent/addresses.h"
#include "domain/agent/leases.h"
#include "folder.h"
#include "peer-pair.h"

#define MAC "52:54:00:00:00:01"
#define DNSMASQ "/var/lib/misc/dnsmasq.leases"
#define LIBVIRT "/var/lib/libvirt/dnsmasq/virbr0.status"

static Worker *worker;

/* The call that leases answer. */
static void bus_get_addresses(Call *call, void *self) {
        const char *bridge, *mac;
        (void) self;
        g_assert_cmpint(sd_bus_message_read(call->message, "ss", &bridge, &mac), >, 0);
        leases_answer(worker, &(LeasesPlace){ .bridge = bridge }, mac, call);
}

static const MethodInfo methods[] = { { .name = "GetAddresses", .in_signature = "ss", .out_signature = "a(su)" } };
static const InterfaceInfo info = { .name = "org.virtbus1.Unit", .methods = methods, .n_methods = 1 };
static const Vtable vtable = { .info = &info, .methods = (const MethodHandler[]){ bus_get_addresses } };
static const Vtable *const vtables[] = { &vtable, NULL };

/* /var/lib is empty and this program's own. */
static bool has_own_files(void) {
        if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("tmpfs", "/var/lib", "tmpfs", 0, NULL) < 0)
                return false;
        g_assert_cmpint(g_mkdir_with_parents("/var/lib/misc", 0755), ==, 0);
        g_assert_cmpint(g_mkdir_with_parents("/var/lib/libvirt/dnsmasq", 0755), ==, 0);
        g_assert_cmpint(g_mkdir_with_parents("/var/lib/NetworkManager", 0755), ==, 0);
        return true;
}

/* Asserts which addresses there are of the card, as "ADDRESS ADDRESS ". */
static void assert_addresses(const char *bridge, const char *mac, const char *wanted) {
        g_autoptr(sd_event) event = NULL;
        g_autoptr(GString) found = g_string_new(NULL);
        g_auto(PeerCall) call;
        PeerPair pair;
        const char *address;
        uint32_t prefix;
        g_assert_cmpint(sd_event_new(&event), >=, 0);
        worker = worker_new(event, 1, NULL);
        Objects *objects = objects_new();
        peer_pair_open(&pair, objects);
        Published *published = objects_publish(objects, "/card", NULL, vtables);
        sd_bus_message *message = peer_call_new(&pair, "/card", "org.virtbus1.Unit", "GetAddresses");
        g_assert_cmpint(sd_bus_message_append(message, "ss", bridge, mac), >=, 0);
        peer_call_send(&pair, message, &call);
        g_assert_true(worker_finish(worker));
        peer_pair_run(&pair);
        peer_call_assert_error(&call, NULL);
        g_assert_cmpint(sd_bus_message_enter_container(call.answer, 'a', "(su)"), >=, 0);
        while (sd_bus_message_read(call.answer, "(su)", &address, &prefix) > 0)
                g_string_append_printf(found, "%s ", address);
        g_assert_cmpstr(found->str, ==, wanted);
        worker_free(worker);
        published_withdraw(published);
        objects_free(objects);
        peer_pair_close(&pair);
}

static void test_lines_of_dnsmasq(void) {
        g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT " " MAC " 192.0.2.1 name 01:52\n" /* for a while */
                                                "0 " MAC " 192.0.2.2 * *\n"                           /* for ever */
                                                "1 " MAC " 192.0.2.3 old *\n"                         /* over */
                                                "0 52:54:00:00:00:02 192.0.2.4 other *\n"
                                                "0 52:54:00:AB:CD:EF 192.0.2.5 upper *\n"
                                                "duid 00:01:00:01\n"
                                                "0 1234 2001:db8::1 name 00:01\n",
                                                g_get_real_time() / G_USEC_PER_SEC + 3600);
        folder_write("/", DNSMASQ, text, -1);
        assert_addresses("", MAC, "192.0.2.1 192.0.2.2 ");
        assert_addresses("virbr0", "52:54:00:00:00:02", "192.0.2.4 ");
        assert_addresses("", "52:54:00:ab:cd:ef", "192.0.2.5 ");
        assert_addresses("", "", "");
        g_assert_cmpint(unlink(DNSMASQ), ==, 0);
}

static void test_lines_that_are_no_leases(void) {
        static const char *const texts[] = {
                "",
                "\n\n\n",
                " ",
                "0",
                "0 " MAC,
                "0 " MAC " ",
                "0 " MAC " 192.0.2.300 a b\n",
                "0 " MAC " ../../etc a b\n",
                "0  " MAC " 192.0.2.1\n",
                "0\t" MAC "\t192.0.2.1\n",
                MAC " 0 192.0.2.1\n",
                "0 " MAC " 192.0.2.1/24 a b\n",
                "\xff\xfe\xfd 1 2 3\n",
                "[{\"mac-address\": \"" MAC "\", \"ip-address\": \"192.0.2.1\"}]",
        };
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                folder_write("/", DNSMASQ, texts[i], -1);
                assert_addresses("", MAC, "");
        }
        folder_write("/", DNSMASQ, "0 a\0b c\n0 " MAC " 192.0.2.1 x x\n", 40);
        assert_addresses("", MAC, ""); /* what follows a zero is not read */
        g_assert_cmpint(unlink(DNSMASQ), ==, 0);
}

static void test_networks_of_libvirt(void) {
        static const struct {
                const char *text, *wanted;
        } cases[] = {
                { "[{\"ip-address\": \"192.0.2.7\", \"mac-address\": \"" MAC "\", \"expiry-time\": 0}]", "192.0.2.7 " },
                { "[{\"ip-address\": \"192.0.2.7\", \"mac-address\": \"" MAC "\"}]", "192.0.2.7 " },
                { "[{\"ip-address\": \"2001:db8::7\", \"mac-address\": \"" MAC "\"}]", "2001:db8::7 " },
                { "[{\"ip-address\": \"192.0.2.7\", \"mac-address\": \"" MAC "\", \"expiry-time\": 1}]", "" },
                { "[{\"ip-address\": 7, \"mac-address\": \"" MAC "\"}, {\"ip-address\": \"192.0.2.8\", \"mac-address\": \"" MAC
                  "\"}]",
                  "192.0.2.8 " },
                { "[{\"ip-address\": \"192.0.2.7\", \"mac-address\": [\"" MAC "\"]}]", "" },
                { "[{\"ip-address\": \"192.0.2.7\"}, null, 7, \"x\", []]", "" },
                { "{\"ip-address\": \"192.0.2.7\", \"mac-address\": \"" MAC "\"}", "" },
                { "[", "" },
                { "", "" },
                { "nonsense", "" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                folder_write("/", LIBVIRT, cases[i].text, -1);
                assert_addresses("virbr0", MAC, cases[i].wanted);
                assert_addresses("virbr1", MAC, "");
        }
        g_autofree char *deep = g_strnfill(200000, '[');
        folder_write("/", LIBVIRT, deep, -1);
        assert_addresses("virbr0", MAC, "");
}

/* A definition says what its bridge is. */
static void test_the_name_of_a_bridge_leads_nowhere_else(void) {
        static const char *const bridges[] = { "../libvirt/dnsmasq/virbr0", "/virbr0", "%s", "", "..", "virbr0.status", "a\nb" };
        folder_write("/", LIBVIRT, "[{\"ip-address\": \"192.0.2.7\", \"mac-address\": \"" MAC "\"}]", -1);
        for (size_t i = 0; i < G_N_ELEMENTS(bridges); i++)
                assert_addresses(bridges[i], MAC, "");
}

static void test_files_that_are_no_files(void) {
        g_autofree char *line = g_strdup("0 " MAC " 192.0.2.1 x x\n");
        folder_write("/", "/var/lib/elsewhere", line, -1);
        g_assert_cmpint(symlink("/var/lib/elsewhere", DNSMASQ), ==, 0);
        assert_addresses("", MAC, ""); /* a link is not followed */
        g_assert_cmpint(unlink(DNSMASQ), ==, 0);
        g_assert_cmpint(mkfifo(DNSMASQ, 0600), ==, 0);
        assert_addresses("", MAC, ""); /* nor a pipe waited for */
        g_assert_cmpint(unlink(DNSMASQ), ==, 0);
        g_assert_cmpint(mkdir(DNSMASQ, 0700), ==, 0);
        assert_addresses("", MAC, "");
        g_assert_cmpint(rmdir(DNSMASQ), ==, 0);
        folder_write("/", DNSMASQ, line, -1);
        g_assert_cmpint(truncate(DNSMASQ, FOREIGN_BYTES_MAX + 1), ==, 0);
        assert_addresses("", MAC, "");
        g_assert_cmpint(truncate(DNSMASQ, FOREIGN_BYTES_MAX), ==, 0);
        assert_addresses("", MAC, "192.0.2.1 ");
        g_assert_cmpint(unlink(DNSMASQ), ==, 0);
}

static void test_so_many_addresses_and_no_more(void) {
        g_autoptr(GString) text = g_string_new(NULL), wanted = g_string_new(NULL);
        for (unsigned i = 0; i < 2 * ADDRESSES_MAX; i++) {
                g_string_append_printf(text, "0 " MAC " 10.0.%u.%u x x\n", i / 256, i % 256);
                if (i < ADDRESSES_MAX)
                        g_string_append_printf(wanted, "10.0.%u.%u ", i / 256, i % 256);
        }
        folder_write("/", DNSMASQ, text->str, -1);
        assert_addresses("", MAC, wanted->str);
        g_assert_cmpint(unlink(DNSMASQ), ==, 0);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        if (!has_own_files()) {
                g_print("1..0 # SKIP no mounts of one's own: %s\n", g_strerror(errno));
                return 0;
        }
        g_test_add_func("/leases/lines-of-dnsmasq-are-read", test_lines_of_dnsmasq);
        g_test_add_func("/leases/lines-that-are-not-leases-are-passed-over", test_lines_that_are_no_leases);
        g_test_add_func("/leases/networks-of-libvirt-are-read", test_networks_of_libvirt);
        g_test_add_func("/leases/the-name-of-a-bridge-leads-nowhere-else", test_the_name_of_a_bridge_leads_nowhere_else);
        g_test_add_func("/leases/what-is-not-a-file-is-not-read", test_files_that_are_no_files);
        g_test_add_func("/leases/there-are-so-many-addresses-and-no-more", test_so_many_addresses_and_no_more);
        return g_test_run();
}
