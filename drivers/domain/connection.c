/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/connection.h"

#include <errno.h>
#include <string.h>

#include "base/filter.h"
#include "base/folder-lock.h"
#include "base/kept.h"
#include "base/stream.h"
#include "bus.h"
#include "domain/domain-status.h"
#include "domain/operations/managed-save.h"
#include "domain/operations/restore.h"
#include "domain/operations/start.h"
#include "domain/run-only.h"
#include "log.h"
#include "paths.h"
#include "vtables.h"

/* Threads for files that may hang: as many guests' images may be on a stalled disk before another guest has to wait. */
#define WORKER_THREADS 32

/* Threads for clients' pipes. */
#define CLIENT_THREADS 8

bool connection_is_busy(const Connection *connection) {
        return connection->n_active > 0 || store_is_busy(connection->store) || worker_pending(connection->worker) > 0 ||
               worker_pending(connection->clients) > 0 || turns_pending(connection->turns) > 0 || jobs_running() > 0;
}

void connection_idle(const Connection *connection) {
        if (connection->idle)
                connection->idle(connection->idle_data);
}

Domain *connection_find(Connection *connection, const char *uuid) {
        return g_hash_table_lookup(connection->by_uuid, uuid);
}

Domain *connection_find_name(Connection *connection, const char *name) {
        return g_hash_table_lookup(connection->by_name, name);
}

/* The domain itself says by which name it is found: that of its definition may be another by the time that it goes. */
static void know_by_name(Connection *connection, Domain *domain, const char *name) {
        if (domain->known_as)
                g_hash_table_remove(connection->by_name, domain->known_as);
        g_free(domain->known_as);
        domain->known_as = g_strdup(name);
        g_hash_table_insert(connection->by_name, domain->known_as, domain);
}

void connection_add(Connection *connection, Domain *domain) {
        g_assert(!connection_find(connection, domain->uuid) && !connection_find_name(connection, domain_name(domain)));
        g_hash_table_insert(connection->by_uuid, domain->uuid, domain_ref(domain));
        know_by_name(connection, domain, domain_name(domain));
}

void connection_remove(Connection *connection, Domain *domain) {
        g_hash_table_remove(connection->by_name, domain->known_as);
        g_hash_table_remove(connection->by_uuid, domain->uuid);
}

/* Documents and files */

/* What a later version has written is not touched: neither what is there is known, nor may it be written over. */
static void keep_if_newer(Connection *connection, const char *uuid, const GError *error) {
        if (g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_UNSUPPORTED))
                g_hash_table_insert(connection->newer, g_strdup(uuid), g_strdup(error->message));
}

bool connection_check_known(Connection *connection, const char *uuid, GError **error) {
        const char *reason = g_hash_table_lookup(connection->newer, uuid);
        return !reason ||
               virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "the file of domain %s is left alone: %s", uuid, reason);
}

static bool complete_document(Connection *connection, xmlDoc *document, GError **error) {
        return !connection->hypervisor->complete || connection->hypervisor->complete(connection, document, error);
}

static void load_definition(void *data, const char *uuid, const char *text, const GError *unreadable) {
        Connection *connection = data;
        g_autoptr(GError) error = unreadable ? g_error_copy(unreadable) : NULL;
        g_autoptr(xmlDoc) document = text ? xml_parse_own(text, "domain", &error) : NULL;
        Kept kept = { 0 };
        bool complete = document && kept_take(document, &kept, &error) && complete_document(connection, document, &error);
        g_autoptr(Definition) definition = complete ? definition_from_document(document, &error) : NULL;
        if (definition && strcmp(definition->uuid, uuid) != 0)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_XML, "its UUID is %s", definition->uuid);
        else if (definition && connection_find_name(connection, definition->name))
                virtbus_error_set(&error, VIRTBUS_ERROR_ALREADY_EXISTS, "another domain is named '%s'", definition->name);
        if (error) {
                log_error("the definition %s.xml is left as it is: %s", uuid, error->message);
                keep_if_newer(connection, uuid, error);
                return;
        }
        Domain *domain = domain_new(connection, definition, true, kept.owner);
        domain->autostart = kept.autostart;
        domain_unref(domain);
}

