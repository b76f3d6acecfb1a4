/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"

#include <string.h>
#include <unistd.h>

#include "documents.h"
#include "domains.h"
#include "jobs.h"

#define NAME "org.virtbus1"
#define FIRST_IS_DOMAIN "((sUi)"

/* One question to the bus. */
typedef struct Ask {
        Call *call;
        CallStep step;
} Ask;

/* A question whose answer is a job, and the waiting for that. */
typedef struct JobAsk {
        Call *call;
        CallStep step;
        size_t place;
        GVariant *reply;
} JobAsk;

Call *call_ref(Call *call) {
        call->n_references++;
        return call;
}

void call_unref(Call *call) {
        if (--call->n_references > 0)
                return;
        g_assert(call->answered);
        if (call->free_state)
                call->free_state(call->state);
        g_clear_error(&call->kept);
        g_clear_object(&call->fds);
        g_clear_object(&call->handed);
        g_variant_unref(call->arguments);
        g_free(call->domain);
        g_free(call);
}

/* False where it is answered already. */
static bool may_answer(Call *call) {
        if (call->answered)
                return false;
        call->answered = true;
        g_queue_unlink(&call->client->calls, &call->link);
        return true;
}

void call_answer(Call *call, GVariant *reply) {
        g_autoptr(GVariant) kept = g_variant_ref_sink(reply);
        if (!may_answer(call))
                return;
        conversation_answer(call->client->conversation, call->procedure, call->serial, kept);
}

void call_answer_encoded(Call *call, const GByteArray *body) {
        if (!may_answer(call))
                return;
        conversation_answer_encoded(call->client->conversation, call->procedure, call->serial, body);
}

void call_answer_fds(Call *call, const int *fds, size_t n) {
        if (may_answer(call))
                conversation_answer_fds(call->client->conversation, call->procedure, call->serial, fds, n);
        else
                for (size_t i = 0; i < n; i++)
                        close(fds[i]);
}

void call_answer_nothing(Call *call) {
        call_answer(call, g_variant_new_tuple(NULL, 0));
}

/* Whom libvirt names for what is not of domains. Its library takes some numbers of others for those of old daemons. */
static const struct {
        const char *part; /* of procedures' names */
        LibvirtErrorDomain domain;
} kinds[] = {
        { "NWFILTER", LIBVIRT_FROM_FILTER },
        { "NETWORK", LIBVIRT_FROM_NETWORK },
        { "SECRET", LIBVIRT_FROM_SECRET },
        { "INTERFACE", LIBVIRT_FROM_INTERFACE }, /* of a domain's this is not asked */
};

static LibvirtErrorDomain error_domain_of(const Call *call) {
        LibvirtErrorDomain domain = LIBVIRT_FROM_NONE;
        for (size_t i = 0; !call->domain && domain == LIBVIRT_FROM_NONE && i < G_N_ELEMENTS(kinds); i++)
                if (strstr(call->procedure->name, kinds[i].part))
                        domain = kinds[i].domain;
        return domain == LIBVIRT_FROM_NONE ? call->client->error_domain : domain;
}

/* Whether a document, or a part of one, that the call hands in is XML at all: libvirt has a number of its own for what is not. */
static bool has_document(const Call *call) {
        bool found = false;
        for (size_t i = 0; !found && i < g_variant_n_children(call->arguments); i++) {
                g_autoptr(GVariant) value = g_variant_get_child_value(call->arguments, i);
                g_autoptr(xmlDoc) document = g_variant_is_of_type(value, G_VARIANT_TYPE_STRING)
                                                             ? document_read(g_variant_get_string(value, NULL), NULL)
                                                             : NULL;
                found = document != NULL;
        }
        return found;
}

void call_fail(Call *call, GError *error) {
        g_autoptr(GError) kept = libvirt_error_from_bus(error);
        if (!may_answer(call))
                return;
        if (kept->code == LIBVIRT_XML_ERROR && !has_document(call))
                kept->code = LIBVIRT_XML_DETAIL;
        if (kept->code == LIBVIRT_UNSUPPORTED)
                kept->code = call->row && call->row->unsupported ? (int) call->row->unsupported : LIBVIRT_OPERATION_UNSUPPORTED;
        /* Clients go by both: they look for somebody who can be asked, and connect again. */
        bool of_polkit = kept->code == LIBVIRT_AUTH_FAILED || kept->code == LIBVIRT_AUTH_UNAVAILABLE;
        conversation_fail(call->client->conversation, call->procedure, call->serial, kept,
                          of_polkit ? LIBVIRT_FROM_POLKIT : error_domain_of(call));
}

void call_refuse(Call *call, LibvirtErrorCode code, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        GError *error = g_error_new_valist(LIBVIRT_ERROR, code, format, arguments);
        va_end(arguments);
        call_fail(call, error);
}

