/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The end of a guest's run, and why it came to it. */

#include "qemu/guest/guest.h"

/* Operations of the hypervisor: see there. */
void guest_destroy(Domain *domain);
void guest_release(Domain *domain);

/* Its process has ended: a ProcessEnded. */
void guest_on_ended(void *data, int status);

/* The guest has no process, or none any more: what it held and its traces go, and the operation, or the domain's run, ends. */
void guest_finish(Guest *guest, const GError *error);

/* What QEMU wrote last in this run, without what is of no use to a person; to be freed. */
char *guest_last_words(const Guest *guest);
