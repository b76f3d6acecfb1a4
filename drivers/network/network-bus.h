/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The objects of networks, below that of their connection. */

#include "network/networks.h"

/* Publishes what it is told of. */
extern const NetworkListener network_bus_listener;