/* Takes the error that the bus has answered with. */
static void fail_unless_handled(Call *call, GError *error) {
        error = libvirt_error_from_bus(error);
        if (call->on_error && call->on_error(call, error)) {
                g_error_free(error);
                return;
        }
        for (const ErrorChange *change = call->row->errors; change && change->from; change++)
                if (change->from == (LibvirtErrorCode) error->code) {
                        error->code = change->to;
                        break;
                }
        call_fail(call, error);
}

static void on_reply(GObject *bus, GAsyncResult *result, void *data) {
        g_autofree Ask *ask = data;
        Call *call = ask->call;
        GError *error = NULL;
        g_autoptr(GUnixFDList) fds = NULL;
        g_autoptr(GVariant) reply = g_dbus_connection_call_with_unix_fd_list_finish(G_DBUS_CONNECTION(bus), &fds, result, &error);
        if (reply) {
                g_set_object(&call->fds, fds);
                ask->step(call, reply);
        } else
                fail_unless_handled(call, error);
        call_unref(call);
}

/* A person is asked for a password for what changes something, not each time that somebody looks. */
static GDBusCallFlags flags_of(const Call *call) {
        return call->row->changes ? G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION : G_DBUS_CALL_FLAGS_NONE;
}

void call_ask_with_fds(Call *call, const char *path, const char *interface, const char *member, GVariant *arguments,
                       GUnixFDList *fds, const char *reply, CallStep step) {
        Ask *ask = g_new(Ask, 1);
        *ask = (Ask){ call_ref(call), step };
        /* The service has deadlines of its own, and some answers take as long as the guest does. */
        g_dbus_connection_call_with_unix_fd_list(call->client->bus, NAME, path, interface, member, arguments,
                                                 G_VARIANT_TYPE(reply), flags_of(call), G_MAXINT, fds, NULL, on_reply, ask);
}

void call_ask(Call *call, const char *path, const char *interface, const char *member, GVariant *arguments, const char *reply,
              CallStep step) {
        call_ask_with_fds(call, path, interface, member, arguments, NULL, reply, step);
}

/* Unpacks what GetAll answers. */
static void on_properties(Call *call, GVariant *reply) {
        g_autoptr(GVariant) properties = g_variant_get_child_value(reply, 0);
        CallStep step = call->step;
        call->step = NULL;
        step(call, properties);
}

void call_read(Call *call, const char *path, const char *interface, CallStep step) {
        g_assert(!call->step); /* one at a time */
        GVariant *known = strcmp(interface, INTERFACE("Domain")) == 0 ? domains_properties(call->client->domains, path) : NULL;
        if (known) {
                step(call, known);
                return;
        }
        call->step = step;
        call_ask(call, path, "org.freedesktop.DBus.Properties", "GetAll", g_variant_new("(s)", interface), "(a{sv})",
                 on_properties);
}

static void on_job_done(void *data, const GError *error) {
        JobAsk *ask = data;
        if (error)
                fail_unless_handled(ask->call, g_error_copy(error));
        else
                ask->step(ask->call, ask->reply);
        call_unref(ask->call);
        g_variant_unref(ask->reply);
        g_free(ask);
}

static void on_job_begun(GObject *bus, GAsyncResult *result, void *data) {
        JobAsk *ask = data;
        GError *error = NULL;
        Jobs *jobs = ask->call->client->jobs;
        ask->reply = g_dbus_connection_call_with_unix_fd_list_finish(G_DBUS_CONNECTION(bus), NULL, result, &error);
        if (ask->reply) {
                g_autoptr(GVariant) path = g_variant_get_child_value(ask->reply, ask->place);
                jobs_wait(jobs, g_variant_get_string(path, NULL), on_job_done, ask);
        } else {
                fail_unless_handled(ask->call, error);
                call_unref(ask->call);
                g_free(ask);
        }
        jobs_expected(jobs);
}

void call_ask_job_with_fds(Call *call, const char *path, const char *interface, const char *member, GVariant *arguments,
                           GUnixFDList *fds, const char *reply, size_t place, CallStep step) {
        JobAsk *ask = g_new(JobAsk, 1);
        *ask = (JobAsk){ call_ref(call), step, place, NULL };
        jobs_expect(call->client->jobs);
        g_dbus_connection_call_with_unix_fd_list(call->client->bus, NAME, path, interface, member, arguments,
                                                 G_VARIANT_TYPE(reply), flags_of(call), G_MAXINT, fds, NULL, on_job_begun, ask);
}

void call_ask_job(Call *call, const char *path, const char *interface, const char *member, GVariant *arguments, const char *reply,
                  size_t place, CallStep step) {
        call_ask_job_with_fds(call, path, interface, member, arguments, NULL, reply, place, step);
}

