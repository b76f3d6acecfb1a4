/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/domain-driver.h"
#include "test/test.h"

int main(int argc, char *argv[]) {
        return domain_driver_main(&test_hypervisor, argc, argv);
}