static void load_status(void *data, const char *uuid, const char *text, const GError *unreadable) {
        Connection *connection = data;
        g_autoptr(GError) error = unreadable ? g_error_copy(unreadable) : NULL;
        g_autoptr(xmlDoc) status = text ? xml_parse_own(text, "virtbus-status", &error) : NULL;
        if (status && domain_restore(connection, status, uuid, &error))
                return;
        keep_if_newer(connection, uuid, error);
        bool is_damaged = !unreadable || g_error_matches(unreadable, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_XML);
        if (!is_damaged || g_hash_table_contains(connection->newer, uuid))
                log_error("the status of the running domain %s is left as it is: %s", uuid, error->message);
        else
                store_put_status_aside(connection->store, uuid, error);
}

void connection_resume(Connection *connection) {
        g_autoptr(GList) domains = g_hash_table_get_values(connection->by_uuid);
        bool first_run = store_is_first_run(connection->store);
        for (GList *link = domains; link; link = link->next)
                domain_ref(link->data); /* one may end, and go, while others are found */
        for (GList *link = domains; link; link = link->next) {
                Domain *domain = link->data;
                if (domain_is_active(domain))
                        operations_run(domain);
                else if (domain->autostart && first_run)
                        domain_operate(domain, start_new(NULL, (StartOptions){}));
        }
        g_list_foreach(domains, (GFunc) (void (*)(void)) domain_unref, NULL);
}

Connection *connection_open(const Hypervisor *hypervisor, sd_event *event, Objects *objects, const char *state,
                            const char *runtime, const char *log, GError **error) {
        g_autoptr(Connection) connection = g_new0(Connection, 1);
        connection->hypervisor = hypervisor;
        g_queue_init(&connection->requests);
        connection->event = sd_event_ref(event);
        connection->objects = objects;
        connection->state_directory = g_strdup(state);
        connection->runtime_directory = g_strdup(runtime);
        connection->log_directory = g_strdup(log);
        connection->privileged = geteuid() == 0;
        connection->path = g_strdup_printf(MANAGER_PATH "/%s", hypervisor->connection);
        connection->uri = g_strdup_printf("%s:///%s", hypervisor->connection, connection->privileged ? "system" : "session");
        connection->by_uuid = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) domain_unref);
        connection->by_name = g_hash_table_new(g_str_hash, g_str_equal); /* known_as -> Domain */
        connection->turns = turns_new();
        connection->newer = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        connection->left_streams = g_hash_table_new_full(NULL, NULL, (GDestroyNotify) stream_free, NULL);
        connection->locks[0] = connection->locks[1] = -1;
        /* Before anything is cleaned up, as a driver of the same folders may be at work on it. */
        if ((connection->locks[0] = folder_lock(state, error)) < 0 || (connection->locks[1] = folder_lock(runtime, error)) < 0)
                return NULL;
        if (g_mkdir_with_parents(log, 0700) < 0) {
                virtbus_error_set_errno(error, errno, "directory %s cannot be made", log);
                return NULL;
        }
        connection->store = store_new(event, "domains", state, runtime, error);
        connection->worker = connection->store ? worker_new(event, WORKER_THREADS, error) : NULL;
        connection->clients = connection->worker ? worker_new(event, CLIENT_THREADS, error) : NULL;
        if (!connection->clients || (hypervisor->open && !hypervisor->open(connection, error)))
                return NULL;
        connection_publish(connection);
        store_each_definition(connection->store, load_definition, connection);
        store_each_status(connection->store, load_status, connection);
        save_find_managed(connection);
        filter_find_user(connection); /* before anything is served: it may take its time */
        if (hypervisor->recover)
                hypervisor->recover(connection);
        return g_steal_pointer(&connection);
}

void connection_cancel(Connection *connection) {
        g_autoptr(GError) error = NULL;
        if (connection->closing)
                return;
        connection->closing = true;
        virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        if (connection->turns)
                turns_cancel(connection->turns, error);
        if (connection->clients)
                worker_cancel(connection->clients);
        if (connection->worker)
                worker_cancel(connection->worker);
        if (connection->store)
                store_finish(connection->store);
        g_autoptr(GList) domains = g_hash_table_get_values(connection->by_uuid);
        for (GList *link = domains; link; link = link->next)
                domain_ref(link->data);
        for (GList *link = domains; link; link = link->next)
                domain_cancel(link->data, error);
        g_list_foreach(domains, (GFunc) (void (*)(void)) domain_unref, NULL);
        calls_cancel(error);
}

