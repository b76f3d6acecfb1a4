/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What of a card's chains has to be changed in the kernel: those that are as they were are left alone, as each rule costs nft and
 * the kernel their time. */

#include "network/filter-card.h"

/* Writes the chains of CARD, which had those of BEFORE, and keeps what is in them with it. RULES: GString, of each chain from the
 * guest, then of each to it. Sets that they look into are to be written before. */
void filter_change_write(FilterCard *card, const FilterCard *before, const GPtrArray *rules, GString *text);
