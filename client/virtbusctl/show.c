/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Looking: what there is, and how it is. */

#include <stdio.h>
#include <string.h>

#include "ctl.h"

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

/* What is gathered of all connections. */
typedef struct Listing {
        Ctl *ctl;
        const char *connection; /* of which the domains are read now */
        char **patterns;
        GPtrArray *rows; /* Listed */
} Listing;

static void add_listed(void *data, const char *path, GVariant *properties) {
        Listing *listing = data;
        Listed *listed = read_listed(path, listing->connection, properties);
        if (listed && is_listed(listing->ctl, listed, listing->patterns))
                g_ptr_array_add(listing->rows, listed);
        else if (listed)
                listed_free(listed);
}

/* A connection as it is listed: its path and name, and whether it is meant. */
typedef struct Place {
        char *path, *name;
        bool is_meant;
} Place;

static void place_free(Place *place) {
        g_free(place->path);
        g_free(place->name);
        g_free(place);
}

typedef struct Places {
        Ctl *ctl;
        GPtrArray *places; /* Place */
        GString *names;
        unsigned n_meant;
} Places;

static void add_place(void *data, const char *path, GVariant *properties) {
        Places *places = data;
        const char *name, *uri;
        if (!g_variant_lookup(properties, "Name", "&s", &name) || !g_variant_lookup(properties, "URI", "&s", &uri))
                return;
        Place *place = g_new0(Place, 1);
        *place = (Place){ .path = g_strdup(path), .name = g_strdup(name) };
        place->is_meant = !places->ctl->connection || ctl_is_connection(name, uri, places->ctl->connection);
        g_string_append_printf(places->names, "%s%s", places->names->len > 0 ? ", " : "", name);
        g_ptr_array_add(places->places, place);
        places->n_meant += place->is_meant;
}

/* Reads the domains of all connections that are meant. One that cannot be read, as where its driver has failed, is said; the
 * others are there. Returns the exit status. */
static int read_listing(Listing *listing) {
        static const char *const of_connections[] = { "Name", "URI", NULL }, *const of_domains[] = { "Active", "Memory", "Name",
                                                                                                     "State",  "UUID",   "VCPUs",
                                                                                                     NULL };
        g_autoptr(GPtrArray) array = g_ptr_array_new_with_free_func((GDestroyNotify) place_free);
        g_autoptr(GString) names = g_string_new(NULL);
        Places places = { .ctl = listing->ctl, .places = array, .names = names };
        g_autoptr(GError) error = NULL;
        int worst = EXIT_DONE;
        if (ctl_each_object(listing->ctl, "/org/virtbus1", "org.virtbus1.Connection", of_connections, add_place, &places,
                            &error) &&
            listing->ctl->connection && places.n_meant == 0)
                ctl_no_connection(listing->ctl->connection, names->str, &error);
        if (error)
                return ctl_fail(g_steal_pointer(&error));
        for (guint i = 0; i < array->len && worst != EXIT_NOT_AUTHORIZED;
             i++) { /* who was asked once for a password is not again */
                const Place *place = array->pdata[i];
                GError *failure = NULL;
                listing->connection = place->name;
                if (place->is_meant && !ctl_each_object(listing->ctl, place->path, "org.virtbus1.Domain", of_domains, add_listed,
                                                        listing, &failure)) {
                        int status = ctl_fail(failure);
                        worst = MAX(worst, status);
                }
        }
        return worst;
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
        static const char *const headings[] = { "NAME", "STATE", ">VCPUS", ">MEMORY", "~CONNECTION", "+UUID", NULL };
        g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify) listed_free);
        Listing listing = { .ctl = ctl, .patterns = arguments, .rows = rows };
        int status = read_listing(&listing);
        if (status != EXIT_DONE && rows->len == 0)
                return status;
        g_ptr_array_sort(rows, compare_listed);
        if (ctl->json) {
                list_as_json(rows);
                return status;
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
        int printed = table_print(ctl, table, "domain");
        return MAX(status, printed);
}

/* All properties, by their names. */
static GVariant *properties_of(Ctl *ctl, const char *path, const char *interface, GError **error) {
        g_autoptr(GVariant) answer = ctl_call(ctl, path, "org.freedesktop.DBus.Properties", "GetAll",
                                              g_variant_new("(s)", interface), NULL, NULL, error);
        return answer ? g_variant_get_child_value(answer, 0) : NULL;
}

