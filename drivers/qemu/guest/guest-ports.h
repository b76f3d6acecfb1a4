/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The ports that a guest's cards are connected to, of networks (type 'network') or of the host ('bridge', 'ethernet'): asked for
 * from the networks' driver (virtbus-network), on behalf of who starts the guest or attaches the card; a guest that starts by
 * itself has been allowed them before. A port ends with its descriptors, and so with QEMU: nothing is to be given back. */

#include "qemu/guest/guest.h"

/* Asks for a FILE_PORT (guest-fetch.h). */
void guest_ports_ask(Guest *guest);

/* Another filter, or bandwidth, of a card that is a port: what is at work, until DONE is called, which frees it. */
typedef struct PortChange PortChange;
typedef void (*PortChanged)(Guest *guest, const GError *error);

/* Gives the port of the card OLD, as it is in the running document, the <filterref> and the <bandwidth> that NEW has, or none, as
 * far as they are others; where NEW is OLD, both. NULL with an error. */
PortChange *guest_port_change(Guest *guest, const xmlNode *old, const xmlNode *new, PortChanged done, GError **error);

/* Whether one of them is another by now. */
bool port_change_has_begun(const PortChange *change);

void port_change_free(PortChange *change);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PortChange, port_change_free)
