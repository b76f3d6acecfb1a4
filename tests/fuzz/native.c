/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A command line of QEMU's as a document, and back. */

#include "fuzz-qemu.h"
#include "qemu/command/from-native.h"
#include "qemu/qemu.h"

static Connection *connection;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        g_autofree char *text = g_strndup((const char *) data, size);
        g_autoptr(GError) error = NULL;
        if (!connection) {
                sd_event *event;
                g_assert_cmpint(sd_event_new(&event), >=, 0);
                connection = fuzz_open_qemu(event, objects_new());
        }
        g_autoptr(xmlDoc) document = from_native(text, &error);
        bool complete = document && qemu_hypervisor.documents->complete(connection, document, &error);
        g_autoptr(Definition) definition = complete ? definition_from_document(document, &error) : NULL;
        g_autofree char *native =
                        definition ? qemu_hypervisor.documents->to_native(connection, definition, document, &error) : NULL;
        if (!native)
                fuzz_check_error(error);
        return 0;
}
