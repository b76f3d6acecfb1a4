/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Looking: what there is, how it is, and what happens. */

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

/* A picture of what there is needs no client that would keep up with it. */
static GVariant *managed_objects(Ctl *ctl, const char *path, GError **error) {
        g_autoptr(GVariant) answer =
                        ctl_call(ctl, path, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, NULL, NULL, error);
        return answer ? g_variant_get_child_value(answer, 0) : NULL;
}

/* A domain as a row. */
typedef struct Listed {
        char *path, *connection, *name, *uuid, *state;
        guint32 vcpus;
        guint64 memory;
        gboolean is_active;
} Listed;

static void listed_free(Listed *listed) {
        char *texts[] = { listed->path, listed->connection, listed->name, listed->uuid, listed->state };
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
                g_free(texts[i]);
        g_free(listed);
}

static int compare_listed(gconstpointer a, gconstpointer b) {
        return strcmp((*(const Listed *const *) a)->name, (*(const Listed *const *) b)->name);
}

/* One pass over the properties: looking each up by its name would be most of this program's time. */
static Listed *read_listed(const char *path, const char *connection, GVariant *properties) {
        Listed *listed = g_new0(Listed, 1);
        const struct {
                const char *name, *type;
                void *place;
        } fields[] = {
                { "Active", "b", &listed->is_active }, { "Memory", "t", &listed->memory }, { "Name", "s", &listed->name },
                { "State", "s", &listed->state },      { "UUID", "s", &listed->uuid },     { "VCPUs", "u", &listed->vcpus },
        };
        GVariantIter iterator;
        const char *name;
        GVariant *value;
        listed->path = g_strdup(path);
        listed->connection = g_strdup(connection);
        g_variant_iter_init(&iterator, properties);
        while (g_variant_iter_next(&iterator, "{&sv}", &name, &value)) {
                for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
                        if (strcmp(name, fields[i].name) == 0 && g_variant_is_of_type(value, G_VARIANT_TYPE(fields[i].type)))
                                g_variant_get(value, fields[i].type, fields[i].place);
                g_variant_unref(value);
        }
        if (listed->name && listed->uuid && listed->state)
                return listed;
        listed_free(listed);
        return NULL;
}

static bool is_listed(const Ctl *ctl, const Listed *listed, char **patterns) {
        bool is_wanted = !patterns[0];
        for (char **pattern = patterns; *pattern; pattern++)
                is_wanted |= g_pattern_match_simple(*pattern, listed->name);
        return is_wanted && (listed->is_active || !ctl->active);
}

static bool list_connection(Ctl *ctl, const char *path, const char *connection, char **patterns, GPtrArray *rows,
                            GError **error) {
        g_autoptr(GVariant) objects = managed_objects(ctl, path, error);
        GVariantIter iterator;
        const char *object, *interface;
        GVariantIter *interfaces;
        GVariant *properties;
        if (!objects)
                return false;
        g_variant_iter_init(&iterator, objects);
        while (g_variant_iter_next(&iterator, "{&oa{sa{sv}}}", &object, &interfaces)) {
                while (g_variant_iter_next(interfaces, "{&s@a{sv}}", &interface, &properties)) {
                        Listed *listed = strcmp(interface, "org.virtbus1.Domain") == 0
                                                         ? read_listed(object, connection, properties)
                                                         : NULL;
                        if (listed && is_listed(ctl, listed, patterns))
                                g_ptr_array_add(rows, listed);
                        else if (listed)
                                listed_free(listed);
                        g_variant_unref(properties);
                }
                g_variant_iter_free(interfaces);
        }
        return true;
}

static void list_as_json(GPtrArray *rows) {
        g_autoptr(JsonArray) array = json_array_new();
        for (guint i = 0; i < rows->len; i++) {
                const Listed *listed = rows->pdata[i];
                JsonObject *object = json_object_new();
                json_object_set_string_member(object, "name", listed->name);
                json_object_set_string_member(object, "uuid", listed->uuid);
                json_object_set_string_member(object, "state", listed->state);
                json_object_set_int_member(object, "vcpus", listed->vcpus);
                json_object_set_int_member(object, "memory", (gint64) listed->memory);
                json_object_set_string_member(object, "connection", listed->connection);
                json_object_set_string_member(object, "path", listed->path);
                json_array_add_object_element(array, object);
        }
        g_autoptr(JsonNode) node = json_node_init_array(json_node_alloc(), array);
        output_print_json(node);
}

