/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How far QEMU is with a guest's memory, for the job that is shown: it does not tell by itself, and is asked. */

#include "qemu/guest/guest.h"

/* Asks QEMU by a command, again and again; READ is given each answer, and the guest. */
void progress_follow(Guest *guest, const char *command, MonitorDone read);
void progress_end(Guest *guest);
