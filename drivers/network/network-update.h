/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An edit of a network, of what it runs with, of its definition, or of both: all of it, or nothing. */

#include "network/network-edit.h"
#include "network/networks.h"

/* EDIT is taken. Neither LIVE nor CONFIG: what it runs with where it is active, else its definition. */
void network_update(Network *network, NetworkEdit *edit, bool live, bool config, EntryDone done, void *data);
