/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Watching: what happens. */

#include <stdio.h>

#include "ctl.h"

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
