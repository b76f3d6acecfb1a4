/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "drivers.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "bus.h"
#include "errors.h"
#include "interfaces.h"
#include "bounds.h"
#include "log.h"
#include "pack.h"
#include "paths.h"

typedef enum DriverState {
        DRIVER_NEW,           /* not attached yet */
        DRIVER_ATTACHING,     /* Attach is called */
        DRIVER_SYNCHRONIZING, /* its objects are coming */
        DRIVER_ATTACHED,
        DRIVER_RELEASING, /* it is asked whether it ends now */
        DRIVER_DORMANT,   /* it has ended, having nothing to do */
        DRIVER_LOST,      /* its connection ended before its name left the bus */
        DRIVER_FAILED,
} DriverState;

/* As Manager.Drivers shows them. */
static const char *const state_names[] = {
        [DRIVER_NEW] = "attaching",     [DRIVER_ATTACHING] = "attaching", [DRIVER_SYNCHRONIZING] = "attaching",
        [DRIVER_ATTACHED] = "attached", [DRIVER_RELEASING] = "attached",  [DRIVER_DORMANT] = "dormant",
        [DRIVER_LOST] = "attaching",    [DRIVER_FAILED] = "failed",
};

struct Driver {
        Drivers *drivers;
        char *bus_name;         /* org.virtbus1.Driver.QEMU */
        char *name;             /* qemu */
        bool is_of_host;        /* it owns kinds of the connection "host", which it shares */
        const char *connection; /* its own, of its name; or "host" */
        char *path;             /* /org/virtbus1/qemu */
        char *opened_prefix;    /* /org/virtbus1/qemu_, of further connections */
        char *job_prefix;       /* /org/virtbus1/job/qemu_ */
        bool told_part;         /* of the shared connection's object, since it was attached */
        DriverState state;
        bool settled; /* attached, or failed, since it was new or was tried again */
        bool owned;   /* the name has an owner on the bus */
        bool dying;   /* the connection has ended, the name has not left the bus yet */
        bool ending;  /* it has said that it ends, and does nothing of what it is sent */
        char *failure;
        unsigned n_failures; /* since it last answered a call, or ran for DRIVER_STABLE_AFTER: to be attached is not enough */
        uint64_t retry_at;   /* while it has failed: when it may be tried again */
        sd_event_source *leaving; /* how long its name may stay without it */
        sd_bus *peer;
        sd_bus_slot *attaching;   /* the call of Attach */
        sd_event_source *silence; /* while it sends its objects: how long it may say nothing */
        bool heard;
        bool paused; /* nothing is read from it until the bus has taken what was read */
        uint64_t attached_at;
        GStrv schemes; /* of URIs that it opens connections for; or NULL */
        GQueue calls;  /* struct Call, forwarded or waiting to be */
        size_t call_bytes;
        unsigned n_errands; /* its own calls of other drivers */
};

struct Drivers {
        Audience *audience; /* who hear the drivers' signals */
        Journal *journal;
        sd_bus *bus;
        Mirror *mirror;
        uint64_t call_timeout;
        void (*changed)(void *data);
        void *data;
        GHashTable *by_name;
        GQueue waiters;           /* struct Waiter */
        unsigned n_lists;         /* of the bus's names, that are asked for */
        sd_event_source *drained; /* while a driver is paused: after each event, whether it can go on; or NULL */
        DriversCall take_call;    /* of what drivers call */
        void *take_data;
        bool ending; /* nothing is attached any more */
};

/* A forwarded call. */
typedef struct Call {
        Driver *driver;
        Caller *caller; /* NULL of an errand: */
        Driver *from;   /* who asks; or NULL */
        char *sender;   /* what the driver is told of who asks */
        sd_bus_message *message;
        Charge charge;
        JournalEntry *entry; /* NULL: none, or written */
        const char *in, *out;
        const char *set_on;      /* the interface of Set, which its caller may have left out */
        GPtrArray *objects;      /* paths instead of the first argument, until it is sent; NULL: as the caller has it */
        bool patient;            /* the driver may take its time */
        sd_bus_slot *slot;       /* the call on the peer connection; NULL while it waits for the driver */
        sd_event_source *expiry; /* while it waits for the driver */
        size_t bytes;
} Call;

#define ENDING "virtbusd is ending; whether it was done, the object's state will show"
#define DRIVER_ENDED "the driver ended before it answered; whether it was done, the object's state will show"
#define DRIVER_ENDING "the driver is ending"

typedef struct Waiter {
        char *path; /* NULL: all drivers */
        DriversSettled resume;
        void *data;
} Waiter;

static void driver_attach(Driver *driver);
static void driver_wake(Driver *driver);
static void driver_want(Driver *driver);

static uint64_t now(Drivers *drivers) {
        uint64_t usec = 0;
        sd_event_now(sd_bus_get_event(drivers->bus), CLOCK_MONOTONIC, &usec);
        return usec;
}

/* Calls */

static void call_free(Call *call) {
        g_queue_remove(&call->driver->calls, call);
        call->driver->call_bytes -= call->bytes;
        sd_bus_slot_unref(call->slot);
        sd_event_source_disable_unref(call->expiry);
        g_clear_pointer(&call->entry, journal_entry_free);
        g_clear_pointer(&call->objects, g_ptr_array_unref);
        if (call->caller)
                caller_end_call(call->caller, &call->charge);
        if (call->from)
                driver_end_errand(call->from);
        g_free(call->sender);
        sd_bus_message_unref(call->message);
        g_free(call);
}

/* Tells the journal how a call has ended. */
static void call_ended(Call *call, const char *error, sd_bus_message *reply) {
        const char *path = NULL;
        if (!call->entry)
                return;
        if (reply && sd_bus_message_has_signature(reply, "o"))
                sd_bus_message_read_basic(reply, 'o', &path);
        journal_end(g_steal_pointer(&call->entry), error, path);
}

static void call_fail(Call *call, VirtbusError code, const char *format, ...) G_GNUC_PRINTF(3, 4);
static uint64_t timeout_of(const Call *call);

static void call_fail(Call *call, VirtbusError code, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        g_autofree char *reason = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        call_ended(call, virtbus_error_name(code), NULL);
        sd_bus_reply_method_errorf(call->message, virtbus_error_name(code), "%s of %s: %s",
                                   sd_bus_message_get_member(call->message), sd_bus_message_get_path(call->message), reason);
        call_free(call);
}

static void call_time_out(Call *call) {
        call_fail(call, VIRTBUS_ERROR_TIMEOUT,
                  "the %s driver has not answered within %.0f seconds; whether it was done, the object's state will show",
                  call->driver->name, (double) timeout_of(call) / SECOND);
}