/* All properties, or those that are asked for. */
static JsonNode *chosen_properties(const Ctl *ctl, GVariant *properties) {
        JsonNode *node = output_json_of(properties);
        JsonObject *object = json_node_get_object(node);
        g_autoptr(GList) names = json_object_get_members(object);
        for (GList *link = names; ctl->properties && link; link = link->next)
                if (!g_strv_contains((const char *const *) ctl->properties, link->data))
                        json_object_remove_member(object, link->data);
        return node;
}

/* The names of all properties, for who has typed another. */
static char *known_properties(GVariant *properties, const char *name) {
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        GVariantIter iterator;
        const char *known;
        g_variant_iter_init(&iterator, properties);
        while (g_variant_iter_next(&iterator, "{&sv}", &known, NULL))
                g_ptr_array_add(names, (gpointer) known);
        g_ptr_array_add(names, NULL);
        g_autofree char *list = g_strjoinv(", ", (char **) names->pdata),
                        *hint = suggestion(name, (const char *const *) names->pdata);
        return g_strdup_printf("%s; there are: %s", hint, list);
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
                        json_array_add_element(array, chosen_properties(ctl, properties));
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
                        if (!ctl->properties || g_strv_contains((const char *const *) ctl->properties, key))
                                g_string_append_printf(text, "%s%s%s\n", ctl->value ? "" : key, ctl->value ? "" : "=", printed);
                        g_variant_unref(value);
                }
                for (char **property = ctl->properties; property && *property; property++) {
                        g_autoptr(GVariant) there = g_variant_lookup_value(properties, *property, NULL);
                        if (!there) {
                                g_autofree char *known = known_properties(properties, *property);
                                ctl_say("a domain has no property '%s'%s", *property, known);
                                return EXIT_USAGE;
                        }
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
        g_autoptr(GPtrArray) devices = ctl_devices(ctl, domain, NULL);
        const char *label = "Devices";
        for (guint i = 0; devices && i < devices->len; i++) {
                VirtbusObject *object = devices->pdata[i];
                g_autoptr(VirtbusDevice) device = virtbus_object_get_device(object);
                g_autoptr(VirtbusDeviceDisk) disk = virtbus_object_get_device_disk(object);
                g_autoptr(VirtbusDeviceNetworkInterface) card = virtbus_object_get_device_network_interface(object);
                g_autoptr(VirtbusDeviceConsole) console = virtbus_object_get_device_console(object);
                g_autoptr(VirtbusDeviceGraphics) graphics = virtbus_object_get_device_graphics(object);
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
}

/* How many domains of a connection there are, and how many of them run. */
static void count_domains(Ctl *ctl, GList *domains, VirtbusConnection *connection, unsigned *n, unsigned *n_active) {
        for (GList *link = domains; link; link = link->next)
                if (virtbus_client_get_connection_of(ctl->client, link->data) == connection) {
                        ++*n;
                        *n_active += virtbus_domain_get_active(link->data);
                }
}

static JsonObject *job_as_json(Ctl *ctl, VirtbusJob *job) {
        g_autoptr(VirtbusDomain) domain = virtbus_client_get_domain_at(ctl->client, virtbus_job_get_object(job));
        JsonObject *object = json_object_new();
        json_object_set_string_member(object, "job", strrchr(g_dbus_proxy_get_object_path(G_DBUS_PROXY(job)), '/') + 1);
        json_object_set_string_member(object, "operation", virtbus_job_get_operation(job));
        json_object_set_string_member(object, "domain", domain ? virtbus_domain_get_name(domain) : virtbus_job_get_object(job));
        json_object_set_int_member(object, "percent", (gint64) (virtbus_job_get_progress(job) * 100));
        return object;
}

/* What the service and its drivers say of themselves, by the names of the properties. */
static int service_as_json(Ctl *ctl, GList *connections, GList *domains, GList *jobs) {
        VirtbusManager *manager = virtbus_client_get_manager(ctl->client);
        JsonObject *service = json_object_new();
        g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), service);
        JsonArray *rows = json_array_new(), *work = json_array_new();
        const char *name, *bus_name, *state, *reason;
        GVariantIter iterator;
        json_object_set_string_member(service, "Version", virtbus_manager_get_version(manager));
        json_object_set_array_member(service, "Drivers", rows);
        json_object_set_array_member(service, "Jobs", work);
        json_object_unref(service);
        g_variant_iter_init(&iterator, virtbus_manager_get_drivers(manager));
        while (g_variant_iter_next(&iterator, "(&s&s&s&s)", &name, &bus_name, &state, &reason)) {
                JsonObject *row = json_object_new();
                json_object_set_string_member(row, "name", name);
                json_object_set_string_member(row, "bus_name", bus_name);
                json_object_set_string_member(row, "state", state);
                json_object_set_string_member(row, "error", *reason ? reason : NULL);
                for (GList *link = connections; link; link = link->next) {
                        unsigned n = 0, n_active = 0;
                        if (g_strcmp0(virtbus_connection_get_name(link->data), name) != 0)
                                continue;
                        count_domains(ctl, domains, link->data, &n, &n_active);
                        json_object_set_string_member(row, "uri", virtbus_connection_get_uri(link->data));
                        json_object_set_string_member(row, "version", virtbus_connection_get_driver_version(link->data));
                        json_object_set_int_member(row, "domains", n);
                        json_object_set_int_member(row, "active", n_active);
                }
                json_array_add_object_element(rows, row);
        }
        for (GList *link = jobs; link; link = link->next)
                json_array_add_object_element(work, job_as_json(ctl, link->data));
        output_print_json(node);
        return EXIT_DONE;
}

