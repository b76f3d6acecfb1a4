/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "network/lease-book.h"

#define UUID "f52a81b2-424e-490c-823d-6bd4235bc573"
#define MESSAGE(action, address, identity, mac, iaid, client, name, until) \
        "1\0" UUID "\0" action "\0" address "\0" identity "\0" mac "\0" iaid "\0" client "\0" name "\0" until

static void check(const Lease *lease, const char *address, const char *mac, const char *iaid, const char *client,
                  const char *name, uint64_t until) {
        g_autofree char *text = address_text(&lease->address);
        g_assert_cmpstr(text, ==, address);
        g_assert_cmpstr(lease->mac, ==, mac);
        g_assert_cmpstr(lease->iaid, ==, iaid);
        g_assert_cmpstr(lease->client_id, ==, client);
        g_assert_cmpstr(lease->name, ==, name);
        g_assert_cmpuint(lease->until, ==, until);
}

static Lease *read_message(const char *message, size_t size, bool *is_over) {
        g_autofree char *network = NULL;
        Lease *lease = lease_read_message(message, size, &network, is_over);
        g_assert_cmpstr(network, ==, lease ? UUID : NULL);
        return lease;
}

static void test_messages_are_read(void) {
        static const char add[] = MESSAGE("add", "10.0.0.9", "52:54:00:AA:bb:01", "", "", "01:52", "web-1", "1700000000");
        static const char six[] = MESSAGE("old", "FD00::9", "00:03:00:01:52:54:00:aa:bb:02", "", "T7", "", "", "0");
        static const char known[] = MESSAGE("old", "fd00::9", "00:04:ab", "52:54:00:00:00:01", "7", "ff", "a", "1");
        static const char del[] = MESSAGE("del", "10.0.0.9", "", "", "", "", "", "");
        bool is_over;
        g_autoptr(Lease) one = read_message(add, sizeof add, &is_over);
        check(one, "10.0.0.9", "52:54:00:aa:bb:01", "", "01:52", "web-1", UINT64_C(1700000000000000));
        g_assert_false(is_over);
        g_autoptr(Lease) two = read_message(six, sizeof six, &is_over);
        check(two, "fd00::9", "52:54:00:aa:bb:02", "7", "00:03:00:01:52:54:00:aa:bb:02", "", 0);
        g_autoptr(Lease) three = read_message(known, sizeof known, &is_over);
        check(three, "fd00::9", "52:54:00:00:00:01", "7", "00:04:ab", "a", 1000000);
        g_autoptr(Lease) four = read_message(del, sizeof del, &is_over);
        check(four, "10.0.0.9", "", "", "", "", 0);
        g_assert_true(is_over);
}

static void test_what_is_not_a_message_is_none(void) {
        static const char good[] = MESSAGE("add", "10.0.0.9", "", "", "", "", "", "0");
        static const char *const bad[][2] = { { "1", "2" }, { UUID, "x" }, { "add", "tftp" }, { "10.0.0.9", "10.0.0" } };
        bool is_over;
        g_autofree char *long_one = g_strnfill(LEASE_MESSAGE_BYTES_MAX + 1, '\0');
        for (size_t size = 0; size < sizeof good; size++)
                g_assert_null(read_message(good, size, &is_over));
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_autoptr(GString) message = g_string_new(NULL);
                for (const char *field = good; field < good + sizeof good; field += strlen(field) + 1)
                        g_string_append_len(message, strcmp(field, bad[i][0]) == 0 ? bad[i][1] : field,
                                            (gssize) strlen(strcmp(field, bad[i][0]) == 0 ? bad[i][1] : field) + 1);
                g_assert_null(read_message(message->str, message->len, &is_over));
        }
        g_assert_null(read_message(long_one, LEASE_MESSAGE_BYTES_MAX + 1, &is_over));
}

static void test_what_a_guest_says_is_of_its_form_or_left_out(void) {
        static const char *const names[] = { "a b", "\033[31m", "<x/>", "-a", "a\nb", "\xff", "a;b" };
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *file = g_strdup_printf("0 52:54:00:00:00:01 10.0.0.9 %s zz:01", names[i]);
                g_autoptr(GPtrArray) leases = lease_read_file(file);
                for (guint k = 0; k < leases->len; k++)
                        check(leases->pdata[k], "10.0.0.9", "52:54:00:00:00:01", "", "", "", 0);
        }
}

static void test_files_are_read(void) {
        g_autoptr(GPtrArray) leases = lease_read_file("1700000000 52:54:00:00:00:01 10.0.0.9 web 01:52:54:00:00:00:01\n"
                                                      "0 06-11:22 10.0.0.8 * *\n"
                                                      "nonsense\n"
                                                      "x 52:54:00:00:00:01 10.0.0.7 * *\n"
                                                      "1 52:54:00:00:00:01 10.0.0 * *\n"
                                                      "duid 00:01:00:01:2a:f3:b1:c2:52:54:00:00:00:09\n"
                                                      "1700000001 7 fd00::9 six 00:01:00:01:2a:f3:b1:c2:52:54:00:00:00:02\n"
                                                      "18446744073709551615 T8 fd00::8 * 00:04:ff");
        g_assert_cmpuint(leases->len, ==, 4);
        check(leases->pdata[0], "10.0.0.9", "52:54:00:00:00:01", "", "01:52:54:00:00:00:01", "web", UINT64_C(1700000000000000));
        check(leases->pdata[1], "10.0.0.8", "", "", "", "", 0);
        check(leases->pdata[2], "fd00::9", "52:54:00:00:00:02", "7", "00:01:00:01:2a:f3:b1:c2:52:54:00:00:00:02", "six",
              UINT64_C(1700000001000000));
        check(leases->pdata[3], "fd00::8", "", "8", "00:04:ff", "", 0);
}

