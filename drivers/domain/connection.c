/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/connection.h"

#include <errno.h>
#include <string.h>

#include "base/filter.h"
#include "base/folder-lock.h"
#include "base/stream.h"
#include "bus.h"
#include "domain/connection-bus.h"
#include "domain/connection-life.h"
#include "domain/connection-table.h"
#include "domain/domain-bus.h"
#include "domain/domain-run.h"
#include "domain/local-definitions.h"
#include "domain/operation.h"
#include "domain/operations/managed-save.h"
#include "domain/operations/checkpoint-delete.h"
#include "domain/operations/snapshot-delete.h"
#include "domain/operations/snapshot-revert.h"
#include "domain/operations/start.h"
#include "domain/snapshot.h"
#include "domain/statistics.h"
#include "log.h"
#include "paths.h"

/* Threads for files that may hang: as many guests' images may be on a stalled disk before another guest has to wait. */
#define WORKER_THREADS 32

/* Threads for clients' pipes, and for files of domains that have their owner's rights: each user has a few of them at a time. */
#define CLIENT_THREADS 64

/* In the order in which they are told. */
static const DomainListener *const listeners[] = {
        &snapshots_listener, /* these first: their objects are below their domain's, and go before */
        &checkpoints_listener,
        &domain_bus_listener, /* what the others tell is told after the change itself */
        &managed_save_listener,
        &statistics_listener,
        &snapshot_revert_listener,
        &snapshot_delete_listener,
        &checkpoint_delete_listener,
        &operations_listener,
        &domain_run_listener,
        &connection_table_listener, /* last: it may hold the last reference */
        NULL,
};

static bool is_writing(const Connection *connection) {
        return connection->definitions->is_busy && connection->definitions->is_busy(connection);
}

bool connection_is_busy(const Connection *connection) {
        return connection->n_active > 0 || is_writing(connection) || worker_pending(connection->worker) > 0 ||
               worker_pending(connection->clients) > 0 || turns_pending(connection->turns) > 0 || jobs_running() > 0;
}

void connection_resume(Connection *connection) {
        g_autoptr(GList) domains = g_hash_table_get_values(connection->by_uuid);
        bool first_run = connection->definitions->is_first_run && connection->definitions->is_first_run(connection);
        for (GList *link = domains; link; link = link->next)
                domain_ref(link->data); /* one may end, and go, while others are found */
        for (GList *link = domains; link; link = link->next) {
                Domain *domain = link->data;
                if (domain_is_active(domain))
                        operations_run(domain);
                else if (domain->autostart && first_run)
                        domain_operate(domain, start_new(NULL, (StartOptions){}));
        }
        for (GList *link = domains; link; link = link->next) {
                snapshot_delete_pending(link->data);
                checkpoint_delete_pending(link->data);
        }
        g_list_foreach(domains, (GFunc) (void (*)(void)) domain_unref, NULL);
}

/* Before anything is cleaned up, as a driver of the same folders may be at work on it. */
static bool take_folders(Connection *connection, GError **error) {
        if ((connection->locks[0] = folder_lock(connection->state_directory, error)) < 0 ||
            (connection->locks[1] = folder_lock(connection->runtime_directory, error)) < 0)
                return false;
        return g_mkdir_with_parents(connection->log_directory, 0700) == 0 ||
               virtbus_error_set_errno(error, errno, "directory %s cannot be made", connection->log_directory);
}

