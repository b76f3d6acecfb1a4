/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/default-network.h"

#include <string.h>

#include "log.h"
#include "network/host-blocks.h"

#define NAME "default"

/* The third number of the blocks. */
#define FIRST 122
#define LAST 253

/* No guest of it bridges two networks: without STP a port forwards at once. */
#define DOCUMENT \
        "<network><name>" NAME "</name><forward mode='nat'/><bridge stp='off'/><ip address='192.168.%u.1' prefix='24'><dhcp>" \
        "<range start='192.168.%u.2' end='192.168.%u.254'/></dhcp></ip></network>"

static bool is_there(const Networks *networks) {
        g_autoptr(GPtrArray) all = registry_list(&networks->registry);
        bool is_there = false;
        for (guint i = 0; i < all->len; i++) {
                const NetworkDefinition *definition = ((const Network *) all->pdata[i])->entry.definition;
                is_there = is_there || strcmp(definition->name, NAME) == 0;
        }
        return is_there;
}

typedef struct Blocks {
        bool taken[LAST + 1];
} Blocks;

static void take(Blocks *blocks, const Subnet *subnet) {
        for (unsigned i = FIRST; i <= LAST; i++) {
                const Subnet block = { { AF_INET, { 192, 168, (uint8_t) i } }, 24 };
                blocks->taken[i] = blocks->taken[i] || subnets_overlap(&block, subnet);
        }
}

static void take_hosts(void *data, const HostBlock *block) {
        take(data, &block->subnet);
}

/* 0 with an error. */
static unsigned choose(const Networks *networks, GError **error) {
        Blocks blocks = { 0 };
        g_autoptr(GPtrArray) all = registry_list(&networks->registry);
        for (guint i = 0; i < all->len; i++) {
                const NetworkDefinition *definition = ((const Network *) all->pdata[i])->entry.definition;
                for (size_t k = 0; k < definition->n_subnets; k++)
                        take(&blocks, &definition->subnets[k]);
        }
        if (!host_blocks_each(take_hosts, &blocks, error))
                return 0;
        for (unsigned i = FIRST; i <= LAST; i++)
                if (!blocks.taken[i])
                        return i;
        virtbus_error_set(error, VIRTBUS_ERROR_RESOURCE_BUSY, "no block from 192.168.%d.0/24 to 192.168.%d.0/24 is free", FIRST,
                          LAST);
        return 0;
}

static void on_made(void *data, Entry *entry, const GError *failure) {
        GError **error = data;
        (void) entry;
        if (failure)
                *error = g_error_copy(failure);
}

static bool make(Networks *networks, GError **error) {
        unsigned block = choose(networks, error);
        g_autofree char *xml = g_strdup_printf(DOCUMENT, block, block, block);
        g_autoptr(GError) failure = NULL;
        if (block == 0)
                return false;
        registry_define(&networks->registry, xml, 0, on_made, &failure);
        store_finish(networks->registry.store);
        if (failure) {
                g_propagate_error(error, g_steal_pointer(&failure));
                return false;
        }
        return is_there(networks) || virtbus_error_set(error, VIRTBUS_ERROR_CANCELLED, "its disk does not answer");
}

void default_network_provide(Networks *networks, const char *state) {
        g_autofree char *path = g_build_filename(state, DEFAULT_NETWORK_MADE, NULL);
        g_autoptr(GError) error = NULL;
        if (geteuid() != 0 || g_file_test(path, G_FILE_TEST_EXISTS))
                return;
        /* It is on disk before that is written down: a driver that is killed between the two finds it here. */
        if (!is_there(networks) && !make(networks, &error))
                log_error("network '" NAME "' is not made: %s", error->message);
        else if (!file_replace(path, "The network 'default' was made once; without this file it is made again.\n", true, &error))
                log_error("that network '" NAME "' was made cannot be written down: %s", error->message);
}
