/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/build-network-source.h"

#include <string.h>

#include "qemu/command/build-tls.h"
#include "qemu/command/builder-read.h"
#include "qemu/command/builder-write.h"

static JsonArray *servers(Builder *builder, xmlNode *source, const char *default_port, bool typed) {
        JsonArray *array = json_array_new();
        for_each (builder, host, source, "host") {
                const char *transport = builder_choose(builder, host, "@transport", "tcp unix rdma"),
                           *socket = builder_get(builder, host, "@socket");
                if (transport && strcmp(transport, "unix") == 0)
                        json_array_add_object_element(array,
                                                      json_make("type", 's', "unix", "path", 's',
                                                                socket ? socket : builder_require(builder, host, "@socket"),
                                                                NULL));
                else {
                        const char *port = builder_get(builder, host, "@port");
                        json_array_add_object_element(array, json_make("type", 's', typed ? "inet" : NULL, "host", 's',
                                                                       builder_require(builder, host, "@name"), "port", 's',
                                                                       port ? port : default_port, NULL));
                }
        }
        return array;
}

/* The first host as one object, as most protocols want it. */
static JsonObject *server(Builder *builder, xmlNode *source, const char *default_port) {
        g_autoptr(JsonArray) array = servers(builder, source, default_port, true);
        if (json_array_get_length(array) == 1)
                return json_object_ref(json_object_at(array, 0));
        builder_invalid(builder, source, "a source of this protocol has one <host>");
        return json_object_new();
}

static void split_name(Builder *builder, xmlNode *source, const char **first, const char **rest) {
        const char *name = builder_require(builder, source, "@name"), *slash = strchr(name, '/');
        *first = slash ? builder_format(builder, "%.*s", (int) (slash - name), name) : name;
        *rest = slash ? slash + 1 : NULL;
}

/* <auth>, in the source or, as older documents have it, beside it. */
static void add_auth(Builder *builder, xmlNode *source, JsonObject *node, const char *name, const char *secret_member,
                     const char *type) {
        xmlNode *auth = builder_element(builder, source, "auth");
        if (!auth)
                auth = builder_element(builder, source->parent, "auth");
        xmlNode *secret = builder_element(builder, auth, "secret");
        if (!auth)
                return;
        const char *secret_type = builder_get(builder, secret, "@type");
        if (secret && !secret_type)
                builder_invalid(builder, secret, "its attribute type is missing: use %s", type);
        else if (secret && strcmp(secret_type, type) != 0)
                builder_invalid(builder, secret, "a secret of type '%.32s' does not fit this source; use %s", secret_type, type);
        json_add(node, "user", 's', builder_require(builder, auth, "@username"), NULL);
        if (!secret) {
                builder_invalid(builder, auth, "<secret> is missing");
                return;
        }
        builder_add_secret(builder, secret, builder_format(builder, "%s-auth-secret0", name));
        json_add(node, secret_member, 's', builder_format(builder, "%s-auth-secret0", name), NULL);
}

static JsonObject *nbd_source(Builder *builder, xmlNode *source, const char *name) {
        static const Property properties[] = { { "reconnect/@delay", "reconnect-delay", PROPERTY_NUMBER } };
        (void) name;
        JsonObject *node = json_make("driver", 's', "nbd", "server", 'o', server(builder, source, "10809"), "export", 's',
                                     builder_get(builder, source, "@name"), NULL);
        builder_copy_properties(builder, source, node, properties, G_N_ELEMENTS(properties));
        return node;
}

/* An address of IPv6 before a port. */
static const char *bracketed(Builder *builder, const char *host) {
        return host && strchr(host, ':') && host[0] != '[' ? builder_format(builder, "[%s]", host) : host;
}

static JsonObject *iscsi_source(Builder *builder, xmlNode *source, const char *name) {
        const char *target, *lun;
        split_name(builder, source, &target, &lun);
        g_autoptr(JsonObject) host = server(builder, source, "3260");
        JsonObject *node =
                        json_make("driver", 's', "iscsi", "portal", 's',
                                  builder_format(builder, "%s:%s", bracketed(builder, json_string(host, "host")),
                                                 json_string(host, "port")),
                                  "target", 's', target, "lun", 'i', (gint64) (lun ? strtoul(lun, NULL, 10) : 0), "transport",
                                  's', "tcp", "initiator-name", 's', builder_get(builder, source, "initiator/iqn/@name"), NULL);
        add_auth(builder, source, node, name, "password-secret", "iscsi");
        return node;
}

static JsonObject *rbd_source(Builder *builder, xmlNode *source, const char *name) {
        const char *pool, *image;
        split_name(builder, source, &pool, &image);
        JsonObject *node = json_make("driver", 's', "rbd", "pool", 's', pool, "image", 's', image, "snapshot", 's',
                                     builder_get(builder, source, "snapshot/@name"), "conf", 's',
                                     builder_get(builder, source, "config/@file"), NULL);
        JsonArray *hosts = servers(builder, source, "6789", false);
        if (json_array_get_length(hosts) > 0)
                json_object_set_array_member(node, "server", hosts);
        else
                json_array_unref(hosts);
        add_auth(builder, source, node, name, "key-secret", "ceph");
        if (json_object_has_member(node, "user")) {
                JsonArray *modes = json_array_new();
                json_array_add_string_element(modes, "cephx");
                json_array_add_string_element(modes, "none");
                json_object_set_array_member(node, "auth-client-required", modes);
        }
        return node;
}

