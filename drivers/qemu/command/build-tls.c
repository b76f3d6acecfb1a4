/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/build-tls.h"

#include <unistd.h>

#include "qemu/command/builder-write.h"

#define PKI_FOLDER "/etc/pki"

char *build_tls_folder(const char *use) {
        const char *given = g_getenv("VIRTBUS_PKI"), *pki = given ? given : PKI_FOLDER;
        g_autofree char *own = g_strdup_printf("%s/libvirt-%s", pki, use);
        return access(own, F_OK) == 0 ? g_steal_pointer(&own) : g_strdup_printf("%s/qemu", pki);
}

char *build_tls_object_id(const char *of) {
        return g_strdup_printf("obj%s_tls0", of);
}

char *build_tls_secret_id(const char *of) {
        return g_strdup_printf("%s-tls-secret0", of);
}

JsonObject *build_tls_credentials(const char *id, const char *folder, bool is_server, const char *secret) {
        return json_make("qom-type", 's', "tls-creds-x509", "id", 's', id, "dir", 's', folder, "endpoint", 's',
                         is_server ? "server" : "client", "verify-peer", 'b', TRUE, "passwordid", 's', secret, NULL);
}

const char *build_tls(Builder *builder, const xmlNode *element, const char *of, bool is_server) {
        g_autofree char *id = build_tls_object_id(of), *secret = build_tls_secret_id(of);
        const File *file = builder_file(builder, element);
        /* Where nothing is opened, to find what is to be removed, nobody knows whether there was a secret. */
        bool has_secret = file ? file->fd >= 0 || file->number >= 0 : builder->live;
        if (has_secret)
                builder_add_secret_object(builder, element, secret);
        builder_add_json(builder, "-object",
                         build_tls_credentials(id, file ? file->path : NULL, is_server, has_secret ? secret : NULL));
        return builder_format(builder, "%s", id);
}
