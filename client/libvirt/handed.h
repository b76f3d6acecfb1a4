/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Clients that virtbusd hands over: see common/libvirt-client.h. */

#include "origin.h"

/* Takes the next. Returns 1, with descriptors that are the caller's to close; 0 where virtbusd has gone; -EAGAIN where there is
 * none now, or another negative errno: what has come is not what virtbusd says. */
int handed_take(int fd, Origin *origin);