/* Its driver has ended. One that has said so before has done nothing of what it has not answered. */
static void call_fail_by_end(Call *call) {
        if (call->driver->ending)
                call_fail(call, VIRTBUS_ERROR_CANCELLED, DRIVER_ENDING);
        else
                call_fail(call, VIRTBUS_ERROR_HYPERVISOR_FAILED, DRIVER_ENDED);
}

static bool is_own_path(const Driver *driver, const char *path);

/* Whether an object of a driver is there, and is a connection: what OpenConnection answers. */
static bool is_own_connection(const Driver *driver, const char *path) {
        const Object *object = mirror_find(driver->drivers->mirror, path);
        return object && object->source == driver && object_block(object, &interface_connection);
}

/* Whether the objects that an answer begins with are the driver's: it hands out no other's. */
static bool names_own(const Call *call, sd_bus_message *reply) {
        bool opens = sd_bus_message_is_method_call(call->message, interface_manager.name, "OpenConnection"), is_own = true;
        const char *path;
        for (const char *type = call->out; is_own && *type == 'o'; type++)
                is_own = sd_bus_message_read_basic(reply, 'o', &path) > 0 &&
                         (opens ? is_own_connection(call->driver, path) : is_own_path(call->driver, path));
        sd_bus_message_rewind(reply, true);
        return is_own;
}

static int on_reply(sd_bus_message *reply, void *data, sd_bus_error *unused) {
        Call *call = data;
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        (void) unused;
        if (error && strcmp(error->name, SD_BUS_ERROR_NO_REPLY) == 0) { /* sd-bus's own, for both */
                if (sd_bus_is_open(call->driver->peer) > 0)
                        call_time_out(call);
                else
                        call_fail_by_end(call);
                return 0;
        }
        call->driver->n_failures = 0; /* it works */
        if (!error && !names_own(call, reply)) {
                call_fail(call, VIRTBUS_ERROR_HYPERVISOR_FAILED, "the %s driver has answered with an object that is not its own",
                          call->driver->name);
                return 0;
        }
        call_ended(call, error ? error->name : NULL, reply);
        if (error) {
                sd_bus_reply_method_error(call->message, error);
                call_free(call);
                return 0;
        }
        if (sd_bus_message_get_expect_reply(call->message) <= 0) {
                call_free(call);
                return 0;
        }
        g_autoptr(sd_bus_message) answer = NULL;
        size_t size = 0;
        int r = sd_bus_message_has_signature(reply, call->out) ? 0 : -EBADMSG;
        if (r >= 0)
                r = sd_bus_message_new_method_return(call->message, &answer);
        if (r >= 0)
                r = pack_relay(reply, answer, call->out, call->from ? ERRAND_REPLY_BYTES_MAX : REPLY_BYTES_MAX, &size);
        if (r >= 0 && call->caller && !caller_may_be_answered(call->caller, size))
                r = -ENOBUFS;
        if (r >= 0)
                r = call->caller ? caller_answer(call->caller, answer, size) : sd_bus_send(NULL, answer, NULL);
        if (r == -E2BIG && call->from)
                call_fail(call, VIRTBUS_ERROR_LIMIT_EXCEEDED, "the %s driver's answer is larger than %d bytes",
                          call->driver->name, ERRAND_REPLY_BYTES_MAX);
        else if (r == -ENOBUFS)
                call_fail(call, VIRTBUS_ERROR_LIMIT_EXCEEDED, "it was done, but your user has not read earlier answers yet");
        else if (r < 0)
                call_fail(call, VIRTBUS_ERROR_HYPERVISOR_FAILED, "the %s driver's answer cannot be relayed: %s",
                          call->driver->name, g_strerror(-r));
        else
                call_free(call);
        return 0;
}

