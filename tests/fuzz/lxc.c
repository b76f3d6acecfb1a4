/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* LXC's configuration of a container as a document; a container's document. */

#include "domain/definition.h"
#include "fuzz.h"
#include "lxc/conf-read.h"
#include "lxc/lxc-document.h"

/* What is taken stays as it is when it is completed again, and is taken again. */
static void check_document(xmlDoc *document) {
        g_autoptr(GError) error = NULL;
        lxc_document_complete(document);
        g_autofree char *once = xml_document_text(document);
        g_autoptr(xmlDoc) again = xml_parse_own(once, "domain", &error);
        g_assert_no_error(error);
        lxc_document_complete(again);
        g_autofree char *twice = xml_document_text(again);
        g_assert_cmpstr(once, ==, twice);
        lxc_document_check(again, false, &error);
        g_assert_no_error(error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = g_strndup((const char *) data, size);
        g_autoptr(xmlDoc) document = text[0] == '<'                    ? xml_parse(text, "domain", &error)
                                     : g_utf8_validate(text, -1, NULL) ? conf_from_native(text, &error)
                                                                       : NULL;
        if (!document) {
                if (error)
                        fuzz_check_error(error);
                return 0;
        }
        if (lxc_document_check(document, text[0] != '<', &error) || text[0] != '<')
                check_document(document);
        else
                fuzz_check_error(error);
        return 0;
}
