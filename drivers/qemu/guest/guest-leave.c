/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/guest-leave.h"

#include "paths.h"
#include "qemu/guest/guest-fetch.h"

#define MANAGER "org.virtbus1.Manager"

static void fail(Guest *guest, const GError *error) {
        const File *file = guest_fetch_file(guest);
        g_autofree char *place = leave_text(file->leave);
        g_autoptr(GError) told = NULL; /* by a code of the API's: this is not the object that was called */
        virtbus_error_set(&told, virtbus_error_code(error), "%s needs %s: %s", file->whose, place, error->message);
        guest_fetch_fail(guest, told);
}

static void on_answer(void *data, sd_bus_message *answer, const GError *error) {
        Guest *guest = data;
        (void) answer;
        guest_fetch_came(guest);
        if (error) {
                fail(guest, error);
                return;
        }
        guest_fetch_file(guest)->leave->is_given = true;
        guest_fetch_next(guest);
}

/* An errand is out; or could not be sent. */
static void sent(Guest *guest, Errand *errand, const GError *error) {
        guest_fetch_sent(guest, errand);
        if (!errand)
                fail(guest, error);
}

void guest_leave_ask(Guest *guest) {
        const Leave *leave = guest_fetch_file(guest)->leave;
        g_autofree char *place = leave_text(leave);
        g_autoptr(GError) error = NULL;
        if (!guest_fetch_check_starter(guest, place, &error)) {
                guest_fetch_fail(guest, error);
                return;
        }
        Domain *domain = guest->domain;
        Objects *objects = domain->connection->objects;
        const char *sender = guest_fetch_sender(guest), *method = leave_method(leave);
        Errand *errand = leave->device ? errand_begin(objects, sender, MANAGER_PATH, MANAGER, method, on_answer, guest, &error,
                                                      "ssss", leave->what, leave->device, domain_name(domain), domain->uuid)
                                       : errand_begin(objects, sender, MANAGER_PATH, MANAGER, method, on_answer, guest, &error,
                                                      "sss", leave->what, domain_name(domain), domain->uuid);
        sent(guest, errand, error);
}