Connection *connection_open_at(const Hypervisor *hypervisor, sd_event *event, Objects *objects, const ConnectionPlace *place,
                               GError **error) {
        g_autoptr(Connection) connection = g_new0(Connection, 1);
        connection->hypervisor = hypervisor;
        connection->listeners = listeners;
        g_queue_init(&connection->requests);
        g_queue_init(&connection->openers);
        connection->state = hypervisor->remote ? CONNECTION_CONNECTING : CONNECTION_CONNECTED;
        connection->state_reason = g_strdup(hypervisor->remote ? "it is new" : "");
        connection->event = sd_event_ref(event);
        connection->objects = objects;
        connection->state_directory = g_strdup(place->state);
        connection->runtime_directory = g_strdup(place->runtime);
        connection->log_directory = g_strdup(place->log);
        connection->privileged = geteuid() == 0;
        connection->name = g_strdup(place->name);
        connection->path = g_strdup_printf(MANAGER_PATH "/%s", place->name);
        connection->uri = g_strdup(place->uri);
        connection->by_uuid = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) domain_unref);
        connection->by_name = g_hash_table_new(g_str_hash, g_str_equal); /* known_as -> Domain */
        connection->turns = turns_new();
        connection->newer = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        connection->left_streams = g_hash_table_new_full(NULL, NULL, (GDestroyNotify) stream_free, NULL);
        connection->locks[0] = connection->locks[1] = -1;
        connection->definitions = hypervisor->definitions ? hypervisor->definitions : &local_definitions;
        if ((!hypervisor->definitions || hypervisor->definitions->keeps_folders) && !take_folders(connection, error))
                return NULL;
        if (!connection->definitions->open(connection, error))
                return NULL;
        connection->worker = worker_new(event, WORKER_THREADS, error);
        if (!hypervisor->definitions) /* it may take its time; hypervisors say what else it is kept from */
                connection->filter_user = filter_find_user(connection->privileged);
        connection->clients = connection->worker ? worker_new(event, CLIENT_THREADS, error) : NULL;
        if (!connection->clients || (hypervisor->open && !hypervisor->open(connection, error)))
                return NULL;
        connection_publish(connection);
        if (connection->definitions->load)
                connection->definitions->load(connection);
        if (!hypervisor->definitions) /* before anything is served: it may take its time */
                managed_saves_find(connection);
        if (hypervisor->recover)
                hypervisor->recover(connection);
        return g_steal_pointer(&connection);
}

Connection *connection_open(const Hypervisor *hypervisor, sd_event *event, Objects *objects, const char *state,
                            const char *runtime, const char *log, GError **error) {
        const char *name = hypervisor->connection;
        g_autofree char *uri = g_strdup_printf("%s:///%s", name, geteuid() == 0 ? "system" : "session");
        return connection_open_at(hypervisor, event, objects, &(ConnectionPlace){ name, uri, state, runtime, log }, error);
}

void connection_cancel(Connection *connection, const char *why) {
        g_autoptr(GError) error = NULL;
        if (connection->closing)
                return;
        connection->closing = true;
        virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "%s", why);
        if (connection->turns)
                turns_cancel(connection->turns, error);
        if (connection->clients)
                worker_cancel(connection->clients);
        if (connection->worker)
                worker_cancel(connection->worker);
        if (connection->definitions && connection->definitions->finish)
                connection->definitions->finish(connection);
        g_autoptr(GList) domains = g_hash_table_get_values(connection->by_uuid);
        for (GList *link = domains; link; link = link->next)
                domain_ref(link->data);
        for (GList *link = domains; link; link = link->next)
                domain_cancel(link->data, error);
        g_list_foreach(domains, (GFunc) (void (*)(void)) domain_unref, NULL);
        connection->close_expiry = sd_event_source_disable_unref(connection->close_expiry);
        calls_cancel_below(connection->path, connection->close_call, error);
        connection_end_life(connection, error);
}

void connection_begin_close(Connection *connection, void (*drained)(void *data)) {
        worker_cancel_begin(connection->clients, drained, connection->driver_data);
        worker_cancel_begin(connection->worker, drained, connection->driver_data);
        connection_end_calls(connection);
}

bool connection_is_drained(const Connection *connection) {
        return worker_pending(connection->clients) == 0 && worker_pending(connection->worker) == 0;
}

void connection_abandon(Connection *connection) {
        worker_abandon(connection->clients);
        worker_abandon(connection->worker);
}

/* What has not ended by now hangs: who would be told of its end is freed in a moment. */
static void leave_behind(Worker *worker) {
        if (worker && worker_pending(worker) > 0)
                worker_abandon(worker);
}

void connection_close(Connection *connection) {
        GHashTableIter iterator;
        void *domain;
        connection_cancel(connection, "the driver is ending");
        leave_behind(connection->clients);
        leave_behind(connection->worker);
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
        if (connection->definitions)
                connection->definitions->close(connection);
        if (connection->published)
                published_withdraw(connection->published);
        sd_event_unref(connection->event);
        for (size_t i = 0; i < G_N_ELEMENTS(connection->locks); i++)
                autofd_close(connection->locks + i);
        g_free(connection->state_directory);
        g_free(connection->runtime_directory);
        g_free(connection->log_directory);
        g_clear_pointer(&connection->own_in_writing, g_array_unref);
        g_free(connection->name);
        g_free(connection->state_reason);
        g_free(connection->path);
        g_free(connection->uri);
        g_free(connection);
}
