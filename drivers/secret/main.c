/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/registry-driver.h"
#include "secret/secrets-bus.h"
#include "paths.h"

int main(int argc, char *argv[]) {
        static const RegistryDriver driver = { { { &secrets_kind, &secrets_face } } };
        static const DriverKind kind = {
                .name = "secret",
                .bus_name = DRIVER_NAME_PREFIX "Secret",
                .data = &driver,
                .open = registry_driver_open,
                .is_busy = registry_driver_is_busy,
                .cancel = registry_driver_cancel,
                .close = registry_driver_close,
        };
        return driver_main(&kind, argc, argv);
}
