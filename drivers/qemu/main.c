/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/driver.h"
#include "qemu/qemu.h"

int main(int argc, char *argv[]) {
        return driver_main(&qemu_hypervisor, argc, argv);
}
