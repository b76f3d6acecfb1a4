/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The run of a guest: its start, its being found again after a driver's restart, and its end. */

#include "qemu/guest/guest.h"

/* Operations of the hypervisor: see there. */
void guest_start(Operation *operation);
void guest_reattach(Operation *operation, xmlNode *saved);

/* Takes over those that run and whose status is lost: known by their pid files. */
void guest_adopt_lost(Connection *connection);
void guest_destroy(Domain *domain);
void guest_release(Domain *domain);
void guest_save(const Domain *domain, xmlNode *saved);