/* Appends the first argument, where that is not the caller's to say. */
static int append_first(const Call *call, sd_bus_message *message, size_t *size) {
        if (call->set_on)
                return sd_bus_message_append_basic(message, 's', call->set_on);
        int r = sd_bus_message_open_container(message, 'a', "o");
        for (guint i = 0; r >= 0 && i < call->objects->len; i++) {
                r = sd_bus_message_append_basic(message, 'o', call->objects->pdata[i]);
                *size += strlen(call->objects->pdata[i]) + 8;
        }
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int bytes_max(const Call *call) {
        return call->from ? ERRAND_BYTES_MAX : CALL_BYTES_MAX;
}

static uint64_t timeout_of(const Call *call) {
        return call->from ? drivers_errand_timeout(call->driver->drivers) : call->driver->drivers->call_timeout;
}

/* Copies a call's arguments. */
static int relay_arguments(const Call *call, sd_bus_message *message, size_t *size) {
        const char *first = call->set_on ? "s" : call->objects ? "ao" : "", *rest = call->in + strlen(first);
        if (!*first)
                return pack_relay(call->message, message, call->in, bytes_max(call), size);
        g_autoptr(GByteArray) pack = g_byte_array_new();
        int r = sd_bus_message_rewind(call->message, true);
        if (r >= 0)
                r = sd_bus_message_skip(call->message, first);
        if (r >= 0)
                r = pack_read(pack, CALL_BYTES_MAX, call->message, rest);
        if (r >= 0)
                r = append_first(call, message, size);
        if (r < 0)
                return r;
        *size += pack->len;
        return pack_append(pack->data, message, rest) ? 0 : -EINVAL;
}

/* Sends a call to the attached driver. */
static void call_send(Call *call) {
        Driver *driver = call->driver;
        g_autoptr(sd_bus_message) message = NULL;
        g_autofree char *caller = call->caller ? caller_encode(call->caller->uid, call->caller->name) : NULL;
        size_t size = 0;
        int r = sd_bus_message_new_method_call(driver->peer, &message, NULL, sd_bus_message_get_path(call->message),
                                               sd_bus_message_get_interface(call->message),
                                               sd_bus_message_get_member(call->message));
        if (r >= 0)
                r = sd_bus_message_set_sender(message, caller ? caller : call->sender);
        if (r >= 0)
                r = relay_arguments(call, message, &size);
        if (r >= 0 && driver->call_bytes + size > CALL_BYTES_PER_DRIVER_MAX)
                r = -E2BIG;
        if (r == -E2BIG) {
                call_fail(call, VIRTBUS_ERROR_LIMIT_EXCEEDED, "arguments of more than %d bytes, or too many at once",
                          bytes_max(call));
                return;
        }
        if (r >= 0 && sd_bus_message_is_method_call(message, interface_manager.name, NULL)) { /* there may be credentials in it */
                sd_bus_message_sensitive(call->message);
                sd_bus_message_sensitive(message);
        }
        /* Answered even where the caller wants no answer: what waits in the driver's socket is counted until then. */
        if (r >= 0)
                r = sd_bus_call_async(driver->peer, &call->slot, message, on_reply, call,
                                      call->patient && !call->from ? UINT64_MAX : timeout_of(call));
        if (r < 0) {
                call_fail(call, VIRTBUS_ERROR_HYPERVISOR_FAILED, "it cannot be sent to the %s driver: %s", driver->name,
                          g_strerror(-r));
                return;
        }
        call->expiry = sd_event_source_disable_unref(call->expiry);
        g_clear_pointer(&call->objects, g_ptr_array_unref);
        call->bytes = size;
        driver->call_bytes += size;
}

static int on_expiry(sd_event_source *source, uint64_t usec, void *data) {
        (void) source;
        (void) usec;
        call_time_out(data);
        return 0;
}

typedef enum FailedCalls {
        FAIL_SENT,
        FAIL_ALL, /* those that wait for the driver too */
} FailedCalls;

static void fail_calls_with(Driver *driver, FailedCalls which, VirtbusError code, const char *reason) {
        g_autoptr(GList) calls = g_list_copy(driver->calls.head);
        for (GList *link = calls; link; link = link->next) {
                Call *call = link->data;
                if (which == FAIL_ALL || call->slot)
                        call_fail(call, code, "%s", reason);
        }
}

static void fail_calls(Driver *driver, FailedCalls which, const char *reason) {
        fail_calls_with(driver, which, VIRTBUS_ERROR_HYPERVISOR_FAILED, reason);
}

static void fail_sent_by_end(Driver *driver) {
        g_autoptr(GList) calls = g_list_copy(driver->calls.head);
        for (GList *link = calls; link; link = link->next)
                if (((Call *) link->data)->slot)
                        call_fail_by_end(link->data);
}

static char *failure_text(const Driver *driver) {
        return g_strdup_printf("its driver failed: %s; the %s driver is tried again with a later call", driver->failure,
                               driver->name);
}

static Call *call_new(Driver *driver, Caller *caller, sd_bus_message *message, const Charge *charge, JournalEntry *entry) {
        Call *call = g_new0(Call, 1);
        *call = (Call){
                .driver = driver,
                .caller = caller_begin_call(caller, charge),
                .message = sd_bus_message_ref(message),
                .charge = *charge,
                .entry = entry,
        };
        return call;
}

static void forward(Call *call) {
        Driver *driver = call->driver;
        if (g_queue_get_length(&driver->calls) >= CALLS_PER_DRIVER_MAX) {
                call_fail(call, VIRTBUS_ERROR_LIMIT_EXCEEDED, "%d calls wait for the %s driver already", CALLS_PER_DRIVER_MAX,
                          driver->name);
                return;
        }
        g_queue_push_tail(&driver->calls, call);
        if (driver->state == DRIVER_ATTACHED) {
                call_send(call);
                return;
        }
        int r = sd_event_add_time_relative(sd_bus_get_event(driver->drivers->bus), &call->expiry, CLOCK_MONOTONIC,
                                           timeout_of(call), 0, on_expiry, call);
        if (r < 0) {
                call_fail(call, VIRTBUS_ERROR_LIMIT_EXCEEDED, "it cannot wait for the driver: %s", g_strerror(-r));
                return;
        }
        if (driver->state == DRIVER_DORMANT || driver->state == DRIVER_NEW)
                driver_wake(driver);
        driver_want(driver);
        if (driver->state == DRIVER_FAILED) { /* since the router looked */
                g_autofree char *reason = failure_text(driver);
                fail_calls(driver, FAIL_ALL, reason);
        }
}

void driver_forward(Driver *driver, Caller *caller, sd_bus_message *message, const Charge *charge, const MethodInfo *method,
                    JournalEntry *entry, GPtrArray *objects) {
        Call *call = call_new(driver, caller, message, charge, entry);
        call->in = method->in_signature;
        call->out = method->out_signature;
        call->patient = method->patient;
        call->objects = objects;
        forward(call);
}

void driver_set(Driver *driver, Caller *caller, sd_bus_message *message, const Charge *charge, const InterfaceInfo *interface,
                JournalEntry *entry) {
        Call *call = call_new(driver, caller, message, charge, entry);
        call->in = "ssv";
        call->out = "";
        call->set_on = interface->name;
        forward(call);
}

void driver_forward_errand(Driver *to, Driver *from, const char *sender, sd_bus_message *message, const MethodInfo *method,
                           JournalEntry *entry) {
        Call *call = g_new0(Call, 1);
        *call = (Call){
                .driver = to,
                .from = from,
                .sender = g_strdup(sender),
                .message = sd_bus_message_ref(message),
                .entry = entry,
                .in = method->in_signature,
                .out = method->out_signature,
        };
        forward(call);
}

void drivers_on_call(Drivers *drivers, DriversCall take, void *data) {
        drivers->take_call = take;
        drivers->take_data = data;
}

uint64_t drivers_errand_timeout(const Drivers *drivers) {
        return drivers->call_timeout / 2;
}

bool driver_begin_errand(Driver *from) {
        if (from->n_errands >= ERRANDS_PER_DRIVER_MAX)
                return false;
        from->n_errands++;
        return true;
}

void driver_end_errand(Driver *from) {
        from->n_errands--;
}

const char *driver_name(const Driver *driver) {
        return driver->name;
}

uid_t driver_user(const Driver *driver) {
        struct ucred credentials = { .uid = (uid_t) -1 };
        socklen_t size = sizeof credentials;
        int fd = driver->peer ? sd_bus_get_fd(driver->peer) : -1;
        /* The driver has made both ends. Where it has gone, nobody asks. */
        return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 ? credentials.uid : 0;
}

static void send_waiting_calls(Driver *driver) {
        g_autoptr(GList) calls = g_list_copy(driver->calls.head);
        for (GList *link = calls; link; link = link->next)
                if (!((Call *) link->data)->slot)
                        call_send(link->data);
}

/* States */

/* A driver that fails again and again is not waited for where others answer too. */
static bool is_settled(const Driver *driver, const char *path) {
        bool is_one_of_many = !path || (driver->is_of_host && strcmp(path, driver->path) == 0);
        return driver->settled || (is_one_of_many && driver->n_failures > 1);
}

bool drivers_are_settled(const Drivers *drivers, const char *path) {
        GHashTableIter iterator;
        void *driver;
        g_hash_table_iter_init(&iterator, drivers->by_name);
        while (g_hash_table_iter_next(&iterator, NULL, &driver))
                if ((!path || is_own_path(driver, path)) && !is_settled(driver, path))
                        return false;
        return path || drivers->n_lists == 0;
}

static void waiter_resume(Waiter *waiter) {
        waiter->resume(waiter->data);
        g_free(waiter->path);
        g_free(waiter);
}

static void run_waiters(Drivers *drivers) {
        for (GList *link = drivers->waiters.head; link;) {
                GList *next = link->next;
                Waiter *waiter = link->data;
                if (drivers_are_settled(drivers, waiter->path)) {
                        g_queue_delete_link(&drivers->waiters, link);
                        waiter_resume(waiter);
                        next = drivers->waiters.head; /* resuming may have changed the queue */
                }
                link = next;
        }
}

int drivers_when_settled(Drivers *drivers, const char *path, DriversSettled resume, void *data) {
        if (g_queue_get_length(&drivers->waiters) >= CALLS_PER_DRIVER_MAX)
                return -EBUSY;
        Waiter *waiter = g_new(Waiter, 1);
        *waiter = (Waiter){ .path = g_strdup(path), .resume = resume, .data = data };
        g_queue_push_tail(&drivers->waiters, waiter);
        run_waiters(drivers);
        return 0;
}

static void set_state(Driver *driver, DriverState state) {
        log_debug("driver %s: %s", driver->name, state_names[state]);
        driver->state = state;
        if (state != DRIVER_LOST)
                driver->leaving = sd_event_source_disable_unref(driver->leaving);
        if (state == DRIVER_ATTACHED || state == DRIVER_FAILED)
                driver->settled = true;
        if (driver->drivers->changed)
                driver->drivers->changed(driver->drivers->data);
        if (driver->settled)
                run_waiters(driver->drivers);
}

static void close_peer(Driver *driver) {
        driver->attaching = sd_bus_slot_unref(driver->attaching);
        driver->silence = sd_event_source_disable_unref(driver->silence);
        if (!driver->peer)
                return;
        sd_bus_detach_event(driver->peer);
        sd_bus_close(driver->peer);
        driver->peer = sd_bus_unref(driver->peer);
        driver->paused = false;
}

/* How long a driver that has failed N times is left alone. The first time is often bad luck: it was ending, or the machine was busy. */
static uint64_t retry_delay(unsigned n) {
        uint64_t delay = n > 1 ? DRIVER_RETRY_DELAY : 0;
        for (unsigned i = 2; i < n && delay < DRIVER_RETRY_DELAY_MAX; i++)
                delay *= 2;
        return MIN(delay, DRIVER_RETRY_DELAY_MAX);
}

static void driver_failed(Driver *driver, const char *format, const char *argument) {
        g_free(driver->failure);
        driver->failure = g_strdup_printf(format, argument);
        log_error("driver %s: %s", driver->name, driver->failure);
        if (driver->peer && sd_bus_is_open(driver->peer) <= 0)
                driver->dying = driver->owned;
        close_peer(driver);
        driver->n_failures++;
        driver->retry_at = now(driver->drivers) + retry_delay(driver->n_failures);
        g_autofree char *reason = failure_text(driver);
        fail_calls(driver, driver->n_failures > 1 ? FAIL_ALL : FAIL_SENT, reason);
        set_state(driver, DRIVER_FAILED);
        if (!g_queue_is_empty(&driver->calls))
                driver_want(driver);
}

static void driver_want(Driver *driver) {
        if (driver->state != DRIVER_FAILED || now(driver->drivers) < driver->retry_at)
                return;
        driver->settled = false;
        driver_wake(driver);
}

bool drivers_want(Drivers *drivers, const char *path) {
        GHashTableIter iterator;
        void *driver;
        bool found = false;
        g_hash_table_iter_init(&iterator, drivers->by_name);
        while (g_hash_table_iter_next(&iterator, NULL, &driver))
                if (!path || is_own_path(driver, path)) {
                        driver_want(driver);
                        found = true;
                }
        return found;
}

int driver_check(const Driver *driver, const char *path, sd_bus_error *error) {
        if (!driver || driver->state != DRIVER_FAILED)
                return 0;
        g_autofree char *reason = failure_text(driver);
        return sd_bus_error_setf(error, virtbus_error_name(VIRTBUS_ERROR_HYPERVISOR_FAILED), "%s: %s", path, reason);
}

/* Emits the last signal of an object that ends with its driver, so that whoever waits for it does not wait for ever. */
static void complete(Driver *driver, Object *object, const InterfaceInfo *interface) {
        Drivers *drivers = driver->drivers;
        const char *failure = virtbus_error_name(VIRTBUS_ERROR_HYPERVISOR_FAILED);
        g_autofree char *message =
                        g_strdup_printf("the %s driver has ended; what became of the operation, the object's state will "
                                        "show",
                                        driver->name);
        g_autoptr(sd_bus_message) signal = NULL;
        int r = sd_bus_message_new_signal(drivers->bus, &signal, object->path, interface->name, interface->subject->completion);
        if (r >= 0)
                r = sd_bus_message_append(signal, "bss", 0, failure, message);
        if (r >= 0)
                audience_signal(drivers->audience, object, signal, strlen(message));
        journal_completed(drivers->journal, object, failure);
        mirror_remove(drivers->mirror, object);
}

/* The interface of an object that ends with its driver; NULL of another. */
static const InterfaceInfo *completing_interface(const Object *object) {
        for (size_t i = 0; i < object->n_blocks; i++) {
                const InterfaceInfo *interface = object->blocks[i].interface;
                if (interface->subject && interface->subject->completion)
                        return interface;
        }
        return NULL;
}

/* Such objects are the manager's children. */
static void complete_all(Driver *driver) {
        Object *manager = mirror_find(driver->drivers->mirror, MANAGER_PATH);
        for (Object *object = manager ? manager->first_child : NULL, *next; object; object = next) {
                next = object->next;
                const InterfaceInfo *interface = object->source == driver ? completing_interface(object) : NULL;
                if (interface)
                        complete(driver, object, interface);
        }
}

static int on_not_left(sd_event_source *source, uint64_t usec, void *data) {
        Driver *driver = data;
        (void) source;
        (void) usec;
        driver->dying = false; /* what owns the name may be called again */
        driver_failed(driver, "%s", "its connection has ended, but its process has not; see its log");
        return 0;
}

/* Attaches a driver anew, as soon as that reaches a new process: the bus would hand an earlier call to the dying one. */
static void driver_wake(Driver *driver) {
        if (!driver->dying) {
                driver_attach(driver);
                return;
        }
        set_state(driver, DRIVER_LOST);
        int r = sd_event_add_time_relative(sd_bus_get_event(driver->drivers->bus), &driver->leaving, CLOCK_MONOTONIC,
                                           ATTACH_TIMEOUT, 0, on_not_left, driver);
        if (r < 0)
                driver_failed(driver, "its end cannot be waited for: %s", g_strerror(-r));
}

static void driver_lost(Driver *driver) {
        DriverState state = driver->state;
        close_peer(driver);
        driver->dying = driver->owned;
        if (state == DRIVER_DORMANT)
                return;
        if (state == DRIVER_RELEASING) {
                set_state(driver, DRIVER_DORMANT);
                if (!g_queue_is_empty(&driver->calls))
                        driver_wake(driver);
                return;
        }
        complete_all(driver);
        if (state != DRIVER_ATTACHED) {
                driver_failed(driver, "%s", "it ended while it was being attached; see its log");
                return;
        }
        log_warning("driver %s has ended", driver->name);
        fail_sent_by_end(driver);
        if (now(driver->drivers) - driver->attached_at < DRIVER_STABLE_AFTER)
                driver_failed(driver, "%s", "it ended soon after it was started; see its log");
        else {
                driver->n_failures = 0;
                driver_wake(driver);
        }
}

/* What a driver says */

/* True where a path below the shared connection is one of a kind that the driver owns. */
static bool is_own_kind(const Driver *driver, const char *path) {
        const char *noun = path + strlen(driver->path) + 1;
        size_t length = strcspn(noun, "/");
        for (size_t i = 0; interfaces[i]; i++) {
                const SubjectInfo *subject = interfaces[i]->subject;
                if (subject && g_strcmp0(interfaces[i]->host_driver, driver->name) == 0 && strlen(subject->noun) == length &&
                    strncmp(subject->noun, noun, length) == 0)
                        return true;
        }
        return false;
}

static bool is_shared_path(const Driver *driver, const char *path) {
        return driver->is_of_host && strcmp(path, driver->path) == 0;
}

/* True where an answer about a path depends on a driver. */
static bool is_own_path(const Driver *driver, const char *path) {
        if (g_str_has_prefix(path, driver->job_prefix))
                return true;
        if (!driver->is_of_host && g_str_has_prefix(path, driver->opened_prefix))
                return true;
        if (!path_is_under(path, driver->path))
                return false;
        return !driver->is_of_host || is_shared_path(driver, path) || is_own_kind(driver, path);
}

/* True where a driver may say something of an object's interface. */
static bool may_tell(const Driver *driver, const Object *object, const InterfaceInfo *interface) {
        return object->source == driver ||
               (is_shared_path(driver, object->path) && g_strcmp0(interface->host_driver, driver->name) == 0);
}

static int take_object(Driver *driver, const char *path, sd_bus_message *signal) {
        Mirror *mirror = driver->drivers->mirror;
        if (!is_shared_path(driver, path))
                return mirror_take(mirror, driver, path, signal);
        driver->told_part = true;
        return mirror_take_part(mirror, mirror_find(mirror, path), driver->name, signal);
}

static int take_objects(Driver *driver, sd_bus_message *signal) {
        int r = sd_bus_message_enter_container(signal, 'a', "(oa{sa{sv}})");
        while (r >= 0 && (r = sd_bus_message_enter_container(signal, 'r', "oa{sa{sv}}")) > 0) {
                const char *path;
                r = sd_bus_message_read(signal, "o", &path);
                if (r < 0)
                        return r;
                if (!is_own_path(driver, path)) {
                        log_error("driver %s: object %s is not its own", driver->name, path);
                        return -EPERM;
                }
                r = take_object(driver, path, signal);
                if (r < 0) {
                        log_error("driver %s: object %s is not as the API has it: %s", driver->name, path, g_strerror(-r));
                        return r;
                }
                r = sd_bus_message_exit_container(signal);
        }
        return r < 0 ? r : sd_bus_message_exit_container(signal);
}

static int remove_objects(Driver *driver, sd_bus_message *signal) {
        const char *path;
        int r = sd_bus_message_enter_container(signal, 'a', "o");
        while (r >= 0 && (r = sd_bus_message_read_basic(signal, 'o', &path)) > 0) {
                Object *object = mirror_find(driver->drivers->mirror, path);
                if (object && object->source == driver)
                        mirror_remove(driver->drivers->mirror, object);
                else if (object && is_shared_path(driver, path))
                        mirror_remove_part(driver->drivers->mirror, object, driver->name);
        }
        return r;
}

static int take_change(Driver *driver, Object *object, sd_bus_message *signal) {
        const char *name;
        int r = sd_bus_message_read_basic(signal, 's', &name);
        if (r < 0)
                return r;
        const InterfaceInfo *interface = interface_find(name);
        if (!interface || !may_tell(driver, object, interface))
                return -ENOENT;
        return mirror_change(driver->drivers->mirror, object, interface, signal);
}

/* Tells the journal how an object has ended. */
static void completed(Driver *driver, const Object *object, sd_bus_message *signal) {
        const char *error = NULL;
        int success = false;
        sd_bus_message_rewind(signal, true);
        if (sd_bus_message_read(signal, "bs", &success, &error) > 0)
                journal_completed(driver->drivers->journal, object, success ? NULL : error);
}

/* Relays a signal that the API has. */
static int relay_signal(Driver *driver, Object *object, const InterfaceInfo *interface, sd_bus_message *signal) {
        const SignalInfo *info = interface_signal(interface, sd_bus_message_get_member(signal));
        if (!info || !object_block(object, interface) || !sd_bus_message_has_signature(signal, info->signature))
                return -ENOENT;
        g_autoptr(sd_bus_message) copy = NULL;
        size_t size = 0;
        int r = sd_bus_message_new_signal(driver->drivers->bus, &copy, object->path, interface->name, info->name);
        if (r >= 0)
                r = pack_relay(signal, copy, info->signature, OBJECT_BYTES_MAX, &size);
        if (r >= 0 && interface->subject && g_strcmp0(info->name, interface->subject->completion) == 0)
                completed(driver, object, signal);
        return r < 0 ? r : audience_signal(driver->drivers->audience, object, copy, size);
}

static int on_released(sd_bus_message *reply, void *data, sd_bus_error *error) {
        Driver *driver = data;
        int released = false;
        (void) error;
        if (sd_bus_is_open(driver->peer) <= 0) /* its end has overtaken its answer: driver_lost follows */
                return 1;
        bool ends = sd_bus_message_read(reply, "b", &released) >= 0 && released;
        if (ends && driver->ending) {
                driver->state = DRIVER_ATTACHED; /* as it was */
                driver_lost(driver);
        } else if (ends) {
                driver->dying = driver->owned;
                driver->n_failures = 0;
                set_state(driver, DRIVER_DORMANT);
                close_peer(driver);
                if (!g_queue_is_empty(&driver->calls))
                        driver_wake(driver);
        } else {
                driver->ending = false;
                set_state(driver, DRIVER_ATTACHED);
                send_waiting_calls(driver);
        }
        return 1; /* for 0, sd-bus would go on with a connection that may be closed now */
}

/* Nothing is sent after this until it is answered. */
static int release(Driver *driver) {
        int r = sd_bus_call_method_async(driver->peer, NULL, NULL, DRIVER_PATH, DRIVER_INTERFACE, "Release", on_released, driver,
                                         NULL);
        if (r >= 0)
                set_state(driver, DRIVER_RELEASING);
        return r;
}

static bool may_claim(const Driver *driver, const char *scheme) {
        size_t length = strlen(scheme);
        const Driver *named = g_hash_table_lookup(driver->drivers->by_name, scheme);
        const Driver *other = drivers_of_scheme(driver->drivers, scheme);
        return length > 0 && length <= SCHEME_BYTES_MAX && strspn(scheme, "abcdefghijklmnopqrstuvwxyz0123456789.-") == length &&
               (!named || named == driver) && (!other || other == driver);
}

static int take_schemes(Driver *driver, sd_bus_message *signal) {
        g_auto(GStrv) schemes = NULL;
        int r = sd_bus_message_read_strv(signal, &schemes);
        if (r < 0)
                return r;
        if (schemes && g_strv_length(schemes) > SCHEMES_PER_DRIVER_MAX)
                return -E2BIG;
        for (char **scheme = schemes; scheme && *scheme; scheme++)
                if (!may_claim(driver, *scheme))
                        return -EPERM;
        g_strfreev(driver->schemes);
        driver->schemes = g_steal_pointer(&schemes);
        return 0;
}

static int handle_idle(Driver *driver) {
        bool is_wanted = driver->state != DRIVER_ATTACHED || !g_queue_is_empty(&driver->calls) || driver->n_errands > 0;
        return is_wanted ? 0 : release(driver);
}

/* It answers all that it was sent before it is released. */
static int handle_ending(Driver *driver) {
        bool is_attached = driver->state == DRIVER_ATTACHED;
        driver->ending = is_attached || driver->state == DRIVER_RELEASING;
        return is_attached ? release(driver) : 0;
}

static int handle_signal(Driver *driver, sd_bus_message *signal) {
        const char *name = sd_bus_message_get_interface(signal);
        if (sd_bus_message_is_signal(signal, DRIVER_INTERFACE, "ObjectsAdded"))
                return take_objects(driver, signal);
        if (sd_bus_message_is_signal(signal, DRIVER_INTERFACE, "ObjectsRemoved"))
                return remove_objects(driver, signal);
        if (sd_bus_message_is_signal(signal, DRIVER_INTERFACE, "Schemes"))
                return take_schemes(driver, signal);
        if (sd_bus_message_is_signal(signal, DRIVER_INTERFACE, "Idle"))
                return handle_idle(driver);
        if (sd_bus_message_is_signal(signal, DRIVER_INTERFACE, "Ending"))
                return handle_ending(driver);
        Object *object = mirror_find(driver->drivers->mirror, sd_bus_message_get_path(signal));
        if (!object)
                return -ENOENT;
        if (sd_bus_message_is_signal(signal, "org.freedesktop.DBus.Properties", "PropertiesChanged"))
                return take_change(driver, object, signal);
        const InterfaceInfo *interface = interface_find(name);
        return interface && may_tell(driver, object, interface) ? relay_signal(driver, object, interface, signal) : -ENOENT;
}

/* Pausing: what drivers tell goes out at the speed of the bus, and waits with them, not here. What lay here between the mirror's
 * blocks would leave holes that nothing else fits into. */

static int on_drained(sd_event_source *source, void *data) {
        Drivers *drivers = data;
        GHashTableIter iterator;
        void *value;
        if (bus_unwritten(drivers->bus) > DRIVER_MESSAGES_AHEAD_MAX / 2)
                return 0;
        sd_event_source_set_enabled(source, SD_EVENT_OFF);
        g_hash_table_iter_init(&iterator, drivers->by_name);
        while (g_hash_table_iter_next(&iterator, NULL, &value)) {
                Driver *driver = value;
                if (!driver->paused)
                        continue;
                driver->paused = false;
                int r = sd_bus_attach_event(driver->peer, sd_bus_get_event(drivers->bus), SD_EVENT_PRIORITY_NORMAL);
                if (r < 0)
                        driver_failed(driver, "it cannot be read on: %s", g_strerror(-r));
        }
        return 0;
}

static void pause_where_ahead(Driver *driver) {
        Drivers *drivers = driver->drivers;
        int r = 0;
        if (driver->paused || !driver->peer || bus_unwritten(drivers->bus) <= DRIVER_MESSAGES_AHEAD_MAX)
                return;
        if (!drivers->drained)
                r = sd_event_add_post(sd_bus_get_event(drivers->bus), &drivers->drained, on_drained, drivers);
        if (r >= 0)
                r = sd_event_source_set_enabled(drivers->drained, SD_EVENT_ON);
        if (r < 0) /* it is read on: that costs memory, nothing else */
                return;
        sd_bus_detach_event(driver->peer);
        driver->paused = true;
}

static int on_peer_message(sd_bus_message *message, void *data, sd_bus_error *error) {
        Driver *driver = data;
        uint8_t type;
        (void) error;
        driver->heard = true;
        if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Local", "Disconnected")) {
                driver_lost(driver);
                return 1;
        }
        if (sd_bus_message_get_type(message, &type) < 0)
                return 0;
        if (type == SD_BUS_MESSAGE_METHOD_CALL && driver->drivers->take_call &&
            !sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Peer", NULL)) { /* sd-bus answers that */
                driver->drivers->take_call(driver->drivers->take_data, driver, message);
                return 1;
        }
        if (type != SD_BUS_MESSAGE_SIGNAL)
                return 0;
        int r = handle_signal(driver, message);
        if (r < 0)
                log_error("driver %s: its signal %s.%s of %s is refused: %s", driver->name, sd_bus_message_get_interface(message),
                          sd_bus_message_get_member(message), sd_bus_message_get_path(message), g_strerror(-r));
        pause_where_ahead(driver);
        return 1;
}

