/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "forward.h"

#include <errno.h>
#include <string.h>

#include "bounds.h"
#include "bus.h"
#include "errors.h"
#include "interfaces.h"
#include "pack.h"
#include "paths.h"

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
        unsigned option_descriptors; /* that may be in its variants */
        const char *set_on;          /* the interface of Set, which its caller may have left out */
        GPtrArray *objects;          /* paths instead of the first argument, until it is sent; NULL: as the caller has it */
        bool own_rights;             /* it is allowed with the caller's own rights alone */
        bool patient;                /* the driver may take its time */
        sd_bus_slot *slot;           /* the call on the peer connection; NULL while it waits for the driver */
        sd_event_source *expiry;     /* while it waits for the driver */
        size_t bytes;
} Call;

#define DRIVER_ENDED "the driver ended before it answered; the object's state will show whether it was done"
#define DRIVER_ENDING "the driver is ending"

static uint64_t timeout_of(const Call *call) {
        return call->from ? drivers_errand_timeout(call->driver->drivers) : call->driver->drivers->call_timeout;
}

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
                  "the %s driver has not answered within %.0f seconds; the object's state will show whether it was done",
                  call->driver->name, (double) timeout_of(call) / SECOND);
}

/* Its driver has ended. One that has said so before has done nothing of what it has not answered. */
static void call_fail_by_end(Call *call) {
        if (call->driver->ending)
                call_fail(call, VIRTBUS_ERROR_CANCELLED, DRIVER_ENDING);
        else
                call_fail(call, VIRTBUS_ERROR_HYPERVISOR_FAILED, DRIVER_ENDED);
}

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
                         (opens ? is_own_connection(call->driver, path) : driver_owns_path(call->driver, path));
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
                r = pack_relay(reply, answer, call->out, call->from ? ERRAND_REPLY_BYTES_MAX : REPLY_BYTES_MAX, 0, &size);
        if (r >= 0 && call->caller && !caller_may_be_answered(call->caller, size))
                r = -ENOBUFS;
        if (r >= 0 && call->from)
                call->from->unread += size;
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

/* Copies a call's arguments. */
static int relay_arguments(const Call *call, sd_bus_message *message, size_t *size) {
        const char *first = call->set_on ? "s" : call->objects ? "ao" : "", *rest = call->in + strlen(first);
        if (!*first)
                return pack_relay(call->message, message, call->in, bytes_max(call), call->option_descriptors, size);
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
        g_autofree char *caller = call->caller ? caller_encode(call->caller->uid, call->caller->name, call->own_rights) : NULL;
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
                call_fail(call, VIRTBUS_ERROR_LIMIT_EXCEEDED, "arguments of more than %d bytes, too deep, or too many at once",
                          bytes_max(call));
                return;
        }
        if (r == -EPERM) {
                call_fail(call, VIRTBUS_ERROR_INVALID_ARGUMENT,
                          "there is a descriptor in a variant, which may have none, or too many");
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

void forward_fail_with(Driver *driver, FailedCalls which, VirtbusError code, const char *reason) {
        g_autoptr(GList) calls = g_list_copy(driver->calls.head);
        for (GList *link = calls; link; link = link->next) {
                Call *call = link->data;
                if (which == FAIL_ALL || call->slot)
                        call_fail(call, code, "%s", reason);
        }
}

void forward_fail(Driver *driver, FailedCalls which, const char *reason) {
        forward_fail_with(driver, which, VIRTBUS_ERROR_HYPERVISOR_FAILED, reason);
}

void forward_fail_sent(Driver *driver) {
        g_autoptr(GList) calls = g_list_copy(driver->calls.head);
        for (GList *link = calls; link; link = link->next)
                if (((Call *) link->data)->slot)
                        call_fail_by_end(link->data);
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
        driver->drivers->wanted(driver);
        if (driver->state == DRIVER_FAILED) { /* since the router looked */
                g_autofree char *reason = driver_failure_text(driver);
                forward_fail(driver, FAIL_ALL, reason);
        }
}

void driver_forward(Driver *driver, Caller *caller, bool own_rights, sd_bus_message *message, const Charge *charge,
                    const MethodInfo *method, JournalEntry *entry, GPtrArray *objects) {
        Call *call = call_new(driver, caller, message, charge, entry);
        call->in = method->in_signature;
        call->out = method->out_signature;
        call->option_descriptors = method->option_descriptors;
        call->patient = method->patient;
        call->own_rights = own_rights;
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

void forward_send_waiting(Driver *driver) {
        g_autoptr(GList) calls = g_list_copy(driver->calls.head);
        for (GList *link = calls; link; link = link->next)
                if (!((Call *) link->data)->slot)
                        call_send(link->data);
}
