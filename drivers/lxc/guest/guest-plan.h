/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a container is to be, as the driver tells the program that watches over it: lines that end with NUL, "KEY VALUE", in
 * memory that nobody can change. Descriptors are those that the program was started with. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest plan, in bytes. */
#define GUEST_PLAN_BYTES_MAX (1024 * 1024)

/* Terminals of one container. */
#define GUEST_CONSOLES_MAX 64

typedef struct GuestRange {
        uint32_t inside, outside, count;
} GuestRange;

/* A filesystem: a folder or file of the host's, or one in memory. */
typedef struct GuestMount {
        int fd;         /* what it is found by; -1: in memory */
        uint64_t bytes; /* in memory: how large it may be */
        bool is_read_only;
        const char *target; /* in the container; that of the first is "/" */
} GuestMount;

typedef struct GuestPlan {
        const char *name;
        const char *stage; /* an empty folder of the driver's, over which the container's root is mounted for a moment */
        const char *directory, *user, *group; /* of its first program; NULL: the root, and root */
        char **arguments, **environment;      /* NULL at the end */
        GuestRange *users, *groups;           /* none: those of the host */
        size_t n_users, n_groups;
        GuestMount *mounts;
        size_t n_mounts;
        int *members; /* files to which the number of its first program is written: of its control groups */
        size_t n_members;
        unsigned n_consoles;
        uint64_t capabilities; /* 1 << number */
        uint64_t memory;       /* bytes */
        bool is_32_bit;
        int listener; /* where the driver connects */
} GuestPlan;

/* Reads a plan from a descriptor; false, with errno, where it is none. */
bool guest_plan_read(int fd, GuestPlan *plan);

/* A user's number outside of the container; that of nobody's where it has none. */
uint32_t guest_plan_outside(const GuestRange *ranges, size_t n, uint32_t inside);
