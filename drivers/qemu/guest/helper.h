/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A helper of a guest: a process beside its QEMU, which does one thing for it. It has a user of its own where the driver is
 * root's, is kept from the host as QEMUs are, speaks into a log, and has its end of a socket as a descriptor. It waits until what
 * it is is written down, and is found again by a later driver.
 *
 * Who has one keeps the Helper in what it knows of the guest, and says what its end means. */

#include "qemu/guest/guest.h"

typedef struct Helper Helper;

/* Its process has ended, with the STATUS of waitpid(2), or -1 where that is not known; helper->process is NULL by then. */
typedef void (*HelperEnded)(Helper *helper, int status);

struct Helper {
        Guest *guest;
        Process *process; /* NULL: it has ended, or has not begun */
        uid_t uid;        /* whom it runs as */
        gid_t gid;
        off_t log_start; /* of what this process says, in the log of its guest */
        HelperEnded ended;
};

/* What its process is to be. */
typedef struct HelperProgram {
        GPtrArray *arguments;  /* char * */
        const char *home;      /* its HOME, or NULL */
        GArray *fds;           /* int: passed under their own numbers */
        int log;               /* helper_open_log, or another one */
        GPtrArray *paths;      /* char *, taken: what of the host's files it is shown besides the system; or NULL */
        unsigned without;      /* ConfinePart: which it does without, as it confines itself by what they take */
        unsigned also;         /* ConfinePart: which it has besides those of all helpers */
        bool chroot;           /* it may change its root, in the one that it has */
        uint64_t capabilities; /* of root's, which it keeps: as in ProcessSetup */
        bool temporary;        /* it has a /tmp, which is empty, and goes with it */
        bool is_maker;         /* it makes something, and ends: with the driver, if that ends before */
} HelperProgram;

/* One of the guest, which is not there yet; the user of its QEMU. */
Helper helper_of(Guest *guest);

/* Takes a user of its own, where the driver is root's: it is given back with what the device of that ALIAS, or with "" the guest,
 * holds. */
bool helper_take_user(Helper *helper, const char *alias, GError **error);

/* The guest's log, which the helper writes to: a descriptor, or -1. */
int helper_open_log(Helper *helper, GError **error);

/* What has been said there since it goes, and before that since it was opened. */
char *helper_last_words(const Helper *helper);

/* Makes its process, which waits. */
bool helper_run(Helper *helper, const HelperProgram *program, HelperEnded ended, GError **error);

/* It may run its program. */
void helper_go(Helper *helper);

/* Tells it to end: ENDED follows. False where it is not there. */
bool helper_end(const Helper *helper);

/* Into the status of its guest, and from it; ENDED is called when it ends. Where it has ended meanwhile, it has no process. */
void helper_save(const Helper *helper, xmlNode *element);
void helper_load(Helper *helper, const xmlNode *element, HelperEnded ended);

/* Lets go of it: it runs on. */
void helper_forget(Helper *helper);

/* A list of arguments that begins with WORDS, NULL at their end. */
GPtrArray *helper_arguments(const char *const *words);