GVariant *call_options(const Call *call) {
        GVariantBuilder builder;
        g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
        for (const FlagOption *known = call->row->flags; known && known->flag; known++)
                if ((call->flags & known->flag) && known->option)
                        g_variant_builder_add(&builder, "{sv}", known->option, g_variant_new_boolean(TRUE));
        return g_variant_builder_end(&builder);
}

const char *call_string(const Call *call, size_t place) {
        g_autoptr(GVariant) value = g_variant_get_child_value(call->arguments, place);
        return g_variant_get_string(value, NULL); /* of the arguments' own memory */
}

const char *call_optional(const Call *call, size_t place) {
        g_autoptr(GVariant) maybe = g_variant_get_child_value(call->arguments, place);
        g_autoptr(GVariant) value = g_variant_get_maybe(maybe);
        return value ? g_variant_get_string(value, NULL) : NULL;
}

char *call_domain_path(const Client *client, const char *uuid) {
        g_autofree char *escaped = g_strdelimit(g_strdup(uuid), "-", '_');
        return g_strconcat(client->connection, "/domain/", escaped, NULL);
}

/* Which flags nobody knows. */
static uint32_t unknown_flags(const Call *call) {
        uint32_t unknown = call->flags;
        for (const FlagOption *known = call->row->flags; known && known->flag; known++)
                unknown &= ~known->flag;
        return unknown;
}

/* Whether clients may call it before they have opened a connection. */
static bool is_before_open(ProcedureIndex procedure) {
        static const ProcedureIndex before[] = { REMOTE_AUTH_LIST, REMOTE_AUTH_POLKIT, REMOTE_CONNECT_OPEN, REMOTE_CONNECT_CLOSE,
                                                 REMOTE_CONNECT_SUPPORTS_FEATURE };
        bool found = false;
        for (size_t i = 0; i < G_N_ELEMENTS(before); i++)
                found |= before[i] == procedure;
        return found;
}

/* A connection that tells of no host is to this machine. */
static void on_host(Call *call, GVariant *reply) {
        g_autoptr(GVariant) host = NULL;
        g_variant_get(reply, "(v)", &host);
        if (g_variant_n_children(host) == 0)
                call->row->run(call);
        else
                call->row->elsewhere(call, host);
}

static void run_there(Call *call) {
        if (call->row->elsewhere && call->client->is_named)
                call_ask(call, call->client->connection, "org.freedesktop.DBus.Properties", "Get",
                         g_variant_new("(ss)", INTERFACE("Connection"), "Host"), "(v)", on_host);
        else
                call->row->run(call);
}

static void run(Call *call) {
        const CallRow *row = call->row;
        if (!row)
                call_refuse(call, LIBVIRT_NO_SUPPORT, "virtbus does not serve %s", call->procedure->name);
        else if (!call->client->connection && !is_before_open(row->procedure))
                call_refuse(call, LIBVIRT_INTERNAL_ERROR, "the connection is not open");
        else if (call->client->read_only && row->changes)
                call_refuse(call, LIBVIRT_OPERATION_DENIED, "%s is forbidden: the connection was opened to read only",
                            call->procedure->name);
        else if (unknown_flags(call))
                call_refuse(call, LIBVIRT_INVALID_ARG, "%s: unsupported flags (0x%x)", call->procedure->name,
                            unknown_flags(call));
        else
                run_there(call);
}

void call_begin(Client *client, const CallRow *row, const Procedure *procedure, uint32_t serial, GVariant *arguments,
                GUnixFDList *handed) {
        Call *call = g_new0(Call, 1);
        call->client = client;
        call->procedure = procedure;
        call->row = row;
        call->serial = serial;
        call->arguments = g_variant_ref(arguments);
        call->handed = handed ? g_object_ref(handed) : NULL;
        g_variant_get_data(arguments); /* in one piece: strings of it are borrowed */
        call->n_references = 1;
        call->link.data = call;
        g_queue_push_tail_link(&client->calls, &call->link);
        if (procedure->flags >= 0)
                g_variant_get_child(arguments, (size_t) procedure->flags, "u", &call->flags);
        if (client->connection && g_str_has_prefix(procedure->arguments, FIRST_IS_DOMAIN)) {
                const char *uuid;
                g_variant_get_child(arguments, 0, "(&s&si)", NULL, &uuid, NULL);
                call->domain = call_domain_path(client, uuid);
        }
        run(call);
        call_unref(call);
}

void calls_cancel(Client *client) {
        for (GList *first; (first = client->calls.head);) {
                Call *call = first->data;
                call_refuse(call, LIBVIRT_OPERATION_ABORTED, "%s was cut off: virtbus-libvirt ends; see whether it was done",
                            call->procedure->name);
        }
}
