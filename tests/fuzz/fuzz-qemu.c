/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz-qemu.h"

#include "qemu/qemu.h"

Connection *fuzz_open_qemu(sd_event *event, Objects *objects) {
        const char *root = fuzz_folder();
        g_autofree char *state = g_build_filename(root, "state", NULL), *run = g_build_filename(root, "run", NULL),
                        *log = g_build_filename(root, "log", NULL);
        g_autoptr(GError) error = NULL;
        Connection *connection = connection_open(&qemu_hypervisor, event, objects, state, run, log, &error);
        g_assert_no_error(error);
        return connection;
}