/* Attaching */

static int on_synchronized(sd_bus_message *reply, void *data, sd_bus_error *unused) {
        Driver *driver = data;
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        (void) unused;
        driver->silence = sd_event_source_disable_unref(driver->silence);
        if (error) {
                driver_failed(driver, "it did not send its objects: %s", error->message);
                return 1; /* for 0, sd-bus would go on with the connection that is closed now */
        }
        mirror_sweep(driver->drivers->mirror, driver);
        if (driver->is_of_host && !driver->told_part)
                mirror_remove_part(driver->drivers->mirror, mirror_find(driver->drivers->mirror, driver->path), driver->name);
        g_clear_pointer(&driver->failure, g_free);
        driver->attached_at = now(driver->drivers);
        log_info("driver %s is attached: %zu objects", driver->name, mirror_count(driver->drivers->mirror, driver));
        set_state(driver, DRIVER_ATTACHED);
        send_waiting_calls(driver);
        return 0;
}

/* A driver of many objects may take its time, as long as it goes on sending them. */
static int on_silence(sd_event_source *source, uint64_t usec, void *data) {
        Driver *driver = data;
        (void) usec;
        if (!driver->heard && !driver->paused) {
                driver_failed(driver, "%s", "it did not send its objects; see its log");
                return 0;
        }
        driver->heard = false;
        int r = sd_event_source_set_time_relative(source, ATTACH_TIMEOUT);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void driver_synchronize(Driver *driver) {
        mirror_mark_stale(driver->drivers->mirror, driver);
        driver->told_part = driver->ending = driver->heard = false;
        g_autoptr(sd_bus_message) message = NULL;
        int r = sd_bus_message_new_method_call(driver->peer, &message, NULL, DRIVER_PATH, DRIVER_INTERFACE, "Synchronize");
        if (r >= 0)
                r = sd_bus_call_async(driver->peer, NULL, message, on_synchronized, driver, UINT64_MAX);
        if (r >= 0)
                r = sd_event_add_time_relative(sd_bus_get_event(driver->drivers->bus), &driver->silence, CLOCK_MONOTONIC,
                                               ATTACH_TIMEOUT, 0, on_silence, driver);
        if (r < 0)
                driver_failed(driver, "its objects cannot be asked for: %s", g_strerror(-r));
}

static int open_peer(Driver *driver, int fd) {
        g_autofd int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (own < 0)
                return -errno;
        int r = sd_bus_new(&driver->peer);
        if (r >= 0)
                r = sd_bus_set_fd(driver->peer, own, own);
        if (r < 0)
                return r;
        steal_fd(&own);
        r = sd_bus_negotiate_fds(driver->peer, true);
        if (r >= 0) /* that would wait until all is read */
                r = sd_bus_set_close_on_exit(driver->peer, false);
        if (r >= 0)
                r = sd_bus_add_filter(driver->peer, NULL, on_peer_message, driver);
        if (r >= 0)
                r = sd_bus_start(driver->peer);
        return r < 0 ? r : sd_bus_attach_event(driver->peer, sd_bus_get_event(driver->drivers->bus), SD_EVENT_PRIORITY_NORMAL);
}

static int on_attached(sd_bus_message *reply, void *data, sd_bus_error *unused) {
        Driver *driver = data;
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        int fd;
        (void) unused;
        driver->attaching = sd_bus_slot_unref(driver->attaching);
        if (error) {
                driver_failed(driver, "it could not be started: %s; the journal has what it said", error->message);
                return 0;
        }
        int r = sd_bus_message_read(reply, "h", &fd);
        if (r >= 0)
                r = open_peer(driver, fd);
        if (r < 0) {
                driver_failed(driver, "it could not be connected to: %s", g_strerror(-r));
                return 0;
        }
        set_state(driver, DRIVER_SYNCHRONIZING);
        driver_synchronize(driver);
        return 0;
}

static void driver_attach(Driver *driver) {
        g_autoptr(sd_bus_message) message = NULL;
        if (driver->drivers->ending)
                return;
        int r = sd_bus_message_new_method_call(driver->drivers->bus, &message, driver->bus_name, DRIVER_PATH, DRIVER_INTERFACE,
                                               "Attach");
        if (r >= 0)
                r = sd_bus_call_async(driver->drivers->bus, &driver->attaching, message, on_attached, driver, ATTACH_TIMEOUT);
        if (r < 0)
                driver_failed(driver, "it cannot be called: %s", g_strerror(-r));
        else
                set_state(driver, DRIVER_ATTACHING);
}

/* Finding */

static void driver_free(Driver *driver) {
        fail_calls_with(driver, FAIL_ALL, VIRTBUS_ERROR_CANCELLED, ENDING);
        close_peer(driver);
        sd_event_source_disable_unref(driver->leaving);
        g_free(driver->bus_name);
        g_free(driver->name);
        g_free(driver->path);
        g_strfreev(driver->schemes);
        g_free(driver->opened_prefix);
        g_free(driver->job_prefix);
        g_free(driver->failure);
        g_free(driver);
}

Drivers *drivers_new(sd_bus *bus, Audience *audience, Mirror *mirror, Journal *journal, uint64_t call_timeout,
                     void (*changed)(void *data), void *data) {
        Drivers *drivers = g_new0(Drivers, 1);
        drivers->bus = bus;
        drivers->audience = audience;
        drivers->journal = journal;
        drivers->mirror = mirror;
        drivers->call_timeout = call_timeout;
        drivers->changed = changed;
        drivers->data = data;
        drivers->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) driver_free);
        g_queue_init(&drivers->waiters);
        return drivers;
}

