/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/lease-book.h"

#include <string.h>

#define SECOND UINT64_C(1000000)

/* How long what is too much waits, in microseconds. */
#define PAUSE (SECOND / 10)

/* What is known of an address, and what was told. */
typedef struct LeaseEntry {
        Lease *lease; /* NULL: there is none any more, which is still to be told */
        Lease *told;  /* NULL: it was not */
        bool waits;   /* to be told */
} LeaseEntry;

struct LeaseBook {
        sd_event *event;
        LeaseTold tell;
        void *data;
        GHashTable *entries; /* by the text of their address */
        unsigned n;          /* leases */
        GQueue waiting;      /* the texts of addresses of which something is to be told */
        uint64_t credit;     /* how many may be told, times a second: in microseconds */
        uint64_t credit_time;
        sd_event_source *timer; /* or NULL */
};

#define CREDIT_MAX (LEASE_CHANGES_AT_ONCE * SECOND)

static void entry_free(void *data) {
        LeaseEntry *entry = data;
        g_clear_pointer(&entry->lease, lease_free);
        g_clear_pointer(&entry->told, lease_free);
        g_free(entry);
}

LeaseBook *lease_book_new(sd_event *event, LeaseTold told, void *data) {
        LeaseBook *book = g_new0(LeaseBook, 1);
        *book = (LeaseBook){ .event = event,
                             .tell = told,
                             .data = data,
                             .entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, entry_free),
                             .credit = CREDIT_MAX };
        g_queue_init(&book->waiting);
        return book;
}

void lease_book_free(LeaseBook *book) {
        book->timer = sd_event_source_disable_unref(book->timer);
        g_queue_clear_full(&book->waiting, g_free);
        g_hash_table_unref(book->entries);
        g_free(book);
}

static Lease *copy_of(const Lease *lease) {
        Lease *copy = g_new(Lease, 1);
        *copy = (Lease){ lease->address,        g_strdup(lease->mac), g_strdup(lease->iaid), g_strdup(lease->client_id),
                         g_strdup(lease->name), lease->until };
        return copy;
}

/* Telling */

static void tell_one(LeaseBook *book, const char *address) {
        LeaseEntry *entry = g_hash_table_lookup(book->entries, address);
        g_autoptr(Lease) before = g_steal_pointer(&entry->told);
        entry->waits = false;
        entry->told = entry->lease ? copy_of(entry->lease) : NULL;
        if (!before && entry->lease)
                book->tell(book->data, LEASE_ADDED, entry->lease);
        else if (before && entry->lease && !lease_equals(before, entry->lease))
                book->tell(book->data, LEASE_CHANGED, entry->lease);
        else if (before && !entry->lease)
                book->tell(book->data, LEASE_REMOVED, before);
        if (!entry->lease)
                g_hash_table_remove(book->entries, address);
}

static int on_pause_over(sd_event_source *source, uint64_t usec, void *data);

static void tell(LeaseBook *book) {
        uint64_t now = 0;
        sd_event_now(book->event, CLOCK_MONOTONIC, &now);
        uint64_t gained = (now - MIN(now, book->credit_time)) * LEASE_CHANGES_PER_SECOND;
        book->credit = MIN(book->credit + MIN(gained, CREDIT_MAX), CREDIT_MAX);
        book->credit_time = now;
        for (; book->credit >= SECOND && !g_queue_is_empty(&book->waiting); book->credit -= SECOND) {
                g_autofree char *address = g_queue_pop_head(&book->waiting);
                tell_one(book, address);
        }
        if (!g_queue_is_empty(&book->waiting) && !book->timer)
                sd_event_add_time_relative(book->event, &book->timer, CLOCK_MONOTONIC, PAUSE, 0, on_pause_over, book);
}

static int on_pause_over(sd_event_source *source, uint64_t usec, void *data) {
        LeaseBook *book = data;
        (void) source;
        (void) usec;
        book->timer = sd_event_source_disable_unref(book->timer);
        tell(book);
        return 0;
}

