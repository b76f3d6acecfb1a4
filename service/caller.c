/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "caller.h"

#include <unistd.h>

#include "decisions.h"
#include "held.h"

Caller *caller_new(Callers *callers, const char *name, Outbox *outbox) {
        Caller *caller = g_new0(Caller, 1);
        caller->callers = callers;
        caller->n_references = 1;
        caller->account = CALLER_NOBODY_YET;
        caller->outbox = outbox;
        g_queue_init(&caller->identifying);
        g_queue_init(&caller->held_back);
        caller->name = g_strdup(name);
        caller->allowed = scopes_new();
        caller->refused = scopes_new();
        caller->hears = scopes_new();
        caller->follows = scopes_new();
        return caller;
}

Caller *caller_ref(Caller *caller) {
        caller->n_references++;
        return caller;
}

void caller_unref(Caller *caller) {
        if (--caller->n_references > 0)
                return;
        g_assert(g_queue_is_empty(&caller->identifying));
        if (caller->direct)
                close(caller->process.pidfd);
        g_hash_table_unref(caller->allowed);
        g_hash_table_unref(caller->refused);
        g_hash_table_unref(caller->hears);
        g_hash_table_unref(caller->follows);
        held_clear(caller);
        g_free(caller->name);
        g_free(caller);
}