void drivers_end(Drivers *drivers) {
        GHashTableIter iterator;
        void *driver;
        drivers->ending = true;
        g_hash_table_iter_init(&iterator, drivers->by_name);
        while (g_hash_table_iter_next(&iterator, NULL, &driver))
                fail_calls_with(driver, FAIL_ALL, VIRTBUS_ERROR_CANCELLED, ENDING);
        Waiter *waiter;
        while ((waiter = g_queue_pop_head(&drivers->waiters)))
                waiter_resume(waiter);
}

void drivers_free(Drivers *drivers) {
        drivers->changed = NULL;
        g_hash_table_unref(drivers->by_name);
        g_queue_clear_full(&drivers->waiters, g_free);
        sd_event_source_disable_unref(drivers->drained);
        g_free(drivers);
}

/* A driver's name on the bus is one element of letters and digits after the prefix; its name here is that in lower case. */
static char *name_of_bus_name(const char *bus_name) {
        if (!g_str_has_prefix(bus_name, DRIVER_NAME_PREFIX))
                return NULL;
        const char *last = bus_name + strlen(DRIVER_NAME_PREFIX);
        for (const char *c = last; *c; c++)
                if (!g_ascii_isalnum(*c))
                        return NULL;
        return *last ? g_ascii_strdown(last, -1) : NULL;
}

