/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Waiting for states of domains. */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

const char *const domain_states[] = { "shutoff", "running", "paused", "pmsuspended", "crashed", NULL };

/* A domain leaves these only if somebody wants it to: who waits for another state waits in vain. */
static const char *const final_states[] = { "shutoff", "crashed", NULL };

typedef struct StateWait {
        Ctl *ctl;
        GMainLoop *loop;
        const char *const *states;
        GPtrArray *domains; /* Awaited */
        guint n_left;
        bool is_late;
} StateWait;

/* One domain, by its place: its object is another one after a restart of the service. */
typedef struct Awaited {
        StateWait *wait;
        char *path, *name, *connection;
        VirtbusDomain *domain; /* NULL: it is not there now */
        bool has_looked;       /* the state in which the wait begins does not end it */
        bool is_over, has_failed;
} Awaited;

static void forget(Awaited *awaited) {
        if (awaited->domain)
                g_signal_handlers_disconnect_by_data(awaited->domain, awaited);
        g_clear_object(&awaited->domain);
}

static void awaited_free(Awaited *awaited) {
        forget(awaited);
        g_free(awaited->path);
        g_free(awaited->name);
        g_free(awaited->connection);
        g_free(awaited);
}

static void end(Awaited *awaited, bool has_failed) {
        awaited->is_over = true;
        awaited->has_failed = has_failed;
        if (--awaited->wait->n_left == 0)
                g_main_loop_quit(awaited->wait->loop);
}

static void check_state(Awaited *awaited) {
        const char *state = virtbus_domain_get_state(awaited->domain);
        if (awaited->is_over || !state)
                return;
        if (g_strv_contains(awaited->wait->states, state))
                end(awaited, false);
        else if (awaited->has_looked && g_strv_contains(final_states, state)) {
                ctl_say("domain '%s' is %s (%s), and stays so", awaited->name, state,
                        virtbus_domain_get_state_reason(awaited->domain));
                end(awaited, true);
        }
        awaited->has_looked = true;
}

static void on_state_changed(VirtbusDomain *domain, GParamSpec *specification, Awaited *awaited) {
        (void) domain;
        (void) specification;
        check_state(awaited);
}

static void follow(Awaited *awaited, VirtbusDomain *domain) {
        awaited->domain = g_object_ref(domain);
        g_signal_connect(domain, "notify::state", G_CALLBACK(on_state_changed), awaited);
        check_state(awaited);
}

/* Whether the driver of a connection is there. */
static bool is_attached(const Ctl *ctl, const char *connection) {
        VirtbusClient *client = ctl->client;
        VirtbusManager *manager = virtbus_client_get_manager(client);
        GVariant *drivers = virtbus_client_get_available(client) ? virtbus_manager_get_drivers(manager) : NULL;
        const char *name, *state;
        GVariantIter iterator;
        if (!drivers)
                return false;
        g_variant_iter_init(&iterator, drivers);
        while (g_variant_iter_next(&iterator, "(&s&s&s&s)", &name, NULL, &state, NULL))
                if (strcmp(name, connection) == 0)
                        return strcmp(state, "attached") == 0;
        return false;
}

/* One that went with its service comes back with it: the service itself is asked, as the client's picture of it comes back
 * piece by piece. */
bool ctl_is_gone(Ctl *ctl, const char *path, const char *connection) {
        g_autoptr(GError) error = NULL;
        if (!is_attached(ctl, connection))
                return false;
        g_autoptr(GVariant) answer = ctl_call(ctl, path, "org.freedesktop.DBus.Properties", "Get",
                                              g_variant_new("(ss)", "org.virtbus1.Domain", "State"), NULL, NULL, &error);
        return g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_NO_SUCH_DOMAIN) ||
               g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT);
}

/* A transient domain that is off is gone. */
static void check_gone(Awaited *awaited) {
        if (awaited->is_over || awaited->domain || !ctl_is_gone(awaited->wait->ctl, awaited->path, awaited->connection))
                return;
        bool is_off = g_strv_contains(awaited->wait->states, "shutoff");
        if (!is_off)
                ctl_say("domain '%s' has gone", awaited->name);
        end(awaited, !is_off);
}

static void check_each_gone(StateWait *wait) {
        for (guint i = 0; i < wait->domains->len; i++)
                check_gone(wait->domains->pdata[i]);
}

static void on_domain_added(VirtbusClient *client, VirtbusDomain *domain, StateWait *wait) {
        (void) client;
        for (guint i = 0; i < wait->domains->len; i++) {
                Awaited *awaited = wait->domains->pdata[i];
                if (!awaited->domain && strcmp(awaited->path, ctl_path(domain)) == 0)
                        follow(awaited, domain);
        }
}

static void on_domain_removed(VirtbusClient *client, VirtbusDomain *domain, StateWait *wait) {
        (void) client;
        for (guint i = 0; i < wait->domains->len; i++) {
                Awaited *awaited = wait->domains->pdata[i];
                if (strcmp(awaited->path, ctl_path(domain)) == 0)
                        forget(awaited);
        }
        check_each_gone(wait);
}

