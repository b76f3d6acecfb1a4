/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/guest-fetch.h"

#include "domain/card-port.h"
#include "domain/operation.h"
#include "paths.h"

/* How many guests are given what they need at the same time: fewer than errands that a driver may have out (service/bounds.h).
 * Others wait. */
#define FETCHES_MAX 64

struct GuestFetch {
        GPtrArray *files; /* borrowed */
        guint at;         /* the one at work */
        const FetchKind *kinds;
        Errand *errand;         /* that is out, or NULL */
        CardPortAsking *asking; /* as that */
        bool has_begun;
        GuestFetched done;
};

static GQueue waiting = G_QUEUE_INIT; /* Guest: whose fetch has not begun */
static unsigned n_begun;

static void ask(Guest *guest);

static void begin_waiting(void) {
        static bool is_at_it; /* what fails at once comes back here */
        Guest *guest;
        if (is_at_it)
                return;
        is_at_it = true;
        while (n_begun < FETCHES_MAX && (guest = g_queue_pop_head(&waiting))) {
                n_begun++;
                guest->fetch->has_begun = true;
                ask(guest);
        }
        is_at_it = false;
}

static void end_fetch(Guest *guest) {
        struct GuestFetch *fetch = g_steal_pointer(&guest->fetch);
        if (!fetch)
                return;
        if (fetch->errand)
                errand_cancel(fetch->errand);
        g_clear_pointer(&fetch->asking, card_port_asking_free);
        if (fetch->has_begun)
                n_begun--;
        else
                g_queue_remove(&waiting, guest);
        g_free(fetch);
}

void guest_fetch_forget(Guest *guest) {
        end_fetch(guest);
        begin_waiting();
}

static void finish(Guest *guest, const GError *error) {
        GuestFetched done = guest->fetch->done;
        end_fetch(guest);
        done(guest, error);
        begin_waiting();
}

const char *guest_fetch_sender(const Guest *guest) {
        return guest->domain->operation ? guest->domain->operation->sender : NULL;
}

bool guest_fetch_check_starter(const Guest *guest, const char *place, GError **error) {
        const Domain *domain = guest->domain;
        const char *sender = guest_fetch_sender(guest);
        uid_t user;
        bool own_rights;
        if (!domain->owners_rights || (sender && caller_decode(sender, &user, &own_rights) && user == domain->owner))
                return true;
        return virtbus_error_set(
                        error, VIRTBUS_ERROR_ACCESS_DENIED,
                        "%s needs %s, and the domain has the rights of its owner alone: its owner, user %u, has to start it, or "
                        "to plug that",
                        guest_fetch_file(guest)->whose, place, (unsigned) domain->owner);
}

File *guest_fetch_file(const Guest *guest) {
        return guest->fetch->files->pdata[guest->fetch->at];
}

void guest_fetch_sent(Guest *guest, Errand *errand) {
        guest->fetch->errand = errand;
}

void guest_fetch_came(Guest *guest) {
        guest->fetch->errand = NULL;
}

void guest_fetch_fail(Guest *guest, const GError *error) {
        finish(guest, error);
}

void guest_fetch_next(Guest *guest) {
        guest->fetch->at++;
        ask(guest);
}

static void on_port(void *data, const GError *error) {
        Guest *guest = data;
        g_clear_pointer(&guest->fetch->asking, card_port_asking_free);
        if (error)
                guest_fetch_fail(guest, error);
        else
                guest_fetch_next(guest);
}

void guest_fetch_port(Guest *guest) {
        const File *file = guest_fetch_file(guest);
        g_autofree char *place = card_port_place_text(file->port, file->path);
        g_autoptr(GError) error = NULL;
        if (guest_fetch_check_starter(guest, place, &error))
                guest->fetch->asking = card_port_ask(guest->domain, guest_fetch_sender(guest), file->port, file->path,
                                                     file->whose, on_port, guest, &error);
        if (!guest->fetch->asking)
                guest_fetch_fail(guest, error);
}

static const FetchKind *kind_of(const FetchKind *kinds, const File *file) {
        while (kinds->ask && kinds->purpose != file->purpose)
                kinds++;
        return kinds->ask ? kinds : NULL;
}

/* The first one from a place on; the number of files where there is none. */
static guint find(const GPtrArray *files, guint at, const FetchKind *kinds) {
        while (at < files->len && !kind_of(kinds, files->pdata[at]))
                at++;
        return at;
}

static void ask(Guest *guest) {
        struct GuestFetch *fetch = guest->fetch;
        fetch->at = find(fetch->files, fetch->at, fetch->kinds);
        if (fetch->at < fetch->files->len)
                kind_of(fetch->kinds, guest_fetch_file(guest))->ask(guest);
        else
                finish(guest, NULL);
}

void guest_fetch(Guest *guest, GPtrArray *files, const FetchKind *kinds, GuestFetched done) {
        if (find(files, 0, kinds) == files->len) {
                done(guest, NULL);
                return;
        }
        guest->fetch = g_new(struct GuestFetch, 1);
        *guest->fetch = (struct GuestFetch){ .files = files, .kinds = kinds, .done = done };
        g_queue_push_tail(&waiting, guest);
        begin_waiting();
}
