/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The addresses that DHCP servers of this host have leased to a card: those of a network of virtbus, whose driver is asked, and
 * what dnsmasq writes down, run by itself, by libvirt or by NetworkManager. Files of others are read with care: what is not a
 * lease is passed over, and nothing beyond a size is read. */

#include "base/objects.h"
#include "base/worker.h"

/* What a card is connected to. */
typedef struct LeasesPlace {
        Objects *objects;    /* by which other drivers are asked */
        const char *network; /* of virtbus or of libvirt; or NULL */
        const char *bridge;  /* or "" */
} LeasesPlace;

/* Answers NetworkInterface.GetAddresses. */
void leases_answer(Worker *worker, const LeasesPlace *place, const char *mac, Call *call);
