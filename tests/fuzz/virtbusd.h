/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* virtbusd, whole, between ends that are in our hands: the bus (with polkit behind it), a driver, and the socket for clients. */

#include "assembly.h"
#include "fuzz.h"

typedef enum PolkitAnswer {
        POLKIT_YES,
        POLKIT_NO,
        POLKIT_CHALLENGE, /* a password is needed */
        POLKIT_FAILS,
} PolkitAnswer;

typedef struct Virtbusd {
        sd_event *event;
        Assembly parts;
        sd_bus *bus;    /* the bus daemon's end */
        sd_bus *driver; /* the driver's end, once virtbusd has attached it; or NULL */
        PolkitAnswer answer;
        uid_t caller_uid;
        bool is_asked;               /* the driver, for its objects: it has not answered yet */
        bool holds;                  /* polkit's answers, and the driver's, until they are let go */
        GQueue questions, forwarded; /* sd_bus_message: those that are held */
        unsigned n_questions;        /* that polkit was asked */
        char *asked;                 /* the action and the details of the last one, as "ACTION name=value ..." */
} Virtbusd;

/* The driver that there is; its connection. */
#define VIRTBUSD_DRIVER "org.virtbus1.Driver.Test"
#define VIRTBUSD_PATH "/org/virtbus1/test"

/* What strings in messages mostly are; and paths, of the driver's objects and of others. */
extern const char *const virtbusd_words[], *const virtbusd_paths[];

/* Opens it, and lets the driver be attached. SYNCHRONIZES: its driver has answered with no objects. */
void virtbusd_open(Virtbusd *virtbusd, bool synchronizes);
void virtbusd_close(Virtbusd *virtbusd);

/* A connection to the socket: everything, or for reading. */
int virtbusd_connect(Virtbusd *virtbusd, bool read_only);

/* Answers what polkit was asked and holds, as it decides now. */
void virtbusd_let_go(Virtbusd *virtbusd);

/* Whom virtbusd_read and virtbusd_call come from; whose that is as long as nothing else is said. */
#define VIRTBUSD_CALLER ":1.7"
#define VIRTBUSD_CALLER_UID 1000u

/* Reads everything that a path has, as a caller on the bus would. */
void virtbusd_read(Virtbusd *virtbusd, const char *path);

/* Sends a call from the bus, with a body that the input decides. */
void virtbusd_call(Virtbusd *virtbusd, Bytes *bytes);
