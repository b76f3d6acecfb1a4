/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Transactions of nftables: all of a text is done, or nothing. nft(8) does them as a child: what fails in it, and how many
 * descriptors this program has, is not this program's concern. It ends with this program. They are done one after the other, in
 * the order in which they were begun. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

typedef struct Nft Nft;

/* ERROR is NULL where it is done. Not called before nft_begin has returned. */
typedef void (*NftDone)(void *data, const GError *error);

/* NULL with an error where it cannot be begun: then DONE is not called. */
Nft *nft_begin(sd_event *event, const char *text, NftDone done, void *data, GError **error);

/* Forgets it; DONE is not called. One that is at work is done all the same. */
void nft_free(Nft *nft);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Nft, nft_free)

/* Whether one of the last transactions came from this port of netlink's: what it has changed, nobody else has. */
bool nft_is_ours(uint32_t port);
