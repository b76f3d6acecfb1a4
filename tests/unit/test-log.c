/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <glib.h>
#include <string.h>

static void test_an_entry_is_one_plain_line_whatever_is_in_it(void) {
        if (g_test_subprocess()) {
                log_error("a\nb\r<0>c\x1b[2Jd\te\x7f"
                          "f\xc2\x9b"
                          "31mg\u202eh\u2028i\xff"
                          "j \u00fc\u20ac\U0001f600 end");
                return;
        }
        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
        g_test_trap_assert_passed();
        g_test_trap_assert_stderr(
                        "a\\x0ab\\x0d<0>c\\x1b[2Jd\\x09e\\x7ff\\x9b31mg\\u202eh\\u2028i\ufffdj \u00fc\u20ac\U0001f600 end\n");
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/log/an-entry-is-one-plain-line-whatever-is-in-it", test_an_entry_is_one_plain_line_whatever_is_in_it);
        return g_test_run();
}
