/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where a client has come from: what a process that serves one is given. */

#include <stdbool.h>
#include <stdint.h>

typedef struct Origin {
        int socket;     /* the client's */
        int bus;        /* a connection to virtbusd that is the client's own; -1: the user's own bus is connected to */
        bool trusted;   /* polkit is not asked about it */
        bool read_only; /* it has come where nothing is changed */
} Origin;

/* Whether another user than the client's serves it: one that has no rights. */
static inline bool origin_is_system(const Origin *origin) {
        return origin->bus >= 0;
}
