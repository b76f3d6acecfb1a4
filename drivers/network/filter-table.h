/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The filters of guests' cards at work: what the kernel has of them (filter-card.h). What is done to it is done one after the
 * other, each in one transaction, so that no packet meets anything in between; and what somebody else takes out of it is put
 * back. */

#include "base/worker.h"
#include "network/filter-binding.h"
#include "network/filter-source.h"

typedef struct FilterTable FilterTable;

/* A card that has a filter. */
typedef struct FilteredCard FilteredCard;

/* Definitions of FILTERS that cards have are its concern from now on. */
FilterTable *filter_table_new(Filters *filters);

/* What is at work or waits, and all that comes later, fails with Cancelled. The kernel keeps what it has. */
void filter_table_cancel(FilterTable *table);
void filter_table_free(FilterTable *table);

/* ID: in names of its chains. WHOSE the card is, in messages. */
typedef struct FilterSubject {
        const char *id, *interface, *whose;
} FilterSubject;

/* Adds a card, whose BINDING is taken. Its rules come with the next filter_table_restore, or by filtered_card_begin. */
FilteredCard *filter_table_add(FilterTable *table, const FilterSubject *subject, FilterBinding *binding);

/* Puts the rules of a new one in: DONE is called when they are there; with an error the caller removes the card. */
void filtered_card_begin(FilteredCard *card, WorkDone done, void *data);

/* Gives it another binding, which is taken. With an error it has the one that it had. */
void filtered_card_change(FilteredCard *card, FilterBinding *binding, WorkDone done, void *data);

/* Removes it; DONE, which may be NULL, is called when its rules are gone. Also after the end of the table. */
void filtered_card_remove(FilteredCard *card, WorkDone done, void *data);

const FilterBinding *filtered_card_binding(const FilteredCard *card);

/* Makes the whole table anew. A card whose rules cannot be written lets nothing pass, which is logged. */
void filter_table_restore(FilterTable *table);
