/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/domain-driver.h"
#include "esx/esx.h"

int main(int argc, char *argv[]) {
        return domain_driver_main(&esx_hypervisor, argc, argv);
}
