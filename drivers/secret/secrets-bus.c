/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "secret/secrets-bus.h"

#include "base/registry-answer.h"
#include "secret/secret-bus.h"
#include "vtables.h"

SECRETS_VTABLE(Secrets, bus);

static void bus_define_secret(Call *call, Secrets *self, const char *xml, sd_bus_message *options) {
        registry_answer_define(call, &self->registry, xml, options);
}

static void bus_get_secret_by_uuid(Call *call, Secrets *self, const char *uuid) {
        g_autoptr(GError) error = NULL;
        Secret *secret = secrets_find(self, uuid, &error);
        registry_answer_entry(call, (Entry *) secret, error);
}

static void bus_get_secret_by_usage(Call *call, Secrets *self, const char *type, const char *id) {
        g_autoptr(GError) error = NULL;
        Secret *secret = secrets_find_usage(self, type, id, &error);
        registry_answer_entry(call, (Entry *) secret, error);
}

static const Vtable *const vtables[] = { &bus_vtable, NULL };

const RegistryFace secrets_face = { .registry = vtables, .entry = secret_vtables, .changing = secret_changing };
