/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/driver.h"
#include "paths.h"
#include "secret/secrets-bus.h"

static void *open_secrets(const void *unused, const DriverSetup *setup, GError **error) {
        (void) unused;
        Secrets *secrets = secrets_open(setup->event, setup->state, error);
        if (secrets) {
                secrets_publish(secrets, setup->objects, HOST_PATH);
                secrets->idle = setup->idle;
                secrets->idle_data = setup->idle_data;
        }
        return secrets;
}

static bool is_busy(const void *self) {
        return secrets_is_busy(self);
}

static void cancel(void *self) {
        Secrets *secrets = self;
        secrets->idle = NULL;
        secrets_cancel(secrets);
}

static void close_secrets(void *self) {
        secrets_withdraw(self);
        secrets_close(self);
}

int main(int argc, char *argv[]) {
        static const DriverKind kind = {
                .name = "secret",
                .bus_name = DRIVER_NAME_PREFIX "Secret",
                .open = open_secrets,
                .is_busy = is_busy,
                .cancel = cancel,
                .close = close_secrets,
        };
        return driver_main(&kind, argc, argv);
}
