/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a client knows: connections, domains and jobs, and which of them a person means. */

#include "virtbus-client.h"

#include <string.h>

#include "virtbus-client-private.h"
#include "virtbus-error.h"

/**
 * virtbus_client_get_connections:
 * @client: a client
 *
 * Returns: (transfer full) (element-type VirtbusConnection): the hypervisor connections
 *
 * Since: 0.1
 */
GList *virtbus_client_get_connections(VirtbusClient *client) {
        GHashTableIter iterator;
        gpointer value;
        GList *list = NULL;
        g_hash_table_iter_init(&iterator, client->follower.followed);
        while (g_hash_table_iter_next(&iterator, NULL, &value))
                list = g_list_prepend(list, g_object_ref(followed_get_connection(value)));
        return list;
}

static int compare_domains(gconstpointer a, gconstpointer b) {
        return g_strcmp0(virtbus_domain_get_name((VirtbusDomain *) a), virtbus_domain_get_name((VirtbusDomain *) b));
}

/**
 * virtbus_client_get_domains:
 * @client: a client
 *
 * Returns: (transfer full) (element-type VirtbusDomain): all domains that the caller may see, by their names
 *
 * Since: 0.1
 */
GList *virtbus_client_get_domains(VirtbusClient *client) {
        GHashTableIter iterator;
        gpointer value;
        GList *list = NULL;
        g_hash_table_iter_init(&iterator, client->follower.followed);
        while (g_hash_table_iter_next(&iterator, NULL, &value))
                list = followed_add_domains(value, list);
        return g_list_sort(list, compare_domains);
}

/**
 * virtbus_client_get_jobs:
 * @client: a client
 *
 * Returns: (transfer full) (element-type VirtbusJob): the jobs at work
 *
 * Since: 0.1
 */
GList *virtbus_client_get_jobs(VirtbusClient *client) {
        GList *objects = g_dbus_object_manager_get_objects(client->follower.root), *list = NULL;
        for (GList *link = objects; link; link = link->next) {
                VirtbusJob *job = virtbus_object_get_job(link->data);
                if (job)
                        list = g_list_prepend(list, job);
        }
        g_list_free_full(objects, g_object_unref);
        return list;
}

/**
 * virtbus_client_get_job_at:
 * @client: a client
 * @path: an object path
 *
 * Returns: (transfer full) (nullable): the job that is there, or %NULL where it has ended
 *
 * Since: 0.1
 */
VirtbusJob *virtbus_client_get_job_at(VirtbusClient *client, const char *path) {
        g_autoptr(GDBusObject) object = g_dbus_object_manager_get_object(client->follower.root, path);
        return object ? virtbus_object_get_job(VIRTBUS_OBJECT(object)) : NULL;
}

/* The connection that a path is below; NULL where it is below none. */
static const Followed *followed_of(VirtbusClient *client, const char *path) {
        GHashTableIter iterator;
        gpointer key, value;
        g_hash_table_iter_init(&iterator, client->follower.followed);
        while (g_hash_table_iter_next(&iterator, &key, &value)) {
                size_t length = strlen(key);
                if (strncmp(path, key, length) == 0 && path[length] == '/')
                        return value;
        }
        return NULL;
}

/**
 * virtbus_client_get_domain_at:
 * @client: a client
 * @path: an object path
 *
 * Returns: (transfer full) (nullable): the domain that is there, or %NULL
 *
 * Since: 0.1
 */
VirtbusDomain *virtbus_client_get_domain_at(VirtbusClient *client, const char *path) {
        const Followed *followed = followed_of(client, path);
        VirtbusDomain *domain = followed ? followed_get_domain(followed, path) : NULL;
        return domain ? g_object_ref(domain) : NULL;
}

/**
 * virtbus_client_get_connection_of:
 * @client: a client
 * @domain: one of its domains
 *
 * Returns: (transfer none) (nullable): the hypervisor connection of a domain
 *
 * Since: 0.1
 */
VirtbusConnection *virtbus_client_get_connection_of(VirtbusClient *client, VirtbusDomain *domain) {
        const Followed *followed = followed_of(client, g_dbus_proxy_get_object_path(G_DBUS_PROXY(domain)));
        return followed ? followed_get_connection(followed) : NULL;
}

/* What a person means */

/* The one domain that IS says yes to; TEXT is what the caller named it by. */
static VirtbusDomain *find(VirtbusClient *client, const char *text, gboolean (*is)(VirtbusDomain *domain, const char *text),
                           GError **error) {
        g_autolist(VirtbusDomain) domains = virtbus_client_get_domains(client);
        VirtbusDomain *found = NULL;
        guint n_found = 0;
        for (GList *link = domains; link; link = link->next) {
                if (!is(link->data, text))
                        continue;
                found = link->data;
                n_found++;
        }
        if (n_found == 1)
                return g_object_ref(found);
        if (n_found > 1)
                g_set_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_ARGUMENT,
                            "%u hypervisors have a domain '%s'; say its UUID instead", n_found, text);
        else
                g_set_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_NO_SUCH_DOMAIN, "there is no domain '%.255s'", text);
        return NULL;
}

static gboolean has_name(VirtbusDomain *domain, const char *text) {
        return g_strcmp0(virtbus_domain_get_name(domain), text) == 0;
}

static gboolean has_uuid(VirtbusDomain *domain, const char *text) {
        const char *uuid = virtbus_domain_get_uuid(domain);
        return uuid && g_ascii_strcasecmp(uuid, text) == 0;
}

static gboolean has_name_or_uuid(VirtbusDomain *domain, const char *text) {
        return has_name(domain, text) || has_uuid(domain, text);
}

/**
 * virtbus_client_get_domain_by_name:
 * @client: a client
 * @name: a domain's whole name
 * @error: %VIRTBUS_ERROR_NO_SUCH_DOMAIN, or %VIRTBUS_ERROR_INVALID_ARGUMENT where several hypervisors have one of that name
 *
 * Returns: (transfer full): the domain
 *
 * Since: 0.2
 */
VirtbusDomain *virtbus_client_get_domain_by_name(VirtbusClient *client, const char *name, GError **error) {
        return find(client, name, has_name, error);
}

/**
 * virtbus_client_get_domain_by_uuid:
 * @client: a client
 * @uuid: a domain's whole UUID, in letters of any case
 * @error: %VIRTBUS_ERROR_NO_SUCH_DOMAIN, or %VIRTBUS_ERROR_INVALID_ARGUMENT where several hypervisors have one of that UUID
 *
 * Returns: (transfer full): the domain
 *
 * Since: 0.2
 */
VirtbusDomain *virtbus_client_get_domain_by_uuid(VirtbusClient *client, const char *uuid, GError **error) {
        return find(client, uuid, has_uuid, error);
}

/**
 * virtbus_client_find_domain:
 * @client: a client
 * @text: a domain's whole name or UUID
 * @error: %VIRTBUS_ERROR_NO_SUCH_DOMAIN, or %VIRTBUS_ERROR_INVALID_ARGUMENT where several domains are meant
 *
 * Finds the domain that a person means. The beginning of a name is not enough: what is done to a domain must never reach another
 * one because the first has gone.
 *
 * Returns: (transfer full): the domain
 *
 * Since: 0.1
 */
VirtbusDomain *virtbus_client_find_domain(VirtbusClient *client, const char *text, GError **error) {
        return find(client, text, has_name_or_uuid, error);
}
