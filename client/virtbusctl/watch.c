/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Watching: what happens, and what is used. */

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "ctl.h"

#define MICROSECONDS 1000000.0

/* How long between two pictures of top, in seconds. */
#define DELAY_DEFAULT 1.0
#define DELAY_MIN 0.1
#define DELAY_MAX 86400.0

/* What happens */

/* FIELDS: names and values, for programs; NULL at the end, or NULL. */
static void tell_fields(const Ctl *ctl, const char *what, const char *name, const char *details, const char *const *fields) {
        g_autoptr(GDateTime) now = g_date_time_new_now_local();
        g_autofree char *time = g_date_time_format(now, "%F %T");
        if (ctl->json) {
                g_autoptr(JsonObject) object = json_object_new();
                g_autoptr(JsonNode) node = json_node_alloc();
                g_autofree char *iso = g_date_time_format_iso8601(now);
                json_object_set_string_member(object, "time", iso);
                json_object_set_string_member(object, "event", what);
                json_object_set_string_member(object, "object", name);
                json_object_set_string_member(object, "details", details);
                for (; fields && fields[0]; fields += 2)
                        json_object_set_string_member(object, fields[0], fields[1] ? fields[1] : "");
                json_node_init_object(node, object);
                g_autofree char *text = json_to_string(node, FALSE);
                puts(text);
        } else {
                g_autofree char *line = g_strdup_printf("%s %-10s %s%s%s", time, what, name, *details ? ": " : "", details),
                                *printable = output_printable(line);
                puts(printable);
        }
        fflush(stdout);
}

static void tell(const Ctl *ctl, const char *what, const char *name, const char *details) {
        tell_fields(ctl, what, name, details, NULL);
}

static void on_state_changed(VirtbusDomain *domain, const char *old, const char *state, const char *reason, Ctl *ctl) {
        g_autofree char *text = g_strdup_printf("%s -> %s (%s)", old, state, reason);
        const char *const fields[] = { "old", old, "new", state, "reason", reason, "uuid", virtbus_domain_get_uuid(domain),
                                       "path", ctl_path(domain), NULL };
        tell_fields(ctl, "state", virtbus_domain_get_name(domain), text, fields);
}

static void follow(Ctl *ctl, VirtbusDomain *domain) {
        g_signal_connect(domain, "state-changed", G_CALLBACK(on_state_changed), ctl);
}

static void on_added(VirtbusClient *client, VirtbusDomain *domain, Ctl *ctl) {
        (void) client;
        tell(ctl, "added", virtbus_domain_get_name(domain), virtbus_domain_get_uuid(domain));
        follow(ctl, domain);
}

static void on_removed(VirtbusClient *client, VirtbusDomain *domain, Ctl *ctl) {
        (void) client;
        const char *name = virtbus_domain_get_name(domain);
        tell(ctl, "removed", name ? name : ctl_path(domain), "");
}

static void on_job(VirtbusClient *client, VirtbusJob *job, Ctl *ctl) {
        g_autoptr(VirtbusDomain) domain = virtbus_client_get_domain_at(client, virtbus_job_get_object(job));
        tell(ctl, "job", domain ? virtbus_domain_get_name(domain) : virtbus_job_get_object(job), virtbus_job_get_operation(job));
}

static void on_available(VirtbusClient *client, GParamSpec *specification, Ctl *ctl) {
        (void) specification;
        tell(ctl, "service", "virtbusd", virtbus_client_get_available(client) ? "is there" : "has gone");
}

int verb_monitor(Ctl *ctl, char **arguments) {
        g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
        GList *domains = virtbus_client_get_domains(ctl->client);
        (void) arguments;
        for (GList *link = domains; link; link = link->next)
                follow(ctl, link->data);
        g_signal_connect(ctl->client, "domain-added", G_CALLBACK(on_added), ctl);
        g_signal_connect(ctl->client, "domain-removed", G_CALLBACK(on_removed), ctl);
        g_signal_connect(ctl->client, "job-added", G_CALLBACK(on_job), ctl);
        g_signal_connect(ctl->client, "notify::available", G_CALLBACK(on_available), ctl);
        tell(ctl, "service", "virtbusd", "is there");
        g_main_loop_run(loop); /* until Ctrl-C */
        g_list_free_full(domains, g_object_unref);
        return EXIT_DONE;
}

/* Statistics */

static GVariant *get_stats(Ctl *ctl, VirtbusConnection *connection, char **paths, GError **error) {
        GVariantBuilder groups;
        g_variant_builder_init(&groups, G_VARIANT_TYPE("as"));
        g_autoptr(GVariant) answer = ctl_call(ctl, g_dbus_proxy_get_object_path(G_DBUS_PROXY(connection)),
                                              "org.virtbus1.Connection", "GetDomainStats",
                                              g_variant_new("(^ao@as@a{sv})", paths, g_variant_builder_end(&groups),
                                                            ctl_options("active", NULL)),
                                              NULL, NULL, error);
        return answer ? g_variant_get_child_value(answer, 0) : NULL;
}

/* One row's figures: cumulative ones are shown as rates where there is an earlier picture. */
typedef struct Figures {
        uint64_t cpu, rss, read, written, received, sent;
        gint64 time;
} Figures;

static uint64_t figure(GVariant *group, const char *name) {
        guint64 value = 0;
        g_variant_lookup(group, name, "t", &value);
        return value;
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
        char **cells = g_new0(char *, 8);
        double seconds = before ? (double) (now->time - before->time) / MICROSECONDS : 0;
        cells[0] = g_strdup(name);
        if (before) {
                cells[1] = seconds > 0 ? g_strdup_printf("%.0f%%", (double) (now->cpu - MIN(before->cpu, now->cpu)) /
                                                                                   MICROSECONDS / seconds * 100)
                                       : g_strdup("-");
                cells[3] = rate(now->read, before->read, seconds);
                cells[4] = rate(now->written, before->written, seconds);
                cells[5] = rate(now->received, before->received, seconds);
                cells[6] = rate(now->sent, before->sent, seconds);
        } else {
                cells[1] = g_strdup_printf("%.1fs", (double) now->cpu / MICROSECONDS);
                cells[3] = output_size(now->read);
                cells[4] = output_size(now->written);
                cells[5] = output_size(now->received);
                cells[6] = output_size(now->sent);
        }
        cells[2] = output_size(now->rss);
        return cells;
}

static int compare_rows(gconstpointer a, gconstpointer b) {
        const char *const *one = *(const char *const *const *) a, *const *two = *(const char *const *const *) b;
        double difference = g_ascii_strtod(two[1], NULL) - g_ascii_strtod(one[1], NULL);
        return difference > 0 ? 1 : difference < 0 ? -1 : strcmp(one[0], two[0]);
}

/* A picture of all running domains, or those of PATHS; EARLIER (path -> Figures), if there is one, is brought up to date. */
static int picture(Ctl *ctl, char **paths, GHashTable *earlier, Table *table, JsonObject *json) {
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

static const char *const totals[] = { "NAME", ">CPU TIME", ">MEMORY", ">READ", ">WRITTEN", ">RECEIVED", ">SENT", NULL };
static const char *const rates[] = { "NAME", ">CPU", ">MEMORY", ">READ/S", ">WRITTEN/S", ">RECEIVED/S", ">SENT/S", NULL };

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
        status = picture(ctl, paths, NULL, table, json);
        if (ctl->json) {
                g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), json);
                output_print_json(node);
        } else if (status == EXIT_DONE)
                table_print(ctl, table, "running domain");
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
                status = picture(ctl, paths, earlier, table, NULL);
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
