/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The objects of a domain and its devices: their methods, and what is told of them. */

#include "domain/domain.h"

extern const DomainListener domain_bus_listener;