/* The service itself: its hypervisors, and what is at work. */
static int service_status(Ctl *ctl) {
        VirtbusManager *manager = virtbus_client_get_manager(ctl->client);
        g_autolist(VirtbusConnection) connections = virtbus_client_get_connections(ctl->client);
        g_autolist(VirtbusDomain) domains = virtbus_client_get_domains(ctl->client);
        g_autolist(VirtbusJob) jobs = virtbus_client_get_jobs(ctl->client);
        g_autoptr(GString) text = g_string_new(NULL);
        GVariant *drivers = virtbus_manager_get_drivers(manager);
        const char *name, *state, *reason;
        GVariantIter iterator;
        if (ctl->json)
                return service_as_json(ctl, connections, domains, jobs);
        g_string_append_printf(text, "● virtbusd %s\n", virtbus_manager_get_version(manager));
        g_variant_iter_init(&iterator, drivers);
        while (g_variant_iter_next(&iterator, "(&s&s&s&s)", &name, NULL, &state, &reason)) {
                g_string_append_printf(text, "%11s: %s%s%s", name, state, *reason ? ", " : "", reason);
                for (GList *link = connections; link; link = link->next)
                        if (g_strcmp0(virtbus_connection_get_name(link->data), name) == 0) {
                                unsigned n = 0, n_active = 0;
                                count_domains(ctl, domains, link->data, &n, &n_active);
                                g_string_append_printf(text, ", %s, version %s; %u domain%s, %u active",
                                                       virtbus_connection_get_uri(link->data),
                                                       virtbus_connection_get_driver_version(link->data), n, n == 1 ? "" : "s",
                                                       n_active);
                        }
                g_string_append_c(text, '\n');
        }
        for (GList *link = jobs; link; link = link->next) {
                g_autoptr(VirtbusDomain) domain = virtbus_client_get_domain_at(ctl->client, virtbus_job_get_object(link->data));
                g_string_append_printf(text, "%11s: %s of %s, %.0f%%\n", "Job", virtbus_job_get_operation(link->data),
                                       domain ? virtbus_domain_get_name(domain) : virtbus_job_get_object(link->data),
                                       virtbus_job_get_progress(link->data) * 100);
        }
        output_page(ctl, text->str);
        return EXIT_DONE;
}

/* A domain's properties, and its devices, each with the properties of all its interfaces. */
static JsonNode *domain_as_json(Ctl *ctl, VirtbusDomain *domain, GError **error) {
        g_autoptr(GVariant) properties = properties_of(ctl, ctl_path(domain), "org.virtbus1.Domain", error),
                            objects = properties ? managed_objects(ctl, ctl_path(domain), error) : NULL;
        GVariantIter iterator, interfaces;
        GVariant *values, *value;
        const char *name;
        if (!objects)
                return NULL;
        JsonNode *node = output_json_of(properties);
        JsonArray *devices = json_array_new();
        g_variant_iter_init(&iterator, objects);
        while (g_variant_iter_next(&iterator, "{&o@a{sa{sv}}}", NULL, &values)) {
                JsonObject *device = json_object_new();
                g_variant_iter_init(&interfaces, values);
                while (g_variant_iter_next(&interfaces, "{&s@a{sv}}", &name, &value)) {
                        g_autoptr(JsonNode) part = output_json_of(value);
                        g_autoptr(GList) members = json_object_get_members(json_node_get_object(part));
                        for (GList *link = members; link && g_str_has_prefix(name, "org.virtbus1.Device"); link = link->next)
                                json_object_set_member(device, link->data,
                                                       json_object_dup_member(json_node_get_object(part), link->data));
                        g_variant_unref(value);
                }
                if (json_object_get_size(device) > 0)
                        json_array_add_object_element(devices, device);
                else
                        json_object_unref(device);
                g_variant_unref(values);
        }
        json_object_set_array_member(json_node_get_object(node), "Devices", devices);
        return node;
}

