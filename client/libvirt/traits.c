/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "traits.h"

static const uint32_t groups[] = {
        SELECT_ACTIVE | SELECT_INACTIVE,
        SELECT_PERSISTENT | SELECT_TRANSIENT,
        SELECT_RUNNING | SELECT_PAUSED | SELECT_SHUTOFF | SELECT_OTHER,
        SELECT_MANAGED_SAVE | SELECT_NO_MANAGED_SAVE,
        SELECT_AUTOSTART | SELECT_NO_AUTOSTART,
        SELECT_SNAPSHOT | SELECT_NO_SNAPSHOT,
        SELECT_CHECKPOINT | SELECT_NO_CHECKPOINT,
};

uint32_t traits_of(LibvirtState state, const gboolean is[N_TRAITS]) {
        uint32_t traits = is[TRAIT_CHECKPOINTS] ? SELECT_CHECKPOINT : SELECT_NO_CHECKPOINT;
        traits |= is[TRAIT_ACTIVE] ? SELECT_ACTIVE : SELECT_INACTIVE;
        traits |= is[TRAIT_PERSISTENT] ? SELECT_PERSISTENT : SELECT_TRANSIENT;
        traits |= is[TRAIT_MANAGED_SAVE] ? SELECT_MANAGED_SAVE : SELECT_NO_MANAGED_SAVE;
        traits |= is[TRAIT_SNAPSHOTS] ? SELECT_SNAPSHOT : SELECT_NO_SNAPSHOT;
        traits |= is[TRAIT_AUTOSTART] ? SELECT_AUTOSTART : SELECT_NO_AUTOSTART;
        traits |= state == LIBVIRT_RUNNING   ? SELECT_RUNNING
                  : state == LIBVIRT_PAUSED  ? SELECT_PAUSED
                  : state == LIBVIRT_SHUTOFF ? SELECT_SHUTOFF
                                             : SELECT_OTHER;
        return traits;
}

bool traits_are_selected(uint32_t traits, uint32_t selection) {
        bool selected = true;
        for (size_t i = 0; i < G_N_ELEMENTS(groups); i++)
                selected &= !(selection & groups[i]) || (selection & groups[i] & traits);
        return selected;
}