static bool owns_kinds_of_host(const char *name) {
        for (size_t i = 0; interfaces[i]; i++)
                if (g_strcmp0(interfaces[i]->host_driver, name) == 0)
                        return true;
        return false;
}

/* The shared connection's object is the service's own but for what each driver tells of its kinds. */
static int publish_host(Drivers *drivers) {
        g_autoptr(sd_bus_message) message = NULL;
        int r = sd_bus_message_new_signal(drivers->bus, &message, HOST_PATH, interface_connection.name, "Properties");
        if (r >= 0)
                r = sd_bus_message_append(message, "a{sa{sv}}", 1, interface_connection.name, 5, "Name", "s", HOST_CONNECTION,
                                          "State", "s", "connected", "StateReason", "s", "", "URI", "s", HOST_CONNECTION ":///",
                                          "DriverVersion", "s", VIRTBUS_VERSION);
        if (r >= 0)
                r = sd_bus_message_seal(message, 1, 0);
        return r < 0 ? r : mirror_take(drivers->mirror, NULL, HOST_PATH, message);
}

static Driver *driver_take(Drivers *drivers, const char *bus_name) {
        g_autofree char *name = name_of_bus_name(bus_name);
        Driver *driver = name ? g_hash_table_lookup(drivers->by_name, name) : NULL;
        bool is_of_host = name && owns_kinds_of_host(name);
        int r = 0;
        if (!name || driver || g_hash_table_size(drivers->by_name) >= DRIVERS_MAX)
                return driver;
        if (is_of_host && !mirror_find(drivers->mirror, HOST_PATH))
                r = publish_host(drivers);
        if (r < 0) {
                log_error("driver %s: the connection %s cannot be published: %s", name, HOST_CONNECTION, g_strerror(-r));
                return NULL;
        }
        driver = g_new0(Driver, 1);
        driver->drivers = drivers;
        driver->bus_name = g_strdup(bus_name);
        driver->name = g_steal_pointer(&name);
        driver->is_of_host = is_of_host;
        driver->connection = is_of_host ? HOST_CONNECTION : driver->name;
        driver->path = g_strdup_printf(MANAGER_PATH "/%s", driver->connection);
        driver->opened_prefix = g_strdup_printf("%s_", driver->path);
        driver->job_prefix = g_strdup_printf(JOB_PATH "/%s_", driver->name);
        g_queue_init(&driver->calls);
        g_hash_table_insert(drivers->by_name, driver->name, driver);
        return driver;
}

