/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a guest's QEMU is kept from its host and from other guests: which parts of base/confine.h a start asks for, and what the
 * guest then has, in Domain.Isolation and in its status. */

#include "base/confine.h"
#include "qemu/guest/guest.h"

/* What the driver's environment says of it, and what this host has, once: fails where that says what it may not. */
bool isolation_open(Connection *connection, GError **error);

/* Of the guest's command line, before its process is made: what is asked for, or NULL for nothing. It is the guest's. PROFILE:
 * AppArmor's, which its process enters besides, or NULL. */
const Confinement *isolation_begin(Guest *guest, const char *profile);

/* What a running guest is given later: LINE's commands may need what its QEMU does not see. DONE is called when it does, at once
 * where there is nothing to show; with Unsupported, where it cannot. */
typedef void (*IsolationShown)(Guest *guest, const GError *error);
void isolation_show(Guest *guest, const CommandLine *line, IsolationShown done);

/* The same for a file or a folder of the machine's, which no document names. */
void isolation_show_path(Guest *guest, const char *path, IsolationShown done);

/* Nobody wants any more what is being shown: nothing is called. */
void isolation_drop(Guest *guest);

/* The user and group of a guest that an earlier driver has started, whose status is SAVED: those of the range, or those that its
 * document chooses; they stay what they are where there are none. */
void isolation_find_user(const Domain *domain, const xmlNode *saved, uid_t *uid, gid_t *gid);

/* Domain.Isolation. */
int isolation_append(const Domain *domain, sd_bus_message *message);

extern const GuestModule isolation_module;
