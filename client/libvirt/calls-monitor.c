/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What QEMUs tell by themselves, as virsh qemu-monitor-event shows it. */

#include "calls.h"
#include "domains.h"
#include "monitor-events.h"
#include "rows.h"

#define IS_PATTERN 1
#define ANY_CASE 2

static const FlagOption register_flags[] = { { IS_PATTERN, NULL }, { ANY_CASE, NULL }, {} };

static void on_opened(Call *call, GVariant *reply) {
        g_autoptr(GError) error = NULL;
        int fd = row_take_fd(call, reply);
        if (fd < 0)
                return;
        const MonitorFilter filter = { call_optional(call, 1), (call->flags & IS_PATTERN) != 0, (call->flags & ANY_CASE) != 0 };
        int number = monitor_events_add(call->client->monitor_events, fd, &filter, &error);
        if (number < 0)
                call_fail(call, g_steal_pointer(&error));
        else
                call_answer(call, g_variant_new("(i)", number));
}

/* Those that tell are known by then. */
static void on_begun(void *data, const GError *error) {
        Call *call = data;
        g_autoptr(GVariant) maybe = g_variant_get_child_value(call->arguments, 0), domain = g_variant_get_maybe(maybe);
        const char *uuid = NULL;
        if (domain)
                g_variant_get_child(domain, 1, "&s", &uuid);
        g_autofree char *path = uuid ? call_domain_path(call->client, uuid) : g_strdup(call->client->connection);
        if (error)
                call_fail(call, g_error_copy(error));
        else
                call_ask_with_fds(call, path, domain ? INTERFACE("Domain") : INTERFACE("Connection"), "OpenMonitorEvents",
                                  g_variant_new("(a{sv})", NULL), NULL, "(h)", on_opened);
        call_unref(call);
}

static void register_events(Call *call) {
        domains_fill(call->client->domains, on_begun, call_ref(call));
}

static void deregister_events(Call *call) {
        int32_t number;
        g_variant_get_child(call->arguments, 0, "i", &number);
        if (monitor_events_remove(call->client->monitor_events, number))
                call_answer_nothing(call);
        else
                call_refuse(call, LIBVIRT_INTERNAL_ERROR, "domain event callback %d not registered", number);
}

const CallRow monitor_calls[] = {
        { QEMU_CONNECT_DOMAIN_MONITOR_EVENT_REGISTER, register_events, NULL, CHANGES, register_flags },
        { QEMU_CONNECT_DOMAIN_MONITOR_EVENT_DEREGISTER, deregister_events },
        {},
};
