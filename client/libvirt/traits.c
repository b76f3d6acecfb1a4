/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "traits.h"

#include "states.h"

static const uint32_t groups[] = {
        SELECT_ACTIVE | SELECT_INACTIVE,
        SELECT_PERSISTENT | SELECT_TRANSIENT,
        SELECT_RUNNING | SELECT_PAUSED | SELECT_SHUTOFF | SELECT_OTHER,
        SELECT_MANAGED_SAVE | SELECT_NO_MANAGED_SAVE,
        SELECT_AUTOSTART | SELECT_NO_AUTOSTART,
        SELECT_SNAPSHOT | SELECT_NO_SNAPSHOT,
        SELECT_CHECKPOINT | SELECT_NO_CHECKPOINT,
};

static bool flag_of(GVariant *properties, const char *name) {
        gboolean value = FALSE;
        g_variant_lookup(properties, name, "b", &value);
        return value;
}

uint32_t traits_of(GVariant *properties) {
        int32_t reason;
        LibvirtState state = state_of(properties, &reason);
        uint32_t traits = SELECT_NO_SNAPSHOT | SELECT_NO_CHECKPOINT;
        traits |= flag_of(properties, "Active") ? SELECT_ACTIVE : SELECT_INACTIVE;
        traits |= flag_of(properties, "Persistent") ? SELECT_PERSISTENT : SELECT_TRANSIENT;
        traits |= flag_of(properties, "HasManagedSave") ? SELECT_MANAGED_SAVE : SELECT_NO_MANAGED_SAVE;
        traits |= flag_of(properties, "Autostart") ? SELECT_AUTOSTART : SELECT_NO_AUTOSTART;
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
