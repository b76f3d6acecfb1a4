/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A network's document, from a caller's text to what is kept and read again. */

#include "base/kept.h"
#include "fuzz.h"
#include "network/dnsmasq.h"
#include "network/network-definition.h"

/* What is kept is read again, and nothing becomes of it but itself. */
static void check_kept(const NetworkDefinition *definition) {
        const Kept kept = { .owner = 7, .autostart = true };
        Kept found;
        g_autoptr(GError) error = NULL;
        g_autofree char *text = kept_text(definition->xml, &kept);
        g_autoptr(xmlDoc) document = xml_parse_own(text, "network", &error);
        g_assert_no_error(error);
        g_assert_true(kept_take(document, &found, &error));
        g_assert_cmpuint(found.owner, ==, kept.owner);
        g_assert_true(found.autostart);
        g_autoptr(NetworkDefinition) again = network_definition_from_document(g_steal_pointer(&document), &error);
        g_assert_no_error(error);
        g_assert_cmpstr(again->xml, ==, definition->xml);
        g_assert_cmpstr(again->name, ==, definition->name);
        g_assert_cmpstr(again->bridge, ==, definition->bridge);
        g_assert_cmpuint(again->n_subnets, ==, definition->n_subnets);
}

static void check_bridge(const NetworkDefinition *definition) {
        g_autoptr(GError) error = NULL;
        g_autoptr(NetworkDefinition) named = network_definition_with_bridge(definition, "virbr0", &error);
        if (named)
                g_assert_cmpstr(named->bridge, ==, "virbr0");
        else
                fuzz_check_error(error);
}

/* What dnsmasq is told: each line is one. */
static void check_dnsmasq(const NetworkDefinition *definition) {
        g_autoptr(DnsmasqFiles) files = dnsmasq_files_new(definition, "/run/n");
        g_assert_true(g_str_has_prefix(files->configuration, "strict-order\n"));
        for (const char *c = files->configuration; *c; c++)
                g_assert_true(*c == '\n' || !g_ascii_iscntrl(*c));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        g_autofree char *text = g_strndup((const char *) data, size);
        g_autoptr(GError) error = NULL;
        g_autoptr(NetworkDefinition) definition = network_definition_parse(text, &error);
        if (!definition) {
                fuzz_check_error(error);
                return 0;
        }
        check_kept(definition);
        check_dnsmasq(definition);
        if (network_definition_lacks_bridge(definition))
                check_bridge(definition);
        return 0;
}