void connection_close(Connection *connection) {
        GHashTableIter iterator;
        void *domain;
        connection_cancel(connection);
        g_hash_table_iter_init(&iterator, connection->by_uuid);
        while (g_hash_table_iter_next(&iterator, NULL, &domain))
                if (((Domain *) domain)->run)
                        connection->hypervisor->release(domain);
        g_hash_table_unref(connection->by_name);
        g_hash_table_unref(connection->by_uuid);
        turns_free(connection->turns);
        g_hash_table_unref(connection->newer);
        if (connection->hypervisor->close && connection->data)
                connection->hypervisor->close(connection);
        g_hash_table_unref(connection->left_streams);
        /* Last: domains still queue work as they are freed; the workers answer it with Cancelled. */
        if (connection->clients)
                worker_free(connection->clients);
        if (connection->worker)
                worker_free(connection->worker);
        if (connection->store)
                store_free(connection->store);
        if (connection->published)
                published_withdraw(connection->published);
        sd_event_unref(connection->event);
        for (size_t i = 0; i < G_N_ELEMENTS(connection->locks); i++)
                autofd_close(connection->locks + i);
        g_free(connection->state_directory);
        g_free(connection->runtime_directory);
        g_free(connection->log_directory);
        g_free(connection->path);
        g_free(connection->uri);
        g_free(connection);
}

/* Defining */

/* A change of what a UUID and a name stand for, which waits for its turn or is being written. */
typedef struct Change {
        Connection *connection;
        Turn *turn;
        Definition *definition; /* the new one, or NULL */
        Domain *domain;         /* the existing one, or NULL */
        bool autostart, nvram, managed_save, paused;
        void (*begin)(struct Change *change);
        Call *call;
} Change;

static void change_free(Change *change) {
        Turn *turn = change->turn;
        g_clear_pointer(&change->domain, domain_unref);
        g_clear_pointer(&change->definition, definition_unref);
        g_free(change);
        if (turn)
                turn_end(turn);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Change, change_free)

/* The change is made, or cannot be. */
static void told(Change *change) {
        Connection *connection = change->connection;
        change_free(change);
        connection_idle(connection);
}

static void refuse(Change *change, const GError *error) {
        call_fail(change->call, error);
        told(change);
}

static void on_turn(void *data, Turn *turn, const GError *error) {
        Change *change = data;
        change->turn = turn;
        if (turn)
                change->begin(change);
        else
                refuse(change, error);
}

static void take_turn(const Change *template) {
        Change *change = g_new(Change, 1);
        *change = *template;
        if (change->domain)
                domain_ref(change->domain);
        turns_take(change->connection->turns, change->definition ? change->definition->uuid : change->domain->uuid,
                   change->definition ? change->definition->name : domain_name(change->domain), on_turn, change);
}

/* Reads a document, as one of this connection. */
static Definition *read_document(Connection *connection, const char *xml, bool unsupported, GError **error) {
        g_autoptr(xmlDoc) document = xml_parse(xml, "domain", error);
        if (document)
                run_only_drop(document);
        bool complete = document && complete_document(connection, document, error);
        g_autoptr(Definition) definition = complete ? definition_from_document(document, error) : NULL;
        if (!definition || (connection->hypervisor->check &&
                            !connection->hypervisor->check(connection, definition, document, unsupported, error)))
                return NULL;
        return g_steal_pointer(&definition);
}

bool connection_find_same(Connection *connection, const Definition *definition, Domain **domain, GError **error) {
        Domain *same_uuid = connection_find(connection, definition->uuid);
        Domain *same_name = connection_find_name(connection, definition->name);
        *domain = same_uuid;
        if (!connection_check_known(connection, definition->uuid, error))
                return false;
        if (same_name && same_name != same_uuid)
                return domain_fail(same_name, error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                   "a domain of that name exists, with UUID %s; choose another name, or give that UUID",
                                   same_name->uuid);
        if (same_uuid && same_uuid != same_name)
                return domain_fail(same_uuid, error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                   "it has UUID %s already; leave <uuid> out, or give that name", same_uuid->uuid);
        return true;
}

/* Calls that wait until the hypervisor knows what it must know for a document. */
typedef struct Prepared {
        Connection *connection;
        char *xml;
        Call *call;
        ConnectionProceed proceed;
        bool flag;
} Prepared;

