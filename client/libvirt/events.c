/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "events.h"

#include <string.h>
#include <systemd/sd-bus.h>

#include "call.h"
#include "states.h"

#define GUEST INTERFACE("Domain.Guest")
#define KIB 1024

/* The kinds that something of the bus tells of. */
typedef enum EventKind {
        EVENT_LIFECYCLE = 0,
        EVENT_BLOCK_JOB = 8,
        EVENT_PMWAKEUP = 11,
        EVENT_PMSUSPEND = 12,
        EVENT_BALLOON_CHANGE = 13,
        EVENT_DEVICE_REMOVED = 15,
        EVENT_BLOCK_JOB_2 = 16,
        EVENT_AGENT_LIFECYCLE = 18,
        EVENT_DEVICE_ADDED = 19,
        EVENT_METADATA_CHANGE = 23,
        EVENT_BLOCK_THRESHOLD = 24,
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

struct Events {
        Conversation *conversation;
        Callbacks *callbacks;
};

Events *events_new(Conversation *conversation) {
        Events *events = g_new0(Events, 1);
        events->conversation = conversation;
        events->callbacks = callbacks_new();
        return events;
}

void events_free(Events *events) {
        if (!events)
                return;
        callbacks_free(events->callbacks);
        g_free(events);
}

Callbacks *events_callbacks(Events *events) {
        return events->callbacks;
}

/* Tells all callbacks of a kind. BODY: what follows the callback's number and the domain; NULL for nothing. LAYOUT: how they
 * are put
 * together, as libvirt has two ways and an exception. */
typedef enum Layout {
        LAYOUT_NESTED,      /* (number (domain ...)) */
        LAYOUT_FLAT,        /* (number domain ...) */
        LAYOUT_WITH_REASON, /* (number reason (domain ...)) */
} Layout;

static GVariant *put_together(Layout layout, int32_t number, GVariant *domain, GVariant *const *body, size_t n) {
        GVariantBuilder builder;
        g_variant_builder_init(&builder, G_VARIANT_TYPE_TUPLE);
        g_variant_builder_add(&builder, "i", number);
        if (layout == LAYOUT_WITH_REASON)
                g_variant_builder_add(&builder, "i", 0);
        if (layout != LAYOUT_FLAT)
                g_variant_builder_open(&builder, G_VARIANT_TYPE_TUPLE);
        g_variant_builder_add_value(&builder, domain);
        for (size_t i = 0; i < n; i++)
                g_variant_builder_add_value(&builder, body[i]);
        if (layout != LAYOUT_FLAT)
                g_variant_builder_close(&builder);
        return g_variant_builder_end(&builder);
}

/* An event, as each callback is told of it. */
typedef struct Told {
        Events *events;
        ProcedureIndex procedure;
        Layout layout;
        GVariant *domain, *const *body;
        size_t n;
} Told;

static void tell_one(void *data, int32_t number) {
        const Told *told = data;
        conversation_event(told->events->conversation, told->procedure,
                           put_together(told->layout, number, told->domain, told->body, told->n));
}

static void tell(Events *events, EventKind kind, ProcedureIndex procedure, Layout layout, GVariant *properties,
                 GVariant *const *body, size_t n) {
        g_autoptr(GVariant) domain = g_variant_ref_sink(known_name_of(properties));
        Told told = { events, procedure, layout, domain, body, n };
        const char *uuid;
        g_variant_get(domain, "(&s&si)", NULL, &uuid, NULL);
        for (size_t i = 0; i < n; i++)
                g_variant_ref_sink(body[i]);
        callbacks_each(events->callbacks, kind, uuid, tell_one, &told);
        for (size_t i = 0; i < n; i++)
                g_variant_unref(body[i]);
}

static void tell_lifecycle(Events *events, GVariant *properties, Lifecycle event, int32_t detail) {
        GVariant *body[] = { g_variant_new_int32(event), g_variant_new_int32(detail) };
        tell(events, EVENT_LIFECYCLE, REMOTE_DOMAIN_EVENT_CALLBACK_LIFECYCLE, LAYOUT_NESTED, properties, body,
             G_N_ELEMENTS(body));
}

static bool is_persistent(GVariant *properties) {
        gboolean persistent = FALSE;
        g_variant_lookup(properties, "Persistent", "b", &persistent);
        return persistent;
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
        tell(events, EVENT_METADATA_CHANGE, REMOTE_DOMAIN_EVENT_CALLBACK_METADATA_CHANGE, LAYOUT_FLAT, properties, body,
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
                tell(data, EVENT_BALLOON_CHANGE, REMOTE_DOMAIN_EVENT_CALLBACK_BALLOON_CHANGE, LAYOUT_NESTED, properties, body, 1);
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
        { "pmsuspended", "running", NULL, LIFECYCLE_STARTED, 4 }, { "paused", "running", NULL, LIFECYCLE_RESUMED, 0 },
        { NULL, "running", "restored", LIFECYCLE_STARTED, 2 },    { NULL, "running", NULL, LIFECYCLE_STARTED, 0 },
        { NULL, "paused", "io-error", LIFECYCLE_SUSPENDED, 2 },   { NULL, "paused", "restored", LIFECYCLE_SUSPENDED, 4 },
        { NULL, "paused", NULL, LIFECYCLE_SUSPENDED, 0 },         { NULL, "stopping", "destroyed", LIFECYCLE_SHUTDOWN, NOT_TOLD },
        { NULL, "stopping", NULL, LIFECYCLE_SHUTDOWN, 0 },        { NULL, "shutoff", "destroyed", LIFECYCLE_STOPPED, 1 },
        { NULL, "shutoff", "crashed", LIFECYCLE_STOPPED, 2 },     { NULL, "shutoff", "saved", LIFECYCLE_STOPPED, 4 },
        { NULL, "shutoff", "failed", LIFECYCLE_STOPPED, 5 },      { NULL, "shutoff", NULL, LIFECYCLE_STOPPED, 0 },
        { NULL, "pmsuspended", NULL, LIFECYCLE_PMSUSPENDED, 0 },  { NULL, "crashed", NULL, LIFECYCLE_CRASHED, 0 },
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
                tell(data, EVENT_PMSUSPEND, REMOTE_DOMAIN_EVENT_CALLBACK_PMSUSPEND, LAYOUT_WITH_REASON, properties, NULL, 0);
        else if (strcmp(old_state, "pmsuspended") == 0 && strcmp(new_state, "running") == 0)
                tell(data, EVENT_PMWAKEUP, REMOTE_DOMAIN_EVENT_CALLBACK_PMWAKEUP, LAYOUT_WITH_REASON, properties, NULL, 0);
}

#define AGENT_CONNECTED 1
#define AGENT_DISCONNECTED 2
/* Why: a domain that starts has no agent yet, so that it is the channel that it comes and goes by. */
#define AGENT_BY_CHANNEL 2

static void tell_agent(Events *events, GVariant *properties, bool connected) {
        GVariant *body[] = { g_variant_new_int32(connected ? AGENT_CONNECTED : AGENT_DISCONNECTED),
                             g_variant_new_int32(AGENT_BY_CHANNEL) };
        tell(events, EVENT_AGENT_LIFECYCLE, REMOTE_DOMAIN_EVENT_CALLBACK_AGENT_LIFECYCLE, LAYOUT_FLAT, properties, body,
             G_N_ELEMENTS(body));
}

static void on_part_has_changed(void *data, GVariant *properties, const char *path, const char *interface, GVariant *changes) {
        gboolean connected;
        (void) path;
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

/* The alias of a device by its object; NULL where that is none. */
static char *alias_of(const char *path) {
        static const char below[] = "/device";
        const char *part = strstr(path, "/device/");
        g_autofree char *prefix = part ? g_strndup(path, (size_t) (part - path) + strlen(below)) : NULL;
        char *alias = NULL;
        return prefix && sd_bus_path_decode(path, prefix, &alias) > 0 ? alias : NULL;
}

static void on_part_changed(void *data, GVariant *properties, const char *path, GVariant *interfaces) {
        g_autofree char *alias = is_plugged(properties) ? alias_of(path) : NULL;
        if (interfaces && has_agent(interfaces))
                tell_agent(data, properties, true);
        if (!alias)
                return;
        GVariant *body[] = { g_variant_new_string(alias) };
        if (interfaces)
                tell(data, EVENT_DEVICE_ADDED, REMOTE_DOMAIN_EVENT_CALLBACK_DEVICE_ADDED, LAYOUT_FLAT, properties, body, 1);
        else
                tell(data, EVENT_DEVICE_REMOVED, REMOTE_DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED, LAYOUT_NESTED, properties, body, 1);
}

static int32_t number_of(const char *const *names, size_t n, const char *name, int32_t otherwise) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(names[i], name) == 0)
                        return (int32_t) i;
        return otherwise;
}

static void tell_block_job(Events *events, GVariant *properties, GVariant *arguments) {
        static const char *const types[] = { "", "pull", "copy", "commit", "active-commit" };
        static const char *const states[] = { "completed", "failed", "cancelled", "ready" };
        const char *target, *path, *operation, *state;
        g_variant_get(arguments, "(&s&s&s&s&s)", &target, &path, &operation, &state, NULL);
        int32_t type = number_of(types, G_N_ELEMENTS(types), operation, 0),
                status = number_of(states, G_N_ELEMENTS(states), state, 1);
        GVariant *by_path[] = { g_variant_new_string(path), g_variant_new_int32(type), g_variant_new_int32(status) },
                 *by_target[] = { g_variant_new_string(target), g_variant_new_int32(type), g_variant_new_int32(status) };
        tell(events, EVENT_BLOCK_JOB, REMOTE_DOMAIN_EVENT_CALLBACK_BLOCK_JOB, LAYOUT_NESTED, properties, by_path,
             G_N_ELEMENTS(by_path));
        tell(events, EVENT_BLOCK_JOB_2, REMOTE_DOMAIN_EVENT_BLOCK_JOB_2, LAYOUT_FLAT, properties, by_target,
             G_N_ELEMENTS(by_target));
}

/* Of the top image by the disk's name, and by that with its index, as libvirt tells it. */
static void tell_threshold(Events *events, GVariant *properties, GVariant *arguments) {
        const char *target, *path;
        uint32_t index;
        uint64_t threshold, excess;
        g_variant_get(arguments, "(&su&stt)", &target, &index, &path, &threshold, &excess);
        g_autofree char *numbered = g_strdup_printf("%s[%u]", target, index);
        const char *const names[] = { target, numbered };
        for (size_t i = index == 1 ? 0 : 1; i < G_N_ELEMENTS(names); i++) {
                GVariant *body[] = { g_variant_new_string(names[i]),
                                     g_variant_new_maybe(G_VARIANT_TYPE_STRING, g_variant_new_string(path)),
                                     g_variant_new_uint64(threshold), g_variant_new_uint64(excess) };
                tell(events, EVENT_BLOCK_THRESHOLD, REMOTE_DOMAIN_EVENT_BLOCK_THRESHOLD, LAYOUT_FLAT, properties, body,
                     G_N_ELEMENTS(body));
        }
}

static void on_part_told(void *data, GVariant *properties, const char *member, GVariant *arguments) {
        if (strcmp(member, "JobStateChanged") == 0 && g_variant_is_of_type(arguments, G_VARIANT_TYPE("(sssss)")))
                tell_block_job(data, properties, arguments);
        else if (strcmp(member, "ThresholdReached") == 0 && g_variant_is_of_type(arguments, G_VARIANT_TYPE("(sustt)")))
                tell_threshold(data, properties, arguments);
}

const DomainsListener events_listener = { on_added,     on_removed,      on_changed,          on_state_changed,
                                          on_redefined, on_part_changed, on_part_has_changed, on_part_told };
