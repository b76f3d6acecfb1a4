/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Macvtap interfaces, by which guests' cards are on one of the host's without a bridge. Usable from any thread. */

#include <glib.h>
#include <stdbool.h>

/* The names that are the kernel's choice begin so. */
#define MACVTAP_PREFIX "macvtap"

typedef struct MacvtapSetup {
        int index;         /* its number: macvtap_choose_index */
        const char *name;  /* "": chosen by the kernel */
        const char *lower; /* the interface that it is on */
        const char *mode;  /* vepa, bridge, private or passthrough */
        const char *mac;   /* the guest's card's, and its own */
        const char *alias; /* what the kernel keeps with it */
        unsigned mtu;      /* 0: the kernel's own */
} MacvtapSetup;

/* A number that nobody guesses. The kernel names the device of a macvtap, /dev/tapNUMBER, by its number alone, and has one for
 * all network namespaces: whoever may make interfaces in one of their own could have that of the next number there first. */
int macvtap_choose_index(void);

/* Makes one, up. It stays when its N descriptors are closed, one for each queue, which come into FDS. *ACTUAL is its name, to be
 * freed. On failure nothing is left. */
bool macvtap_open(const MacvtapSetup *setup, int *fds, unsigned n, char **actual, GError **error);

/* Removes the macvtap interface of that number, if it is there. */
bool macvtap_remove(int index, GError **error);
