/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The driver of a hypervisor, as a program. */

#include "domain/hypervisor.h"

/* Runs it: see driver_main in base/driver.h. */
int domain_driver_main(const Hypervisor *hypervisor, int argc, char *argv[]);
