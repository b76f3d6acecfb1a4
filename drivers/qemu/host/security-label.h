/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a document says of its guest's confinement by <seclabel>, as libvirt means it: a user of the document's choosing (model
 * dac), or a profile of AppArmor's that somebody has loaded (model apparmor). A guest without either has a user of its own, and
 * the sandbox that all have (guest/isolation.h). */

#include <stdbool.h>
#include <sys/types.h>

#include "base/xml.h"

/* How long a profile's name may be, in bytes. */
#define SECURITY_PROFILE_MAX 255

/* Reads "+UID:+GID", the way that libvirt says numbers: false for names, other words, root, and what is not a number of a user. */
bool security_user_parse(const char *label, uid_t *uid, gid_t *gid);

bool security_profile_is_name(const char *label);

/* Model dac, type static: the user and group that the document chooses; they stay what they are where it chooses none. */
void security_label_user(const xmlDoc *document, uid_t *uid, gid_t *gid);

/* Model apparmor, type static: the name of the profile, or NULL. */
char *security_label_profile(const xmlDoc *document);

/* Type none, of a model that confines: libvirt does not confine the guest then. */
bool security_label_is_unconfined(const xmlDoc *document);

/* Whether this host has AppArmor: fails with Unsupported. May be called from the event loop: it reads a file of the kernel's. */
bool security_check_profiles(GError **error);
