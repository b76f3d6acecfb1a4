/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "tls/tls-users.h"

static const char *const lines = "# who comes from where\n"
                                 "\n"
                                 "alice C=DE,O=Example,CN=laptop\n"
                                 "  bob\tO=Two Words,CN=b?b  \n"
                                 "guest O=Example,*\n"
                                 "carol O=Example,CN=carol\n";

static void test_the_first_line_that_fits_counts(void) {
        static const char *const wanted[][2] = {
                { "C=DE,O=Example,CN=laptop", "alice" }, { "O=Two Words,CN=bob", "bob" }, { "O=Example,CN=carol", "guest" },
                { "C=DE,O=Example,CN=laptop2", NULL },   { "O=Two Words,CN=bb", NULL },   { "", NULL },
                { "# who comes from where", NULL },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++) {
                g_autoptr(GError) error = NULL;
                g_autofree char *user = tls_users_find(lines, "/users", wanted[i][0], &error);
                g_assert_cmpstr(user, ==, wanted[i][1]);
                g_assert_true(user || g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_ACCES));
        }
}

static void test_a_stranger_is_named_with_the_remedy(void) {
        g_autoptr(GError) error = NULL;
        g_assert_null(tls_users_find("", "/users", "CN=a\nb", &error));
        g_assert_nonnull(strstr(error->message, "'CN=a\\nb'"));
        g_assert_nonnull(strstr(error->message, "to /users"));
}

static void test_a_line_that_is_wrong_lets_nobody_in(void) {
        g_autoptr(GError) error = NULL;
        g_assert_null(tls_users_find("alice CN=a\nbob\n", "/users", "CN=a", &error));
        g_assert_nonnull(strstr(error->message, "/users, line 2"));
}

/* What is left of a last character is not looked for after the end. */
static void test_a_name_that_is_no_text_lets_nobody_in(void) {
        static const char *const names[] = { "CN=a\xf8", "CN=a\xe2\x82", "CN=\xc3(", "\xff" };
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autoptr(GError) error = NULL;
                g_assert_null(tls_users_find("alice CN=a?*\nbob *\ncarol *?example\n", "/users", names[i], &error));
                g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_ACCES);
        }
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tls-users/the-first-line-that-fits-counts", test_the_first_line_that_fits_counts);
        g_test_add_func("/tls-users/a-stranger-is-named-with-the-remedy", test_a_stranger_is_named_with_the_remedy);
        g_test_add_func("/tls-users/a-line-that-is-wrong-lets-nobody-in", test_a_line_that_is_wrong_lets_nobody_in);
        g_test_add_func("/tls-users/a-name-that-is-no-text-lets-nobody-in", test_a_name_that_is_no_text_lets_nobody_in);
        return g_test_run();
}