static int status_as_json(Ctl *ctl, char **names) {
        g_autoptr(JsonArray) array = json_array_new();
        g_autoptr(JsonNode) node = json_node_alloc();
        int status = EXIT_DONE;
        for (; *names; names++) {
                g_autoptr(GError) error = NULL;
                g_autoptr(VirtbusDomain) domain = ctl_find(ctl, *names, &status);
                JsonNode *one = domain ? domain_as_json(ctl, domain, &error) : NULL;
                if (!one)
                        return domain ? ctl_fail(g_steal_pointer(&error)) : status;
                json_array_add_element(array, one);
        }
        json_node_init_array(node, array);
        output_print_json(node);
        return status;
}

/* Jobs */

/* The job of that name, such as qemu_3, or of that path; NULL when it was said that there is none. */
static VirtbusJob *find_job(Ctl *ctl, const char *text) {
        g_autolist(VirtbusJob) jobs = virtbus_client_get_jobs(ctl->client);
        for (GList *link = jobs; link; link = link->next) {
                const char *path = g_dbus_proxy_get_object_path(link->data);
                if (strcmp(path, text) == 0 || strcmp(strrchr(path, '/') + 1, text) == 0)
                        return g_object_ref(link->data);
        }
        ctl_say("there is no job '%s'; see: virtbusctl jobs", text);
        return NULL;
}

static char *job_bytes(const Ctl *ctl, guint64 bytes) {
        return ctl->json ? g_strdup_printf("%" G_GUINT64_FORMAT, bytes) : output_size(bytes);
}

int verb_jobs(Ctl *ctl, char **arguments) {
        static const char *const headings[] = { "JOB", "OPERATION", "DOMAIN", ">DONE", ">OF", ">PERCENT", NULL };
        g_autolist(VirtbusJob) jobs = virtbus_client_get_jobs(ctl->client);
        g_autoptr(Table) table = table_new(headings);
        (void) arguments;
        for (GList *link = jobs; link; link = link->next) {
                g_autoptr(VirtbusDomain) domain = virtbus_client_get_domain_at(ctl->client, virtbus_job_get_object(link->data));
                char **cells = g_new0(char *, G_N_ELEMENTS(headings));
                cells[0] = g_strdup(strrchr(g_dbus_proxy_get_object_path(link->data), '/') + 1);
                cells[1] = g_strdup(virtbus_job_get_operation(link->data));
                cells[2] = g_strdup(domain ? virtbus_domain_get_name(domain) : virtbus_job_get_object(link->data));
                cells[3] = job_bytes(ctl, virtbus_job_get_bytes_done(link->data));
                cells[4] = job_bytes(ctl, virtbus_job_get_bytes_total(link->data));
                cells[5] = g_strdup_printf("%.0f", virtbus_job_get_progress(link->data) * 100);
                table_add(table, cells);
        }
        return table_print(ctl, table, "job");
}

int verb_cancel(Ctl *ctl, char **arguments) {
        int worst = EXIT_DONE;
        for (; *arguments; arguments++) {
                g_autoptr(VirtbusJob) job = find_job(ctl, *arguments);
                int status = job ? ctl_do(ctl, g_dbus_proxy_get_object_path(G_DBUS_PROXY(job)), "org.virtbus1.Job", "Cancel",
                                          NULL)
                                 : EXIT_FAILED;
                worst = MAX(worst, status);
        }
        return worst;
}

