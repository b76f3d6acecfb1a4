/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/domain-driver.h"
#include "lxc/lxc.h"

int main(int argc, char *argv[]) {
        return domain_driver_main(&lxc_hypervisor, argc, argv);
}
