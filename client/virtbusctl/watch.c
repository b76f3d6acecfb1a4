/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Watching: what happens. */

#include <stdio.h>
#include <string.h>

#include "ctl.h"
#include "happenings.h"

/* What happens, by the names that --events takes. */
static const char *const events[] = { "service",        "added", "removed", "state",     "device-added",
                                      "device-removed", "guest", "job",     "job-ended", NULL };

/* Whether it is to be told: of these events, and, where domains are named, of those. */
static bool is_wanted(const Ctl *ctl, const char *what, const char *name) {
        return (!ctl->events_wanted || g_strv_contains((const char *const *) ctl->events_wanted, what)) &&
               (!ctl->watched || strcmp(what, "service") == 0 || g_strv_contains((const char *const *) ctl->watched, name));
}

/* FIELDS: names and values, for programs; NULL at the end, or NULL. */
static void tell_fields(const Ctl *ctl, const char *what, const char *name, const char *details, const char *const *fields) {
        if (!is_wanted(ctl, what, name))
                return;
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
                g_autofree char *text = json_to_string(node, FALSE),
                                *shown = output_is_terminal() ? output_printable(text) : g_strdup(text);
                puts(shown);
        } else {
                g_autofree char *line = g_strdup_printf("%s %-14s %s%s%s", time, what, name, *details ? ": " : "", details),
                                *printable = output_printable(line);
                puts(g_strdelimit(printable, "\n", ' ')); /* an event is one line */
        }
        fflush(stdout);
}

static void tell(const Ctl *ctl, const char *what, const char *name, const char *details) {
        tell_fields(ctl, what, name, details, NULL);
}

static void on_state_changed(VirtbusDomain *domain, const char *old, const char *state, const char *reason, Ctl *ctl) {
        g_autofree char *text = g_strdup_printf("%s -> %s (%s)", old, state, reason);
        const char *const fields[] = {
                "old", old, "new", state, "reason", reason, "uuid", virtbus_domain_get_uuid(domain), "path", ctl_path(domain),
                NULL
        };
        tell_fields(ctl, "state", virtbus_domain_get_name(domain), text, fields);
}

/* What is told once, by a signal. DEVICE: whose, or NULL. */
static void tell_happening(const Ctl *ctl, VirtbusDomain *domain, const char *device, const char *signal, GVariant *arguments) {
        g_autofree char *text = happenings_text(signal, arguments),
                        *details = text && device ? g_strdup_printf("%s: %s", device, text) : g_strdup(text);
        const char *const fields[] = {
                "signal", signal, "uuid", virtbus_domain_get_uuid(domain), "path", ctl_path(domain), device ? "alias" : NULL,
                device,   NULL
        };
        if (text)
                tell_fields(ctl, "guest", virtbus_domain_get_name(domain), details, fields);
}

static void on_domain_signal(VirtbusDomain *domain, const char *sender, const char *signal, GVariant *arguments, Ctl *ctl) {
        (void) sender;
        tell_happening(ctl, domain, NULL, signal, arguments);
}

/* A domain whose devices are followed. */
typedef struct Followed {
        Ctl *ctl;
        VirtbusDomain *domain;
        GDBusObjectManager *devices;
} Followed;

static void followed_free(Followed *followed) {
        if (followed->devices)
                g_signal_handlers_disconnect_by_data(followed->devices, followed);
        g_clear_object(&followed->devices);
        g_object_unref(followed->domain);
        g_free(followed);
}

static void tell_device(const Followed *followed, VirtbusObject *object, const char *what) {
        g_autoptr(VirtbusDevice) device = virtbus_object_get_device(object);
        const char *kind = device ? virtbus_device_get_kind(device) : NULL,
                   *alias = device ? virtbus_device_get_alias(device) : NULL;
        if (!kind || !alias)
                return; /* not a device: the system in the guest is an object, too */
        g_autofree char *details = g_strdup_printf("%s (%s)", alias, kind);
        const char *const fields[] = { "alias", alias,
                                       "kind",  kind,
                                       "uuid",  virtbus_domain_get_uuid(followed->domain),
                                       "path",  ctl_path(followed->domain),
                                       NULL };
        tell_fields(followed->ctl, what, virtbus_domain_get_name(followed->domain), details, fields);
}

static void on_device_added(GDBusObjectManager *devices, VirtbusObject *object, Followed *followed) {
        (void) devices;
        tell_device(followed, object, "device-added");
}

static void on_device_removed(GDBusObjectManager *devices, VirtbusObject *object, Followed *followed) {
        (void) devices;
        tell_device(followed, object, "device-removed");
}

static void on_device_signal(GDBusObjectManager *devices, VirtbusObject *object, GDBusProxy *interface, const char *sender,
                             const char *signal, GVariant *arguments, Followed *followed) {
        g_autoptr(VirtbusDevice) device = virtbus_object_get_device(object);
        const char *alias = device ? virtbus_device_get_alias(device) : NULL;
        (void) devices;
        (void) interface;
        (void) sender;
        if (alias)
                tell_happening(followed->ctl, followed->domain, alias, signal, arguments);
}

static void on_devices(GObject *source, GAsyncResult *result, gpointer data) {
        Followed *followed = data;
        followed->ctl->n_unfollowed--;
        GDBusObjectManager *devices = followed->devices = virtbus_client_get_devices_finish(VIRTBUS_CLIENT(source), result, NULL);
        if (!devices) { /* it is gone already */
                followed_free(followed);
                return;
        }
        g_signal_connect(devices, "object-added", G_CALLBACK(on_device_added), followed);
        g_signal_connect(devices, "object-removed", G_CALLBACK(on_device_removed), followed);
        g_signal_connect(devices, "interface-proxy-signal", G_CALLBACK(on_device_signal), followed);
        g_hash_table_replace(followed->ctl->followed, g_strdup(ctl_path(followed->domain)), followed);
}

