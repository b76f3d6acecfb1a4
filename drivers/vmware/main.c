/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/domain-driver.h"
#include "vmware/vmware.h"

int main(int argc, char *argv[]) {
        return domain_driver_main(&vmware_hypervisor, argc, argv);
}
