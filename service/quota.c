/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "quota.h"

struct Quota {
        Charge all, each;  /* the limits */
        Charge taken;      /* by all users */
        GHashTable *users; /* user ID to Charge: those who have something */
        void (*released)(void *data);
        void *data;
};

void charge_add(Charge *sum, const Charge *charge) {
        sum->calls += charge->calls;
        sum->bytes += charge->bytes;
        sum->descriptors += charge->descriptors;
}

void charge_subtract(Charge *sum, const Charge *charge) {
        g_assert(sum->calls >= charge->calls && sum->bytes >= charge->bytes && sum->descriptors >= charge->descriptors);
        sum->calls -= charge->calls;
        sum->bytes -= charge->bytes;
        sum->descriptors -= charge->descriptors;
}

Quota *quota_new(const Charge *all, const Charge *each) {
        Quota *quota = g_new0(Quota, 1);
        *quota = (Quota){ .all = *all, .each = *each };
        quota->users = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        return quota;
}

void quota_free(Quota *quota) {
        g_hash_table_unref(quota->users);
        g_free(quota);
}

static Charge *find(const Quota *quota, uid_t user) {
        return g_hash_table_lookup(quota->users, GUINT_TO_POINTER(user));
}

Charge quota_of(const Quota *quota, uid_t user) {
        const Charge *own = find(quota, user);
        return own ? *own : (Charge){ 0 };
}

static bool is_nothing(const Charge *charge) {
        return charge->calls == 0 && charge->bytes == 0 && charge->descriptors == 0;
}

/* However much others have, a user may have a little. */
#define LEAST_SHARE 32 /* a part of all */

static size_t share_of(size_t all, size_t each, size_t taken, size_t own) {
        size_t others = taken - own, half = others < all ? (all - others) / 2 : 0;
        return MIN(each, MAX(half, all / LEAST_SHARE));
}

static bool fits(size_t all, size_t each, size_t taken, size_t own, size_t more, bool modest) {
        size_t share = share_of(all, each, taken, own);
        size_t limit = modest ? share : share - share / 4;
        return more == 0 || (own <= limit && more <= limit - own);
}

bool quota_has_room(const Quota *quota, uid_t user, const Charge *charge, bool modest) {
        const Charge *all = &quota->all, *each = &quota->each, *taken = &quota->taken, own = quota_of(quota, user);
        return fits(all->calls, each->calls, taken->calls, own.calls, charge->calls, modest) &&
               fits(all->bytes, each->bytes, taken->bytes, own.bytes, charge->bytes, modest) &&
               fits(all->descriptors, each->descriptors, taken->descriptors, own.descriptors, charge->descriptors, modest);
}

static bool is_within(size_t all, size_t each, size_t taken, size_t own) {
        return own <= share_of(all, each, taken, own);
}

bool quota_is_exceeded(const Quota *quota, uid_t user) {
        const Charge *all = &quota->all, *each = &quota->each, *taken = &quota->taken, own = quota_of(quota, user);
        return !is_within(all->calls, each->calls, taken->calls, own.calls) ||
               !is_within(all->bytes, each->bytes, taken->bytes, own.bytes) ||
               !is_within(all->descriptors, each->descriptors, taken->descriptors, own.descriptors);
}

void quota_take(Quota *quota, uid_t user, const Charge *charge) {
        Charge *own = find(quota, user);
        if (is_nothing(charge))
                return;
        if (!own) {
                own = g_new0(Charge, 1);
                g_hash_table_insert(quota->users, GUINT_TO_POINTER(user), own);
        }
        charge_add(own, charge);
        charge_add(&quota->taken, charge);
}

void quota_give_back(Quota *quota, uid_t user, const Charge *charge) {
        Charge *own = find(quota, user);
        if (is_nothing(charge))
                return;
        g_assert(own);
        charge_subtract(own, charge);
        charge_subtract(&quota->taken, charge);
        if (is_nothing(own))
                g_hash_table_remove(quota->users, GUINT_TO_POINTER(user));
        if (quota->released)
                quota->released(quota->data);
}

void quota_watch(Quota *quota, void (*released)(void *data), void *data) {
        quota->released = released;
        quota->data = data;
}
