/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver.h"
#include "test.h"

int main(int argc, char *argv[]) {
        return driver_main(&test_hypervisor, argc, argv);
}
