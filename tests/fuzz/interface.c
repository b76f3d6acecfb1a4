/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A document of an interface of the host: what is right is so again, and does not change any more. */

#include "fuzz.h"
#include "network/interface-form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        g_autofree char *text = g_strndup((const char *) data, size);
        g_autoptr(GError) error = NULL;
        g_autofree char *kept = interface_form_check(text, &error);
        if (!kept) {
                fuzz_check_error(error);
                return 0;
        }
        g_autofree char *again = interface_form_check(kept, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(again, ==, kept);
        return 0;
}
