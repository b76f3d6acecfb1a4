/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The addresses that DHCP servers of this host have leased to a card: what dnsmasq writes down, run by itself, by libvirt or by
 * NetworkManager. Files of others are read with care: what is not a lease is passed over, and nothing beyond a size is read. */

#include "base/objects.h"
#include "base/worker.h"

/* Answers NetworkInterface.GetAddresses: BRIDGE is what the card is connected to, or "". */
void leases_answer(Worker *worker, const char *bridge, const char *mac, Call *call);
