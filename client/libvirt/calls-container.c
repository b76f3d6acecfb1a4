/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What goes into containers. */

#include "calls.h"
#include "client.h"
#include "rows.h"

#define CONTAINER INTERFACE("Domain.Container")

/* The namespaces as libvirt's clients enter them: in this order, that of users first. */
static const char *const namespaces[] = { "user", "ipc", "uts", "net", "pid", "mnt" };

static void on_namespaces(Call *call, GVariant *reply) {
        g_autoptr(GVariant) handed = g_variant_get_child_value(reply, 0);
        int fds[G_N_ELEMENTS(namespaces)];
        gint32 handle;
        size_t n = 0;
        for (size_t i = 0; i < G_N_ELEMENTS(namespaces); i++) {
                int fd = call->fds && g_variant_lookup(handed, namespaces[i], "h", &handle)
                                         ? g_unix_fd_list_get(call->fds, handle, NULL)
                                         : -1;
                if (fd >= 0)
                        fds[n++] = fd;
        }
        if (n > 0)
                call_answer_fds(call, fds, n);
        else
                call_refuse(call, LIBVIRT_INTERNAL_ERROR, "the bus has not passed the namespaces' descriptors");
}

static void open_namespaces(Call *call) {
        call_ask_with_fds(call, call->domain, CONTAINER, "OpenNamespaces", g_variant_new("(a{sv})", NULL), NULL, "(a{sh})",
                          on_namespaces);
}

/* libvirt numbers signals as Linux does. */
static void send_signal(Call *call) {
        int64_t process;
        uint32_t number;
        g_variant_get_child(call->arguments, 1, "x", &process);
        g_variant_get_child(call->arguments, 2, "u", &number);
        call_ask(call, call->domain, CONTAINER, "SendSignal", g_variant_new("(xia{sv})", process, (int32_t) number, NULL), "()",
                 step_answer_nothing);
}

const CallRow container_calls[] = {
        { LXC_DOMAIN_OPEN_NAMESPACE, open_namespaces, NULL, CHANGES },
        { REMOTE_DOMAIN_SEND_PROCESS_SIGNAL, send_signal, NULL, CHANGES },
        {},
};
