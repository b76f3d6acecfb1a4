/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What QEMU tells of a guest that changes nothing of how it is run, passed on as signals (domain-signal.h), and whether its
 * drives' trays are open. Words that are not known are not passed on: who took a guest over chooses them. */

#include "qemu/guest/guest.h"

extern const GuestModule guest_notices_module;

/* A start goes on without images that are not there (startupPolicy): told of each, before they leave the DOCUMENT. */
void guest_notices_missing(const Domain *domain, xmlDoc *document);