static void note(LeaseBook *book, LeaseEntry *entry, const char *address) {
        if (!entry->waits)
                g_queue_push_tail(&book->waiting, g_strdup(address));
        entry->waits = true;
}

/* Changes */

static bool put(LeaseBook *book, Lease *taken) {
        g_autoptr(Lease) lease = taken;
        g_autofree char *address = address_text(&lease->address);
        LeaseEntry *entry = g_hash_table_lookup(book->entries, address);
        if (entry && entry->lease && lease_equals(entry->lease, lease))
                return true;
        if ((!entry || !entry->lease) && book->n >= LEASES_MAX)
                return false;
        if (!entry) {
                entry = g_new0(LeaseEntry, 1);
                g_hash_table_insert(book->entries, g_strdup(address), entry);
        }
        book->n += !entry->lease;
        g_clear_pointer(&entry->lease, lease_free);
        entry->lease = g_steal_pointer(&lease);
        note(book, entry, address);
        return true;
}

static void drop(LeaseBook *book, const char *address) {
        LeaseEntry *entry = g_hash_table_lookup(book->entries, address);
        if (!entry || !entry->lease)
                return;
        g_clear_pointer(&entry->lease, lease_free);
        book->n--;
        note(book, entry, address);
}

/* Where nobody is told, nothing waits for it. */
static void finish(LeaseBook *book) {
        if (book->tell) {
                tell(book);
                return;
        }
        for (char *address; (address = g_queue_pop_head(&book->waiting)); g_free(address)) {
                LeaseEntry *entry = g_hash_table_lookup(book->entries, address);
                entry->waits = false;
                if (!entry->lease)
                        g_hash_table_remove(book->entries, address);
        }
}

bool lease_book_put(LeaseBook *book, Lease *lease) {
        bool fits = put(book, lease);
        finish(book);
        return fits;
}

void lease_book_drop(LeaseBook *book, const Address *address) {
        g_autofree char *text = address_text(address);
        drop(book, text);
        finish(book);
}

void lease_book_replace(LeaseBook *book, const GPtrArray *leases) {
        g_autoptr(GHashTable) there = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(GList) known = g_hash_table_get_keys(book->entries);
        for (guint i = 0; i < leases->len; i++)
                g_hash_table_add(there, address_text(&((const Lease *) leases->pdata[i])->address));
        for (const GList *link = known; link; link = link->next)
                if (!g_hash_table_contains(there, link->data))
                        drop(book, link->data);
        for (guint i = 0; i < leases->len; i++)
                put(book, copy_of(leases->pdata[i]));
        finish(book);
}

static int compare(const void *one, const void *other) {
        return address_compare(&(*(Lease *const *) one)->address, &(*(Lease *const *) other)->address);
}

GPtrArray *lease_book_list(const LeaseBook *book, const char *mac) {
        GPtrArray *found = g_ptr_array_new();
        uint64_t now = (uint64_t) g_get_real_time();
        GHashTableIter iterator;
        void *value;
        g_hash_table_iter_init(&iterator, book->entries);
        while (g_hash_table_iter_next(&iterator, NULL, &value)) {
                const LeaseEntry *entry = value;
                if (entry->lease && (entry->lease->until == 0 || entry->lease->until > now) &&
                    (!mac || g_ascii_strcasecmp(mac, entry->lease->mac) == 0))
                        g_ptr_array_add(found, entry->lease);
        }
        g_ptr_array_sort(found, compare);
        return found;
}

bool lease_book_has_ipv6(const LeaseBook *book) {
        GHashTableIter iterator;
        void *value;
        g_hash_table_iter_init(&iterator, book->entries);
        while (g_hash_table_iter_next(&iterator, NULL, &value)) {
                const LeaseEntry *entry = value;
                if (entry->lease && entry->lease->address.family == AF_INET6)
                        return true;
        }
        return false;
}
