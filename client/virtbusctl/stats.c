/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What domains use. */

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "ctl.h"
#include "metrics.h"

#define MICROSECONDS 1000000.0

/* How long between two pictures of top, in seconds. */
#define DELAY_DEFAULT 1.0
#define DELAY_MIN 0.1
#define DELAY_MAX 86400.0

#define N_COLUMNS 9

static GVariant *get_stats(Ctl *ctl, VirtbusConnection *connection, char **paths, GError **error) {
        GVariantBuilder groups;
        g_variant_builder_init(&groups, G_VARIANT_TYPE("as"));
        g_autoptr(GVariant) answer = ctl_call(ctl, g_dbus_proxy_get_object_path(G_DBUS_PROXY(connection)),
                                              "org.virtbus1.Connection", "GetDomainStats",
                                              g_variant_new("(^ao@as@a{sv})", paths, g_variant_builder_end(&groups),
                                                            ctl_options(ctl->openmetrics ? NULL : "active", NULL)),
                                              NULL, NULL, error);
        return answer ? g_variant_get_child_value(answer, 0) : NULL;
}

/* One row's figures: cumulative ones are shown as rates where there is an earlier picture. */
typedef struct Figures {
        uint64_t cpu, rss, used, read, written, allocated, received, sent;
        gint64 time;
} Figures;

static uint64_t figure(GVariant *group, const char *name) {
        guint64 value = 0;
        g_variant_lookup(group, name, "t", &value);
        return value;
}

/* How much of its memory the guest could not give away at once. */
static uint64_t used(GVariant *group) {
        uint64_t available = figure(group, "available"), usable = figure(group, "usable");
        if (usable == 0)
                usable = figure(group, "unused");
        return available > usable ? available - usable : 0;
}

static Figures figures_of(GVariant *groups) {
        Figures figures = { .time = g_get_monotonic_time() };
        GVariantIter iterator;
        const char *name;
        GVariant *group;
        g_variant_iter_init(&iterator, groups);
        while (g_variant_iter_next(&iterator, "{&s@a{sv}}", &name, &group)) {
                if (strcmp(name, "cpu") == 0) {
                        figures.cpu = figure(group, "time");
                        figures.time -= (gint64) figure(group, "age");
                } else if (strcmp(name, "memory") == 0)
                        figures.rss = figure(group, "rss");
                else if (strcmp(name, "guest_memory") == 0)
                        figures.used = used(group);
                else if (g_str_has_prefix(name, "image."))
                        figures.allocated += figure(group, "allocation");
                else if (g_str_has_prefix(name, "block.")) {
                        figures.read += figure(group, "read_bytes");
                        figures.written += figure(group, "write_bytes");
                } else if (g_str_has_prefix(name, "interface.")) {
                        figures.received += figure(group, "rx_bytes");
                        figures.sent += figure(group, "tx_bytes");
                }
                g_variant_unref(group);
        }
        return figures;
}

static char *rate(uint64_t now, uint64_t before, double seconds) {
        uint64_t bytes = now >= before && seconds > 0 ? (uint64_t) ((double) (now - before) / seconds) : 0;
        return output_size(bytes);
}

static char **stats_row(const char *name, const Figures *now, const Figures *before) {
        char **cells = g_new0(char *, N_COLUMNS + 1);
        double seconds = before ? (double) (now->time - before->time) / MICROSECONDS : 0;
        cells[0] = g_strdup(name);
        if (before) {
                cells[1] = seconds > 0 ? g_strdup_printf("%.0f%%", (double) (now->cpu - MIN(before->cpu, now->cpu)) /
                                                                                   MICROSECONDS / seconds * 100)
                                       : g_strdup("-");
                cells[4] = rate(now->read, before->read, seconds);
                cells[5] = rate(now->written, before->written, seconds);
                cells[7] = rate(now->received, before->received, seconds);
                cells[8] = rate(now->sent, before->sent, seconds);
        } else {
                cells[1] = g_strdup_printf("%.1fs", (double) now->cpu / MICROSECONDS);
                cells[4] = output_size(now->read);
                cells[5] = output_size(now->written);
                cells[7] = output_size(now->received);
                cells[8] = output_size(now->sent);
        }
        cells[2] = output_size(now->rss);
        cells[3] = output_size(now->used);
        cells[6] = output_size(now->allocated);
        return cells;
}

static int compare_rows(gconstpointer a, gconstpointer b) {
        const char *const *one = *(const char *const *const *) a, *const *two = *(const char *const *const *) b;
        double difference = g_ascii_strtod(two[1], NULL) - g_ascii_strtod(one[1], NULL);
        return difference > 0 ? 1 : difference < 0 ? -1 : strcmp(one[0], two[0]);
}

/* A picture of all running domains, or those of PATHS; EARLIER (path -> Figures), if there is one, is brought up to date. JSON
 * and METRICS, which may be NULL, are given all that is known. */
