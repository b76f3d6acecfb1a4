/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/domain-driver.h"
#include "qemu/qemu.h"

int main(int argc, char *argv[]) {
        return domain_driver_main(&qemu_hypervisor, argc, argv);
}
