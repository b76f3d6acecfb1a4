/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The ports of networks that a guest's cards of type 'network' are connected to: asked for from the networks' driver
 * (virtbus-network), on behalf of who starts the guest or attaches the card; a guest that starts by itself has been allowed
 * them before. A port ends with its descriptors, and so with QEMU: nothing is to be given back.
 *
 * A network that this driver does not know may be one that libvirt's daemon has started: then its bridge is what counts
 * (host/networks.h). */

#include "qemu/guest/guest.h"

/* Asks for a FILE_PORT (guest-fetch.h). */
void guest_ports_ask(Guest *guest);
