/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tap interfaces, by which guests' cards are connected. The kernel answers these at once, unless it is deleting a bridge. Usable
 * from any thread. */

#include <glib.h>
#include <stdbool.h>

/* What the kernel gives a tap interface at most. */
#define QUEUES_MAX 256

/* The names that are the kernel's choice begin so. */
#define TAP_PREFIX "vnet"

typedef struct TapSetup {
        const char *name;   /* "": chosen by the kernel */
        const char *mac;    /* of the guest's card */
        const char *alias;  /* what the kernel keeps with it, or NULL */
        const char *bridge; /* or NULL */
        unsigned mtu;       /* 0: the kernel's own */
        bool is_down;       /* it is left so: tap_raise */
        bool isolated;      /* from other isolated ones of its bridge */
        bool may_be_there;  /* an administrator has made it, and says so: then it is taken */
} TapSetup;

/* Makes a tap interface, never one that is there (AlreadyExists) unless that is wanted, with the address that the guest's card
 * has but for its first byte, so that a bridge never takes it for its own; puts it into its bridge, and up when all of that is
 * done. It goes away with its N descriptors, one for each queue, which come into FDS. *ACTUAL is its name, to be freed, *INDEX
 * (or NULL) its number. On failure nothing is left. */
bool tap_open(const TapSetup *setup, int *fds, unsigned n, char **actual, int *index, GError **error);

/* Opens N queues at PATH: of the interface NAME, which is made ("%d": the kernel completes it; IS_NEW: it must be), or, where
 * NAME is "", of the one that PATH is the device of. Its name comes into *ACTUAL, to be freed, where that is not NULL. False
 * with errno (EBUSY: there is one of that name), and none is open. */
bool tap_open_queues(const char *path, const char *name, bool is_new, int *fds, unsigned n, char **actual);
void tap_close(const int *fds, unsigned n);

/* Takes the end of a pair (veth) of that number, which somebody has made and left outside of any bridge, in place of a tap: it
 * has the setup's name, and gets the rest of it, as tap_open does. */
bool tap_take_pair(const TapSetup *setup, int index, GError **error);

/* Whether the interface of that number is there, with that name and alias. */
bool tap_is_there(int index, const char *name, const char *alias);

/* Sets one up that was left down. */
bool tap_raise(int index, const char *name, GError **error);

/* Puts one into its bridge, where it is not in any. */
bool tap_attach(int index, const TapSetup *setup, GError **error);
