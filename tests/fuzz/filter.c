/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A network filter's document, from a caller's text to what is kept and read again, and to rules of nftables. */

#include "base/kept.h"
#include "fuzz.h"
#include "network/filter-show.h"

/* What is kept is read again, and nothing becomes of it but itself. */
static void check_kept(const FilterDefinition *definition) {
        const Kept kept = { .owner = 7 };
        Kept found;
        g_autoptr(GError) error = NULL;
        g_autofree char *text = kept_text(definition->xml, &kept);
        g_autoptr(xmlDoc) document = xml_parse_own(text, "filter", &error);
        g_assert_no_error(error);
        g_assert_true(kept_take(document, &found, &error));
        g_assert_cmpuint(found.owner, ==, kept.owner);
        g_autoptr(FilterDefinition) again = filter_definition_from_document(g_steal_pointer(&document), &error);
        g_assert_no_error(error);
        g_assert_cmpstr(again->xml, ==, definition->xml);
        g_assert_cmpstr(again->name, ==, definition->name);
        g_assert_cmpstr(again->chain, ==, definition->chain);
        g_assert_cmpint(again->priority, ==, definition->priority);
        g_assert_cmpuint(g_strv_length(again->references), ==, g_strv_length(definition->references));
}

/* Each line is one command, and nothing of the document is another one. */
static void check_rules(const FilterDefinition *definition) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) values = g_ptr_array_new();
        g_autoptr(GHashTable) variables = g_hash_table_new(g_str_hash, g_str_equal);
        g_ptr_array_add(values, (char *) "10.0.0.1");
        g_ptr_array_add(values, (char *) "7");
        g_hash_table_insert(variables, (char *) "A", values);
        const FilterSource source = { 0 };
        g_autofree char *rules = filter_show_rules(&source, definition, "vnet0", variables, &error);
        if (!rules) {
                fuzz_check_error(error);
                return;
        }
        g_auto(GStrv) lines = g_strsplit(rules, "\n", -1);
        for (char **line = lines; **line; line++) {
                bool is_hook = strstr(*line, " { type ") || strstr(*line, " { typeof ") || strstr(*line, "add element") ||
                               g_str_has_prefix(*line, "insert rule ");
                g_assert_true(g_str_has_prefix(*line, "add ") || g_str_has_prefix(*line, "insert rule ") ||
                              g_str_has_prefix(*line, "flush chain "));
                g_assert_true(is_hook || strcspn(*line, ";{}\"'#") == strlen(*line));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        g_autofree char *text = g_strndup((const char *) data, size);
        g_autoptr(GError) error = NULL;
        g_autoptr(FilterDefinition) definition = filter_definition_parse(text, &error);
        if (definition) {
                check_kept(definition);
                if (!definition->references[0])
                        check_rules(definition);
        } else
                fuzz_check_error(error);
        return 0;
}
