/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "secret/secrets-bus.h"

#include "options.h"
#include "secret/secret-bus.h"
#include "vtables.h"

SECRETS_VTABLE(Secrets, bus);

static void on_defined(void *data, Entry *entry, const GError *error) {
        if (error)
                call_fail(data, error);
        else
                reply_secrets_define_secret(data, published_path(entry->published));
}

static void bus_define_secret(Call *call, Secrets *self, const char *xml, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        if (options_read(options, &error, NULL))
                registry_define(&self->registry, xml, call->uid, on_defined, call);
        else
                call_fail(call, error);
}

static void bus_get_secret_by_uuid(Call *call, Secrets *self, const char *uuid) {
        g_autoptr(GError) error = NULL;
        const Secret *secret = secrets_find(self, uuid, &error);
        if (secret)
                reply_secrets_get_secret_by_uuid(call, published_path(secret->entry.published));
        else
                call_fail(call, error);
}

static void bus_get_secret_by_usage(Call *call, Secrets *self, const char *type, const char *id) {
        g_autoptr(GError) error = NULL;
        const Secret *secret = secrets_find_usage(self, type, id, &error);
        if (secret)
                reply_secrets_get_secret_by_usage(call, published_path(secret->entry.published));
        else
                call_fail(call, error);
}

static const Vtable *const vtables[] = { &bus_vtable, NULL };

const RegistryFace secrets_face = { .registry = vtables, .entry = secret_vtables, .changing = secret_changing };