/* The book */

typedef struct Told {
        GString *text; /* "+ADDRESS NAME ", "~..." or "-..." */
        unsigned n;
} Told;

static void on_told(void *data, LeaseChange change, const Lease *lease) {
        Told *told = data;
        g_autofree char *address = address_text(&lease->address);
        g_string_append_printf(told->text, "%c%s %s ", "+~-"[change], address, lease -> name);
        told->n++;
}

static Lease *lease_of(unsigned number, const char *name) {
        g_autofree char *file = g_strdup_printf("0 52:54:00:00:00:01 10.0.%u.%u %s *", number / 256, number % 256, name);
        g_autoptr(GPtrArray) leases = lease_read_file(file);
        g_assert_cmpuint(leases->len, ==, 1);
        g_ptr_array_set_free_func(leases, NULL);
        return leases->pdata[0];
}

static void check_told(Told *told, const char *text) {
        g_assert_cmpstr(told->text->str, ==, text);
        g_string_truncate(told->text, 0);
}

static void test_each_change_is_told_once(void) {
        sd_event *event = NULL;
        Told told = { .text = g_string_new(NULL) };
        g_assert_cmpint(sd_event_new(&event), >=, 0);
        LeaseBook *book = lease_book_new(event, on_told, &told);
        g_autoptr(Lease) first = lease_of(1, "a");
        lease_book_put(book, lease_of(1, "a"));
        lease_book_put(book, lease_of(1, "a"));
        check_told(&told, "+10.0.0.1 a ");
        lease_book_put(book, lease_of(1, "b"));
        check_told(&told, "~10.0.0.1 b ");
        lease_book_drop(book, &first->address);
        lease_book_drop(book, &first->address);
        check_told(&told, "-10.0.0.1 b ");
        lease_book_put(book, lease_of(2, "c"));
        lease_book_put(book, lease_of(3, "d"));
        check_told(&told, "+10.0.0.2 c +10.0.0.3 d ");
        g_autoptr(GPtrArray) others = g_ptr_array_new_with_free_func((GDestroyNotify) lease_free);
        g_ptr_array_add(others, lease_of(3, "d"));
        g_ptr_array_add(others, lease_of(4, "e"));
        lease_book_replace(book, others);
        check_told(&told, "-10.0.0.2 c +10.0.0.4 e ");
        g_autoptr(GPtrArray) all = lease_book_list(book, NULL), none = lease_book_list(book, "52:54:00:00:00:02"),
                             upper = lease_book_list(book, "52:54:00:00:00:01");
        g_assert_cmpuint(all->len, ==, 2);
        g_assert_cmpuint(upper->len, ==, 2);
        g_assert_cmpuint(none->len, ==, 0);
        g_assert_cmpstr(((Lease *) all->pdata[0])->name, ==, "d");
        lease_book_free(book);
        sd_event_unref(event);
        g_string_free(told.text, TRUE);
}

/* What is too much waits; what became of an address meanwhile is told as one change, or as none. */
static void test_changes_are_told_in_measure(void) {
        sd_event *event = NULL;
        Told told = { .text = g_string_new(NULL) };
        g_assert_cmpint(sd_event_new(&event), >=, 0);
        LeaseBook *book = lease_book_new(event, on_told, &told);
        g_autoptr(Lease) last = lease_of(LEASE_CHANGES_AT_ONCE + 1, "x");
        for (unsigned i = 0; i < LEASE_CHANGES_AT_ONCE; i++)
                lease_book_put(book, lease_of(i, "a"));
        g_assert_cmpuint(told.n, ==, LEASE_CHANGES_AT_ONCE);
        g_string_truncate(told.text, 0);
        for (unsigned i = 0; i < 3; i++) {
                lease_book_put(book, lease_of(LEASE_CHANGES_AT_ONCE + 1, i ? "x" : "y"));
                lease_book_drop(book, &last->address);
                lease_book_put(book, lease_of(1, i ? "b" : "c"));
        }
        while (!strstr(told.text->str, "~10.0.0.1 b "))
                g_assert_cmpint(sd_event_run(event, UINT64_MAX), >=, 0);
        const char *end = g_strrstr(told.text->str, "10.0.3.233");
        g_assert_true(!end || end[-1] == '-'); /* it may have been told, as some may be told again after 2 ms */
        lease_book_free(book);
        sd_event_unref(event);
        g_string_free(told.text, TRUE);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/lease/messages-are-read", test_messages_are_read);
        g_test_add_func("/lease/what-is-not-a-message-is-none", test_what_is_not_a_message_is_none);
        g_test_add_func("/lease/what-a-guest-says-is-of-its-form-or-left-out", test_what_a_guest_says_is_of_its_form_or_left_out);
        g_test_add_func("/lease/files-are-read", test_files_are_read);
        g_test_add_func("/lease/each-change-is-told-once", test_each_change_is_told_once);
        g_test_add_func("/lease/changes-are-told-in-measure", test_changes_are_told_in_measure);
        return g_test_run();
}