/* Follows a domain and, where these are wanted, its devices. */
static void follow(Ctl *ctl, VirtbusDomain *domain) {
        const char *name = virtbus_domain_get_name(domain);
        g_signal_connect(domain, "state-changed", G_CALLBACK(on_state_changed), ctl);
        g_signal_connect(domain, "g-signal", G_CALLBACK(on_domain_signal), ctl);
        if (!is_wanted(ctl, "device-added", name) && !is_wanted(ctl, "device-removed", name) && !is_wanted(ctl, "guest", name))
                return;
        Followed *followed = g_new0(Followed, 1);
        *followed = (Followed){ .ctl = ctl, .domain = g_object_ref(domain) };
        ctl->n_unfollowed++;
        virtbus_client_get_devices(ctl->client, domain, NULL, on_devices, followed);
}

static void on_added(VirtbusClient *client, VirtbusDomain *domain, Ctl *ctl) {
        (void) client;
        follow(ctl, domain);
        tell(ctl, "added", virtbus_domain_get_name(domain), virtbus_domain_get_uuid(domain));
}

static void on_removed(VirtbusClient *client, VirtbusDomain *domain, Ctl *ctl) {
        (void) client;
        const char *name = virtbus_domain_get_name(domain);
        tell(ctl, "removed", name ? name : ctl_path(domain), "");
        g_hash_table_remove(ctl->followed, ctl_path(domain));
}

/* What a job is at work with: a domain's name, where it is one. */
static char *name_of_object(const Ctl *ctl, VirtbusJob *job) {
        const char *path = virtbus_job_get_object(job);
        g_autoptr(VirtbusDomain) domain = virtbus_client_get_domain_at(ctl->client, path);
        return g_strdup(domain ? virtbus_domain_get_name(domain) : path);
}

static void tell_job(const Ctl *ctl, VirtbusJob *job, const char *what, const char *result) {
        const char *path = g_dbus_proxy_get_object_path(G_DBUS_PROXY(job)), *operation = virtbus_job_get_operation(job);
        const char *fields[] = { "job", path, "operation", operation, result ? "result" : NULL, result, NULL };
        g_autofree char *name = name_of_object(ctl, job),
                        *details = result ? g_strdup_printf("%s: %s", operation, result) : g_strdup(operation);
        tell_fields(ctl, what, name, details, fields);
}

static void on_completed(VirtbusJob *job, gboolean success, const char *error, const char *message, Ctl *ctl) {
        (void) error;
        tell_job(ctl, job, "job-ended", success ? "success" : message);
}

static void follow_job(Ctl *ctl, VirtbusJob *job) {
        g_signal_connect(job, "completed", G_CALLBACK(on_completed), ctl);
}

static void on_job(VirtbusClient *client, VirtbusJob *job, Ctl *ctl) {
        (void) client;
        tell_job(ctl, job, "job", NULL);
        follow_job(ctl, job);
}

static void on_available(VirtbusClient *client, GParamSpec *specification, Ctl *ctl) {
        (void) specification;
        tell(ctl, "service", "virtbusd", virtbus_client_get_available(client) ? "is there" : "has gone");
}

/* The names of the domains that the arguments name, by name or by UUID. */
static char **find_names(Ctl *ctl, char **arguments, int *status) {
        g_autoptr(GStrvBuilder) names = g_strv_builder_new();
        for (char **argument = arguments; *argument; argument++) {
                g_autoptr(VirtbusDomain) domain = ctl_find(ctl, *argument, status);
                if (!domain)
                        return NULL;
                g_strv_builder_add(names, virtbus_domain_get_name(domain));
        }
        return g_strv_builder_end(names);
}

static bool check_events(char **wanted) {
        for (; wanted && *wanted; wanted++)
                if (!g_strv_contains(events, *wanted)) {
                        g_autofree char *known = g_strjoinv(", ", (char **) events);
                        ctl_say("'%s' is not an event; there are: %s", *wanted, known);
                        return false;
                }
        return true;
}

int verb_monitor(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
        g_auto(GStrv) wanted = ctl->events ? g_strsplit(*ctl->events ? ctl->events : ",", ",", -1) : NULL;
        g_auto(GStrv) names = check_events(wanted) ? find_names(ctl, arguments, &status) : NULL;
        if (!names)
                return status == EXIT_DONE ? EXIT_USAGE : status;
        GList *domains = virtbus_client_get_domains(ctl->client), *jobs = virtbus_client_get_jobs(ctl->client);
        g_autoptr(GHashTable) followed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) followed_free);
        ctl->followed = followed;
        ctl->events_wanted = wanted;
        ctl->watched = names[0] ? names : NULL;
        for (GList *link = domains; link; link = link->next)
                follow(ctl, link->data);
        for (GList *link = jobs; link; link = link->next)
                follow_job(ctl, link->data);
        g_signal_connect(ctl->client, "domain-added", G_CALLBACK(on_added), ctl);
        g_signal_connect(ctl->client, "domain-removed", G_CALLBACK(on_removed), ctl);
        g_signal_connect(ctl->client, "job-added", G_CALLBACK(on_job), ctl);
        g_signal_connect(ctl->client, "notify::available", G_CALLBACK(on_available), ctl);
        while (ctl->n_unfollowed > 0) /* what is told first means that nothing is missed from now on */
                g_main_context_iteration(NULL, TRUE);
        tell(ctl, "service", "virtbusd", "is there");
        g_main_loop_run(loop); /* until Ctrl-C */
        g_list_free_full(domains, g_object_unref);
        g_list_free_full(jobs, g_object_unref);
        return EXIT_DONE;
}
