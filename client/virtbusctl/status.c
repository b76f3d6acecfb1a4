/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How the service, its hypervisors and domains are, and what is at work. */

#include <stdio.h>
#include <string.h>

#include "ctl.h"

/* A picture of what there is needs no client that would keep up with it. */
static GVariant *managed_objects(Ctl *ctl, const char *path, GError **error) {
        g_autoptr(GVariant) answer =
                        ctl_call(ctl, path, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, NULL, NULL, error);
        return answer ? g_variant_get_child_value(answer, 0) : NULL;
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
        g_autoptr(GVariant) properties = ctl_properties(ctl, ctl_path(domain), "org.virtbus1.Domain", error),
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
