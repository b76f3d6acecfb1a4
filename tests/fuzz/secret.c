/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A secret's document, from a caller's text to what is kept and read again; the same bytes as the file of a value. */

#include <string.h>

#include "base/kept.h"
#include "fuzz.h"
#include "secret/secret-definition.h"
#include "secret/secret-value.h"

/* What is kept is read again, and nothing becomes of it but itself. */
static void check_kept(const SecretDefinition *definition) {
        const Kept kept = { .owner = 7 };
        Kept found;
        g_autoptr(GError) error = NULL;
        g_autofree char *text = kept_text(definition->xml, &kept);
        g_autoptr(xmlDoc) document = xml_parse_own(text, "secret", &error);
        g_assert_no_error(error);
        g_assert_true(kept_take(document, &found, &error));
        g_assert_cmpuint(found.owner, ==, kept.owner);
        g_autoptr(SecretDefinition) again = secret_definition_from_document(document, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(again->xml, ==, definition->xml);
        g_assert_cmpstr(again->usage_key, ==, definition->usage_key);
        g_assert_cmpstr(again->description, ==, definition->description);
}

static void read_file(const char *text) {
        g_autoptr(GError) error = NULL;
        ValueForm form;
        const char *rest;
        bool whole = secret_file_parse(text, &form, &rest, &error);
        if (whole && form == VALUE_PLAIN) {
                SecretValue *value = secret_value_from_plain(rest, &error);
                if (value)
                        secret_value_free(value);
        }
        if (error)
                fuzz_check_error(error);
        else
                g_assert_true(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        g_autofree char *text = g_strndup((const char *) data, size);
        g_autoptr(GError) error = NULL;
        g_autoptr(SecretDefinition) definition = secret_definition_parse(text, &error);
        if (definition)
                check_kept(definition);
        else
                fuzz_check_error(error);
        read_file(text);
        return 0;
}
