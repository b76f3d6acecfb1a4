/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A driver as a program: it owns its name on the bus, gives virtbusd its peer connection, and ends when it has nothing to
 * do. The contract is introspection/org.virtbus1.Driver.xml. */

#include "domain/hypervisor.h"

/* How long a driver without anything to do waits before it says so, in microseconds, if --idle-timeout says nothing else. */
#define IDLE_TIMEOUT (60 * UINT64_C(1000000))

/* Runs the driver of a hypervisor until it has nothing to do, or is told to end. Returns the program's exit status. */
int driver_main(const Hypervisor *hypervisor, int argc, char *argv[]);
