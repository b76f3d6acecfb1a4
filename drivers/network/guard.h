/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Keeps what nftables has of networks and of guests' cards as it should be: what an earlier driver has left of filters is made
 * anew at the start, and what somebody else takes out of our tables is put back at once. What others have there, and what else
 * on the host is in the way of networks, is told with them (obstacles.h). */

#include "network/networks.h"
#include "network/filters.h"

typedef struct Guard Guard;

/* From now on cards of NETWORKS can have FILTERS, also those that an earlier driver has given them. Nothing where the driver
 * may not change the host's network. */
void guard_open(Networks *networks, Filters *filters);

/* Begins nothing any more. */
void guard_cancel(Networks *networks);
void guard_close(Networks *networks);
