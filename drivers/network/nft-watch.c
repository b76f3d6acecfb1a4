/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/nft-watch.h"

#include <arpa/inet.h> /* before what the kernel has of the same */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "network/netlink-listener.h"
#include "network/nft.h"

/* Where each message has the name of its table. */
G_STATIC_ASSERT((int) NFTA_TABLE_NAME == (int) NFTA_RULE_TABLE && (int) NFTA_TABLE_NAME == (int) NFTA_CHAIN_TABLE &&
                (int) NFTA_TABLE_NAME == (int) NFTA_SET_TABLE && (int) NFTA_TABLE_NAME == (int) NFTA_SET_ELEM_LIST_TABLE);

static const unsigned families[] = { NFPROTO_INET, NFPROTO_BRIDGE };

struct NftWatch {
        NetlinkListener *netlink;
        bool changed[G_N_ELEMENTS(families)]; /* in the transaction that is being told */
        bool others_changed;
        const NftListener *listener;
        void *data;
};

/* Whether something that was there is no more. */
static bool is_loss(unsigned type) {
        static const unsigned types[] = { NFT_MSG_DELTABLE, NFT_MSG_DELCHAIN, NFT_MSG_DELRULE, NFT_MSG_DELSET,
                                          NFT_MSG_DELSETELEM };
        for (size_t i = 0; i < G_N_ELEMENTS(types); i++)
                if (types[i] == type)
                        return true;
        return false;
}

static void tell(NftWatch *watch) {
        for (size_t i = 0; i < G_N_ELEMENTS(families); i++)
                if (watch->changed[i]) {
                        watch->changed[i] = false;
                        watch->listener->lost(watch->data, families[i]);
                }
        if (watch->others_changed)
                watch->listener->others_changed(watch->data);
        watch->others_changed = false;
}

static void on_message(void *data, struct nlmsghdr *header) {
        NftWatch *watch = data;
        unsigned type = header->nlmsg_type & 0xff;
        if (header->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || !nlmsg_valid_hdr(header, sizeof(struct nfgenmsg)))
                return;
        if (type == NFT_MSG_NEWGEN) { /* which ends a transaction */
                tell(watch);
                return;
        }
        const struct nfgenmsg *about = nlmsg_data(header);
        const char *table = netlink_text(nlmsg_find_attr(header, sizeof *about, NFTA_TABLE_NAME));
        watch->others_changed = watch->others_changed || (table && strcmp(table, NFT_TABLE) != 0);
        if (!is_loss(type) || g_strcmp0(table, NFT_TABLE) != 0 || nft_is_ours(header->nlmsg_pid))
                return;
        for (size_t i = 0; i < G_N_ELEMENTS(families); i++)
                watch->changed[i] = watch->changed[i] || about->nfgen_family == families[i];
}

static void on_lost(void *data) {
        NftWatch *watch = data;
        memset(watch->changed, true, sizeof watch->changed);
        watch->others_changed = true;
        tell(watch);
}

NftWatch *nft_watch_new(sd_event *event, const NftListener *listener, void *data, GError **error) {
        static const NetlinkEvents events = { "nftables", NETLINK_NETFILTER, { NFNLGRP_NFTABLES }, on_message, on_lost };
        g_autofree NftWatch *watch = g_new0(NftWatch, 1);
        watch->listener = listener;
        watch->data = data;
        watch->netlink = netlink_listener_new(event, &events, watch, error);
        return watch->netlink ? g_steal_pointer(&watch) : NULL;
}

void nft_watch_free(NftWatch *watch) {
        g_clear_pointer(&watch->netlink, netlink_listener_free);
        g_free(watch);
}
