/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/filter-table.h"

#include <string.h>

#include "log.h"
#include "network/filter-nft.h"
#include "network/nft.h"

struct FilteredCard {
        FilterTable *table; /* NULL after its end */
        char *id, *interface, *whose;
        FilterBinding *binding;
        FilterCard there;  /* in the kernel */
        FilterCard before; /* a transaction that changes it, and is at work */
        bool gone;         /* to be removed, when what waits is done */
};

typedef struct Deed Deed;

/* What waits or is at work. */
struct Deed {
        /* Writes the transaction; nothing to be done where it stays empty. */
        bool (*write)(const Deed *deed, GString *text, GError **error);
        void (*made)(const Deed *deed); /* the kernel has it; or NULL */
        FilterTable *table;
        FilteredCard *card;
        FilterBinding *binding;
        const FilterDefinition *definition;
        char *name;
        bool holds; /* what follows waits to be settled */
        WorkDone done;
        void *data;
};

struct FilterTable {
        Registry *filters;
        GPtrArray *cards; /* FilteredCard */
        GQueue deeds;
        Deed *deed; /* at work */
        Nft *nft;
        bool has_frame;    /* the kernel has the table, as far as is known */
        bool leaves_frame; /* out, as the transaction at work does */
        bool is_held, is_cancelled;
};

/* Cards */

static void card_free(FilteredCard *card) {
        g_clear_pointer(&card->binding, filter_binding_free);
        filter_card_clear(&card->there);
        filter_card_clear(&card->before);
        g_free(card->id);
        g_free(card->interface);
        g_free(card->whose);
        g_free(card);
}

const FilterBinding *filtered_card_binding(const FilteredCard *card) {
        return card->binding;
}

/* The kernel has nothing of it. */
static void forget_rules(FilteredCard *card) {
        const FilterCard nothing = { .id = card->id, .interface = card->interface };
        filter_card_copy(&card->there, &nothing);
}

FilteredCard *filter_table_add(FilterTable *table, const FilterSubject *subject, FilterBinding *binding) {
        FilteredCard *card = g_new0(FilteredCard, 1);
        *card = (FilteredCard){ .table = table,
                                .id = g_strdup(subject->id),
                                .interface = g_strdup(subject->interface),
                                .whose = g_strdup(subject->whose),
                                .binding = binding };
        forget_rules(card);
        filter_card_copy(&card->before, &card->there);
        g_ptr_array_add(table->cards, card);
        return card;
}

/* Another transaction did not come to be: what it would have changed is as it was. */
static void take_back(const FilterTable *table) {
        for (guint i = 0; i < table->cards->len; i++) {
                FilteredCard *card = table->cards->pdata[i];
                filter_card_copy(&card->there, &card->before);
        }
}

static void remember(const FilterTable *table) {
        for (guint i = 0; i < table->cards->len; i++) {
                FilteredCard *card = table->cards->pdata[i];
                filter_card_copy(&card->before, &card->there);
        }
}

/* One after the other */

static void deed_free(Deed *deed) {
        g_clear_pointer(&deed->binding, filter_binding_free);
        g_free(deed->name);
        g_free(deed);
}

/* Ends one that is not done any more. */
static void cancel(Deed *deed) {
        g_autoptr(GError) error = NULL;
        virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        if (deed->done)
                deed->done(deed->data, error);
        deed_free(deed);
}

static void run_next(FilterTable *table);

static void finish(FilterTable *table, const GError *error) {
        Deed *deed = table->deed;
        if (error)
                take_back(table);
        else if (deed->made)
                deed->made(deed);
        table->is_held = !error && deed->holds;
        if (deed->done)
                deed->done(deed->data, error);
        table->deed = NULL;
        deed_free(deed);
}

static void on_done(void *data, const GError *error);

static void begin(FilterTable *table) {
        const Deed *deed = table->deed;
        g_autoptr(GError) error = NULL;
        g_autoptr(GString) text = g_string_new(NULL);
        bool had_frame = table->has_frame;
        remember(table);
        table->leaves_frame = false;
        if (deed->write(deed, text, &error) && text->len > 0)
                table->nft = nft_begin(table->filters->event, text->str, on_done, table, &error);
        if (table->nft)
                return;
        table->has_frame = had_frame;
        finish(table, error);
}

/* Somebody may have taken the table away, which is told later: once more then, with it. */
static void on_done(void *data, const GError *error) {
        FilterTable *table = data;
        table->nft = NULL;
        table->has_frame = table->has_frame && !error;
        if (error && table->leaves_frame) {
                take_back(table);
                begin(table);
        } else
                finish(table, error);
        run_next(table);
}

