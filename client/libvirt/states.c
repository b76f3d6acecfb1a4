/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "states.h"

static const struct {
        const char *name;
        LibvirtState state;
} states[] = {
        { "shutoff", LIBVIRT_SHUTOFF }, { "starting", LIBVIRT_PAUSED },   { "running", LIBVIRT_RUNNING },
        { "paused", LIBVIRT_PAUSED },   { "stopping", LIBVIRT_STOPPING }, { "pmsuspended", LIBVIRT_PMSUSPENDED },
        { "crashed", LIBVIRT_CRASHED },
};

/* A reason that is not here is 0, "unknown". */
static const struct {
        LibvirtState state;
        const char *name;
        int32_t reason;
} reasons[] = {
        { LIBVIRT_RUNNING, "booted", 1 },    { LIBVIRT_RUNNING, "restored", 3 }, { LIBVIRT_RUNNING, "resumed", 5 },
        { LIBVIRT_RUNNING, "user", 5 },      { LIBVIRT_PAUSED, "user", 1 },      { LIBVIRT_PAUSED, "saving", 3 },
        { LIBVIRT_PAUSED, "dump", 4 },       { LIBVIRT_PAUSED, "io-error", 5 },  { LIBVIRT_PAUSED, "booted", 1 },
        { LIBVIRT_PAUSED, "watchdog", 6 },   { LIBVIRT_PAUSED, "snapshot", 7 },  { LIBVIRT_RUNNING, "snapshot", 4 },
        { LIBVIRT_SHUTOFF, "snapshot", 7 },  { LIBVIRT_STOPPING, "user", 1 },    { LIBVIRT_SHUTOFF, "shutdown", 1 },
        { LIBVIRT_SHUTOFF, "destroyed", 2 }, { LIBVIRT_SHUTOFF, "crashed", 3 },  { LIBVIRT_SHUTOFF, "saved", 5 },
        { LIBVIRT_SHUTOFF, "failed", 6 },
};

LibvirtState state_number(const char *state) {
        for (size_t i = 0; i < G_N_ELEMENTS(states); i++)
                if (g_str_equal(states[i].name, state))
                        return states[i].state;
        return LIBVIRT_SHUTOFF;
}

int32_t state_reason_number(const char *state, const char *reason) {
        LibvirtState number = state_number(state);
        if (g_str_equal(state, "starting"))
                return PAUSED_STARTING;
        for (size_t i = 0; i < G_N_ELEMENTS(reasons); i++)
                if (reasons[i].state == number && g_str_equal(reasons[i].name, reason))
                        return reasons[i].reason;
        return 0;
}

LibvirtState state_of(GVariant *properties, int32_t *reason) {
        const char *state = "shutoff", *why = "unknown";
        g_variant_lookup(properties, "State", "&s", &state);
        g_variant_lookup(properties, "StateReason", "&s", &why);
        *reason = state_reason_number(state, why);
        return state_number(state);
}