static void on_prepared(void *data) {
        Prepared *prepared = data;
        g_autoptr(GError) error = NULL;
        if (prepared->connection->closing) {
                virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
                call_fail(prepared->call, error);
        } else
                prepared->proceed(prepared->connection, prepared->xml, prepared->flag, prepared->call);
        g_free(prepared->xml);
        g_free(prepared);
}

void connection_prepare(Connection *connection, const char *xml, ConnectionProceed proceed, bool flag, Call *call) {
        const Hypervisor *hypervisor = connection->hypervisor;
        Prepared *prepared = g_new0(Prepared, 1);
        *prepared = (Prepared){ connection, g_strdup(xml), call, proceed, flag };
        if (!hypervisor->prepare || hypervisor->prepare(connection, prepared->xml, on_prepared, prepared))
                on_prepared(prepared);
}

/* Translations */

static bool check_can_translate(const Connection *connection, const char *format, bool can, GError **error) {
        if (!can)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "connection %s has no other format than its documents",
                                         connection->hypervisor->connection);
        return strcmp(format, NATIVE_FORMAT) == 0 ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "format '%.64s' is unknown; use " NATIVE_FORMAT, format);
}

/* WHOLE: the document as it would be kept, else its translation; which is made in any case, as it finds the faults. */
static void answer_native(Connection *connection, const char *xml, bool whole, Call *call) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = xml_parse(xml, "domain", &error);
        if (document)
                run_only_drop(document);
        bool complete = document && complete_document(connection, document, &error);
        g_autoptr(Definition) definition = complete ? definition_from_document(document, &error) : NULL;
        g_autofree char *native = definition ? connection->hypervisor->to_native(connection, definition, document, &error) : NULL;
        if (native)
                reply_connection_domain_xml_to_native(call, whole ? definition->xml : native);
        else
                call_fail(call, error);
}

void connection_to_native(Connection *connection, const char *format, const char *xml, Call *call) {
        g_autoptr(GError) error = NULL;
        bool whole = strcmp(format, WHOLE_FORMAT) == 0;
        if (check_can_translate(connection, whole ? NATIVE_FORMAT : format, connection->hypervisor->to_native != NULL, &error))
                connection_prepare(connection, xml, answer_native, whole, call);
        else
                call_fail(call, error);
}

static void answer_document(Connection *connection, const char *xml, bool unused, Call *call) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = xml_parse(xml, "domain", &error);
        bool complete = document && complete_document(connection, document, &error);
        g_autoptr(Definition) definition = complete ? definition_from_document(document, &error) : NULL;
        (void) unused;
        if (definition)
                reply_connection_domain_xml_from_native(call, definition->xml);
        else
                call_fail(call, error);
}

void connection_from_native(Connection *connection, const char *format, const char *text, Call *call) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = check_can_translate(connection, format, connection->hypervisor->from_native != NULL, &error)
                                                     ? connection->hypervisor->from_native(text, &error)
                                                     : NULL;
        g_autofree char *xml = document ? xml_document_text(document) : NULL;
        if (xml)
                connection_prepare(connection, xml, answer_document, false, call);
        else
                call_fail(call, error);
}

void connection_store(Domain *domain, const Definition *definition, WorkDone done, void *data) {
        g_autofree char *text = kept_text(definition->xml, &(Kept){ domain->owner, domain->autostart });
        store_define(domain->connection->store, domain->uuid, text, done, data);
}

static void on_defined(void *data, const GError *error) {
        Change *change = data;
        if (error) {
                refuse(change, error);
                return;
        }
        g_autoptr(Domain) fresh = NULL;
        Domain *domain = change->domain;
        if (domain)
                domain_redefine(domain, change->definition);
        else
                domain = fresh = domain_new(change->connection, change->definition, true, change->call->uid);
        reply_connection_define_domain(change->call, published_path(domain->published));
        told(change);
}

static void begin_define(Change *change) {
        g_autoptr(GError) error = NULL;
        Domain *domain = NULL;
        if (!connection_find_same(change->connection, change->definition, &domain, &error)) {
                refuse(change, error);
                return;
        }
        change->domain = domain ? domain_ref(domain) : NULL;
        const Kept kept = { domain ? domain->owner : change->call->uid, domain && domain->autostart };
        g_autofree char *text = kept_text(change->definition->xml, &kept);
        store_define(change->connection->store, change->definition->uuid, text, on_defined, change);
}

