/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A call of a client, from its arguments to its answer, and what it asks the bus meanwhile. A step that asks is given the
 * function that goes on; where the bus answers with an error, the call is answered with that, and the function is not called. */

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

#include "client.h"

typedef struct Call Call;
typedef struct CallRow CallRow;

typedef void (*CallStep)(Call *call, GVariant *reply);

/* A bit of a call's flags, and the option of a method that it becomes; without a name the bit is known and changes nothing. */
typedef struct FlagOption {
        uint32_t flag;
        const char *option;
} FlagOption;

/* What an error of the bus is of one call, where libvirt tells it by another number than elsewhere; the last has 0. */
typedef struct ErrorChange {
        LibvirtErrorCode from, to;
} ErrorChange;

/* How a procedure is served: a row of a table in calls-*.c. */
struct CallRow {
        ProcedureIndex procedure;
        void (*run)(Call *call);
        const char *member;           /* the method or property that RUN works with */
        bool changes;                 /* refused where the client has opened its connection to read only */
        const FlagOption *flags;      /* those that are known; NULL for none: others are refused before RUN */
        LibvirtErrorCode unsupported; /* what Unsupported is of this call; 0 for LIBVIRT_OPERATION_UNSUPPORTED */
        const ErrorChange *errors;    /* or NULL */

        /* Instead of RUN where that is about this machine and the client's connection is to another host: gets what the
         * connection tells of it, Connection.Host; or NULL. */
        CallStep elsewhere;
};

struct Call {
        Client *client;
        const Procedure *procedure;
        const CallRow *row;
        uint32_t serial;
        GVariant *arguments;
        char *domain;        /* the path of the domain that is the first argument; NULL where that is none */
        uint32_t flags;      /* 0 where it has none */
        GUnixFDList *fds;    /* that came with the last reply */
        GUnixFDList *handed; /* that came with it; NULL for a procedure that takes none */
        void *state;         /* for the steps */
        GDestroyNotify free_state;
        GError *kept; /* what the bus has answered, while it is found out what that means; or NULL */
        bool (*on_error)(Call *call, const GError *error); /* returns whether it goes on in spite of the error; NULL for never */
        CallStep step;                                     /* that call_read goes on with */
        CallStep next;                                     /* that a step of rows.h goes on with */
        unsigned int n_references;
        bool answered;
        GList link; /* in the client's calls, until then */
};

/* Answers, and frees the call when its last step is over. Each takes what it is given. */
void call_answer(Call *call, GVariant *reply);
void call_answer_encoded(Call *call, const GByteArray *body); /* see conversation.h; takes nothing */
void call_answer_fds(Call *call, const int *fds, size_t n);
void call_answer_nothing(Call *call);
void call_fail(Call *call, GError *error);
void call_refuse(Call *call, LibvirtErrorCode code, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Who waits for something else than the bus keeps the call. */
Call *call_ref(Call *call);
void call_unref(Call *call);

/* Asks org.virtbus1. ARGUMENTS is a floating tuple, or NULL; REPLY its type. */
void call_ask(Call *call, const char *path, const char *interface, const char *member, GVariant *arguments, const char *reply,
              CallStep step);
void call_ask_with_fds(Call *call, const char *path, const char *interface, const char *member, GVariant *arguments,
                       GUnixFDList *fds, const char *reply, CallStep step);

/* Reads all properties of an object's interface: the step gets a{sv}. Of a domain that is known already these are what domains.c
 * keeps. */
void call_read(Call *call, const char *path, const char *interface, CallStep step);

/* Asks for a job, and goes on when it is completed; PLACE is which value of the reply is the job's path. */
void call_ask_job(Call *call, const char *path, const char *interface, const char *member, GVariant *arguments, const char *reply,
                  size_t place, CallStep step);

void call_ask_job_with_fds(Call *call, const char *path, const char *interface, const char *member, GVariant *arguments,
                           GUnixFDList *fds, const char *reply, size_t place, CallStep step);

/* The options (a{sv}) that the call's flags are. */
GVariant *call_options(const Call *call);

/* Borrowed string arguments; NULL for one that is absent. */
const char *call_string(const Call *call, size_t place);
const char *call_optional(const Call *call, size_t place);

/* Runs a call, with the descriptors that came with it or NULL, by its row; answers LIBVIRT_NO_SUPPORT where there is none. */
void call_begin(Client *client, const CallRow *row, const Procedure *procedure, uint32_t serial, GVariant *arguments,
                GUnixFDList *handed);

/* Answers all that are not answered yet with LIBVIRT_OPERATION_ABORTED: nobody waits for the bus any more. */
void calls_cancel(Client *client);

/* The path of a domain of the client's connection; to be freed. */
char *call_domain_path(const Client *client, const char *uuid);