static void run_next(FilterTable *table) {
        while (!table->deed && !table->is_held && (table->deed = g_queue_pop_head(&table->deeds)))
                begin(table);
}

static void push(FilterTable *table, const Deed *deed) {
        Deed *copy = g_new(Deed, 1);
        *copy = *deed;
        copy->table = table;
        if (table->is_cancelled) {
                cancel(copy);
                return;
        }
        g_queue_push_tail(&table->deeds, copy);
        run_next(table);
}

/* The rules of a card */

static bool write_card(FilteredCard *card, const FilterBinding *binding, const FilterDefinition *instead, GString *text,
                       GError **error) {
        const FilterSource source = { card->table->filters, instead };
        const FilterDefinition *definition = filter_source_find(&source, binding->filter, error);
        return definition && filter_nft_write(&source, definition, binding->variables, &card->there, text, error);
}

/* Another card had an interface of that name, which is gone: its own removal comes later. */
static void replace(const FilteredCard *card, GString *text) {
        for (guint i = 0; i < card->table->cards->len; i++) {
                FilteredCard *other = card->table->cards->pdata[i];
                if (other != card && other->there.n_chains > 0 && strcmp(other->interface, card->interface) == 0)
                        filter_card_remove(&other->there, text);
        }
}

/* What is there already costs the kernel a wait: what is taken out is let go of when no packet can meet it any more. */
static bool write_new(const Deed *deed, GString *text, GError **error) {
        FilteredCard *card = deed->card;
        FilterTable *table = deed->table;
        if (card->gone)
                return true;
        table->leaves_frame = table->has_frame;
        table->has_frame = true;
        if (!table->leaves_frame)
                g_string_append(text, FILTER_TABLE_FRAME);
        replace(card, text);
        return write_card(card, deed->binding ? deed->binding : card->binding, NULL, text, error);
}

void filtered_card_begin(FilteredCard *card, WorkDone done, void *data) {
        push(card->table, &(Deed){ .write = write_new, .card = card, .done = done, .data = data });
}

static void take_binding(const Deed *deed) {
        FilterBinding *old = deed->card->binding;
        deed->card->binding = deed->binding;
        ((Deed *) deed)->binding = old;
}

void filtered_card_change(FilteredCard *card, FilterBinding *binding, WorkDone done, void *data) {
        push(card->table,
             &(Deed){ .write = write_new, .made = take_binding, .card = card, .binding = binding, .done = done, .data = data });
}

static bool write_removal(const Deed *deed, GString *text, GError **error) {
        (void) error;
        if (deed->card->there.n_chains > 0)
                filter_card_remove(&deed->card->there, text);
        return true;
}

static void on_removed(void *data, const GError *error) {
        Deed *deed = data;
        FilterTable *table = deed->table;
        if (error && !table->is_cancelled) { /* somebody else has taken away what it is in */
                log_error("%s: its rules cannot be removed: %s", deed->card->whose, error->message);
                filter_table_restore(table);
        }
        g_ptr_array_remove(table->cards, deed->card);
        card_free(deed->card);
        if (deed->done)
                deed->done(deed->data, NULL);
        g_free(deed);
}

void filtered_card_remove(FilteredCard *card, WorkDone done, void *data) {
        FilterTable *table = card->table;
        if (!table) {
                card_free(card);
                return;
        }
        card->gone = true;
        Deed *then = g_new(Deed, 1);
        *then = (Deed){ .table = table, .card = card, .done = done, .data = data };
        push(table, &(Deed){ .write = write_removal, .card = card, .done = on_removed, .data = then });
}

/* All of them */

static void close_card(FilteredCard *card, const GError *error, GString *text) {
        log_error("%s: filter '%s' cannot be written, so that nothing passes: %s", card->whose, card->binding->filter,
                  error->message);
        forget_rules(card);
        filter_card_close(&card->there, text);
}

static bool write_all(const Deed *deed, GString *text, GError **error) {
        const GPtrArray *cards = deed->table->cards;
        (void) error;
        g_string_append(text, FILTER_TABLE_REMOVAL);
        deed->table->has_frame = cards->len > 0;
        if (cards->len > 0)
                g_string_append(text, FILTER_TABLE_FRAME);
        for (guint i = 0; i < cards->len; i++) {
                FilteredCard *card = cards->pdata[i];
                g_autoptr(GError) wrong = NULL;
                gsize before = text->len;
                forget_rules(card);
                if (card->gone || write_card(card, card->binding, NULL, text, &wrong))
                        continue;
                g_string_truncate(text, before);
                close_card(card, wrong, text);
        }
        return true;
}