static JsonObject *gluster_source(Builder *builder, xmlNode *source, const char *name) {
        const char *volume, *path;
        (void) name;
        split_name(builder, source, &volume, &path);
        JsonObject *node = json_make("driver", 's', "gluster", "volume", 's', volume, "path", 's', path, "debug", 'i', (gint64) 4,
                                     NULL);
        json_object_set_array_member(node, "server", servers(builder, source, "24007", true));
        return node;
}

static JsonObject *nfs_source(Builder *builder, xmlNode *source, const char *name) {
        static const char *const members[] = { "user", "group" };
        JsonObject *node = json_make("driver", 's', "nfs", "server", 'o',
                                     json_make("host", 's', builder_require(builder, source, "host/@name"), "type", 's', "inet",
                                               NULL),
                                     "path", 's', builder_require(builder, source, "@name"), NULL);
        (void) name;
        for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
                g_autofree char *path = g_strdup_printf("identity/@%s", members[i]);
                const char *identity = builder_get(builder, source, path);
                guint64 number;
                if (identity && identity[0] == '+' && g_ascii_string_to_unsigned(identity + 1, 10, 0, UINT32_MAX, &number, NULL))
                        json_add(node, members[i], 'i', (gint64) number, NULL);
                else if (identity)
                        builder_unsupported(builder, builder_element(builder, source, "identity"),
                                            "names of users are not looked up: use %s='+NUMBER'", members[i]);
        }
        return node;
}

static JsonObject *web_source(Builder *builder, xmlNode *source, const char *name) {
        const char *protocol = builder_get(builder, source, "@protocol"), *query = builder_get(builder, source, "@query"),
                   *port = builder_get(builder, source, "host/@port");
        const char *path = builder_require(builder, source, "@name");
        const char *host = bracketed(builder, builder_require(builder, source, "host/@name"));
        bool secure = strcmp(protocol, "https") == 0, is_ftp = strcmp(protocol, "ftp") == 0;
        JsonObject *node = json_make("driver", 's', protocol, "url", 's',
                                     builder_format(builder, "%s://%s:%s/%s%s%s", protocol, host,
                                                    port     ? port
                                                    : secure ? "443"
                                                    : is_ftp ? "21"
                                                             : "80",
                                                    path[0] == '/' ? path + 1 : path, query ? "?" : "", query ? query : ""),
                                     NULL);
        static const Property properties[] = {
                { "ssl/@verify", "sslverify", PROPERTY_FLAG },
                { "readahead/@size", "readahead", PROPERTY_NUMBER },
                { "timeout/@seconds", "timeout", PROPERTY_NUMBER },
        };
        builder_copy_properties(builder, source, node, properties, G_N_ELEMENTS(properties));
        if (builder_element(builder, source, "cookies")) {
                const char *secret = builder_format(builder, "%s-httpcookie-secret0", name);
                builder_know(builder, source, "cookies");
                builder_not_here(builder, source, "cookies");
                builder_add_json(builder, "-object", json_make("qom-type", 's', "secret", "id", 's', secret, NULL));
                json_add(node, "cookie-secret", 's', secret, NULL);
        }
        return node;
}

static JsonObject *ssh_source(Builder *builder, xmlNode *source, const char *name) {
        (void) name;
        return json_make("driver", 's', "ssh", "path", 's', builder_require(builder, source, "@name"), "server", 'o',
                         json_make("host", 's', builder_require(builder, source, "host/@name"), "port", 's',
                                   builder_get(builder, source, "host/@port") ? builder_get(builder, source, "host/@port") : "22",
                                   NULL),
                         "user", 's', builder_get(builder, source, "identity/@username"), NULL);
}

static const struct {
        const char *protocol;
        JsonObject *(*make)(Builder *builder, xmlNode *source, const char *name);
} protocols[] = {
        { "nbd", nbd_source },  { "iscsi", iscsi_source }, { "rbd", rbd_source },   { "gluster", gluster_source },
        { "nfs", nfs_source },  { "http", web_source },    { "https", web_source }, { "ftp", web_source },
        { "ftps", web_source }, { "ssh", ssh_source },
};

static void add_tls(Builder *builder, xmlNode *source, JsonObject *node, const char *name) {
        if (builder_flag(builder, source, "@tls") != 1)
                return;
        const char *id = build_tls(builder, source, name, false);
        json_add(node, "tls-creds", 's', id, "tls-hostname", 's', builder_get(builder, source, "@tlsHostname"), NULL);
}

JsonObject *build_network_source(Builder *builder, xmlNode *source, const char *name) {
        const char *protocol = builder_require(builder, source, "@protocol");
        for (size_t i = 0; i < G_N_ELEMENTS(protocols); i++)
                if (strcmp(protocol, protocols[i].protocol) == 0) {
                        JsonObject *node = protocols[i].make(builder, source, name);
                        add_tls(builder, source, node, name);
                        return node;
                }
        builder_unsupported(builder, source, "QEMU 7.2 has no device for disks of protocol '%.32s'", protocol);
        return json_object_new();
}

const char *build_iscsi_node(Builder *builder, xmlNode *source, const char *name, bool read_only) {
        JsonObject *node = iscsi_source(builder, source, name);
        json_add(node, "node-name", 's', name, "read-only", 'b', read_only, NULL);
        builder_add_json(builder, "-blockdev", node);
        return name;
}
