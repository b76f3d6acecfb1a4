/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "waiters.h"

typedef struct Waiter {
        WaitersDone done;
        void *data;
} Waiter;

struct Waiters {
        GArray *all; /* Waiter */
};

Waiters *waiters_new(void) {
        Waiters *waiters = g_new0(Waiters, 1);
        waiters->all = g_array_new(FALSE, FALSE, sizeof(Waiter));
        return waiters;
}

void waiters_free(Waiters *waiters) {
        g_array_unref(waiters->all);
        g_free(waiters);
}

void waiters_add(Waiters *waiters, WaitersDone done, void *data) {
        const Waiter waiter = { done, data };
        g_array_append_val(waiters->all, waiter);
}

void waiters_tell(Waiters *waiters, const GError *error) {
        g_autoptr(GArray) all = g_steal_pointer(&waiters->all);
        waiters->all = g_array_new(FALSE, FALSE, sizeof(Waiter));
        for (unsigned int i = 0; i < all->len; i++) {
                const Waiter *waiter = &g_array_index(all, Waiter, i);
                waiter->done(waiter->data, error);
        }
}