int verb_list(Ctl *ctl, char **arguments) {
        static const char *const headings[] = { "NAME", "STATE", ">VCPUS", ">MEMORY", "CONNECTION", "UUID", NULL };
        g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify) listed_free);
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) connections = managed_objects(ctl, "/org/virtbus1", &error);
        GVariantIter iterator;
        const char *path;
        GVariant *interfaces;
        if (!connections)
                return ctl_fail(g_steal_pointer(&error));
        g_variant_iter_init(&iterator, connections);
        while (!error && g_variant_iter_next(&iterator, "{&o@a{sa{sv}}}", &path, &interfaces)) {
                g_autoptr(GVariant) properties =
                                g_variant_lookup_value(interfaces, "org.virtbus1.Connection", G_VARIANT_TYPE_VARDICT);
                const char *name = "";
                g_variant_unref(interfaces);
                if (properties && g_variant_lookup(properties, "Name", "&s", &name) &&
                    (!ctl->connection || strcmp(ctl->connection, name) == 0))
                        list_connection(ctl, path, name, arguments, rows, &error);
        }
        if (error)
                return ctl_fail(g_steal_pointer(&error));
        g_ptr_array_sort(rows, compare_listed);
        if (ctl->json) {
                list_as_json(rows);
                return EXIT_DONE;
        }
        g_autoptr(Table) table = table_new(headings);
        for (guint i = 0; i < rows->len; i++) {
                const Listed *listed = rows->pdata[i];
                char **cells = g_new0(char *, G_N_ELEMENTS(headings));
                cells[0] = g_strdup(listed->name);
                cells[1] = g_strdup(listed->state);
                cells[2] = g_strdup_printf("%u", listed->vcpus);
                cells[3] = output_size(listed->memory);
                cells[4] = g_strdup(listed->connection);
                cells[5] = g_strdup(listed->uuid);
                table_add(table, cells);
        }
        table_print(ctl, table, "domain");
        return EXIT_DONE;
}

/* All properties, by their names. */
static GVariant *properties_of(Ctl *ctl, const char *path, const char *interface, GError **error) {
        g_autoptr(GVariant) answer = ctl_call(ctl, path, "org.freedesktop.DBus.Properties", "GetAll",
                                              g_variant_new("(s)", interface), NULL, NULL, error);
        return answer ? g_variant_get_child_value(answer, 0) : NULL;
}

int verb_show(Ctl *ctl, char **arguments) {
        g_autoptr(GString) text = g_string_new(NULL);
        g_autoptr(JsonArray) array = json_array_new();
        int status = EXIT_DONE;
        for (char **name = arguments; *name; name++) {
                g_autoptr(VirtbusDomain) domain = ctl_find(ctl, *name, &status);
                g_autoptr(GError) error = NULL;
                if (!domain)
                        return status;
                g_autoptr(GVariant) properties = properties_of(ctl, ctl_path(domain), "org.virtbus1.Domain", &error);
                if (!properties)
                        return ctl_fail(g_steal_pointer(&error));
                if (ctl->json)
                        json_array_add_element(array, output_json_of(properties));
                GVariantIter iterator;
                const char *key;
                GVariant *value;
                g_variant_iter_init(&iterator, properties);
                if (name > arguments)
                        g_string_append_c(text, '\n');
                while (g_variant_iter_next(&iterator, "{&sv}", &key, &value)) {
                        g_autofree char *printed = g_variant_is_of_type(value, G_VARIANT_TYPE_STRING)
                                                                   ? g_variant_dup_string(value, NULL)
                                                                   : g_variant_print(value, FALSE);
                        g_string_append_printf(text, "%s=%s\n", key, printed);
                        g_variant_unref(value);
                }
        }
        if (ctl->json) {
                g_autoptr(JsonNode) node = json_node_init_array(json_node_alloc(), array);
                output_print_json(node);
        } else
                output_page(ctl, text->str);
        return status;
}

static void append_devices(Ctl *ctl, VirtbusDomain *domain, GString *text) {
        g_autoptr(GDBusObjectManager) devices = virtbus_client_get_devices_sync(ctl->client, domain, NULL, NULL);
        GList *objects = devices ? g_dbus_object_manager_get_objects(devices) : NULL;
        const char *label = "Devices";
        for (GList *link = objects; link; link = link->next) {
                g_autoptr(VirtbusDevice) device = virtbus_object_get_device(link->data);
                g_autoptr(VirtbusDeviceDisk) disk = virtbus_object_get_device_disk(link->data);
                g_autoptr(VirtbusDeviceNetworkInterface) card = virtbus_object_get_device_network_interface(link->data);
                g_autoptr(VirtbusDeviceConsole) console = virtbus_object_get_device_console(link->data);
                g_autoptr(VirtbusDeviceGraphics) graphics = virtbus_object_get_device_graphics(link->data);
                g_autofree char *more = NULL;
                if (disk)
                        more = g_strdup_printf("%s %s", virtbus_device_disk_get_target(disk),
                                               virtbus_device_disk_get_source(disk));
                else if (card)
                        more = g_strdup_printf("%s %s %s", virtbus_device_network_interface_get_type_(card),
                                               virtbus_device_network_interface_get_source(card),
                                               virtbus_device_network_interface_get_mac(card));
                else if (console)
                        more = g_strdup_printf("%s %s", virtbus_device_console_get_type_(console),
                                               virtbus_device_console_get_path(console));
                else if (graphics)
                        more = g_strdup(virtbus_device_graphics_get_type_(graphics));
                if (!more || !device)
                        continue;
                g_string_append_printf(text, "%11s%c %s (%s)\n", label, *label ? ':' : ' ', virtbus_device_get_alias(device),
                                       g_strstrip(more));
                label = "";
        }
        g_list_free_full(objects, g_object_unref);
}

