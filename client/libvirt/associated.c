/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "associated.h"

struct Associated {
        GHashTable *domains; /* path -> GHashTable: name -> GUnixFDList */
};

void associated_free(Associated *associated) {
        if (!associated)
                return;
        g_hash_table_unref(associated->domains);
        g_free(associated);
}

static unsigned count(GHashTable *groups, const char *but) {
        GHashTableIter iterator;
        gpointer name, fds;
        unsigned n = 0;
        g_hash_table_iter_init(&iterator, groups);
        while (g_hash_table_iter_next(&iterator, &name, &fds))
                n += g_str_equal(name, but) ? 0 : (unsigned) g_unix_fd_list_get_length(fds);
        return n;
}

static unsigned count_all(const Associated *associated) {
        GHashTableIter iterator;
        gpointer groups;
        unsigned n = 0;
        g_hash_table_iter_init(&iterator, associated->domains);
        while (g_hash_table_iter_next(&iterator, NULL, &groups))
                n += count(groups, "");
        return n;
}

static GHashTable *ensure_domain(Client *client, const char *domain) {
        if (!client->associated) {
                client->associated = g_new0(Associated, 1);
                client->associated->domains =
                                g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_hash_table_unref);
        }
        GHashTable *groups = g_hash_table_lookup(client->associated->domains, domain);
        if (!groups) {
                groups = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_object_unref);
                g_hash_table_insert(client->associated->domains, g_strdup(domain), groups);
        }
        return groups;
}

bool associated_keep(Client *client, const char *domain, const char *name, GUnixFDList *fds, GError **error) {
        unsigned n = (unsigned) g_unix_fd_list_get_length(fds);
        if (n == 0 || !*name)
                return libvirt_error_set(error, LIBVIRT_INVALID_ARG,
                                         "descriptors are associated by a name, at least one at once");
        GHashTable *groups = ensure_domain(client, domain);
        if (count(groups, name) + n > ASSOCIATED_PER_DOMAIN_MAX || count_all(client->associated) + n > ASSOCIATED_MAX)
                return libvirt_error_set(error, LIBVIRT_OPERATION_INVALID,
                                         "a client associates at most %d descriptors with a domain, and %d in all: close the "
                                         "connection to let go of them",
                                         ASSOCIATED_PER_DOMAIN_MAX, ASSOCIATED_MAX);
        g_hash_table_insert(groups, g_strdup(name), g_object_ref(fds));
        return true;
}

static GVariant *add_group(GUnixFDList *group, GUnixFDList *all) {
        int n;
        const int *fds = g_unix_fd_list_peek_fds(group, &n);
        GVariantBuilder handles;
        g_variant_builder_init(&handles, G_VARIANT_TYPE("ah"));
        for (int i = 0; i < n; i++) {
                int handle = g_unix_fd_list_append(all, fds[i], NULL);
                if (handle >= 0)
                        g_variant_builder_add(&handles, "h", handle);
        }
        return g_variant_builder_end(&handles);
}

GVariant *associated_add(const Client *client, const char *domain, GVariant *options, GUnixFDList **fds) {
        GHashTable *groups = client->associated ? g_hash_table_lookup(client->associated->domains, domain) : NULL;
        *fds = NULL;
        if (!groups)
                return options;
        g_autoptr(GVariant) taken = g_variant_ref_sink(options);
        g_auto(GVariantDict) all = G_VARIANT_DICT_INIT(taken);
        GVariantBuilder value;
        GHashTableIter iterator;
        gpointer name, group;
        *fds = g_unix_fd_list_new();
        g_variant_builder_init(&value, G_VARIANT_TYPE("a{sah}"));
        g_hash_table_iter_init(&iterator, groups);
        while (g_hash_table_iter_next(&iterator, &name, &group))
                g_variant_builder_add(&value, "{s@ah}", name, add_group(group, *fds));
        g_variant_dict_insert_value(&all, "fds", g_variant_builder_end(&value));
        return g_variant_dict_end(&all);
}
