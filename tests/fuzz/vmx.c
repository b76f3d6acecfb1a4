/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* VMware's configuration of a machine as a document, and back; a document as its configuration; what vmrun says of
 * the machines that run. */

#include <string.h>

#include "domain/definition.h"
#include "fuzz.h"
#include "vmware/vmrun.h"
#include "vmx/vmx-read.h"
#include "vmx/vmx-write.h"

/* What is written is read again, and written as the same; also over itself. */
static void check_written(const char *text) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = vmx_from_native(text, &error);
        g_assert_no_error(error);
        g_autofree char *once = vmx_write(document, &error);
        g_assert_no_error(error);
        g_autoptr(xmlDoc) again = vmx_from_native(once, &error);
        g_assert_no_error(error);
        g_autofree char *twice = vmx_write(again, &error), *over = vmx_rewrite(again, once, "", &error);
        g_assert_no_error(error);
        g_assert_cmpstr(once, ==, twice);
        g_assert_cmpstr(once, ==, over);
}

static void write_document(xmlDoc *document) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = vmx_write(document, &error);
        if (text)
                check_written(text);
        else
                fuzz_check_error(error);
}

/* What vmrun says runs: paths, as many as it says, or an error. */
static void read_list(const char *text) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GHashTable) paths = vmrun_parse_list(text, &error);
        GHashTableIter iterator;
        void *path;
        if (!paths) {
                fuzz_check_error(error);
                return;
        }
        g_hash_table_iter_init(&iterator, paths);
        while (g_hash_table_iter_next(&iterator, &path, NULL)) {
                g_assert_true(*(const char *) path == '/');
                g_assert_null(strchr(path, '\n'));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = vmx_file_decode((const char *) data, size, &error);
        if (!text) {
                fuzz_check_error(error);
                return 0;
        }
        if (g_str_has_prefix(text, "Total running")) {
                read_list(text);
                return 0;
        }
        if (text[0] == '<') {
                g_autoptr(xmlDoc) given = xml_parse(text, "domain", &error);
                g_autoptr(Definition) definition = given ? definition_from_document(given, &error) : NULL;
                if (definition)
                        write_document(given);
                else
                        fuzz_check_error(error);
                return 0;
        }
        g_autoptr(xmlDoc) document = vmx_from_native(text, &error);
        if (!document) {
                fuzz_check_error(error);
                return 0;
        }
        write_document(document);
        g_autofree char *xml = xml_document_text(document);
        g_autoptr(xmlDoc) again = xml_parse_own(xml, "domain", &error);
        g_assert_no_error(error);
        g_autoptr(Definition) definition = definition_from_document(again, &error);
        if (!definition)
                fuzz_check_error(error);
        return 0;
}
