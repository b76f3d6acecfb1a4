/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The states of domains, in libvirt's numbers. */

#include <glib.h>
#include <stdint.h>

typedef enum LibvirtState {
        LIBVIRT_RUNNING = 1,
        LIBVIRT_PAUSED = 3,
        LIBVIRT_STOPPING = 4,
        LIBVIRT_SHUTOFF = 5,
        LIBVIRT_CRASHED = 6,
        LIBVIRT_PMSUSPENDED = 7,
} LibvirtState;

/* The reason of LIBVIRT_PAUSED while a domain starts. */
#define PAUSED_STARTING 11

/* STATE and REASON are those of org.virtbus1.Domain. */
LibvirtState state_number(const char *state);
int32_t state_reason_number(const char *state, const char *reason);

/* The same of a domain's properties. */
LibvirtState state_of(GVariant *properties, int32_t *reason);
