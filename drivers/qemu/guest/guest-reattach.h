/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A guest that runs on when its driver ends, and is found again by the next one. */

#include "qemu/guest/guest.h"

/* Operations of the hypervisor: see there. */
void guest_reattach(Operation *operation, xmlNode *saved);
void guest_save(const Domain *domain, xmlNode *saved);

/* Takes over those that run and whose status is lost: known by their pid files. */
void guest_adopt_lost(Connection *connection);
