/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/statistics.h"

#include <string.h>

#include "domain/connection.h"
#include "log.h"

typedef struct Value {
        const char *name;
        uint64_t value;
} Value;

typedef struct Group {
        uint64_t time; /* CLOCK_MONOTONIC */
        unsigned n_values;
        Value values[STATISTICS_VALUES_MAX];
} Group;

/* What is known of one domain. */
struct Statistics {
        GHashTable *groups; /* name -> Group */
        Group *current;     /* that is being told */
        bool outstanding;   /* the guest was asked and has not answered */
};

/* A call that waits for guests. */
typedef struct Request {
        Connection *connection;
        Call *call;
        GPtrArray *domains; /* Domain, held */
        GHashTable *waited; /* Domain: those that have not answered */
        char **groups;
        sd_event_source *timer;
} Request;

static void statistics_free(Statistics *statistics) {
        g_hash_table_unref(statistics->groups);
        g_free(statistics);
}

static Statistics *statistics_of(Domain *domain) {
        if (!domain->statistics) {
                domain->statistics = g_new0(Statistics, 1);
                domain->statistics->groups = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        }
        return domain->statistics;
}

static uint64_t now_of(const Connection *connection) {
        uint64_t now = 0;
        sd_event_now(connection->event, CLOCK_MONOTONIC, &now);
        return now;
}

void statistics_begin(Domain *domain, const char *name) {
        Statistics *statistics = statistics_of(domain);
        Group *group = g_hash_table_lookup(statistics->groups, name);
        statistics->current = NULL;
        if (!group && g_hash_table_size(statistics->groups) >= STATISTICS_GROUPS_MAX)
                return;
        if (!group) {
                group = g_new0(Group, 1);
                g_hash_table_insert(statistics->groups, g_strdup(name), group);
        }
        group->time = now_of(domain->connection);
        group->n_values = 0;
        statistics->current = group;
}

void statistics_set(Domain *domain, const char *name, uint64_t value) {
        Group *group = domain->statistics->current;
        if (group && group->n_values < STATISTICS_VALUES_MAX)
                group->values[group->n_values++] = (Value){ name, value };
}

/* Answers */

/* Whether a group is asked for: "block" stands for all of its disks, "block.vda". */
static bool is_wanted(char *const *groups, const char *name) {
        if (!groups[0])
                return true;
        for (; *groups; groups++)
                if (g_str_has_prefix(name, *groups) && (name[strlen(*groups)] == '\0' || name[strlen(*groups)] == '.'))
                        return true;
        return false;
}

static int append_state(const Domain *domain, sd_bus_message *answer) {
        return sd_bus_message_append(answer, "{sa{sv}}", "state", 3, "age", "t", UINT64_C(0), "state", "s",
                                     domain_state_name(domain->state), "reason", "s", domain_reason_name(domain->reason));
}