static int on_names(sd_bus_message *reply, void *data, sd_bus_error *error) {
        Drivers *drivers = data;
        (void) error;
        drivers->n_lists--;
        bool owned = strcmp(sd_bus_message_get_signature(reply, true), "as") == 0 && drivers->n_lists == 0;
        const char *name;
        if (sd_bus_message_enter_container(reply, 'a', "s") >= 0)
                while (sd_bus_message_read_basic(reply, 's', &name) > 0) {
                        Driver *driver = driver_take(drivers, name);
                        if (driver && owned)
                                driver->owned = true;
                }
        if (drivers->n_lists > 0)
                return 0;
        GHashTableIter iterator;
        void *driver;
        g_hash_table_iter_init(&iterator, drivers->by_name);
        while (g_hash_table_iter_next(&iterator, NULL, &driver))
                if (((Driver *) driver)->state == DRIVER_NEW)
                        driver_attach(driver);
        run_waiters(drivers);
        return 0;
}

int drivers_discover(Drivers *drivers) {
        /* The bus answers in order: the second list is that of names with an owner. */
        static const char *const lists[] = { "ListActivatableNames", "ListNames" };
        for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
                int r = sd_bus_call_method_async(drivers->bus, NULL, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                                 "org.freedesktop.DBus", lists[i], on_names, drivers, NULL);
                if (r < 0)
                        return r;
                drivers->n_lists++;
        }
        return 0;
}

