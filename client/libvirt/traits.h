/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What lists of domains are selected by. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "states.h"

/* Bits of the flags that select: of a group of which none is given, all are meant. */
typedef enum Selection {
        SELECT_ACTIVE = 1,
        SELECT_INACTIVE = 2,
        SELECT_PERSISTENT = 4,
        SELECT_TRANSIENT = 8,
        SELECT_RUNNING = 16,
        SELECT_PAUSED = 32,
        SELECT_SHUTOFF = 64,
        SELECT_OTHER = 128,
        SELECT_MANAGED_SAVE = 256,
        SELECT_NO_MANAGED_SAVE = 512,
        SELECT_AUTOSTART = 1024,
        SELECT_NO_AUTOSTART = 2048,
        SELECT_SNAPSHOT = 4096,
        SELECT_NO_SNAPSHOT = 8192,
        SELECT_CHECKPOINT = 16384,
        SELECT_NO_CHECKPOINT = 32768,
} Selection;

/* What a domain is or is not. */
typedef enum Trait {
        TRAIT_ACTIVE,
        TRAIT_PERSISTENT,
        TRAIT_MANAGED_SAVE,
        TRAIT_AUTOSTART,
        TRAIT_SNAPSHOTS,
        TRAIT_CHECKPOINTS,
        N_TRAITS
} Trait;

/* All bits that a domain of this state answers to. */
uint32_t traits_of(LibvirtState state, const gboolean is[N_TRAITS]);

bool traits_are_selected(uint32_t traits, uint32_t selection);
