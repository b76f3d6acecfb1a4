/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/quiesce.h"

#include <string.h>

#include "bus.h"
#include "domain/domain-status.h"
#include "log.h"

typedef struct Quiesce {
        Guest *guest;  /* NULL: it was let go of */
        bool is_owed;  /* a thaw: in the status */
        bool is_held;  /* it is frozen until quiesce_end */
        bool is_asked; /* the agent is, for it */
        QuiesceDone frozen;
        void (*thawed)(Guest *guest);
        sd_event_source *deadline; /* for either */
} Quiesce;

static Quiesce *quiesce_of(Guest *guest) {
        if (!guest->quiesce) {
                guest->quiesce = g_rc_box_new0(Quiesce);
                guest->quiesce->guest = guest;
        }
        return guest->quiesce;
}

static void ask(Quiesce *self, const char *command, AgentDone done) {
        guest_object_ask_within(self->guest->object, command, QUIESCE_SECONDS, done, g_rc_box_acquire(self));
}

static void wait_for(Quiesce *self, unsigned seconds, sd_event_time_handler_t on_time) {
        self->deadline = sd_event_source_disable_unref(self->deadline);
        sd_event_add_time_relative(self->guest->domain->connection->event, &self->deadline, CLOCK_MONOTONIC,
                                   seconds * UINT64_C(1000000), 0, on_time, self);
}

static bool owe(Quiesce *self, bool is_owed) {
        self->is_owed = is_owed;
        return domain_save_status(self->guest->domain);
}

/* Thawing */

static void tell_thawed(Quiesce *self) {
        void (*thawed)(Guest *) = self->thawed;
        self->deadline = sd_event_source_disable_unref(self->deadline);
        self->thawed = NULL;
        if (thawed)
                thawed(self->guest);
}

static void on_thawed(void *data, JsonNode *answer, const GError *error) {
        Quiesce *self = data;
        (void) answer;
        if (self->guest) {
                const char *name = domain_name(self->guest->domain);
                bool is_silent = g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_TIMEOUT) ||
                                 g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_AGENT_UNAVAILABLE);
                self->is_asked = false;
                if (is_silent)
                        log_warning("domain '%s': its file systems, frozen for a snapshot, may not be thawed yet: its agent is "
                                    "told "
                                    "again when it opens its channel: %s",
                                    name, error->message);
                else {
                        if (error)
                                log_warning("domain '%s': its file systems cannot be thawed after a snapshot: %s", name,
                                            error->message);
                        owe(self, false);
                }
                tell_thawed(self);
        }
        g_rc_box_release(self);
}

static void thaw(Quiesce *self) {
        if (self->is_asked || !self->guest->object)
                return;
        self->is_asked = true;
        ask(self, "guest-fsfreeze-thaw", on_thawed);
}

static int on_thaw_late(sd_event_source *source, uint64_t usec, void *data) {
        (void) source;
        (void) usec;
        tell_thawed(data);
        return 0;
}

void quiesce_end(Guest *guest, void (*done)(Guest *guest)) {
        Quiesce *self = guest->quiesce;
        if (self)
                self->is_held = false;
        if (!self || !self->is_owed || !guest->object) {
                if (done)
                        done(guest);
                return;
        }
        if (done) {
                self->thawed = done;
                wait_for(self, QUIESCE_THAW_SECONDS, on_thaw_late);
        }
        thaw(self);
}

/* Freezing */

static void tell_frozen(Quiesce *self, const GError *error) {
        QuiesceDone frozen = self->frozen;
        self->deadline = sd_event_source_disable_unref(self->deadline);
        self->frozen = NULL;
        if (error)
                quiesce_end(self->guest, NULL);
        if (frozen)
                frozen(self->guest, error);
}

static void on_frozen(void *data, JsonNode *answer, const GError *error) {
        Quiesce *self = data;
        (void) answer;
        if (self->guest && self->frozen)
                tell_frozen(self, error);
        g_rc_box_release(self);
}

static void on_state(void *data, JsonNode *answer, const GError *failure) {
        Quiesce *self = data;
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        if (self->guest && self->frozen) {
                Domain *domain = self->guest->domain;
                const char *state = answer && json_node_type(answer) == JSON_STRING ? json_node_get_string(answer) : NULL;
                if (!error && g_strcmp0(state, "thawed") != 0)
                        domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID,
                                    "its file systems are frozen already: thaw them (Guest.ThawFileSystems), or leave quiesce "
                                    "out");
                if (!error && !owe(self, true)) {
                        self->is_owed = false;
                        domain_fail(domain, &error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                                    "that it is frozen cannot be written down in %s: make space there",
                                    domain->connection->runtime_directory);
                }
                if (error)
                        tell_frozen(self, error);
                else
                        ask(self, "guest-fsfreeze-freeze", on_frozen);
        }
        g_rc_box_release(self);
}

static int on_freeze_late(sd_event_source *source, uint64_t usec, void *data) {
        Quiesce *self = data;
        g_autoptr(GError) error = NULL;
        (void) source;
        (void) usec;
        domain_fail(self->guest->domain, &error, VIRTBUS_ERROR_TIMEOUT,
                    "its agent has not frozen its file systems within %d seconds: see what keeps it, or leave quiesce out",
                    QUIESCE_SECONDS);
        tell_frozen(self, error);
        return 0;
}

bool quiesce_check(const Domain *domain, GError **error) {
        const Guest *guest = domain->run;
        return (guest && guest->object) ||
               domain_fail(domain, error, VIRTBUS_ERROR_AGENT_UNAVAILABLE,
                           "it has no channel for an agent, which would freeze its file systems: add one (target name '%s'), or "
                           "leave quiesce out",
                           AGENT_CHANNEL);
}

void quiesce_begin(Guest *guest, QuiesceDone done) {
        g_autoptr(GError) error = NULL;
        if (!quiesce_check(guest->domain, &error)) {
                done(guest, error);
                return;
        }
        Quiesce *self = quiesce_of(guest);
        self->frozen = done;
        self->is_held = true;
        wait_for(self, QUIESCE_SECONDS, on_freeze_late);
        ask(self, "guest-fsfreeze-status", on_state);
}

/* The guest's part */

static void save(const Guest *guest, xmlNode *saved) {
        if (guest->quiesce && guest->quiesce->is_owed)
                xml_set_attribute(saved, "thaw", "owed");
}

static void load(Guest *guest, xmlNode *saved) {
        if (xml_attribute_is(saved, "thaw", "owed"))
                quiesce_of(guest)->is_owed = true;
}

/* What waits for the agent has failed when it had closed its channel. */
static void agent_came(Guest *guest) {
        Quiesce *self = guest->quiesce;
        if (self && self->is_owed && !self->is_held)
                thaw(self);
}

static void forget(Guest *guest) {
        Quiesce *self = g_steal_pointer(&guest->quiesce);
        if (!self)
                return;
        self->guest = NULL;
        self->deadline = sd_event_source_disable_unref(self->deadline);
        g_rc_box_release(self);
}

const GuestModule quiesce_module = {
        .save = save,
        .load = load,
        .agent_came = agent_came,
        .forget = forget,
};