int verb_status(Ctl *ctl, char **arguments) {
        g_autoptr(GString) text = g_string_new(NULL);
        int status = EXIT_DONE;
        for (char **name = arguments; *name; name++) {
                g_autoptr(VirtbusDomain) domain = ctl_find(ctl, *name, &status);
                if (!domain)
                        return status;
                const char *state = virtbus_domain_get_state(domain),
                           *colour = output_has_colours() ? output_state_colour(state) : "";
                VirtbusConnection *connection = virtbus_client_get_connection_of(ctl->client, domain);
                g_autofree char *memory = output_size(virtbus_domain_get_memory(domain)),
                                *maximum = output_size(virtbus_domain_get_max_memory(domain));
                if (name > arguments)
                        g_string_append_c(text, '\n');
                g_string_append_printf(text, "%s%s%s %s%s%s\n", colour, virtbus_domain_get_active(domain) ? "●" : "○",
                                       *colour ? "\033[0m" : "", virtbus_domain_get_name(domain),
                                       *virtbus_domain_get_title(domain) ? " - " : "", virtbus_domain_get_title(domain));
                g_string_append_printf(text, "%11s: %s%s%s (%s)", "State", colour, state, *colour ? "\033[0m" : "",
                                       virtbus_domain_get_state_reason(domain));
                if (virtbus_domain_get_start_time(domain) > 0) {
                        g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(
                                        (gint64) (virtbus_domain_get_start_time(domain) / 1000000));
                        g_autofree char *when = g_date_time_format(time, "%a %F %T %Z");
                        g_string_append_printf(text, " since %s", when);
                }
                g_string_append_printf(text, "\n%11s: %s\n%11s: %s, %s %s\n%11s: %u of %u, memory %s of %s\n", "UUID",
                                       virtbus_domain_get_uuid(domain), "Machine",
                                       connection ? virtbus_connection_get_uri(connection) : "", virtbus_domain_get_type_(domain),
                                       virtbus_domain_get_machine(domain), "VCPUs", virtbus_domain_get_vcpus(domain),
                                       virtbus_domain_get_max_vcpus(domain), memory, maximum);
                g_string_append_printf(text, "%11s: %s%s%s\n", "Kept",
                                       virtbus_domain_get_persistent(domain) ? "defined" : "transient",
                                       virtbus_domain_get_autostart(domain) ? ", starts with the machine" : "",
                                       virtbus_domain_get_has_managed_save(domain) ? ", has a managed save" : "");
                append_devices(ctl, domain, text);
                if (!virtbus_domain_get_active(domain))
                        status = EXIT_NOT_ACTIVE;
        }
        if (ctl->json)
                return verb_show(ctl, arguments) == EXIT_DONE ? status : EXIT_FAILED;
        output_page(ctl, text->str);
        return status;
}

int verb_xml(Ctl *ctl, char **arguments) {
        g_autoptr(GError) error = NULL;
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        if (!domain)
                return status;
        g_autoptr(GVariant) answer = ctl_call(ctl, ctl_path(domain), "org.virtbus1.Domain", "GetXML",
                                              g_variant_new("(@a{sv})", ctl_options(ctl->config ? "inactive" : NULL, NULL)), NULL,
                                              NULL, &error);
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        const char *text;
        g_variant_get(answer, "(&s)", &text);
        output_page(ctl, text);
        return EXIT_DONE;
}

/* What happens */

static void tell(const Ctl *ctl, const char *what, const char *name, const char *details) {
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
                json_node_init_object(node, object);
                g_autofree char *text = json_to_string(node, FALSE);
                puts(text);
        } else
                printf("%s %-10s %s%s%s\n", time, what, name, *details ? ": " : "", details);
        fflush(stdout);
}

static void on_state_changed(VirtbusDomain *domain, const char *old, const char *state, const char *reason, Ctl *ctl) {
        g_autofree char *text = g_strdup_printf("%s -> %s (%s)", old, state, reason);
        tell(ctl, "state", virtbus_domain_get_name(domain), text);
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
        double delay = ctl->delay > 0 ? MAX(ctl->delay, DELAY_MIN) : DELAY_DEFAULT;
        if (!paths)
                return status;
        ctl->no_pager = TRUE;
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
                struct pollfd key = { .fd = is_terminal ? STDIN_FILENO : -1, .events = POLLIN };
                char c;
                while (g_main_context_iteration(NULL, FALSE))
                        ;
                if (poll(&key, 1, (int) (delay * 1000)) > 0 && (read(STDIN_FILENO, &c, 1) != 1 || c == 'q' || c == 3))
                        break;
        }
        if (is_terminal) {
                fputs("\033[?25h\033[?1049l", stdout);
                tcsetattr(STDIN_FILENO, TCSANOW, &saved);
        }
        return status;
}
