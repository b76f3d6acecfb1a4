/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is known of the QEMU of a guest. */

#include "qemu/guest/guest.h"

/* Before it is launched: what is known already, by the identity of its program among FILES, or that it is to be asked later. */
void guest_capabilities_recall(Guest *guest, const GPtrArray *files);

/* Asks a QEMU that is not known. Starting does not wait for the answer, nor share its processors with the QEMUs that are asked:
 * it is written into the status when it comes. */
void guest_capabilities_learn(Guest *guest);
