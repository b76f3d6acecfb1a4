/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "callbacks.h"

#include <string.h>

typedef struct Callback {
        int32_t number, kind;
        char *uuid;
} Callback;

struct Callbacks {
        GPtrArray *all;
        int32_t last;
};

static void callback_free(void *data) {
        Callback *callback = data;
        g_free(callback->uuid);
        g_free(callback);
}

Callbacks *callbacks_new(void) {
        Callbacks *callbacks = g_new0(Callbacks, 1);
        callbacks->all = g_ptr_array_new_with_free_func(callback_free);
        return callbacks;
}

void callbacks_free(Callbacks *callbacks) {
        g_ptr_array_unref(callbacks->all);
        g_free(callbacks);
}

int32_t callbacks_register(Callbacks *callbacks, int32_t kind, const char *uuid) {
        if (callbacks->all->len >= CALLBACKS_MAX)
                return -1;
        Callback *callback = g_new(Callback, 1);
        *callback = (Callback){ callbacks->last++, kind, g_strdup(uuid) };
        g_ptr_array_add(callbacks->all, callback);
        return callback->number;
}

bool callbacks_deregister(Callbacks *callbacks, int32_t number) {
        bool found = false;
        for (unsigned int i = 0; !found && i < callbacks->all->len; i++) {
                const Callback *callback = callbacks->all->pdata[i];
                found = callback->number == number;
                if (found)
                        g_ptr_array_remove_index(callbacks->all, i);
        }
        return found;
}

void callbacks_each(Callbacks *callbacks, int32_t kind, const char *uuid, void (*visit)(void *data, int32_t number), void *data) {
        for (unsigned int i = 0; i < callbacks->all->len; i++) {
                const Callback *callback = callbacks->all->pdata[i];
                if (callback->kind == kind && (!callback->uuid || strcmp(callback->uuid, uuid) == 0))
                        visit(data, callback->number);
        }
}
