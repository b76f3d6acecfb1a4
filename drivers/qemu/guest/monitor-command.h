/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A caller's own commands for a guest's QEMU. What they change, this driver does not know: the guest is tainted by them. */

#include "qemu/guest/guest.h"

/* Answers Domain.MonitorCommand. */
void monitor_command_answer(Domain *domain, const char *command, bool human, Call *call);

/* What the document of a guest that starts is to be noted for. */
void monitor_command_note_document(Guest *guest);
