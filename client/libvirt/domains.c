/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domains.h"

#include <string.h>

#include "client.h"
#include "parts.h"

#define SERVICE "org.virtbus1"
#define DOMAIN "org.virtbus1.Domain"

/* What is kept of each; all properties of a thousand domains take longer than all that is then asked of them. */
static const char *const wanted[] = { "Active",         "Autostart",    "Description", "HasCheckpoints",
                                      "HasManagedSave", "HasSnapshots", "ID",          "MaxMemory",
                                      "MaxVCPUs",       "Memory",       "Name",        "OSType",
                                      "Persistent",     "State",        "StateReason", "Title",
                                      "UUID",           "VCPUs",        NULL };

struct Domains {
        GDBusConnection *bus;
        char *connection;
        char *prefix; /* of the paths of domains */
        const DomainsListener *listener;
        void *data;
        Known *known;
        Known *listed; /* what has been read of the list; NULL: it is not being read */
        GQueue held;   /* Signal: what comes while the list is read, which parts of it may not have in them */
        Waiters *waiters;
        GCancellable *cancellable;
        unsigned int subscription;
        bool filled, stale;
};

typedef struct Signal {
        char *path, *member;
        GVariant *arguments;
} Signal;

static GVariant *properties_of(const Domains *domains, const char *path) {
        const KnownDomain *known = path ? known_by_path(domains->known, path) : NULL;
        return known ? known_properties(known) : NULL;
}

/* The path of the domain that an object is or belongs to; NULL for others. */
static char *domain_of(const Domains *domains, const char *path, bool *is_domain) {
        if (!g_str_has_prefix(path, domains->prefix))
                return NULL;
        const char *end = strchrnul(path + strlen(domains->prefix), '/');
        *is_domain = *end == '\0';
        return g_strndup(path, (size_t) (end - path));
}

static GVariant *merge(GVariant *properties, GVariant *changes) {
        g_auto(GVariantDict) all;
        GVariantIter iterator;
        const char *name;
        GVariant *value;
        g_variant_dict_init(&all, properties);
        g_variant_iter_init(&iterator, changes);
        while (g_variant_iter_loop(&iterator, "{&sv}", &name, &value))
                if (g_strv_contains(wanted, name))
                        g_variant_dict_insert_value(&all, name, value);
        return g_variant_ref_sink(g_variant_dict_end(&all));
}

static void on_added(Domains *domains, GVariant *arguments) {
        const char *path;
        bool is_domain;
        g_autoptr(GVariant) interfaces = NULL;
        g_variant_get(arguments, "(&o@a{sa{sv}})", &path, &interfaces);
        g_autofree char *owner = domain_of(domains, path, &is_domain);
        GVariant *known = properties_of(domains, owner);
        g_autoptr(GVariant) properties =
                        owner && is_domain ? g_variant_lookup_value(interfaces, DOMAIN, G_VARIANT_TYPE_VARDICT) : NULL;
        if (properties) {
                bool is_new = !known;
                known_put(domains->known, g_steal_pointer(&owner), merge(NULL, properties));
                if (is_new && domains->listener)
                        domains->listener->added(domains->data, properties);
        } else if (known && !is_domain && domains->listener)
                domains->listener->part_changed(domains->data, known, path, interfaces);
}

static void on_removed(Domains *domains, GVariant *arguments) {
        const char *path;
        bool is_domain;
        g_autofree const char **interfaces = NULL;
        g_variant_get(arguments, "(&o^a&s)", &path, &interfaces);
        g_autofree char *owner = domain_of(domains, path, &is_domain);
        if (!owner)
                return;
        if (!is_domain) {
                GVariant *properties = properties_of(domains, owner);
                if (properties && domains->listener)
                        domains->listener->part_changed(domains->data, properties, path, NULL);
        } else if (g_strv_contains(interfaces, DOMAIN)) {
                g_autoptr(GVariant) last = known_take(domains->known, owner);
                if (last && domains->listener)
                        domains->listener->removed(domains->data, last);
        }
}

static void on_properties_changed(Domains *domains, const char *path, GVariant *arguments) {
        const char *interface;
        bool is_domain;
        g_autoptr(GVariant) changes = NULL;
        g_variant_get(arguments, "(&s@a{sv}@as)", &interface, &changes, NULL);
        g_autofree char *owner = domain_of(domains, path, &is_domain);
        GVariant *known = properties_of(domains, owner);
        if (known && !is_domain && domains->listener)
                domains->listener->part_has_changed(domains->data, known, path, interface, changes);
        if (!known || !is_domain || strcmp(interface, DOMAIN) != 0)
                return;
        g_autoptr(GVariant) before = g_variant_ref(known);
        GVariant *after = merge(before, changes);
        known_put(domains->known, g_steal_pointer(&owner), after);
        if (domains->listener)
                domains->listener->changed(domains->data, before, after, changes);
}

static void on_state_changed(Domains *domains, const char *path, GVariant *arguments) {
        const char *old_state, *new_state, *reason;
        GVariant *known = properties_of(domains, path);
        g_variant_get(arguments, "(&s&s&s)", &old_state, &new_state, &reason);
        if (known && domains->listener)
                domains->listener->state_changed(domains->data, known, old_state, new_state, reason);
}

static void on_redefined(Domains *domains, const char *path) {
        GVariant *known = properties_of(domains, path);
        if (known && domains->listener)
                domains->listener->redefined(domains->data, known);
}

static void on_told(Domains *domains, const char *path, const char *member, GVariant *arguments) {
        bool is_domain;
        g_autofree char *owner = domain_of(domains, path, &is_domain);
        GVariant *known = owner ? properties_of(domains, owner) : NULL;
        if (known && domains->listener)
                domains->listener->told(domains->data, known, path, member, arguments);
}

