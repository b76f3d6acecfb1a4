/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What dnsmasqs say of leases: a message of the helper, which begins with the number of its form, else dnsmasq's file; and an
 * edit of a network that a caller asks for, which begins with '<'. */

#include <string.h>

#include "fuzz.h"
#include "network/lease-book.h"
#include "network/network-edit.h"

static const char document[] =
                "<network><name>n</name><forward mode='nat'/><bridge name='br0'/><dns><txt name='t' value='1'/></dns>"
                "<ip address='10.0.0.1' prefix='24'><dhcp><range start='10.0.0.10' end='10.0.0.20'/>"
                "<host mac='52:54:00:00:00:01' name='one' ip='10.0.0.2'/></dhcp></ip><portgroup name='g'/></network>";

/* What is told of a lease is a name, can be printed and be in a document. */
static void check_lease(const Lease *lease) {
        const char *const hexadecimal[] = { lease->mac, lease->client_id };
        for (const char *c = lease->name; *c; c++)
                g_assert_true(g_ascii_isalnum(*c) || strchr("-_.", *c));
        g_assert_cmpuint(strlen(lease->name), <=, LEASE_NAME_BYTES_MAX);
        for (size_t i = 0; i < G_N_ELEMENTS(hexadecimal); i++)
                g_assert_cmpuint(strspn(hexadecimal[i], "0123456789abcdef:"), ==, strlen(hexadecimal[i]));
        g_assert_true(!*lease->mac || strlen(lease->mac) == 17);
        g_assert_true(lease->address.family == AF_INET || lease->address.family == AF_INET6);
        g_assert_true(!*lease->iaid || lease->address.family == AF_INET6);
}

static void read_message(const char *bytes, size_t size) {
        g_autofree char *uuid = NULL;
        bool is_over = false;
        g_autoptr(Lease) lease = lease_read_message(bytes, size, &uuid, &is_over);
        if (lease)
                check_lease(lease);
}

static void read_file(const char *text) {
        g_autoptr(GPtrArray) leases = lease_read_file(text);
        sd_event *event = NULL;
        g_assert_cmpint(sd_event_new(&event), >=, 0);
        g_autoptr(LeaseBook) book = lease_book_new(event, NULL, NULL);
        lease_book_replace(book, leases);
        for (guint i = 0; i < leases->len; i++)
                check_lease(leases->pdata[i]);
        for (guint i = 0; i < leases->len; i++)
                lease_book_drop(book, &((Lease *) leases->pdata[i])->address);
        g_autoptr(GPtrArray) left = lease_book_list(book, NULL);
        g_assert_cmpuint(left->len, ==, 0);
        g_clear_pointer(&book, lease_book_free);
        sd_event_unref(event);
}

/* Every command of every section: what becomes of it is a network's document, and that again the same. */
static void edit(const char *xml) {
        static const char *const sections[] = { "ip-dhcp-host", "ip-dhcp-range", "forward-interface", "portgroup", "dns-host",
                                                "dns-txt",      "dns-srv" };
        g_autoptr(NetworkDefinition) definition = network_definition_parse(document, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(sections); i++)
                for (const char *const *command = network_edit_commands; *command; command++) {
                        g_autoptr(GError) error = NULL;
                        g_autoptr(NetworkEdit) one = network_edit_read(*command, sections[i], -1, xml, &error);
                        g_autoptr(NetworkDefinition) now = one ? network_edit(definition, one, &error) : NULL;
                        if (!now) {
                                fuzz_check_error(error);
                                continue;
                        }
                        g_autoptr(NetworkDefinition) again = network_definition_parse(now->xml, &error);
                        g_assert_no_error(error);
                        g_assert_cmpstr(again->xml, ==, now->xml);
                }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        g_autofree char *text = g_strndup((const char *) data, size);
        if (size > 1 && data[0] == '1' && data[1] == '\0')
                read_message((const char *) data, size);
        else if (*text == '<')
                edit(text);
        else
                read_file(text);
        return 0;
}
