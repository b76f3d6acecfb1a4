/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "secret/secrets-bus.h"

#include "options.h"
#include "secret/secret-bus.h"
#include "vtables.h"

SECRETS_VTABLE(Secrets, bus);

static void on_defined(void *data, Secret *secret, const GError *error) {
        if (error)
                call_fail(data, error);
        else
                reply_secrets_define_secret(data, published_path(secret->published));
}

static void bus_define_secret(Call *call, Secrets *self, const char *xml, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        if (options_read(options, &error, NULL))
                secrets_define(self, xml, call->uid, on_defined, call);
        else
                call_fail(call, error);
}

static void bus_get_secret_by_uuid(Call *call, Secrets *self, const char *uuid) {
        g_autoptr(GError) error = NULL;
        const Secret *secret = secrets_find(self, uuid, &error);
        if (secret)
                reply_secrets_get_secret_by_uuid(call, published_path(secret->published));
        else
                call_fail(call, error);
}

static void bus_get_secret_by_usage(Call *call, Secrets *self, const char *type, const char *id) {
        g_autoptr(GError) error = NULL;
        const Secret *secret = secrets_find_usage(self, type, id, &error);
        if (secret)
                reply_secrets_get_secret_by_usage(call, published_path(secret->published));
        else
                call_fail(call, error);
}

/* Calls a function of the listener with each secret. */
static void tell_each(Secrets *secrets, void (*tell)(Secret *secret)) {
        GHashTableIter iterator;
        void *secret;
        g_hash_table_iter_init(&iterator, secrets->by_uuid);
        while (g_hash_table_iter_next(&iterator, NULL, &secret))
                tell(secret);
}

void secrets_publish(Secrets *secrets, Objects *objects, const char *path) {
        static const Vtable *const vtables[] = { &bus_vtable, NULL };
        secrets->objects = objects;
        secrets->path = g_strdup(path);
        secrets->published = objects_publish(objects, path, secrets, vtables);
        secrets->listener = &secret_bus_listener;
        tell_each(secrets, secrets->listener->added);
}

void secrets_withdraw(Secrets *secrets) {
        tell_each(secrets, secrets->listener->removed);
        secrets->listener = NULL;
        g_clear_pointer(&secrets->published, published_withdraw);
        g_clear_pointer(&secrets->path, g_free);
}
