/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/filter-change.h"

#include <stdint.h>
#include <string.h>

#define DIGEST_SIZE 32

/* A digest of each chain's rules: what somebody else's filter must not be taken for. */
static GBytes *digests_of(const GPtrArray *rules) {
        g_autoptr(GByteArray) all = g_byte_array_sized_new(rules->len * DIGEST_SIZE);
        for (guint i = 0; i < rules->len; i++) {
                const GString *text = rules->pdata[i];
                g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
                uint8_t digest[DIGEST_SIZE];
                gsize size = sizeof digest;
                g_checksum_update(checksum, (const guchar *) text->str, (gssize) text->len);
                g_checksum_get_digest(checksum, digest, &size);
                g_byte_array_append(all, digest, sizeof digest);
        }
        return g_byte_array_free_to_bytes(g_steal_pointer(&all));
}

static bool is_same(const FilterCard *card, const FilterCard *before, FilterWay way, unsigned chain) {
        if (!before->digests || chain >= before->n_chains)
                return false;
        const uint8_t *new = g_bytes_get_data(card->digests, NULL), *old = g_bytes_get_data(before->digests, NULL);
        return memcmp(new + (size_t) (way * card->n_chains + chain) * DIGEST_SIZE,
                      old + (size_t) (way * before->n_chains + chain) * DIGEST_SIZE, DIGEST_SIZE) == 0;
}

void filter_change_write(FilterCard *card, const FilterCard *before, const GPtrArray *rules, GString *text) {
        card->digests = digests_of(rules);
        filter_card_declare(card, before, text);
        for (FilterWay way = 0; way < FILTER_N_WAYS; way++)
                for (unsigned chain = 0; chain < card->n_chains; chain++) {
                        const GString *own = rules->pdata[way * card->n_chains + chain];
                        if (is_same(card, before, way, chain))
                                continue;
                        filter_card_empty(before, way, chain, text);
                        g_string_append_len(text, own->str, (gssize) own->len);
                }
        filter_card_bind(card, before, text);
        filter_card_trim(card, before, text);
}
