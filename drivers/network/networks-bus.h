/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The interface of the connection by which networks are made and found. */

#include "network/networks.h"

/* Publishes it at the PATH of the connection, and what networks there are and will be below it. */
void networks_publish(Networks *networks, Objects *objects, const char *path);

/* Takes all of it back. */
void networks_withdraw(Networks *networks);
