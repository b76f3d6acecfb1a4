/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Going back to a snapshot that is external, of a domain that is off then: with new overlays over the images that it has, which
 * stay what they are. What the domain had gone on with stays too: nobody knows who else needs it. */

#include "domain/operation.h"

/* Functions of the hypervisor: see there. */
void overlay_revert_look(Operation *operation);
void overlay_revert_load(Operation *operation);
