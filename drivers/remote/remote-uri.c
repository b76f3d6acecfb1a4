/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "remote/remote-uri.h"

#include <string.h>

#include "errors.h"

void remote_uri_free(RemoteUri *uri) {
        if (!uri)
                return;
        g_free(uri->scheme);
        g_free(uri->username);
        g_free(uri->host);
        g_free(uri->path);
        if (uri->parameters)
                g_hash_table_unref(uri->parameters);
        g_free(uri);
}

static bool fail(GError **error, const char *why) {
        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "OpenConnection: %s", why);
}

/* A host's name or address, which goes into URLs. */
static bool is_host(const char *host) {
        size_t length = strlen(host);
        return length > 0 && length <= REMOTE_HOST_BYTES_MAX &&
               strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:") == length;
}

static char *join_path(const char *path) {
        g_auto(GStrv) parts = g_strsplit(path ? path : "", "/", -1);
        GString *joined = g_string_new(NULL);
        for (size_t i = 0; parts[i]; i++)
                if (*parts[i])
                        g_string_append_printf(joined, "%s%s", joined->len ? "/" : "", parts[i]);
        return g_string_free(joined, FALSE);
}

static bool has_control(const char *text) {
        for (; *text; text++)
                if (g_ascii_iscntrl(*text))
                        return true;
        return false;
}

static bool read_parameters(RemoteUri *uri, const char *query, const char *const *known, GError **error) {
        uri->parameters = query ? g_uri_parse_params(query, -1, "&;", G_URI_PARAMS_NONE, NULL)
                                : g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        GHashTableIter iterator;
        void *name, *value;
        if (!uri->parameters)
                return fail(error, "the URI's parameters are not NAME=VALUE, with '&' between them");
        g_hash_table_iter_init(&iterator, uri->parameters);
        while (g_hash_table_iter_next(&iterator, &name, &value)) {
                if (!g_strv_contains(known, name)) {
                        g_autofree char *list = g_strjoinv(", ", (char **) known),
                                        *why = g_strdup_printf("the URI has an unknown parameter; there are: %s", list);
                        return fail(error, why);
                }
                if (has_control(value))
                        return fail(error, "a parameter of the URI has control characters");
        }
        return true;
}

RemoteUri *remote_uri_parse(const char *text, const char *const *parameters, GError **error) {
        g_autoptr(GUri) parsed = g_uri_parse(text, G_URI_FLAGS_HAS_PASSWORD | G_URI_FLAGS_ENCODED_QUERY, NULL);
        g_autoptr(RemoteUri) uri = g_new0(RemoteUri, 1);
        const char *host = parsed ? g_uri_get_host(parsed) : NULL, *user = parsed ? g_uri_get_user(parsed) : NULL;
        if (!host || !is_host(host)) {
                fail(error, "the URI names no host: write SCHEME://HOST/");
                return NULL;
        }
        if (g_uri_get_password(parsed) || g_uri_get_fragment(parsed)) {
                fail(error,
                     "the URI has a password, or a fragment, which it cannot have; pass a password as the option password");
                return NULL;
        }
        uri->scheme = g_strdup(g_uri_get_scheme(parsed));
        uri->host = g_ascii_strdown(host, -1);
        uri->port = MAX(g_uri_get_port(parsed), 0);
        uri->username = user && *user ? g_strdup(user) : NULL;
        uri->path = join_path(g_uri_get_path(parsed));
        if (strlen(uri->path) > REMOTE_PATH_BYTES_MAX || has_control(uri->path) || (user && has_control(user))) {
                fail(error, "the URI's path is longer than 255 bytes, or it has control characters");
                return NULL;
        }
        return read_parameters(uri, g_uri_get_query(parsed), parameters, error) ? g_steal_pointer(&uri) : NULL;
}

const char *remote_uri_parameter(const RemoteUri *uri, const char *name) {
        return g_hash_table_lookup(uri->parameters, name);
}

bool remote_uri_flag(const RemoteUri *uri, const char *name, bool *flag, GError **error) {
        const char *value = remote_uri_parameter(uri, name);
        *flag = value && strcmp(value, "1") == 0;
        if (!value || *flag || strcmp(value, "0") == 0)
                return true;
        g_autofree char *why = g_strdup_printf("the URI's parameter %s is 0 or 1", name);
        return fail(error, why);
}

char *remote_uri_place(const RemoteUri *uri, int default_port) {
        bool is_v6 = strchr(uri->host, ':') != NULL;
        return g_strdup_printf("%s%s%s:%d", is_v6 ? "[" : "", uri->host, is_v6 ? "]" : "", uri->port ? uri->port : default_port);
}