static void define(Connection *connection, const char *xml, bool unsupported, Call *call) {
        g_autoptr(GError) error = NULL;
        Definition *definition = read_document(connection, xml, unsupported, &error);
        if (definition)
                take_turn(&(Change){ .connection = connection, .definition = definition, .begin = begin_define, .call = call });
        else
                call_fail(call, error);
}

void connection_define(Connection *connection, const char *xml, bool unsupported, Call *call) {
        connection_prepare(connection, xml, define, unsupported, call);
}

static Domain *add_transient(Connection *connection, const Definition *definition, uid_t owner, GError **error) {
        Domain *existing = NULL;
        if (!connection_find_same(connection, definition, &existing, error))
                return NULL;
        if (existing) {
                domain_fail(existing, error, VIRTBUS_ERROR_ALREADY_EXISTS, "it is %s; use Start, or another name and UUID",
                            domain_state_name(existing->state));
                return NULL;
        }
        g_autoptr(Domain) domain = domain_new(connection, definition, false, owner);
        return domain; /* which the connection's table holds */
}

Domain *connection_add_transient(Connection *connection, const char *xml, uid_t owner, GError **error) {
        g_autoptr(Definition) definition = read_document(connection, xml, false, error);
        if (!definition)
                return NULL;
        if (turns_taken(connection->turns, definition->uuid, definition->name)) {
                virtbus_error_set(error, VIRTBUS_ERROR_RESOURCE_BUSY, "domain '%s': its definition is being written; call again",
                                  definition->name);
                return NULL;
        }
        return add_transient(connection, definition, owner, error);
}

static void begin_create(Change *change) {
        g_autoptr(GError) error = NULL;
        Domain *domain = add_transient(change->connection, change->definition, change->call->uid, &error);
        if (domain)
                domain_operate(domain, start_new(change->call, (StartOptions){ .creates = true, .paused = change->paused }));
        else
                call_fail(change->call, error);
        told(change);
}

static void create(Connection *connection, const char *xml, bool paused, Call *call) {
        g_autoptr(GError) error = NULL;
        Definition *definition = read_document(connection, xml, false, &error);
        if (definition)
                take_turn(&(Change){ .connection = connection,
                                     .definition = definition,
                                     .paused = paused,
                                     .begin = begin_create,
                                     .call = call });
        else
                call_fail(call, error);
}

void connection_create(Connection *connection, const char *xml, bool paused, Call *call) {
        connection_prepare(connection, xml, create, paused, call);
}

static void on_undefined(void *data, const GError *error) {
        Change *change = data;
        if (error) {
                refuse(change, error);
                return;
        }
        if (change->nvram && change->connection->hypervisor->delete_nvram)
                change->connection->hypervisor->delete_nvram(change->connection, change->domain->uuid);
        if (change->connection->hypervisor->forget && !domain_is_active(change->domain))
                change->connection->hypervisor->forget(change->connection, change->domain->uuid);
        save_remove_managed(change->domain);
        domain_undefine(change->domain);
        reply_domain_undefine(change->call);
        told(change);
}

/* Whether there is a definition to be changed: who has waited for their turn may find it gone. */
static bool check_persistent(const Domain *domain, const char *what, GError **error) {
        if (!domain->published)
                return domain_fail(domain, error, VIRTBUS_ERROR_NO_SUCH_DOMAIN, "it was undefined, or has ended, meanwhile");
        return domain->persistent ||
               domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID, "it is transient; %s needs a definition", what);
}

static void undefine(void *data) {
        Change *change = data;
        g_autoptr(GError) error = NULL;
        if (change->connection->closing) {
                domain_fail(change->domain, &error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
                refuse(change, error);
        } else
                store_define(change->connection->store, change->domain->uuid, NULL, on_undefined, change);
}

static void begin_undefine(Change *change) {
        Domain *domain = change->domain;
        g_autoptr(GError) error = NULL;
        const Hypervisor *hypervisor = domain->connection->hypervisor;
        if (check_persistent(domain, "Undefine", &error) && !change->nvram && hypervisor->has_nvram &&
            hypervisor->has_nvram(domain->connection, domain->uuid))
                domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID,
                            "it has a file of UEFI variables; pass the option nvram to delete that too");
        else if (!error && domain->has_managed_save && !change->managed_save)
                domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID,
                            "it has a managed save; pass the option managed_save to delete that too");
        if (error)
                refuse(change, error);
        else /* whatever cuts this off: no save is left that a domain of this UUID would be restored from later */
                save_remove_managed_first(domain, undefine, change);
}

