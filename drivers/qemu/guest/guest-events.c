/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/guest-events.h"

#include <string.h>

#include "domain/domain-event.h"
#include "domain/domain-run.h"
#include "domain/operation.h"
#include "domain/operations/dump.h"
#include "domain/operations/reattach.h"
#include "domain/operations/save.h"
#include "qemu/command/node-name.h"

/* Whether that it stops or goes on is a step of something longer, which tells the state itself. */
static bool is_ours(const Guest *guest) {
        const Operation *operation = guest->domain->operation;
        return guest->blinks || (operation && operation->class->tells_state);
}

static void on_stop(Guest *guest, JsonObject *unused) {
        Domain *domain = guest->domain;
        (void) unused;
        if (is_ours(guest))
                return;
        DomainReason reason = guest->pause_reason;
        if (operation_is(domain->operation, &dump_class))
                reason = REASON_DUMP;
        else if (operation_is(domain->operation, &save_class))
                reason = REASON_SAVING;
        if (domain->state == DOMAIN_RUNNING)
                domain_changed(domain, DOMAIN_PAUSED, reason);
        guest->pause_reason = REASON_UNKNOWN;
}

static void on_resume(Guest *guest, JsonObject *unused) {
        Domain *domain = guest->domain;
        (void) unused;
        GUEST_EACH(guest, resumed);
        if (is_ours(guest))
                return;
        if (domain->state == DOMAIN_PAUSED)
                domain_changed(domain, DOMAIN_RUNNING, REASON_RESUMED);
}

/* QEMU names the node, whose name begins with the disk's. */
static void on_disk_error(Guest *guest, JsonObject *arguments) {
        const char *node = json_string(arguments, "node-name");
        JsonNode *full = arguments ? json_object_get_member(arguments, "nospace") : NULL;
        bool no_space = json_node_is_basic(full) && json_node_get_boolean(full);
        for (guint i = 0; node && i < guest->domain->live->devices->len; i++) {
                const DeviceDefinition *device = guest->domain->live->devices->pdata[i];
                g_autofree char *prefix = node_name_prefix(device->alias);
                if (device->device_class == DEVICE_DISK && node_name_layer(prefix, node) >= 0)
                        domain_disk_failed(guest->domain, device->alias, no_space ? "no-space" : "failed");
        }
}

static void on_shutdown(Guest *guest, JsonObject *arguments) {
        const char *reason = json_string(arguments, "reason");
        if (g_strcmp0(reason, "guest-reset") == 0) /* on_reboot is destroy */
                domain_guest_event(guest->domain, GUEST_REBOOT);
        else if (reason && g_str_has_prefix(reason, "guest-"))
                domain_guest_event(guest->domain, GUEST_SHUTDOWN);
}

static void on_reset(Guest *guest, JsonObject *arguments) {
        if (g_strcmp0(json_string(arguments, "reason"), "guest-reset") == 0)
                domain_guest_event(guest->domain, GUEST_REBOOT);
}

static void on_sleep(Guest *guest, JsonObject *unused) {
        (void) unused;
        domain_guest_event(guest->domain, GUEST_SLEEP);
}

static void on_wakeup(Guest *guest, JsonObject *unused) {
        (void) unused;
        domain_guest_event(guest->domain, GUEST_WAKE);
}

static void on_panicked(Guest *guest, JsonObject *unused) {
        (void) unused;
        domain_guest_event(guest->domain, GUEST_CRASH);
}

static void on_io_error(Guest *guest, JsonObject *arguments) {
        on_disk_error(guest, arguments);
        if (g_strcmp0(json_string(arguments, "action"), "stop") == 0)
                guest->pause_reason = REASON_IO_ERROR;
}

static void on_watchdog(Guest *guest, JsonObject *arguments) {
        if (g_strcmp0(json_string(arguments, "action"), "pause") == 0)
                guest->pause_reason = REASON_WATCHDOG;
}

static const MonitorEvent events[] = {
        { "SHUTDOWN", PHASE_SETTING_OUT | PHASE_RUNNING, on_shutdown },
        { "RESET", PHASE_SETTING_OUT | PHASE_RUNNING, on_reset },
        { "SUSPEND", PHASE_RUNNING, on_sleep },
        { "WAKEUP", PHASE_RUNNING, on_wakeup },
        { "STOP", PHASE_RUNNING, on_stop },
        { "RESUME", PHASE_RUNNING, on_resume },
        { "GUEST_PANICKED", PHASE_SETTING_OUT | PHASE_RUNNING, on_panicked },
        { "BLOCK_IO_ERROR", PHASE_SETTING_OUT | PHASE_FINDING | PHASE_RUNNING, on_io_error },
        { "WATCHDOG", PHASE_RUNNING, on_watchdog },
        { NULL, 0, NULL },
};

const GuestModule guest_events_module = {
        .events = events,
};

/* All that is told */

static GuestPhase phase_of(const Guest *guest) {
        if (guest->has_ended || guest->failure || guest->domain->state == DOMAIN_STOPPING)
                return PHASE_ENDING;
        if (!guest->operation)
                return PHASE_RUNNING;
        if (operation_is(guest->operation, &reattach_class))
                return PHASE_FINDING;
        return guest->has_set_out ? PHASE_SETTING_OUT : PHASE_BEGINNING;
}

/* The next one of those who want to know; *FROM: where to look on. NULL: none does. */
static const MonitorEvent *find_event(const GuestModule *const **from, const char *name) {
        while (**from)
                for (const MonitorEvent *event = (*(*from)++)->events; event && event->name; event++)
                        if (strcmp(event->name, name) == 0)
                                return event;
        return NULL;
}

static const GuestModule *const *modules_of(const Guest *guest) {
        return host_of(guest->domain->connection)->modules;
}

/* The last of those who take one may end the guest. */
static void take_event(void *data, const char *name, JsonObject *arguments) {
        Guest *guest = data;
        const GuestModule *const *from = modules_of(guest);
        GuestPhase phase = phase_of(guest);
        for (const MonitorEvent *event; (event = find_event(&from, name));)
                if (event->phases & phase)
                        event->take(guest, arguments);
}

EventFlow *guest_events_new(Guest *guest) {
        return event_flow_new(guest->domain->connection->event, take_event, guest);
}

void guest_events_told(Guest *guest, const char *name, JsonObject *arguments) {
        static const char *const obeyed[] = { "SHUTDOWN", "RESET", "SUSPEND", "SUSPEND_DISK", NULL };
        GuestPhase phase = phase_of(guest);
        const GuestModule *const *from = modules_of(guest);
        if (guest->object && phase != PHASE_ENDING && g_strv_contains(obeyed, name))
                guest_object_machine_obeys(guest->object);
        if (find_event(&from, name))
                event_flow_told(guest->events, name, arguments);
}