static void on_service_changed(GObject *object, GParamSpec *specification, StateWait *wait) {
        (void) object;
        (void) specification;
        check_each_gone(wait);
}

static gboolean on_late(gpointer data) {
        StateWait *wait = data;
        wait->is_late = true;
        g_main_loop_quit(wait->loop);
        return G_SOURCE_REMOVE;
}

static bool add_domain(StateWait *wait, const char *name, int *status) {
        g_autoptr(VirtbusDomain) domain = ctl_find(wait->ctl, name, status);
        VirtbusConnection *connection = domain ? virtbus_client_get_connection_of(wait->ctl->client, domain) : NULL;
        if (!domain)
                return false;
        Awaited *awaited = g_new0(Awaited, 1);
        *awaited = (Awaited){ .wait = wait, .path = g_strdup(ctl_path(domain)), .name = g_strdup(name) };
        awaited->connection = g_strdup(connection ? virtbus_connection_get_name(connection) : "");
        wait->n_left++;
        g_ptr_array_add(wait->domains, awaited);
        follow(awaited, domain);
        return true;
}

static int run(StateWait *wait) {
        Ctl *ctl = wait->ctl;
        const struct {
                gpointer object;
                const char *signal;
                GCallback handler;
        } handlers[] = {
                { ctl->client, "domain-added", G_CALLBACK(on_domain_added) },
                { ctl->client, "domain-removed", G_CALLBACK(on_domain_removed) },
                { ctl->client, "notify::available", G_CALLBACK(on_service_changed) },
                { virtbus_client_get_manager(ctl->client), "notify::drivers", G_CALLBACK(on_service_changed) },
        };
        guint timer = ctl->timeout > 0 ? g_timeout_add((guint) MIN(ctl->timeout * 1000, G_MAXUINT), on_late, wait) : 0;
        int status = EXIT_DONE;
        for (size_t i = 0; i < G_N_ELEMENTS(handlers); i++)
                g_signal_connect(handlers[i].object, handlers[i].signal, handlers[i].handler, wait);
        if (isatty(STDERR_FILENO)) {
                g_autofree char *states = g_strjoinv(" or ", (char **) wait->states);
                fprintf(stderr, "Waiting for %u domain%s to be %s...\n", wait->n_left, wait->n_left == 1 ? "" : "s", states);
        }
        g_main_loop_run(wait->loop);
        for (size_t i = 0; i < G_N_ELEMENTS(handlers); i++)
                g_signal_handlers_disconnect_by_data(handlers[i].object, wait);
        if (timer && !wait->is_late)
                g_source_remove(timer);
        for (guint i = 0; i < wait->domains->len; i++) {
                const Awaited *awaited = wait->domains->pdata[i];
                if (!awaited->is_over)
                        ctl_say("domain '%s' is still %s after %g seconds", awaited->name,
                                awaited->domain ? virtbus_domain_get_state(awaited->domain) : "away", ctl->timeout);
                if (!awaited->is_over || awaited->has_failed)
                        status = EXIT_FAILED;
        }
        return status;
}

int ctl_wait(Ctl *ctl, char **names, const char *const *states) {
        g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
        g_autoptr(GPtrArray) domains = g_ptr_array_new_with_free_func((GDestroyNotify) awaited_free);
        StateWait wait = { .ctl = ctl, .loop = loop, .states = states, .domains = domains };
        int status = EXIT_DONE;
        wait.n_left = 1; /* until all are looked at */
        for (; *names; names++)
                if (!add_domain(&wait, *names, &status))
                        return status;
        if (--wait.n_left > 0)
                return run(&wait);
        return EXIT_DONE;
}

/* The states that a word lists; NULL: it is not such a list. */
static char **read_states(const char *text) {
        g_auto(GStrv) states = g_strsplit(text, ",", -1);
        for (char **state = states; *state; state++)
                if (!g_strv_contains(domain_states, *state))
                        return NULL;
        return *states ? g_steal_pointer(&states) : NULL;
}

int verb_wait(Ctl *ctl, char **arguments) {
        static const char *const off[] = { "shutoff", NULL };
        guint n = g_strv_length(arguments);
        const char *last = arguments[n - 1];
        g_auto(GStrv) states = n > 1 ? read_states(last) : NULL;
        g_autoptr(VirtbusDomain) domain = n > 1 && !states ? virtbus_client_find_domain(ctl->client, last, NULL) : NULL;
        if (n > 1 && !states && !domain) {
                g_autofree char *known = g_strjoinv(", ", (char **) domain_states), *hint = suggestion(last, domain_states);
                ctl_say("'%s' is neither a domain nor a state to wait for; states are %s%s", last, known, hint);
                return EXIT_USAGE;
        }
        if (states)
                g_clear_pointer(arguments + n - 1, g_free);
        return ctl_wait(ctl, arguments, states ? (const char *const *) states : off);
}
