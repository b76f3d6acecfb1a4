/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The network "default" of a machine that has never had one: behind an address of the host's, not started and not to be started
 * with the machine, in the first block of 192.168.122.0/24 to 192.168.253.0/24 that neither the host, which may be a guest
 * itself, nor another network has. It is made once: a file beside the definitions says so, and who has removed the network does
 * not get it again. */

#include "network/networks.h"

/* The file, in the state directory. */
#define DEFAULT_NETWORK_MADE "default-network-made"

/* When all definitions are read, before anybody asks. Where it cannot be made that is logged, and tried at the next start. */
void default_network_provide(Networks *networks, const char *state);
