/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A domain document, from a caller's text to the command line that a start would make of it, with aliases as a start gives
 * them. */

#include <string.h>

#include "fuzz-qemu.h"
#include "qemu/command/command-line.h"
#include "qemu/command/files-plan.h"
#include "qemu/guest/guest.h"
#include "qemu/qemu.h"

static Connection *connection;

static xmlDoc *read_complete(const char *text, GError **error) {
        g_autoptr(xmlDoc) document = xml_parse(text, "domain", error);
        return document && qemu_hypervisor.documents->complete(connection, document, error) ? g_steal_pointer(&document) : NULL;
}

/* What is kept is read again, and nothing becomes of it but itself. */
static void check_kept(const Definition *definition) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = read_complete(definition->xml, &error);
        g_autoptr(Definition) again = document ? definition_from_document(document, &error) : NULL;
        g_assert_no_error(error);
        g_assert_cmpstr(again->xml, ==, definition->xml);
}

static void check_shown(const Definition *definition) {
        for (int secrets = 0; secrets < 2; secrets++) {
                g_autofree char *text = definition_text(definition, secrets, 1);
                g_autoptr(xmlDoc) document = xml_parse(text, "domain", NULL);
                g_assert_nonnull(document);
        }
        for (guint i = 0; i < definition->devices->len; i++) {
                g_autofree char *text = definition_device_text(definition, i);
                g_autoptr(xmlDoc) document = xml_parse(text, NULL, NULL);
                g_assert_nonnull(document);
        }
}

static void start(const Definition *definition) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = xml_parse(definition->xml, "domain", NULL);
        g_autofree char *emulator = command_line_emulator(definition);
        definition_write_aliases(definition, document);
        const CommandLineContext context = {
                .connection = connection,
                .definition = definition,
                .emulator = emulator,
                .capabilities = capabilities_find(host_of(connection)->capabilities, emulator),
                .n_host_nodes = host_of(connection)->n_nodes,
                .document = document,
                .directory = fuzz_folder(),
                .monitor = -1,
        };
        g_autoptr(GPtrArray) files = files_plan(&context);
        CommandLine *line = command_line_build(&context, NULL, &error);
        g_assert_no_error(error); /* it was defined, so it starts, as far as the document goes */
        command_line_free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        g_autofree char *text = g_strndup((const char *) data, size);
        g_autoptr(GError) error = NULL;
        if (!connection) {
                sd_event *event;
                g_assert_cmpint(sd_event_new(&event), >=, 0);
                connection = fuzz_open_qemu(event, objects_new());
        }
        g_autoptr(xmlDoc) document = read_complete(text, &error);
        g_autoptr(Definition) definition = document ? definition_from_document(document, &error) : NULL;
        if (definition) {
                g_autofree char *native = qemu_hypervisor.documents->to_native(connection, definition, document, NULL);
                qemu_hypervisor.documents->check(connection, definition, document, true, NULL);
        }
        if (definition && qemu_hypervisor.documents->check(connection, definition, document, false, &error)) {
                check_kept(definition);
                check_shown(definition);
                start(definition);
        } else
                fuzz_check_error(error);
        return 0;
}
