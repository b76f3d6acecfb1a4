/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The file systems of a guest are frozen by its agent for an instant. They are not frozen for ever: that they are to be thawed is
 * in the status before the agent is asked, so that whoever follows a driver that has ended thaws them; where freezing fails, or
 * takes too long, they are thawed too, as some may be frozen; and where the agent does not answer to that, it is told again when
 * it opens its channel anew. */

#include "qemu/guest/guest.h"

/* How long an agent may take to freeze, whatever ran before it in the guest, and how long an answer waits for the thaw; in
 * seconds. */
#define QUIESCE_SECONDS 60
#define QUIESCE_THAW_SECONDS 10

/* Freezes; then calls DONE, unless the guest is let go of before. ERROR: nothing is frozen, or is being thawed again. */
typedef void (*QuiesceDone)(Guest *guest, const GError *error);
void quiesce_begin(Guest *guest, QuiesceDone done);

/* Thaws what quiesce_begin has frozen, or may have; then calls DONE, at once where there is nothing. */
void quiesce_end(Guest *guest, void (*done)(Guest *guest));

/* Refuses a guest that has no agent to be asked. */
bool quiesce_check(const Domain *domain, GError **error);

extern const GuestModule quiesce_module;
