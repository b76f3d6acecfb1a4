/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

#include <errno.h>
#include <string.h>

#include "errors.h"
#include "fd-groups.h"
#include "messages.h"

static sd_bus *bus;

static void test_values_are_read_by_type(void) {
        g_autoptr(sd_bus_message) message = new_message(bus);
        g_autoptr(GError) error = NULL;
        bool flag = false, absent = true;
        uint32_t number = 0;
        uint64_t large = 0;
        const char *text = NULL;
        sd_bus_message_append(message, "a{sv}", 4, "flag", "b", 1, "number", "u", 7u, "large", "t", UINT64_MAX, "text", "s", "ü");
        seal(message);
        g_assert_true(options_read(message, &error, "flag", 'b', &flag, "number", 'u', &number, "large", 't', &large, "text", 's',
                                   &text, "absent", 'b', &absent, NULL));
        g_assert_no_error(error);
        g_assert_true(flag && absent);
        g_assert_cmpuint(number, ==, 7);
        g_assert_cmpuint(large, ==, UINT64_MAX);
        g_assert_cmpstr(text, ==, "ü");
}

static void refuse(const char *part, const char *types, ...) {
        g_autoptr(sd_bus_message) message = new_message(bus);
        g_autoptr(GError) error = NULL;
        bool flag = false;
        va_list arguments;
        va_start(arguments, types);
        g_assert_cmpint(sd_bus_message_appendv(message, types, arguments), >=, 0);
        va_end(arguments);
        seal(message);
        g_assert_false(options_read(message, &error, "flag", 'b', &flag, NULL));
        g_assert_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_ARGUMENT);
        g_assert_nonnull(strstr(error->message, part));
        g_assert_nonnull(strstr(error->message, "flag (b)"));
        g_assert_false(flag);
}

static void test_what_is_not_allowed_is_refused(void) {
        refuse("'other' is unknown", "a{sv}", 1, "other", "b", 1);
        refuse("another type", "a{sv}", 1, "flag", "s", "yes");
        refuse("another type", "a{sv}", 1, "flag", "as", 1, "yes");
}

static void test_an_option_given_twice_is_refused(void) {
        g_autoptr(sd_bus_message) message = new_message(bus);
        g_autoptr(GError) error = NULL;
        bool flag = false;
        sd_bus_message_append(message, "a{sv}", 2, "flag", "b", 0, "flag", "b", 1);
        seal(message);
        g_assert_false(options_read(message, &error, "flag", 'b', &flag, NULL));
        g_assert_nonnull(strstr(error->message, "twice"));
}

/* What the system refuses says what to do, where something helps and the message does not say it itself. */
static void test_errors_of_the_system_say_what_to_do(void) {
        static const struct {
                int value;
                const char *part;
        } cases[] = { { ENOSPC, "make space" },   { EACCES, "permissions" }, { ENOENT, "spelt" },
                      { EMFILE, "LimitNOFILE=" }, { EIO, "kernel's log" },   { EINVAL, "Invalid argument" } };
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GError) error = NULL, own = NULL;
                g_assert_false(virtbus_error_set_errno(&error, cases[i].value, "image %s cannot be opened", "/i"));
                g_assert_true(g_str_has_prefix(error->message, "image /i cannot be opened: "));
                g_assert_nonnull(strstr(error->message, cases[i].part));
                g_assert_false(virtbus_error_set_errno(&own, cases[i].value, "it is; do that"));
                g_assert_cmpstr(strchr(own->message, ':'), !=, NULL);
                g_assert_null(strchr(strchr(own->message, ':'), ';'));
        }
}

static bool read_groups(const char *types, GPtrArray **groups, GError **error, ...) {
        g_autoptr(sd_bus_message) message = new_message(bus);
        va_list arguments;
        va_start(arguments, error);
        g_assert_cmpint(sd_bus_message_appendv(message, types, arguments), >=, 0);
        va_end(arguments);
        seal(message);
        return options_read(message, error, "fds", OPTION_FDS, groups, NULL);
}

static void test_descriptors_are_read_by_their_group(void) {
        g_autoptr(GPtrArray) groups = NULL;
        g_autoptr(GError) error = NULL;
        g_assert_true(read_groups("a{sv}", &groups, &error, 1, "fds", "a{sah}", 2, "one", 1, 0, "two", 2, 1, 2));
        g_assert_no_error(error);
        const FdGroup *two = fd_groups_find(groups, "two");
        g_assert_cmpuint(fd_groups_find(groups, "one")->n, ==, 1);
        g_assert_cmpuint(two->n, ==, 2);
        g_assert_cmpint(two->fds[0], >, 2);
        g_assert_null(fd_groups_find(groups, "three"));
        g_assert_null(fd_groups_find(NULL, "one"));
}

static void refuse_groups(const char *part, int n, const char *name, int n_fds) {
        g_autoptr(GPtrArray) groups = NULL;
        g_autoptr(GError) error = NULL;
        bool fine = n == 2 ? read_groups("a{sv}", &groups, &error, 1, "fds", "a{sah}", 2, name, 1, 0, name, 1, 0)
                           : read_groups("a{sv}", &groups, &error, 1, "fds", "a{sah}", 1, name, n_fds, 0, 1, 2);
        g_assert_false(fine);
        g_assert_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_ARGUMENT);
        g_assert_nonnull(strstr(error->message, part));
}

static void test_groups_of_descriptors_that_cannot_be_are_refused(void) {
        g_autofree char *longest = g_strnfill(FD_GROUP_NAME_BYTES_MAX + 1, 'n');
        refuse_groups("two groups", 2, "one", 1);
        refuse_groups("cannot be the name", 1, "", 1);
        refuse_groups("cannot be the name", 1, "a\nb", 1);
        refuse_groups("cannot be the name", 1, longest, 1);
        refuse_groups("'none' has one", 1, "none", 0);
        refuse_groups("'many' has one", 1, "many", 3);
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        bus = unconnected_bus();
        g_test_add_func("/options/descriptors-are-read-by-their-group", test_descriptors_are_read_by_their_group);
        g_test_add_func("/options/groups-of-descriptors-that-cannot-be-are-refused",
                        test_groups_of_descriptors_that_cannot_be_are_refused);
        g_test_add_func("/options/values-are-read-by-type", test_values_are_read_by_type);
        g_test_add_func("/options/what-is-not-allowed-is-refused", test_what_is_not_allowed_is_refused);
        g_test_add_func("/options/an-option-given-twice-is-refused", test_an_option_given_twice_is_refused);
        g_test_add_func("/options/errors-of-the-system-say-what-to-do", test_errors_of_the_system_say_what_to_do);
        int status = g_test_run();
        sd_bus_unref(bus);
        return status;
}