/* The rules were there before: what has changed is the kernel, or nft. */
static bool write_all_closed(const Deed *deed, GString *text, GError **error) {
        const GPtrArray *cards = deed->table->cards;
        (void) error;
        deed->table->has_frame = true;
        g_string_append(text, FILTER_TABLE_REMOVAL FILTER_TABLE_FRAME);
        for (guint i = 0; i < cards->len; i++) {
                FilteredCard *card = cards->pdata[i];
                forget_rules(card);
                if (!card->gone)
                        filter_card_close(&card->there, text);
        }
        return true;
}

static void on_closed(void *data, const GError *error) {
        (void) data;
        if (error)
                log_error("the filters of guests' cards cannot be put in: %s", error->message);
}

static void on_restored(void *data, const GError *error) {
        FilterTable *table = data;
        if (!error || table->cards->len == 0 || table->is_cancelled)
                return;
        log_error("the filters of guests' cards cannot be put in, so that nothing passes: %s", error->message);
        push(table, &(Deed){ .write = write_all_closed, .done = on_closed });
}

void filter_table_restore(FilterTable *table) {
        table->has_frame = false;
        const Deed *last = g_queue_peek_tail(&table->deeds);
        if (!last || last->write != write_all)
                push(table, &(Deed){ .write = write_all, .done = on_restored, .data = table });
}

/* Definitions */

static bool has_filter(const FilteredCard *card, const FilterDefinition *instead, const char *name) {
        const FilterSource source = { card->table->filters, instead };
        return !card->gone && filter_source_includes(&source, card->binding->filter, name);
}

static bool write_definition(const Deed *deed, GString *text, GError **error) {
        const GPtrArray *cards = deed->table->cards;
        for (guint i = 0; i < cards->len; i++) {
                FilteredCard *card = cards->pdata[i];
                g_autoptr(GError) wrong = NULL;
                if (!has_filter(card, NULL, deed->name))
                        continue;
                if (!deed->definition)
                        return virtbus_error_set(error, VIRTBUS_ERROR_OPERATION_INVALID,
                                                 "%s has filter '%s': detach its card, or give it another filter", card->whose,
                                                 deed->name);
                if (!write_card(card, card->binding, deed->definition, text, &wrong))
                        return virtbus_error_set(error, virtbus_error_code(wrong), "%s, which has the filter: %s", card->whose,
                                                 wrong->message);
        }
        return true;
}

static void try_definition(void *data, const FilterDefinition *definition, const char *name, WorkDone done, void *done_data) {
        push(data, &(Deed){ .write = write_definition,
                            .definition = definition,
                            .name = g_strdup(name),
                            .holds = true,
                            .done = done,
                            .data = done_data });
}

static void settle(void *data, bool is_made) {
        FilterTable *table = data;
        table->is_held = false;
        if (!is_made && !table->is_cancelled) {
                Deed *restore = g_new(Deed, 1);
                *restore = (Deed){ .write = write_all, .table = table, .done = on_restored, .data = table };
                g_queue_push_head(&table->deeds, restore);
        }
        run_next(table);
}

static void cancel_all(void *data) {
        filter_table_cancel(data);
}

FilterTable *filter_table_new(Filters *filters) {
        static const FiltersUser user = { try_definition, settle, cancel_all };
        FilterTable *table = g_new0(FilterTable, 1);
        *table = (FilterTable){ .filters = &filters->registry, .cards = g_ptr_array_new(), .deeds = G_QUEUE_INIT };
        filters->user = &user;
        filters->user_data = table;
        return table;
}

void filter_table_cancel(FilterTable *table) {
        Deed *deed;
        table->is_cancelled = true;
        g_clear_pointer(&table->nft, nft_free);
        if ((deed = g_steal_pointer(&table->deed)))
                cancel(deed);
        while ((deed = g_queue_pop_head(&table->deeds)))
                cancel(deed);
}

void filter_table_free(FilterTable *table) {
        filter_table_cancel(table);
        for (guint i = 0; i < table->cards->len; i++)
                ((FilteredCard *) table->cards->pdata[i])->table = NULL;
        g_ptr_array_unref(table->cards);
        g_free(table);
}