static int picture(Ctl *ctl, char **paths, GHashTable *earlier, Table *table, JsonObject *json, Metrics *metrics) {
        GList *connections = virtbus_client_get_connections(ctl->client);
        g_autoptr(GPtrArray) rows = g_ptr_array_new();
        int status = EXIT_DONE;
        for (GList *link = connections; link && status == EXIT_DONE; link = link->next) {
                g_autoptr(GError) error = NULL;
                g_autoptr(GPtrArray) own = g_ptr_array_new();
                g_autofree char *prefix = g_strdup_printf("%s/", g_dbus_proxy_get_object_path(link->data));
                for (char **path = paths; *path; path++)
                        if (g_str_has_prefix(*path, prefix))
                                g_ptr_array_add(own, *path);
                if (paths[0] && own->len == 0)
                        continue;
                g_ptr_array_add(own, NULL);
                g_autoptr(GVariant) stats = get_stats(ctl, link->data, (char **) own->pdata, &error);
                /* A connection without domains: what is of this machine. */
                if (g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_UNSUPPORTED))
                        continue;
                if (!stats) {
                        status = ctl_fail(g_steal_pointer(&error));
                        break;
                }
                GVariantIter iterator;
                const char *path;
                GVariant *groups;
                g_variant_iter_init(&iterator, stats);
                while (g_variant_iter_next(&iterator, "{&o@a{sa{sv}}}", &path, &groups)) {
                        g_autoptr(VirtbusDomain) domain = virtbus_client_get_domain_at(ctl->client, path);
                        Figures now = figures_of(groups);
                        const Figures *before = earlier ? g_hash_table_lookup(earlier, path) : NULL;
                        const char *name = domain ? virtbus_domain_get_name(domain) : path;
                        if (metrics && domain)
                                metrics_add(metrics, g_dbus_proxy_get_object_path(link->data), domain, groups);
                        if (json)
                                json_object_set_member(json, name, output_json_of(groups));
                        g_ptr_array_add(rows, stats_row(name, &now, before));
                        if (earlier)
                                g_hash_table_replace(earlier, g_strdup(path), g_memdup2(&now, sizeof now));
                        g_variant_unref(groups);
                }
        }
        g_ptr_array_sort(rows, compare_rows);
        for (guint i = 0; i < rows->len; i++)
                table_add(table, rows->pdata[i]);
        g_list_free_full(connections, g_object_unref);
        return status;
}

static const char *const totals[N_COLUMNS + 1] = { "NAME",     ">CPU TIME", ">MEMORY",   ">USED", ">READ",
                                                   ">WRITTEN", ">ON DISK",  ">RECEIVED", ">SENT", NULL };
static const char *const rates[N_COLUMNS + 1] = { "NAME",       ">CPU",     ">MEMORY",     ">USED",   ">READ/S",
                                                  ">WRITTEN/S", ">ON DISK", ">RECEIVED/S", ">SENT/S", NULL };

/* The objects of the domains that are named. */
static char **find_paths(Ctl *ctl, char **names, int *status) {
        g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
        for (char **name = names; *name; name++) {
                g_autoptr(VirtbusDomain) domain = ctl_find(ctl, *name, status);
                if (!domain)
                        return NULL;
                g_ptr_array_add(paths, g_strdup(ctl_path(domain)));
        }
        g_ptr_array_add(paths, NULL);
        return (char **) g_ptr_array_free(g_steal_pointer(&paths), FALSE);
}

int verb_stats(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_auto(GStrv) paths = find_paths(ctl, arguments, &status);
        g_autoptr(JsonObject) json = json_object_new();
        if (!paths)
                return status;
        g_autoptr(Table) table = table_new(totals);
        g_autoptr(Metrics) metrics = ctl->openmetrics ? metrics_new() : NULL;
        status = picture(ctl, paths, NULL, table, json, metrics);
        if (metrics) {
                g_autofree char *text = metrics_text(metrics);
                if (status == EXIT_DONE) /* else it would lack what could not be asked */
                        output_text(text);
        } else if (ctl->json) {
                g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), json);
                output_print_json(node);
        } else if (status == EXIT_DONE)
                status = table_print(ctl, table, "running domain");
        return status;
}

int verb_top(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_auto(GStrv) paths = find_paths(ctl, arguments, &status);
        g_autoptr(GHashTable) earlier = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        struct termios saved, raw;
        bool is_terminal = output_is_terminal() && tcgetattr(STDIN_FILENO, &saved) == 0;
        double delay = ctl->delay > 0 ? CLAMP(ctl->delay, DELAY_MIN, DELAY_MAX) : DELAY_DEFAULT;
        if (!paths)
                return status;
        ctl->no_pager = TRUE;
        int end = ctl_watch_end();
        if (is_terminal) {
                raw = saved;
                raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO | ISIG); /* Ctrl-C is a key, so that the screen is put back */
                tcsetattr(STDIN_FILENO, TCSANOW, &raw);
                fputs("\033[?1049h\033[?25l", stdout); /* another screen, no cursor */
        }
        for (int i = 0; status == EXIT_DONE; i++) {
                g_autoptr(Table) table = table_new(i > 0 ? rates : totals);
                status = picture(ctl, paths, earlier, table, NULL, NULL);
                if (is_terminal)
                        fputs("\033[H\033[J", stdout);
                if (status == EXIT_DONE)
                        table_print(ctl, table, "running domain");
                if (is_terminal)
                        fputs("q ends this.", stdout), fflush(stdout);
                if (ctl->iterations > 0 && i + 1 >= ctl->iterations)
                        break;
                /* Until the next picture is due, or somebody presses a key; the client keeps up meanwhile. */
                struct pollfd events[] = { { .fd = is_terminal ? STDIN_FILENO : -1, .events = POLLIN },
                                           { .fd = end, .events = POLLIN } };
                char c;
                while (g_main_context_iteration(NULL, FALSE))
                        ;
                int n = poll(events, G_N_ELEMENTS(events), (int) (delay * 1000));
                if (events[1].revents || (n > 0 && events[0].revents && (read(STDIN_FILENO, &c, 1) != 1 || c == 'q' || c == 3)))
                        break;
        }
        close(end);
        if (is_terminal) {
                fputs("\033[?25h\033[?1049l", stdout);
                tcsetattr(STDIN_FILENO, TCSANOW, &saved);
        }
        return status;
}
