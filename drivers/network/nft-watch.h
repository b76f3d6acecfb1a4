/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tells when somebody else takes something out of a table of ours: nft flush ruleset, the restart of another firewall; and when
 * another's table changes. */

#include <glib.h>
#include <systemd/sd-event.h>

/* The name of all tables of ours, in whatever family. */
#define NFT_TABLE "virtbus"

typedef struct NftWatch NftWatch;

/* LOST: FAMILY is NFPROTO_INET or NFPROTO_BRIDGE of that table; told once for each transaction that has changed it, and for each
 * where the kernel had more to tell than there was room for. OTHERS_CHANGED: so for any other table. */
typedef struct NftListener {
        void (*lost)(void *data, unsigned family);
        void (*others_changed)(void *data);
} NftListener;

NftWatch *nft_watch_new(sd_event *event, const NftListener *listener, void *data, GError **error);
void nft_watch_free(NftWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NftWatch, nft_watch_free)
