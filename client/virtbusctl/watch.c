/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Watching: what happens. */

#include <stdio.h>
#include <string.h>

#include "ctl.h"

/* What happens, by the names that --events takes. */
static const char *const events[] = { "service", "added", "removed", "state", "job", "job-ended", NULL };

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
                g_autofree char *line = g_strdup_printf("%s %-10s %s%s%s", time, what, name, *details ? ": " : "", details),
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
                        fprintf(stderr, "virtbusctl: '%s' is not an event; there are: %s\n", *wanted, known);
                        return false;
                }
        return true;
}

int verb_monitor(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
        g_auto(GStrv) wanted = ctl->events ? g_strsplit(ctl->events, ",", -1) : NULL;
        g_auto(GStrv) names = check_events(wanted) ? find_names(ctl, arguments, &status) : NULL;
        if (!names)
                return status == EXIT_DONE ? EXIT_USAGE : status;
        GList *domains = virtbus_client_get_domains(ctl->client), *jobs = virtbus_client_get_jobs(ctl->client);
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
        tell(ctl, "service", "virtbusd", "is there");
        g_main_loop_run(loop); /* until Ctrl-C */
        g_list_free_full(domains, g_object_unref);
        g_list_free_full(jobs, g_object_unref);
        return EXIT_DONE;
}