void drivers_owner_changed(Drivers *drivers, const char *bus_name, const char *owner) {
        Driver *driver = driver_take(drivers, bus_name);
        if (!driver)
                return;
        driver->owned = owner != NULL;
        driver->dying = false;
        /* The end of a dying one; or one that has come by itself, or been started again by systemd. */
        if (driver->state == DRIVER_LOST || (driver->owned && (driver->state == DRIVER_NEW || driver->state == DRIVER_FAILED)))
                driver_attach(driver);
}

Driver *drivers_find(Drivers *drivers, const char *path) {
        GHashTableIter iterator;
        void *driver;
        g_hash_table_iter_init(&iterator, drivers->by_name);
        while (g_hash_table_iter_next(&iterator, NULL, &driver))
                if (is_own_path(driver, path) && !is_shared_path(driver, path))
                        return driver;
        return NULL;
}

Driver *drivers_named(Drivers *drivers, const char *name) {
        return g_hash_table_lookup(drivers->by_name, name);
}

const char *drivers_connection_path(Drivers *drivers, const char *name) {
        GHashTableIter iterator;
        void *driver;
        g_hash_table_iter_init(&iterator, drivers->by_name);
        while (g_hash_table_iter_next(&iterator, NULL, &driver))
                if (strcmp(((Driver *) driver)->connection, name) == 0)
                        return ((Driver *) driver)->path;
        return NULL;
}

Driver *drivers_of_scheme(Drivers *drivers, const char *scheme) {
        GHashTableIter iterator;
        void *value;
        g_hash_table_iter_init(&iterator, drivers->by_name);
        while (g_hash_table_iter_next(&iterator, NULL, &value)) {
                Driver *driver = value;
                if (driver->schemes && g_strv_contains((const char *const *) driver->schemes, scheme))
                        return driver;
        }
        return NULL;
}

const char *driver_path(const Driver *driver) {
        return driver->path;
}

static int compare_drivers(const void *a, const void *b) {
        const Driver *one = *(Driver *const *) a, *other = *(Driver *const *) b;
        int order = strcmp(one->connection, other->connection);
        return order ? order : strcmp(one->name, other->name);
}

int drivers_append(Drivers *drivers, sd_bus_message *message) {
        guint n;
        g_autofree void **sorted = g_hash_table_get_keys_as_array(drivers->by_name, &n);
        for (guint i = 0; i < n; i++)
                sorted[i] = g_hash_table_lookup(drivers->by_name, sorted[i]);
        qsort(sorted, n, sizeof *sorted, compare_drivers);
        int r = sd_bus_message_open_container(message, 'a', "(ssss)");
        for (guint i = 0; r >= 0 && i < n; i++) {
                Driver *driver = sorted[i];
                r = sd_bus_message_append(message, "(ssss)", driver->connection, driver->bus_name, state_names[driver->state],
                                          driver->failure ? driver->failure : "");
        }
        return r < 0 ? r : sd_bus_message_close_container(message);
}
