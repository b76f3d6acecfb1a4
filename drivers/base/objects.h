/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A driver's objects on the peer connection to virtbusd: published with the vtables that introspection/generate.py makes,
 * their changes signalled, their methods dispatched. Without a peer nothing is sent; whoever attaches is sent all. */

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "bus.h"
#include "interface-info.h"

/* A method call or property write that a handler owes one answer: by call_reply (through the generated reply_... functions),
 * call_fail or call_fail_errno, each of which ends it. */
typedef struct Call {
        sd_bus_message *message;
        const char *out;   /* the signature of the answer */
        uid_t uid;         /* the caller's */
        bool own_rights;   /* it is allowed with the caller's own rights on the host alone */
        bool is_cancelled; /* answered already, by calls_cancel */
        GList *link;
} Call;

/* Who has called, as errand_begin takes it. Borrowed. */
const char *call_sender(const Call *call);

/* Whether the service that it came from is still there to be answered. */
bool call_is_awaited(const Call *call);

/* Takes a method call that is not one of an object; it is owed its answer, of signature OUT. */
Call *call_take(sd_bus_message *message, const char *out);

void call_reply(Call *call, const char *signature, ...);
/* Answers one array of strings, NULL at the end. */
void call_reply_strings(Call *call, char **strings);

/* Answers one array of bytes. */
void call_reply_bytes(Call *call, const void *data, size_t size);

/* For answers of a form that is only known at run time: the caller fills what call_begin_answer returns, and sends it, which
 * ends the call. */
int call_begin_answer(const Call *call, sd_bus_message **answer);
void call_send_answer(Call *call, sd_bus_message *answer);

void call_fail(Call *call, const GError *error);
void call_fail_errno(Call *call, int r);

typedef void (*MethodHandler)(Call *call, void *self);
typedef int (*PropertyGetter)(const void *self, sd_bus_message *message);

/* An interface as a driver implements it; the arrays are in the order of the interface's table. */
typedef struct Vtable {
        const InterfaceInfo *info;
        const MethodHandler *methods;
        const PropertyGetter *getters;
        const MethodHandler *setters;
} Vtable;

typedef struct Objects Objects;
typedef struct Published Published;

#define VTABLES_MAX 4 /* of one object */

Objects *objects_new(void);
void objects_free(Objects *objects);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Objects, objects_free)

/* Sends everything to this peer from now on; NULL for none. Borrowed. */
void objects_set_peer(Objects *objects, sd_bus *peer);

/* Asked before each call and property write of an object: false, and an error, where it cannot be done now. */
typedef bool (*ObjectsGate)(void *data, sd_bus_message *message, GError **error);
void objects_set_gate(Objects *objects, ObjectsGate gate, void *data);

/* The peer; NULL while virtbusd is not attached. Borrowed. */
sd_bus *objects_peer(const Objects *objects);

/* Publishes an object: SELF is what its handlers get. The vtables end with NULL. Of an object that is there already, before there
 * is a peer, it is another part with interfaces of its own, to be withdrawn before the first. */
Published *objects_publish(Objects *objects, const char *path, void *self, const Vtable *const *vtables);

/* Withdraws an object; its children are to be withdrawn before. */
void published_withdraw(Published *published);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Published, published_withdraw)

const char *published_path(const Published *published);

/* Tells that properties have changed: their indices (DOMAIN_STATE, ...) with -1 at the end, or NULL for all. What has its
 * old value still does no harm: virtbusd signals only what differs. */
void published_changed(Published *published, const Vtable *vtable, const int *properties);

/* Tells those that differ from BEFORE, which is what SELF was before a change; nothing where none does. */
void published_differs(Published *published, const Vtable *vtable, const void *before);

/* Emits a signal of an interface. */
void published_emit(Published *published, const InterfaceInfo *interface, const char *member, const char *signature, ...);

/* Sends all objects to the peer. Returns 0 or a negative errno. */
int objects_send_all(Objects *objects);

/* Answers a call on a published object. Returns 1 where the message is such a call, else 0. */
int objects_dispatch(Objects *objects, sd_bus_message *message);

/* How many calls wait for their answer. */
unsigned calls_pending(void);

/* Answers all of them with an error; what their handlers answer later is not sent. */
void calls_cancel(const GError *error);

/* The same for those on an object and what is below it, but for one (or NULL), as when a connection is closed. */
void calls_cancel_below(const char *path, const Call *but, const GError *error);
