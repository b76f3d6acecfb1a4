/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settling.h"

#include <errno.h>
#include <string.h>

#include "bounds.h"

typedef struct Waiter {
        char *path; /* NULL: all drivers */
        DriversSettled resume;
        void *data;
} Waiter;

/* A driver that fails again and again is not waited for where others answer too. */
static bool is_settled(const Driver *driver, const char *path) {
        bool is_one_of_many = !path || (driver->is_of_host && strcmp(path, driver->path) == 0);
        return driver->settled || (is_one_of_many && driver->n_failures > 1);
}

bool drivers_are_settled(const Drivers *drivers, const char *path) {
        GHashTableIter iterator;
        void *driver;
        g_hash_table_iter_init(&iterator, drivers->by_name);
        while (g_hash_table_iter_next(&iterator, NULL, &driver))
                if ((!path || driver_owns_path(driver, path)) && !is_settled(driver, path))
                        return false;
        return path || drivers->n_lists == 0;
}

static void waiter_resume(Waiter *waiter) {
        waiter->resume(waiter->data);
        g_free(waiter->path);
        g_free(waiter);
}

void settling_run(Drivers *drivers) {
        for (GList *link = drivers->waiters.head; link;) {
                GList *next = link->next;
                Waiter *waiter = link->data;
                if (drivers_are_settled(drivers, waiter->path)) {
                        g_queue_delete_link(&drivers->waiters, link);
                        waiter_resume(waiter);
                        next = drivers->waiters.head; /* resuming may have changed the queue */
                }
                link = next;
        }
}

int drivers_when_settled(Drivers *drivers, const char *path, DriversSettled resume, void *data) {
        if (g_queue_get_length(&drivers->waiters) >= CALLS_PER_DRIVER_MAX)
                return -EBUSY;
        Waiter *waiter = g_new(Waiter, 1);
        *waiter = (Waiter){ .path = g_strdup(path), .resume = resume, .data = data };
        g_queue_push_tail(&drivers->waiters, waiter);
        settling_run(drivers);
        return 0;
}

void settling_end(Drivers *drivers) {
        Waiter *waiter;
        while ((waiter = g_queue_pop_head(&drivers->waiters)))
                waiter_resume(waiter);
}
