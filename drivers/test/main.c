/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/driver.h"
#include "test/test.h"

int main(int argc, char *argv[]) {
        return driver_main(&test_hypervisor, argc, argv);
}
