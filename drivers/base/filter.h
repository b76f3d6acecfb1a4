/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A program that compresses or decompresses a guest's state, between the hypervisor and a file. It runs as a user of its own,
 * as it holds a guest's memory, and outlives what it was started for until it has ended. */

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/confine.h"

typedef struct Filter Filter;

/* The user that they run as: one of their own where the driver is root, else the driver's; and what else they are kept from. */
typedef struct FilterUser {
        bool is_missing; /* there is none of their own: nothing is run */
        uid_t uid;
        gid_t gid;
        const Confinement *confinement; /* or NULL; where programs are, is added to its paths */
} FilterUser;

FilterUser filter_find_user(bool is_root);

/* Starts one from INPUT to OUTPUT; ENDED (or NULL) gets its wait status, and the filter is gone then. */
Filter *filter_new(sd_event *event, const FilterUser *user, char *const *arguments, int input, int output,
                   void (*ended)(void *data, int status), void *data, GError **error);

/* Ends it; ENDED follows, unless nobody wants to know any more. */
void filter_end(Filter *filter);
void filter_forget(Filter *filter);
