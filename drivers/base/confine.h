/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a child becomes between fork and exec, beyond another user: a process in a root of its own, which holds the system to
 * read, a few device nodes and what its program is to open by its path; with namespaces of its own; and with system calls that
 * it does without.
 *
 * The parts that are asked for are in force, or the child ends and says which one is not to be had. A QEMU has no namespace for
 * process numbers: it tells the numbers of its threads, and they would be others there. */

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/lean-fork.h"

typedef enum ConfinePart {
        CONFINE_USER = 1, /* a user namespace, where the user is as before: for who is not root, and needs it for the next four */
        CONFINE_ROOT = 2, /* a mount namespace with a root of its own */
        CONFINE_IPC = 4,  /* System V's shared memory, semaphores and queues, and POSIX' queues */
        CONFINE_UTS = 8,  /* the host's name */
        CONFINE_NETWORK = 16, /* no interfaces, no abstract sockets of others */
        CONFINE_CALLS = 32,   /* system calls that look into other processes, or are the kernel's doors: see confine.c */
        CONFINE_LANDLOCK =
                        64, /* changes no file but where it is shown one; no signals to others, nor being looked into by them */
        CONFINE_PROCESSES = 128, /* sees, and has numbers of, no processes but its own: for who may become another user, whose
                                  * processes it could have otherwise. It is the first of them: signals that it does not handle
                                  * do nothing but SIGKILL, and its parent is none, so that it cannot be one that ends with us */
} ConfinePart;

#define CONFINE_NAMESPACES (CONFINE_USER | CONFINE_ROOT | CONFINE_IPC | CONFINE_UTS | CONFINE_NETWORK | CONFINE_PROCESSES)

/* How many paths it may be shown. */
#define CONFINE_PATHS_MAX 1024

/* How many processes and threads its user may have. */
#define CONFINE_PROCESSES_MAX 32768

typedef struct Confinement {
        unsigned parts; /* ConfinePart */
        bool if_had;    /* of what is one for others: those have the parts that can be had here, found when the first needs it */
        const char *root;   /* an empty folder, over which the new root is mounted where only the child sees it */
        char *const *paths; /* shown at their own places as they are: what is not there is left out. NULL at the end, or NULL */
        bool io_uring;      /* CONFINE_CALLS: it may use that */
        bool chroot;        /* CONFINE_CALLS: and that */
        bool temporary;     /* CONFINE_ROOT: with a /tmp, which is empty, and goes with it */
} Confinement;

/* The parts of PARTS that a child of this process can have: one tries all of them, and where it fails one tries each. Where one
 * that others need is not to be had, these are not either. That is found once, and takes as long as a start of a program. */
unsigned confine_find_parts(unsigned parts);

/* The same without namespaces, which only a child can try: it takes nothing. */
unsigned confine_known_parts(unsigned parts);

/* The version of Landlock that the kernel has, or 0. */
unsigned confine_landlock_version(void);

/* Sorts paths, and leaves out what is shown with another one, or to everybody, or must not be shown: takes and returns char *,
 * NULL at the end. */
char **confine_order_paths(GPtrArray *paths);

/* One for that program: with the parts (where it is if_had, those that can be), the root and the paths of FROM, its own folder,
 * and PATHS (which is taken), char *, or NULL. Its paths are to be freed. */
Confinement confine_for(const Confinement *from, const char *program, GPtrArray *paths);

/* The namespaces that the child is to be in from its beginning, for lean_fork_into. */
unsigned confine_first_namespaces(const Confinement *confinement);

/* For the child, while it is root: the namespaces; then, when it has given that up, the calls. Each returns NULL, or what has
 * failed, by errno. They do only what signal-safety(7) allows, and need no heap. */
const char *confine_enter(const Confinement *confinement);
const char *confine_finish(const Confinement *confinement);

/* Shows a process, by its pidfd, that has a root of its own and those parts, further paths: of a worker's thread. */
bool confine_show(int process, unsigned parts, char *const *paths, GError **error);

/* As process.c packs what a child looks at. */
void confine_measure(const Confinement *confinement, size_t *bytes, size_t *n_pieces);
const Confinement *confine_pack(Parcel *parcel, const Confinement *confinement);
