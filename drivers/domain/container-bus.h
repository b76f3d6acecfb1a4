/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.virtbus1.Domain.Container, of domains that are containers. */

#include "base/objects.h"

/* How many arguments, and settings of its environment, a program may be given. */
#define CONTAINER_ARGUMENTS_MAX 1024

/* Its handlers get the Domain. */
const Vtable *container_bus_vtable(void);
