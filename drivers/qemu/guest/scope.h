/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where systemd runs, a guest is a machine of systemd-machined's: it has a scope of its own, with the limits that its document
 * asks for, and machinectl lists it. Elsewhere a guest with limits gets a control group of its own, and others just run.
 *
 * Interface: org.freedesktop.machine1(5), CreateMachine; resource properties: org.freedesktop.systemd1(5). */

#include "qemu/guest/guest.h"

/* Registers the guest's process, which waits; calls DONE with NULL where it may run, else with the reason. */
typedef void (*ScopeDone)(Guest *guest, const GError *error);
void scope_create(Guest *guest, xmlDoc *document, ScopeDone done);

/* Sets the limits of a document anew. */
void scope_set_limits(Guest *guest, xmlDoc *document, ScopeDone done);

/* Whether a document asks for limits. */
bool scope_has_limits(xmlDoc *document);

/* For guest_free: what waits for systemd, or for a worker. */
/* Its QEMU has ended: what that may have started, and left behind, ends with it. */
void scope_end(Guest *guest);

void scope_forget(Guest *guest);
