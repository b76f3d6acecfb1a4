/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* passt, which gives a card of type 'user' the host's network without rights of its own: it has one end of a socket, QEMU the
 * other, and translates between the guest's packets and sockets of the host's. It confines itself further, to no file at all. A
 * guest goes on when it ends alone: its card has no link then. */

#include "qemu/guest/device-helpers.h"

extern const DeviceHelperKind passt_helper;
