/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event-changes.h"

#include <string.h>

#include "call.h"
#include "event-signals.h"
#include "events.h"
#include "states.h"

#define GUEST INTERFACE("Domain.Guest")
#define DISK INTERFACE("Device.Disk")
#define KIB 1024

/* The kinds that objects tell of by coming, going and changing; event-signals.c has those of signals. */
typedef enum EventKind {
        EVENT_LIFECYCLE = 0,
        EVENT_TRAY_CHANGE = 10,
        EVENT_PMWAKEUP = 11,
        EVENT_PMSUSPEND = 12,
        EVENT_BALLOON_CHANGE = 13,
        EVENT_DEVICE_REMOVED = 15,
        EVENT_AGENT_LIFECYCLE = 18,
        EVENT_DEVICE_ADDED = 19,
        EVENT_METADATA_CHANGE = 23,
} EventKind;

typedef enum Lifecycle {
        LIFECYCLE_DEFINED,
        LIFECYCLE_UNDEFINED,
        LIFECYCLE_STARTED,
        LIFECYCLE_SUSPENDED,
        LIFECYCLE_RESUMED,
        LIFECYCLE_STOPPED,
        LIFECYCLE_SHUTDOWN,
        LIFECYCLE_PMSUSPENDED,
        LIFECYCLE_CRASHED,
} Lifecycle;

#define DEFINED_UPDATED 1

static void tell_lifecycle(Events *events, GVariant *properties, Lifecycle event, int32_t detail) {
        GVariant *body[] = { g_variant_new_int32(event), g_variant_new_int32(detail) };
        events_tell(events, EVENT_LIFECYCLE, REMOTE_DOMAIN_EVENT_CALLBACK_LIFECYCLE, LAYOUT_NESTED, properties, body,
                    G_N_ELEMENTS(body));
}

static bool is_persistent(GVariant *properties) {
        gboolean persistent = FALSE;
        g_variant_lookup(properties, "Persistent", "b", &persistent);
        return persistent;
}

static bool is_active(GVariant *properties) {
        gboolean active = FALSE;
        g_variant_lookup(properties, "Active", "b", &active);
        return active;
}

static void on_added(void *data, GVariant *properties) {
        if (is_persistent(properties))
                tell_lifecycle(data, properties, LIFECYCLE_DEFINED, 0);
}

static void on_redefined(void *data, GVariant *properties) {
        tell_lifecycle(data, properties, LIFECYCLE_DEFINED, DEFINED_UPDATED);
}

static void on_removed(void *data, GVariant *properties) {
        if (is_persistent(properties))
                tell_lifecycle(data, properties, LIFECYCLE_UNDEFINED, 0);
}

static void tell_text(Events *events, GVariant *properties, int32_t type) {
        GVariant *body[] = { g_variant_new_int32(type), g_variant_new_maybe(G_VARIANT_TYPE_STRING, NULL) };
        events_tell(events, EVENT_METADATA_CHANGE, REMOTE_DOMAIN_EVENT_CALLBACK_METADATA_CHANGE, LAYOUT_FLAT, properties, body,
                    G_N_ELEMENTS(body));
}

static void on_changed(void *data, GVariant *before, GVariant *properties, GVariant *changes) {
        uint64_t memory;
        uint32_t id = 0;
        g_autoptr(GVariant) title = g_variant_lookup_value(changes, "Title", G_VARIANT_TYPE_STRING);
        g_autoptr(GVariant) description = g_variant_lookup_value(changes, "Description", G_VARIANT_TYPE_STRING);
        g_variant_lookup(properties, "ID", "u", &id);
        if (is_persistent(before) != is_persistent(properties))
                tell_lifecycle(data, properties, is_persistent(properties) ? LIFECYCLE_DEFINED : LIFECYCLE_UNDEFINED, 0);
        if (id > 0 && g_variant_lookup(changes, "Memory", "t", &memory)) {
                GVariant *body[] = { g_variant_new_uint64(memory / KIB) };
                events_tell(data, EVENT_BALLOON_CHANGE, REMOTE_DOMAIN_EVENT_CALLBACK_BALLOON_CHANGE, LAYOUT_NESTED, properties,
                            body, 1);
        }
        if (description)
                tell_text(data, properties, 0);
        if (title)
                tell_text(data, properties, 1);
}

#define NOT_TOLD (-1)

/* What a change of state is to libvirt: the first row that fits. NULL fits all. */
static const struct {
        const char *from, *to, *reason;
        Lifecycle event;
        int32_t detail;
} changes_of_state[] = {
        { "pmsuspended", "running", NULL, LIFECYCLE_STARTED, 4 },
        { "paused", "running", NULL, LIFECYCLE_RESUMED, 0 },
        { NULL, "running", "snapshot", LIFECYCLE_STARTED, 3 },
        { NULL, "running", "restored", LIFECYCLE_STARTED, 2 },
        { NULL, "running", NULL, LIFECYCLE_STARTED, 0 },
        { NULL, "paused", "io-error", LIFECYCLE_SUSPENDED, 2 },
        { NULL, "paused", "watchdog", LIFECYCLE_SUSPENDED, 3 },
        { NULL, "paused", "restored", LIFECYCLE_SUSPENDED, 4 },
        { NULL, "paused", "snapshot", LIFECYCLE_SUSPENDED, 5 },
        { NULL, "paused", NULL, LIFECYCLE_SUSPENDED, 0 },
        { NULL, "stopping", "destroyed", LIFECYCLE_SHUTDOWN, NOT_TOLD },
        { NULL, "stopping", NULL, LIFECYCLE_SHUTDOWN, 0 },
        { NULL, "shutoff", "destroyed", LIFECYCLE_STOPPED, 1 },
        { NULL, "shutoff", "crashed", LIFECYCLE_STOPPED, 2 },
        { NULL, "shutoff", "saved", LIFECYCLE_STOPPED, 4 },
        { NULL, "shutoff", "snapshot", LIFECYCLE_STOPPED, 6 },
        { NULL, "shutoff", "failed", LIFECYCLE_STOPPED, 5 },
        { NULL, "shutoff", NULL, LIFECYCLE_STOPPED, 0 },
        { NULL, "pmsuspended", NULL, LIFECYCLE_PMSUSPENDED, 0 },
        { NULL, "crashed", NULL, LIFECYCLE_CRASHED, 0 },
};