int verb_status(Ctl *ctl, char **arguments) {
        g_autoptr(GString) text = g_string_new(NULL);
        int status = EXIT_DONE;
        if (!*arguments)
                return service_status(ctl);
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
        if (ctl->json) {
                int shown = status_as_json(ctl, arguments);
                return shown == EXIT_DONE ? status : shown;
        }
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

/* Who is asked for a card's addresses. */
static const char *const address_sources[] = { "agent", "lease", "arp" };

/* Adds the addresses of a card, as the first source that knows some tells them. */
static void add_addresses(Ctl *ctl, Table *table, VirtbusObject *object, VirtbusDeviceNetworkInterface *card) {
        g_autoptr(VirtbusDevice) device = virtbus_object_get_device(object);
        for (size_t i = 0; i < G_N_ELEMENTS(address_sources); i++) {
                g_autoptr(GVariant) answer = ctl_call(ctl, g_dbus_object_get_object_path(G_DBUS_OBJECT(object)),
                                                      "org.virtbus1.Device.NetworkInterface", "GetAddresses",
                                                      g_variant_new("(s@a{sv})", address_sources[i], ctl_options(NULL, NULL)),
                                                      NULL, NULL, NULL);
                g_autoptr(GVariant) addresses = answer ? g_variant_get_child_value(answer, 0) : NULL;
                GVariantIter iterator;
                const char *address;
                guint32 prefix;
                if (!addresses || g_variant_n_children(addresses) == 0)
                        continue;
                g_variant_iter_init(&iterator, addresses);
                while (g_variant_iter_next(&iterator, "(&su)", &address, &prefix)) {
                        char **cells = g_new0(char *, 6);
                        cells[0] = g_strdup(virtbus_device_get_alias(device));
                        cells[1] = g_strdup(virtbus_device_network_interface_get_mac(card));
                        cells[2] = prefix > 0 && !ctl->json ? g_strdup_printf("%s/%u", address, prefix) : g_strdup(address);
                        cells[3] = prefix > 0 ? g_strdup_printf("%u", prefix) : g_strdup("-");
                        cells[4] = g_strdup(address_sources[i]);
                        table_add(table, cells);
                }
                return;
        }
}

int verb_addresses(Ctl *ctl, char **arguments) {
        static const char *const headings[] = { "DEVICE", "MAC", "ADDRESS", "+>PREFIX", "SOURCE", NULL };
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        if (!domain)
                return status;
        if (!virtbus_domain_get_active(domain)) {
                ctl_say("domain '%s' is %s: it has no addresses", virtbus_domain_get_name(domain),
                        virtbus_domain_get_state(domain));
                return EXIT_FAILED;
        }
        g_autoptr(GPtrArray) devices = ctl_devices(ctl, domain, &error);
        if (!devices)
                return ctl_fail(g_steal_pointer(&error));
        g_autoptr(Table) table = table_new(headings);
        for (guint i = 0; i < devices->len; i++) {
                g_autoptr(VirtbusDeviceNetworkInterface) card = virtbus_object_get_device_network_interface(devices->pdata[i]);
                if (card)
                        add_addresses(ctl, table, devices->pdata[i], card);
        }
        return table_print(ctl, table, "address");
}

/* What a call of the connection answers: a text, or texts, a line each. */
static int show_answer(Ctl *ctl, const char *method, GVariant *arguments) {
        g_autoptr(GVariant) given = arguments ? g_variant_ref_sink(arguments) : NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(VirtbusConnection) connection = ctl_connection(ctl, &error);
        g_autoptr(GVariant) answer = connection ? ctl_call(ctl, g_dbus_proxy_get_object_path(G_DBUS_PROXY(connection)),
                                                           "org.virtbus1.Connection", method, given, NULL, NULL, &error)
                                                : NULL;
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        g_autoptr(GVariant) value = g_variant_get_child_value(answer, 0);
        g_autofree char *text = NULL;
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_STRING_ARRAY)) {
                g_autofree const char **lines = g_variant_get_strv(value, NULL);
                text = g_strjoinv("\n", (char **) lines);
        } else
                text = g_variant_dup_string(value, NULL);
        g_autofree char *line = g_str_has_suffix(text, "\n") ? g_strdup(text) : g_strconcat(text, "\n", NULL);
        output_page(ctl, line);
        return EXIT_DONE;
}

int verb_capabilities(Ctl *ctl, char **arguments) {
        const char *what = arguments[0] ? arguments[0] : "host";
        if (strcmp(what, "host") == 0)
                return show_answer(ctl, "GetCapabilities", NULL);
        if (strcmp(what, "domain") == 0)
                return show_answer(ctl, "GetDomainCapabilities",
                                   g_variant_new("(ssss)", "", "", arguments[1] ? arguments[1] : "", ""));
        if (strcmp(what, "cpus") == 0)
                return show_answer(ctl, "GetCPUModels", g_variant_new("(s)", arguments[1] ? arguments[1] : ""));
        ctl_say("capabilities are told of host, domain [MACHINE], cpus [ARCHITECTURE]");
        return EXIT_USAGE;
}

int verb_translate(Ctl *ctl, char **arguments) {
        g_autofree char *text = NULL;
        g_autoptr(GError) error = NULL;
        if (!ctl_read_file(arguments[0], &text, &error))
                return ctl_fail(g_steal_pointer(&error));
        bool is_document = *g_strchug(text) == '<';
        return show_answer(ctl, is_document ? "DomainXMLToNative" : "DomainXMLFromNative",
                           g_variant_new("(ss)", "qemu-argv", text));
}
