/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/take-back.h"

#include <string.h>

#include "domain/operations/managed-save.h"
#include "log.h"

/* How often QEMU is asked whether its thread is done: it takes a turn or two. One that says for ever that it is not, lies. */
#define QUESTIONS_MAX 1000

typedef struct TakingBack {
        Guest *guest;
        void (*done)(void *data);
        void *data;
        GDestroyNotify free_data;
        bool has_asked_again; /* to go on */
        unsigned n_questions;
} TakingBack;

static void taking_back_free(void *data) {
        TakingBack *taking = data;
        if (taking->free_data)
                taking->free_data(taking->data);
        g_free(taking);
}

static void finish(TakingBack *taking, bool has_answered) {
        taking->guest->domain->was_saving = !has_answered; /* else it is done when it answers again */
        if (taking->done)
                taking->done(taking->data);
        taking_back_free(taking);
}

static void ask(TakingBack *taking, const char *command, MonitorDone done) {
        monitor_ask(taking->guest->monitor, command, NULL, done, taking, taking_back_free);
}

/* Its disks cannot be had back, or it has begun to end. */
static void warn(const TakingBack *taking, const GError *error) {
        const Domain *domain = taking->guest->domain;
        log_warning("domain '%s': it cannot go on as it did before it was to be saved: %s", domain_name(domain), error->message);
}

static void on_state_known(void *data, JsonObject *answer, const GError *error);

/* It is told as running by an event of QEMU's. */
static void on_continued(void *data, JsonObject *answer, const GError *error) {
        TakingBack *taking = data;
        (void) answer;
        if (error && !taking->has_asked_again && monitor_is_there(taking->guest->monitor)) {
                taking->has_asked_again = true;
                ask(taking, "query-status", on_state_known);
                return;
        }
        if (error)
                warn(taking, error);
        finish(taking, monitor_is_there(taking->guest->monitor));
}

static void on_stopped(void *data, JsonObject *answer, const GError *error) {
        TakingBack *taking = data;
        (void) answer;
        taking->guest->blinks = false;
        if (error)
                warn(taking, error);
        finish(taking, monitor_is_there(taking->guest->monitor));
}

static void on_disks_taken(void *data, JsonObject *answer, const GError *error) {
        const Guest *guest = data;
        (void) answer;
        if (error)
                log_warning("domain '%s': QEMU cannot take back its disks: %s", domain_name(guest->domain), error->message);
}

/* QEMU takes back the disks of a paused guest, or of one that has crashed, and would save it once more, only when it runs: it
 * does so for an instant, of which nobody is told. Both commands are sent at once, to keep it short. */
static void blink(TakingBack *taking) {
        Guest *guest = taking->guest;
        managed_save_remove(guest->domain); /* what was saved of it, if it was, is older */
        guest->blinks = true;
        monitor_command(guest->monitor, "cont", NULL, -1, on_disks_taken, guest);
        ask(taking, "stop", on_stopped);
}

/* A migration that is given up at its very end is told as that before QEMU's own thread has let go of the machine, and no event
 * tells of that: "cont" is refused until then. Its thread waits for nothing but the lock that answering takes. */
static void on_state_known(void *data, JsonObject *answer, const GError *error) {
        TakingBack *taking = data;
        const Domain *domain = taking->guest->domain;
        const char *status = json_string(json_member(answer, "return"), "status");
        if (error)
                finish(taking, false);
        else if (g_strcmp0(status, "finish-migrate") == 0 && ++taking->n_questions < QUESTIONS_MAX)
                ask(taking, "query-status", on_state_known);
        else if (domain->resumes)
                ask(taking, "cont", on_continued);
        else if (g_strcmp0(status, "postmigrate") == 0 && (domain->state == DOMAIN_PAUSED || domain->state == DOMAIN_CRASHED))
                blink(taking);
        else
                finish(taking, true);
}

void take_back(Guest *guest, void (*done)(void *data), void *data, GDestroyNotify free_data) {
        TakingBack *taking = g_new0(TakingBack, 1);
        *taking = (TakingBack){ .guest = guest, .done = done, .data = data, .free_data = free_data };
        ask(taking, "query-status", on_state_known);
}