static void take_signal(Domains *domains, const char *path, const char *member, GVariant *arguments) {
        if (strcmp(member, "InterfacesAdded") == 0 && g_variant_is_of_type(arguments, G_VARIANT_TYPE("(oa{sa{sv}})")))
                on_added(domains, arguments);
        else if (strcmp(member, "InterfacesRemoved") == 0 && g_variant_is_of_type(arguments, G_VARIANT_TYPE("(oas)")))
                on_removed(domains, arguments);
        else if (strcmp(member, "PropertiesChanged") == 0 && g_variant_is_of_type(arguments, G_VARIANT_TYPE("(sa{sv}as)")))
                on_properties_changed(domains, path, arguments);
        else if (strcmp(member, "StateChanged") == 0 && g_variant_is_of_type(arguments, G_VARIANT_TYPE("(sss)")))
                on_state_changed(domains, path, arguments);
        else if (strcmp(member, "DefinitionChanged") == 0)
                on_redefined(domains, path);
        else
                on_told(domains, path, member, arguments);
}

static void signal_free(void *data) {
        Signal *signal = data;
        g_free(signal->path);
        g_free(signal->member);
        g_variant_unref(signal->arguments);
        g_free(signal);
}

static void begin_filling(Domains *domains);

static void on_signal(GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *member,
                      GVariant *arguments, void *data) {
        Domains *domains = data;
        (void) bus;
        (void) sender;
        (void) interface;
        /* The service could not send all signals: what is known is of no use. */
        if (strcmp(member, "SignalsLost") == 0) {
                domains->stale = true;
                begin_filling(domains);
        } else if (domains->listed) {
                Signal *signal = g_new(Signal, 1);
                *signal = (Signal){ g_strdup(path), g_strdup(member), g_variant_ref(arguments) };
                g_queue_push_tail(&domains->held, signal);
        } else if (domains->filled)
                take_signal(domains, path, member, arguments);
}

static void take_table(void *data, GVariant *paths, GVariant *columns) {
        known_put_table(((Domains *) data)->listed, paths, columns);
}

/* The list has been read, or cannot be. Of what came meanwhile, the last that was told of a domain is how it is, whether its part
 * came before or after. */
static void end_filling(Domains *domains, bool is_read) {
        const DomainsListener *listener = domains->listener;
        g_autoptr(Known) listed = g_steal_pointer(&domains->listed);
        if (is_read) {
                known_free(domains->known);
                domains->known = g_steal_pointer(&listed);
        }
        if (!domains->filled)
                domains->listener = NULL;
        for (Signal *signal; (signal = g_queue_pop_head(&domains->held));) {
                if (is_read)
                        take_signal(domains, signal->path, signal->member, signal->arguments);
                signal_free(signal);
        }
        domains->listener = listener;
        domains->filled = is_read;
}

static void on_list(GObject *bus, GAsyncResult *result, void *data) {
        Domains *domains = data;
        g_autoptr(GError) error = NULL;
        bool is_read = parts_load_finish(result, &error);
        (void) bus;
        if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
                return; /* it is freed */
        end_filling(domains, is_read);
        if (domains->stale)
                begin_filling(domains);
        else
                waiters_tell(domains->waiters, error);
}

static void begin_filling(Domains *domains) {
        if (domains->listed)
                return;
        domains->listed = known_new();
        domains->stale = false;
        if (!domains->subscription)
                domains->subscription = g_dbus_connection_signal_subscribe(domains->bus, SERVICE, NULL, NULL, NULL, NULL,
                                                                           G_DBUS_SIGNAL_FLAGS_NONE, on_signal, domains, NULL);
        const PartsList list = { .bus = domains->bus,
                                 .service = SERVICE,
                                 .path = domains->connection,
                                 .interface = DOMAIN,
                                 .properties = wanted,
                                 .timeout = G_MAXINT,
                                 .table = take_table,
                                 .data = domains };
        parts_load(&list, domains->cancellable, on_list, domains);
}

void domains_fill(Domains *domains, WaitersDone done, void *data) {
        if (domains->filled && !domains->listed) {
                done(data, NULL);
                return;
        }
        waiters_add(domains->waiters, done, data);
        begin_filling(domains);
}

const Known *domains_known(const Domains *domains) {
        return domains && domains->filled && !domains->listed ? domains->known : NULL;
}

const KnownDomain *domains_find(const Domains *domains, const char *path) {
        const Known *known = domains_known(domains);
        return known ? known_by_path(known, path) : NULL;
}

GVariant *domains_properties(const Domains *domains, const char *path) {
        const KnownDomain *domain = domains_find(domains, path);
        return domain ? known_properties(domain) : NULL;
}

Domains *domains_new(GDBusConnection *bus, const char *connection, const DomainsListener *listener, void *data) {
        Domains *domains = g_new0(Domains, 1);
        domains->bus = bus;
        domains->connection = g_strdup(connection);
        domains->prefix = g_strconcat(connection, "/domain/", NULL);
        domains->listener = listener;
        domains->data = data;
        domains->known = known_new();
        domains->waiters = waiters_new();
        domains->cancellable = g_cancellable_new();
        return domains;
}

void domains_free(Domains *domains) {
        if (!domains)
                return;
        if (domains->subscription)
                g_dbus_connection_signal_unsubscribe(domains->bus, domains->subscription);
        g_cancellable_cancel(domains->cancellable);
        g_object_unref(domains->cancellable);
        known_free(domains->known);
        known_free(domains->listed);
        g_queue_clear_full(&domains->held, signal_free);
        waiters_free(domains->waiters);
        g_free(domains->connection);
        g_free(domains->prefix);
        g_free(domains);
}
