/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "driver.h"
#include "qemu.h"

int main(int argc, char *argv[]) {
        return driver_main(&qemu_hypervisor, argc, argv);
}