static int append_group(sd_bus_message *answer, const char *name, const Group *group, uint64_t now) {
        int r = sd_bus_message_open_container(answer, 'e', "sa{sv}");
        if (r >= 0)
                r = sd_bus_message_append_basic(answer, 's', name);
        if (r >= 0)
                r = sd_bus_message_open_container(answer, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(answer, "{sv}", "age", "t", now > group->time ? now - group->time : 0);
        for (unsigned i = 0; r >= 0 && i < group->n_values; i++)
                r = sd_bus_message_append(answer, "{sv}", group->values[i].name, "t", group->values[i].value);
        if (r >= 0)
                r = sd_bus_message_close_container(answer);
        return r < 0 ? r : sd_bus_message_close_container(answer);
}

static int append_domain(const Request *request, Domain *domain, uint64_t now, sd_bus_message *answer) {
        int r = sd_bus_message_open_container(answer, 'e', "oa{sa{sv}}");
        if (r >= 0)
                r = sd_bus_message_append_basic(answer, 'o', published_path(domain->published));
        if (r >= 0)
                r = sd_bus_message_open_container(answer, 'a', "{sa{sv}}");
        if (r >= 0 && is_wanted(request->groups, "state"))
                r = append_state(domain, answer);
        if (domain->statistics && domain_is_active(domain)) {
                GHashTableIter iterator;
                void *name, *group;
                g_hash_table_iter_init(&iterator, domain->statistics->groups);
                while (r >= 0 && g_hash_table_iter_next(&iterator, &name, &group))
                        if (is_wanted(request->groups, name))
                                r = append_group(answer, name, group, now);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(answer);
        return r < 0 ? r : sd_bus_message_close_container(answer);
}

static void answer(Request *request) {
        g_autoptr(sd_bus_message) message = NULL;
        uint64_t now = now_of(request->connection);
        int r = call_begin_answer(request->call, &message);
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'a', "{oa{sa{sv}}}");
        for (guint i = 0; r >= 0 && i < request->domains->len; i++) {
                Domain *domain = request->domains->pdata[i];
                if (domain->published) /* else it has gone meanwhile */
                        r = append_domain(request, domain, now, message);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        if (r >= 0)
                call_send_answer(request->call, message);
        else
                call_fail_errno(request->call, r);
        g_queue_remove(&request->connection->requests, request);
        sd_event_source_disable_unref(request->timer);
        g_ptr_array_unref(request->domains);
        g_hash_table_unref(request->waited);
        g_strfreev(request->groups);
        g_free(request);
}

static int on_patience_over(sd_event_source *source, uint64_t usec, void *data) {
        (void) source;
        (void) usec;
        answer(data);
        return 0;
}

void statistics_collected(Domain *domain) {
        if (domain->statistics)
                domain->statistics->outstanding = false;
        for (GList *link = domain->connection->requests.head, *next; link; link = next) {
                Request *request = link->data;
                next = link->next;
                if (g_hash_table_remove(request->waited, domain) && g_hash_table_size(request->waited) == 0)
                        answer(request);
        }
}

/* Asking */

/* Whether a path is one that a domain of this connection may have had: its UUID is the last part. */
static bool could_be_domain(const Connection *connection, const char *path) {
        g_autofree char *prefix = g_strconcat(connection->path, "/domain/", NULL);
        if (!g_str_has_prefix(path, prefix))
                return false;
        g_autofree char *uuid = g_strdelimit(g_strdup(path + strlen(prefix)), "_", '-');
        return g_uuid_string_is_valid(uuid);
}

static bool find_domains(Connection *connection, char **paths, bool active, GPtrArray *domains, GError **error) {
        GHashTableIter iterator;
        void *value;
        g_autoptr(GHashTable) wanted = g_hash_table_new(g_str_hash, g_str_equal);
        guint found = 0;
        for (char **path = paths; *path; path++)
                g_hash_table_add(wanted, *path);
        g_hash_table_iter_init(&iterator, connection->by_uuid);
        while (g_hash_table_iter_next(&iterator, NULL, &value)) {
                Domain *domain = value;
                if (paths[0] && !g_hash_table_remove(wanted, published_path(domain->published)))
                        continue;
                found++;
                if (!active || domain_is_active(domain))
                        g_ptr_array_add(domains, domain_ref(domain));
        }
        /* A list of domains is older than the question: one that has gone is left out. */
        g_hash_table_iter_init(&iterator, wanted);
        while (g_hash_table_iter_next(&iterator, &value, NULL))
                if (!could_be_domain(connection, value))
                        return virtbus_error_set(error, VIRTBUS_ERROR_NO_SUCH_DOMAIN, "%.200s is not a domain of connection %s",
                                                 (char *) value, connection->name);
        return true;
}

void statistics_answer(Connection *connection, char **paths, char **groups, bool active, Call *call) {
        const Hypervisor *hypervisor = connection->hypervisor;
        g_autoptr(GPtrArray) domains = g_ptr_array_new_with_free_func((GDestroyNotify) domain_unref);
        g_autoptr(GError) error = NULL;
        if (!find_domains(connection, paths, active, domains, &error)) {
                call_fail(call, error);
                return;
        }
        Request *request = g_new0(Request, 1);
        *request = (Request){
                .connection = connection,
                .call = call,
                .domains = g_steal_pointer(&domains),
                .waited = g_hash_table_new(g_direct_hash, g_direct_equal),
                .groups = g_strdupv(groups),
        };
        bool only_state = groups[0] && !groups[1] && strcmp(groups[0], "state") == 0;
        /* Those that are asked count before any of them answers. */
        for (guint i = 0; HYPERVISOR_HAS(hypervisor, statistics, collect) && !only_state && i < request->domains->len; i++) {
                Domain *domain = request->domains->pdata[i];
                if (domain_is_active(domain) && domain->run && !statistics_of(domain)->outstanding) {
                        domain->statistics->outstanding = true;
                        g_hash_table_add(request->waited, domain);
                }
        }
        if (g_hash_table_size(request->waited) == 0) {
                answer(request);
                return;
        }
        g_queue_push_tail(&connection->requests, request);
        sd_event_add_time_relative(connection->event, &request->timer, CLOCK_MONOTONIC, STATISTICS_PATIENCE, 1000,
                                   on_patience_over, request);
        g_autoptr(GPtrArray) asked = g_ptr_array_new_with_free_func((GDestroyNotify) domain_unref);
        GHashTableIter iterator;
        void *domain;
        g_hash_table_iter_init(&iterator, request->waited);
        while (g_hash_table_iter_next(&iterator, &domain, NULL))
                g_ptr_array_add(asked, domain_ref(domain));
        for (guint i = 0; i < asked->len; i++)
                hypervisor->statistics->collect(asked->pdata[i]);
}

/* Nobody waits for it any more, nor shows what it used. */
static void on_run_ended(Domain *domain) {
        statistics_collected(domain);
        g_clear_pointer(&domain->statistics, statistics_free);
}

static void on_freed(Domain *domain) {
        g_clear_pointer(&domain->statistics, statistics_free);
}

const DomainListener statistics_listener = {
        .run_ended = on_run_ended,
        .freed = on_freed,
};
