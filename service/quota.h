/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What users make the service keep: calls that wait, their bytes and their descriptors. Everything is charged to its user
 * before it is kept.
 *
 * A user may have so much, and never more than half of what the others have left, so that many users together cannot take the
 * last of it from the next one; a thirty-second part a user may have in any case. The last quarter of a user's share is for
 * modest charges: small ones of who has nothing waiting. */

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct Charge {
        unsigned calls;
        size_t bytes;
        unsigned descriptors;
} Charge;

typedef struct Quota Quota;

/* What all users may have together, and each of them. */
Quota *quota_new(const Charge *all, const Charge *each);
void quota_free(Quota *quota);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Quota, quota_free)

/* True where USER may be charged this too. */
bool quota_has_room(const Quota *quota, uid_t user, const Charge *charge, bool modest);

/* True where a user was charged more than that, as by charges that were taken over from another one. */
bool quota_is_exceeded(const Quota *quota, uid_t user);

/* Charges a user, and takes a charge back. The limits are not looked at. */
void quota_take(Quota *quota, uid_t user, const Charge *charge);
void quota_give_back(Quota *quota, uid_t user, const Charge *charge);

/* Has RELEASED called whenever something was given back. */
void quota_watch(Quota *quota, void (*released)(void *data), void *data);

/* What a user is charged at present. */
Charge quota_of(const Quota *quota, uid_t user);

void charge_add(Charge *sum, const Charge *charge);
void charge_subtract(Charge *sum, const Charge *charge);
