/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/monitor/bare-qemu.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "bus.h"
#include "errors.h"

static GPtrArray *make_arguments(const BareQemu *qemu, const char *chardev) {
        const char *const first[] = { qemu->emulator,
                                      "-S",
                                      "-no-user-config",
                                      "-nodefaults",
                                      "-nographic",
                                      "-sandbox",
                                      QEMU_SANDBOX,
                                      "-machine",
                                      qemu->machine,
                                      "-chardev",
                                      chardev,
                                      "-mon",
                                      "chardev=monitor,mode=control" };
        GPtrArray *arguments = g_ptr_array_new();
        for (size_t i = 0; i < G_N_ELEMENTS(first); i++)
                g_ptr_array_add(arguments, (char *) first[i]);
        for (size_t i = 0; qemu->more && qemu->more[i]; i++)
                g_ptr_array_add(arguments, (char *) qemu->more[i]);
        g_ptr_array_add(arguments, NULL);
        return arguments;
}

static Process *start(sd_event *event, const BareQemu *qemu, int monitor, GError **error) {
        g_autofree char *chardev = g_strdup_printf("socket,id=monitor,fd=%d", monitor);
        g_autoptr(GPtrArray) arguments = make_arguments(qemu, chardev);
        const Confinement confinement = confine_for(qemu->setup->confinement, qemu->emulator, NULL);
        g_auto(GStrv) paths = (char **) confinement.paths;
        int fds[BARE_QEMU_FDS_MAX + 1] = { monitor };
        g_assert(qemu->n_fds <= BARE_QEMU_FDS_MAX);
        if (qemu->n_fds > 0)
                memcpy(fds + 1, qemu->fds, qemu->n_fds * sizeof *fds);
        ProcessSetup setup = *qemu->setup;
        setup.arguments = (char *const *) arguments->pdata;
        setup.fds = fds;
        setup.n_fds = qemu->n_fds + 1;
        setup.confinement = confinement.parts ? &confinement : NULL;
        setup.ends_with_us = true;
        return process_new(event, &setup, qemu->ended, qemu->process_data, error);
}

Process *bare_qemu_new(sd_event *event, const BareQemu *qemu, Monitor **monitor, GError **error) {
        int pair[2];
        *monitor = NULL;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
                virtbus_error_set_errno(error, errno, "%s cannot be started", qemu->emulator);
                return NULL;
        }
        g_autofd int theirs = pair[1];
        *monitor = monitor_new(event, pair[0], qemu->listener, qemu->monitor_data, error);
        Process *process = *monitor ? start(event, qemu, theirs, error) : NULL;
        if (!process)
                g_clear_pointer(monitor, monitor_free);
        return process;
}
