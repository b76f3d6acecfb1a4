/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a domain that has its owner's rights alone has of the host by polkit's leave: asked for, of its owner, who has to start it
 * or to plug that, before anything is opened or taken. */

#include "qemu/guest/guest.h"

/* Asks for a FILE_LEAVE (guest-fetch.h). */
void guest_leave_ask(Guest *guest);