static bool fits(const char *wanted, const char *found) {
        return !wanted || strcmp(wanted, found) == 0;
}

static void on_state_changed(void *data, GVariant *properties, const char *old_state, const char *new_state, const char *reason) {
        bool told = false;
        /* A start that leaves the processors stopped is a start and a stop of theirs. */
        if (strcmp(old_state, "starting") == 0 && strcmp(new_state, "paused") == 0)
                tell_lifecycle(data, properties, LIFECYCLE_STARTED, strcmp(reason, "restored") == 0 ? 2 : 0);
        for (size_t i = 0; !told && i < G_N_ELEMENTS(changes_of_state); i++) {
                told = fits(changes_of_state[i].from, old_state) && fits(changes_of_state[i].to, new_state) &&
                       fits(changes_of_state[i].reason, reason);
                if (told && changes_of_state[i].detail != NOT_TOLD)
                        tell_lifecycle(data, properties, changes_of_state[i].event, changes_of_state[i].detail);
        }
        if (strcmp(new_state, "pmsuspended") == 0)
                events_tell(data, EVENT_PMSUSPEND, REMOTE_DOMAIN_EVENT_CALLBACK_PMSUSPEND, LAYOUT_WITH_REASON, properties, NULL,
                            0);
        else if (strcmp(old_state, "pmsuspended") == 0 && strcmp(new_state, "running") == 0)
                events_tell(data, EVENT_PMWAKEUP, REMOTE_DOMAIN_EVENT_CALLBACK_PMWAKEUP, LAYOUT_WITH_REASON, properties, NULL, 0);
}

#define AGENT_CONNECTED 1
#define AGENT_DISCONNECTED 2
/* Why: a domain that starts has no agent yet, so that it is the channel that it comes and goes by. */
#define AGENT_BY_CHANNEL 2

static void tell_agent(Events *events, GVariant *properties, bool connected) {
        GVariant *body[] = { g_variant_new_int32(connected ? AGENT_CONNECTED : AGENT_DISCONNECTED),
                             g_variant_new_int32(AGENT_BY_CHANNEL) };
        events_tell(events, EVENT_AGENT_LIFECYCLE, REMOTE_DOMAIN_EVENT_CALLBACK_AGENT_LIFECYCLE, LAYOUT_FLAT, properties, body,
                    G_N_ELEMENTS(body));
}

#define TRAY_OPEN 0
#define TRAY_CLOSE 1

static void tell_tray(Events *events, GVariant *properties, const char *path, bool is_open) {
        g_autofree char *alias = event_signals_alias(path);
        GVariant *body[] = { g_variant_new_string(alias ? alias : ""), g_variant_new_int32(is_open ? TRAY_OPEN : TRAY_CLOSE) };
        events_tell(events, EVENT_TRAY_CHANGE, REMOTE_DOMAIN_EVENT_CALLBACK_TRAY_CHANGE, LAYOUT_NESTED, properties, body,
                    G_N_ELEMENTS(body));
}

static void on_part_has_changed(void *data, GVariant *properties, const char *path, const char *interface, GVariant *changes) {
        gboolean connected, tray_open;
        if (strcmp(interface, DISK) == 0 && g_variant_lookup(changes, "TrayOpen", "b", &tray_open) && is_active(properties))
                tell_tray(data, properties, path, tray_open);
        if (strcmp(interface, GUEST) == 0 && g_variant_lookup(changes, "Connected", "b", &connected))
                tell_agent(data, properties, connected);
}

/* An agent that is quick is there as soon as its object is. */
static bool has_agent(GVariant *interfaces) {
        g_autoptr(GVariant) guest = g_variant_lookup_value(interfaces, GUEST, G_VARIANT_TYPE_VARDICT);
        gboolean connected = FALSE;
        return guest && g_variant_lookup(guest, "Connected", "b", &connected) && connected;
}

/* What comes and goes while it is off, starts or ends is its definition's, which events of devices do not tell of. */
static bool is_plugged(GVariant *properties) {
        int32_t reason;
        LibvirtState state = state_of(properties, &reason);
        return state == LIBVIRT_RUNNING || state == LIBVIRT_PMSUSPENDED || (state == LIBVIRT_PAUSED && reason != PAUSED_STARTING);
}

static void on_part_changed(void *data, GVariant *properties, const char *path, GVariant *interfaces) {
        g_autofree char *alias = is_plugged(properties) ? event_signals_alias(path) : NULL;
        if (interfaces && has_agent(interfaces))
                tell_agent(data, properties, true);
        if (!alias)
                return;
        GVariant *body[] = { g_variant_new_string(alias) };
        if (interfaces)
                events_tell(data, EVENT_DEVICE_ADDED, REMOTE_DOMAIN_EVENT_CALLBACK_DEVICE_ADDED, LAYOUT_FLAT, properties, body,
                            1);
        else
                events_tell(data, EVENT_DEVICE_REMOVED, REMOTE_DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED, LAYOUT_NESTED, properties,
                            body, 1);
}

const DomainsListener event_changes_listener = { on_added,     on_removed,      on_changed,          on_state_changed,
                                                 on_redefined, on_part_changed, on_part_has_changed, event_signals_told };