void connection_undefine(Domain *domain, bool nvram, bool managed_save, Call *call) {
        take_turn(&(Change){ .connection = domain->connection,
                             .domain = domain,
                             .nvram = nvram,
                             .managed_save = managed_save,
                             .begin = begin_undefine,
                             .call = call });
}

static void on_autostart_set(void *data, const GError *error) {
        Change *change = data;
        if (error) {
                refuse(change, error);
                return;
        }
        change->domain->autostart = change->autostart;
        domain_announce(change->domain, (const int[]){ DOMAIN_AUTOSTART, -1 });
        call_reply(change->call, "");
        told(change);
}

static void begin_autostart(Change *change) {
        Domain *domain = change->domain;
        g_autoptr(GError) error = NULL;
        if (!check_persistent(domain, "Autostart", &error)) {
                refuse(change, error);
                return;
        }
        g_autofree char *text = kept_text(domain->persistent->xml, &(Kept){ domain->owner, change->autostart });
        store_define(change->connection->store, domain->uuid, text, on_autostart_set, change);
}

void connection_set_autostart(Domain *domain, bool autostart, Call *call) {
        take_turn(&(Change){ .connection = domain->connection,
                             .domain = domain,
                             .autostart = autostart,
                             .begin = begin_autostart,
                             .call = call });
}

/* Another name */

static void on_renamed(void *data, const GError *error) {
        Change *change = data;
        Connection *connection = change->connection;
        Domain *domain = domain_ref(change->domain);
        if (error)
                refuse(change, error);
        else {
                domain_redefine(domain, change->definition);
                know_by_name(connection, domain, change->definition->name);
                reply_domain_rename(change->call);
                told(change);
        }
        domain_hold(domain, false);
        domain_unref(domain);
}

static bool check_rename(const Change *change, GError **error) {
        const Domain *domain = change->domain, *same = connection_find_name(change->connection, change->definition->name);
        if (!check_persistent(domain, "Rename", error))
                return false;
        if (same)
                return domain_fail(same, error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                   same == domain ? "that is its name already" : "a domain of that name exists; choose another");
        if (domain->state != DOMAIN_SHUTOFF)
                return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID, "it is %s; for Rename it must be shutoff",
                                   domain_state_name(domain->state));
        return !domain->has_managed_save ||
               domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                           "it has a managed save, which has its name in it; remove that first, or start it");
}

/* What it is defined as by now, with another name. */
static Definition *rename_definition(const Domain *domain, const char *name, GError **error) {
        g_autoptr(xmlDoc) document = xml_parse_own(domain->persistent->xml, "domain", error);
        if (!document)
                return NULL;
        g_autofree xmlChar *quoted = xmlEncodeSpecialChars(document, (const xmlChar *) name);
        xmlNodeSetContent(xml_ensure_child(xmlDocGetRootElement(document), "name"), quoted);
        return definition_from_document(document, error);
}

static void begin_rename(Change *change) {
        Domain *domain = change->domain;
        g_autoptr(GError) error = NULL;
        g_autoptr(Definition) wanted = g_steal_pointer(&change->definition);
        change->definition = wanted;
        bool fine = check_rename(change, &error);
        change->definition = fine ? rename_definition(domain, wanted->name, &error) : NULL;
        if (!change->definition) {
                refuse(change, error);
                return;
        }
        domain_hold(domain, true);
        connection_store(domain, change->definition, on_renamed, change);
}

void connection_rename(Domain *domain, const char *name, Call *call) {
        g_autoptr(GError) error = NULL;
        Definition *definition = NULL;
        if (check_persistent(domain, "Rename", &error) && !(definition = rename_definition(domain, name, NULL)))
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "'%.64s' cannot be a name: use 1 to %d bytes without '/' and control characters", name,
                                  NAME_BYTES_MAX);
        if (definition)
                take_turn(&(Change){ .connection = domain->connection,
                                     .domain = domain,
                                     .definition = definition,
                                     .begin = begin_rename,
                                     .call = call });
        else
                call_fail(call, error);
}
