/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a container is to be, as the driver tells the program that watches over it: lines that end with NUL, "KEY VALUE", in
 * memory that nobody can change. Descriptors are those that the program was started with. */

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest plan, in bytes. */
#define GUEST_PLAN_BYTES_MAX (1024 * 1024)

/* Terminals of one container, and network cards: all of their names fit into a message. */
#define GUEST_CONSOLES_MAX 64
#define GUEST_CARDS_MAX 16

/* What stands for none in a plan, where there could be a name or an address. */
#define GUEST_NONE "."

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

/* A network card: one end of a pair, whose other end is on the host, or one on a card of the host's. */
typedef struct GuestCard {
        unsigned mode; /* of macvlan; 0: a pair */
        unsigned char mac[6];
        unsigned mtu;               /* 0: the kernel's own */
        bool is_down, is_port;      /* the end on the host: is left down; the driver has it connected and set up */
        char host[IF_NAMESIZE];     /* its name; "": to be chosen */
        const char *inside, *lower; /* the name in the container; a pair's bridge, or ""; the card of the host's */
        int index;                  /* of the end on the host, when it is made */
} GuestCard;

/* An address or a route of a card. */
typedef struct GuestAddress {
        bool is_route;
        size_t card;
        unsigned prefix, metric;
        const char *address, *gateway; /* an address's peer; NULL: none */
} GuestAddress;

/* What is done in a container that runs, instead of making one: guest-enter.h, or, where the plan has a network card and nothing
 * to run, guest-plug.h. Descriptors; -1: none. */
typedef struct GuestEntry {
        int init;       /* its first process's: what is entered; -1: nothing is */
        int report;     /* a socket, for what the driver is told */
        int status;     /* a pipe, for how the program has ended */
        int streams[3]; /* its input, output and errors; none: it has a terminal */
        int signal;     /* is sent to PROCESS, as kill(2) has it; 0: a program is run */
        int process;
} GuestEntry;

typedef struct GuestPlan {
        GuestEntry entry;
        const char *name;
        const char *stage; /* an empty folder of the driver's, over which the container's root is mounted for a moment */
        const char *directory, *user, *group; /* of its first program; NULL: the root, and root */
        char **arguments, **environment;      /* NULL at the end */
        GuestRange *users, *groups;           /* none: those of the host */
        size_t n_users, n_groups;
        GuestMount *mounts;
        size_t n_mounts;
        GuestCard *cards;
        size_t n_cards;
        GuestAddress *addresses;
        size_t n_addresses;
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
