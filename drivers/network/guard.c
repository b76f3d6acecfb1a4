/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/guard.h"

#include <arpa/inet.h> /* before what the kernel has of the same */
#include <linux/netfilter.h>

#include "log.h"
#include "network/filter-table.h"
#include "network/nft-watch.h"
#include "network/nft.h"
#include "network/obstacles.h"
#include "network/port.h"
#include "network/rules.h"
#include "network/run.h"

struct Guard {
        Networks *networks;
        NftWatch *watch; /* NULL where changes cannot be watched */
        Nft *nft;        /* puts the rules of networks back */
        bool again;      /* they have been changed meanwhile */
};

/* Rules of networks */

static void restore_rules(Guard *guard);

static void on_restored(void *data, const GError *error) {
        Guard *guard = data;
        guard->nft = NULL;
        if (error)
                log_error("the rules of networks, which somebody has taken away, cannot be put back: %s", error->message);
        if (guard->again)
                restore_rules(guard);
}

static void restore_rules(Guard *guard) {
        g_autoptr(GString) text = g_string_new(NULL);
        g_autoptr(GPtrArray) all = registry_list(&guard->networks->registry);
        g_autoptr(GError) error = NULL;
        guard->again = guard->nft;
        for (guint i = 0; i < all->len && !guard->nft; i++) {
                const NetworkDefinition *definition = run_ruled(all->pdata[i]);
                g_autofree char *rules = definition ? rules_text(definition) : NULL;
                g_string_append(text, rules ? rules : "");
        }
        if (text->len == 0)
                return;
        g_string_prepend(text, RULES_REMOVAL);
        guard->nft = nft_begin(guard->networks->registry.event, text->str, on_restored, guard, &error);
        if (!guard->nft)
                on_restored(guard, error);
}

static void on_lost(void *data, unsigned family) {
        Guard *guard = data;
        if (family == NFPROTO_INET)
                restore_rules(guard);
        else
                filter_table_restore(guard->networks->filters);
}

static void on_others_changed(void *data) {
        const Guard *guard = data;
        obstacles_look(guard->networks->obstacles);
}

/* The whole */

void guard_open(Networks *networks, Filters *filters) {
        static const NftListener listener = { on_lost, on_others_changed };
        g_autoptr(GError) error = NULL;
        if (geteuid() != 0)
                return;
        Guard *guard = networks->guard = g_new0(Guard, 1);
        guard->networks = networks;
        networks->filters = filter_table_new(filters);
        guard->watch = nft_watch_new(networks->registry.event, &listener, guard, &error);
        if (!guard->watch)
                log_error("rules of nftables that somebody takes away are not put back: %s", error->message);
        g_clear_error(&error);
        networks->obstacles = obstacles_new(networks, &error);
        if (!networks->obstacles)
                log_error("obstacles of networks are not looked for: %s", error->message);
        obstacles_look(networks->obstacles);
        ports_take_up_filters(networks);
        filter_table_restore(networks->filters);
}

void guard_cancel(Networks *networks) {
        Guard *guard = networks->guard;
        if (!guard)
                return;
        guard->again = false;
        g_clear_pointer(&guard->watch, nft_watch_free);
        g_clear_pointer(&guard->nft, nft_free);
        g_clear_pointer(&networks->obstacles, obstacles_free);
        filter_table_cancel(networks->filters);
}

void guard_close(Networks *networks) {
        guard_cancel(networks);
        g_clear_pointer(&networks->filters, filter_table_free);
        g_clear_pointer(&networks->guard, g_free);
}
