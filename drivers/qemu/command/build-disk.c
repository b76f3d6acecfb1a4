/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Disks: block nodes for their sources, and the device that the guest sees. */

#include <inttypes.h>
#include <string.h>

#include "qemu/command/builder.h"
#include "qemu/command/image.h"

/* QEMU's limit on a node's name is 31 bytes. */
#define NODE_PREFIX_BYTES_MAX 18

/* How disks are cached: what QEMU's block layer is told, by cache mode. */
static const struct {
        const char *mode;
        bool direct, no_flush, write_cache;
} cache_modes[] = {
        { "none", true, false, true },        { "writethrough", false, false, false }, { "writeback", false, false, true },
        { "directsync", true, false, false }, { "unsafe", false, true, true },
};

static JsonObject *cache_options(const char *mode) {
        for (size_t i = 0; mode && i < G_N_ELEMENTS(cache_modes); i++)
                if (strcmp(mode, cache_modes[i].mode) == 0)
                        return json_make("direct", 'b', cache_modes[i].direct, "no-flush", 'b', cache_modes[i].no_flush, NULL);
        return NULL;
}

/* Short enough whatever alias the author chose. */
char *command_line_node_prefix(const char *alias) {
        if (strlen(alias) <= NODE_PREFIX_BYTES_MAX)
                return g_strdup_printf("%s-", alias);
        g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, alias, -1);
        return g_strdup_printf("n%.*s-", NODE_PREFIX_BYTES_MAX - 2, digest);
}

int command_line_node_layer(const char *prefix, const char *name) {
        static const char *const kinds[] = { "-cor", "-format", "-slice", "-storage", NULL };
        char *end;
        if (!g_str_has_prefix(name, prefix) || !g_ascii_isdigit(*(name += strlen(prefix))))
                return -1;
        guint64 layer = g_ascii_strtoull(name, &end, 10);
        return layer < 2 * DISK_LAYERS_OTHER && g_strv_contains(kinds, end) ? (int) layer : -1;
}

static const char *node_name(Builder *builder, const char *alias, unsigned layer, const char *what) {
        g_autofree char *prefix = command_line_node_prefix(alias);
        return builder_format(builder, "%s%u-%s", prefix, builder->context->first_layer + layer, what);
}

/* Network sources */

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
                return json_object_ref(json_array_get_object_element(array, 0));
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
                if (identity && identity[0] == '+')
                        json_add(node, members[i], 'i', (gint64) strtoul(identity + 1, NULL, 10), NULL);
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
                { "ssl/@verify", "sslverify", PROPERTY_BOOL },
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
        const char *id = builder_format(builder, "obj%s_tls0", name);
        builder_not_here(builder, source, "TLS to its disks");
        builder_add_json(builder, "-object",
                         json_make("qom-type", 's', "tls-creds-x509", "id", 's', id, "endpoint", 's', "client", "verify-peer",
                                   'b', TRUE, NULL));
        json_add(node, "tls-creds", 's', id, "tls-hostname", 's', builder_get(builder, source, "@tlsHostname"), NULL);
}

static JsonObject *network_source(Builder *builder, xmlNode *source, const char *name) {
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

/* A helper that grants persistent reservations. */
static const char *add_reservations(Builder *builder, xmlNode *reservations, const char *name) {
        bool managed = builder_flag(builder, reservations, "@managed") == 1;
        const char *id = managed ? "pr-helper0" : builder_format(builder, "pr-helper-%s", name);
        const char *path = managed ? NULL : builder_require(builder, reservations, "source/@path");
        builder_know(builder, reservations, "source");
        if (managed)
                builder_not_here(builder, reservations, "reservations managed by it: run qemu-pr-helper, and name its socket");
        builder_add_json(builder, "-object",
                         json_make("qom-type", 's', "pr-manager-helper", "id", 's', id, "path", 's', path, NULL));
        return id;
}

/* Layers: a source, and the format in it. */

/* What one image of a chain is, in the document: the disk itself or a <backingStore>. */
typedef struct Layer {
        xmlNode *element, *source;
        const char *type, *format, *alias;
        const char *cache, *io, *discard;
        const ImageLayer *image; /* opened, or NULL */
        unsigned number;
        bool read_only, is_cdrom, is_floppy;
} Layer;

/* Opens what is a file or a block device. */
static JsonObject *file_source(Builder *builder, Layer *layer) {
        bool block = strcmp(layer->type, "block") == 0;
        const char *path = builder_require(builder, layer->source, block ? "@dev" : "@file");
        const char *driver = layer->image ? (layer->image->is_device ? "host_device" : "file") : block ? "host_device" : "file";
        if (block && layer->is_cdrom && !layer->image && g_str_has_prefix(path, "/dev/cdrom"))
                driver = "host_cdrom"; /* as the device itself would tell */
        const char *name = builder_pass_as_file(builder, layer->image ? (int *) &layer->image->fd : NULL, path);
        return json_make("driver", 's', driver, "filename", 's', name, "aio", 's', layer->io, NULL);
}

static JsonObject *volume_source(Builder *builder, Layer *layer) {
        /* libvirt's storage pools are another service's. */
        const char *volume = builder_require(builder, layer->source, "@volume");
        builder_require(builder, layer->source, "@pool");
        builder_know(builder, layer->source, "@mode");
        builder_not_here(builder, layer->source, "a volume of a storage pool: name its file or device");
        return json_make("driver", 's', "file", "filename", 's', volume, NULL);
}

static JsonObject *layer_source(Builder *builder, Layer *layer, const char *name) {
        if (strcmp(layer->type, "file") == 0 || strcmp(layer->type, "block") == 0)
                return file_source(builder, layer);
        if (strcmp(layer->type, "volume") == 0)
                return volume_source(builder, layer);
        if (strcmp(layer->type, "network") == 0)
                return network_source(builder, layer->source, name);
        if (strcmp(layer->type, "dir") == 0)
                return json_make("driver", 's', "vvfat", "dir", 's', builder_require(builder, layer->source, "@dir"), "floppy",
                                 'b', layer->is_floppy, "rw", 'b', !layer->read_only, NULL);
        if (strcmp(layer->type, "nvme") == 0) {
                xmlNode *address = builder_element(builder, layer->source, "address");
                builder_know(builder, layer->source, "@managed address/@type");
                builder_know(builder, layer->source, "@type");
                builder_not_here(builder, layer->source, "an NVMe controller of the host");
                return json_make("driver", 's', "nvme", "device", 's',
                                 builder_format(builder, "%04" PRIx64 ":%02" PRIx64 ":%02" PRIx64 ".%" PRIu64,
                                                builder_number(builder, address, "@domain", 0, 0xffff, 0),
                                                builder_number(builder, address, "@bus", 0, 0xff, 0),
                                                builder_number(builder, address, "@slot", 0, 31, 0),
                                                builder_number(builder, address, "@function", 0, 7, 0)),
                                 "namespace", 'i',
                                 (gint64) builder_number(builder, layer->source, "@namespace", 1, UINT32_MAX, 1), NULL);
        }
        builder_unsupported(builder, layer->element, "a source of type '%.32s' is not QEMU's", layer->type);
        return json_object_new();
}

/* Encryption is the format's (LUKS in raw or qcow2), or the storage's (RBD's own). */
static void add_encryption(Builder *builder, Layer *layer, JsonObject *storage, JsonObject *node, const char *name) {
        xmlNode *inside = builder_element(builder, layer->source, "encryption"),
                *beside = builder_element(builder, layer->element, "encryption"), *encryption = inside ? inside : beside;
        if (!encryption)
                return;
        if (inside && beside) {
                builder_invalid(builder, beside, "the disk's source has an <encryption> already");
                return;
        }
        const char *engine = builder_choose(builder, encryption, "@engine", "qemu librbd"),
                   *format = builder_choose(builder, encryption, "@format", "default qcow luks luks2 luks-any");
        const char *secret = builder_format(builder, "%s-encryption-secret0", name);
        bool in_rbd = g_strcmp0(engine, "librbd") == 0;
        if (g_strcmp0(format, "luks") != 0 && !in_rbd)
                builder_unsupported(builder, encryption, "QEMU 7.2 knows the encryption format luks only");
        if (!in_rbd && strcmp(layer->format, "raw") != 0 && strcmp(layer->format, "qcow2") != 0)
                builder_unsupported(builder, encryption, "only disks of format raw and qcow2 can be encrypted, not '%.32s'",
                                    layer->format);
        builder_add_secret(builder,
                           builder_element(builder, encryption, "secret") ? builder_element(builder, encryption, "secret")
                                                                          : encryption,
                           secret);
        if (strcmp(layer->format, "raw") == 0 && !in_rbd)
                json_add(node, "driver", 's', "luks", "key-secret", 's', secret, NULL);
        else
                json_add(in_rbd ? storage : node, "encrypt", 'o',
                         json_make("format", 's', format, "key-secret", 's', secret, NULL), NULL);
}

static void check_format(Builder *builder, const Layer *layer) {
        static const char *const formats[] = { "raw", "qcow2", "qcow",  "qed",       "vmdk", "vdi", "vpc", "vhdx",
                                               "dmg", "cloop", "bochs", "parallels", "luks", "fat", NULL };
        xmlNode *driver = xml_child(layer->element, "driver") ? xml_child(layer->element, "driver") : layer->element;
        if (strcmp(layer->format, "iso") == 0)
                builder_invalid(builder, driver, "format 'iso' is QEMU's 'raw': use that");
        else if (!g_strv_contains(formats, layer->format))
                builder_unsupported(builder, driver, "QEMU has no disk format '%.32s'", layer->format);
}

/* A part of a file: raw images begin and end there; others are read from a node of that part, which is returned. */
static JsonObject *make_slice(Builder *builder, const Layer *layer, JsonObject *node, const char *storage) {
        xmlNode *slice = builder_element(builder, layer->source, "slices/slice");
        JsonObject *target = node;
        if (!slice)
                return NULL;
        builder_know(builder, slice, "@type");
        if (strcmp(layer->format, "raw") != 0) {
                const char *name = node_name(builder, layer->alias, layer->number, "slice");
                builder_not_here(builder, slice, "an image in a slice of its file that is not raw");
                target = json_make("driver", 's', "raw", "node-name", 's', name, "file", 's', storage, "discard", 's', "unmap",
                                   NULL);
                json_add(node, "file", 's', name, NULL);
        }
        json_add(target, "offset", 'i', (gint64) builder_number(builder, slice, "@offset", 0, G_MAXINT64, 0), "size", 'i',
                 (gint64) builder_number(builder, slice, "@size", 0, G_MAXINT64, 0), NULL);
        return target == node ? NULL : target;
}

/* How much of qcow2's tables is kept in memory; of an image below, beside its format. */
static void add_metadata_cache(Builder *builder, const Layer *layer, JsonObject *node) {
        const char *path = xml_is(layer->element, "disk") ? "driver/metadata_cache/max_size" : "format/metadata_cache/max_size";
        uint64_t size = builder_size(builder, layer->element, path, "bytes", 0);
        if (size > 0)
                json_add(node, "cache-size", 'i', (gint64) size, NULL);
}

/* One image, over the node BELOW (NULL: the last, or not told). Returns its node. */
static const char *build_layer(Builder *builder, Layer *layer, const char *below, bool ends, const xmlNode *driver) {
        const char *storage_name = node_name(builder, layer->alias, layer->number, "storage"),
                   *name = node_name(builder, layer->alias, layer->number, "format");
        bool is_fat = strcmp(layer->format, "fat") == 0;
        check_format(builder, layer);
        if (is_fat) {
                if (strcmp(layer->type, "dir") != 0 && strcmp(layer->type, "volume") != 0)
                        builder_unsupported(builder, layer->element, "format 'fat' needs a source of type dir");
                if (!layer->read_only)
                        builder_unsupported(builder, layer->element, "a directory as a disk must have <readonly/>");
        }
        xmlNode *reservations = builder_element(builder, layer->source, "reservations");
        const char *manager = reservations ? add_reservations(builder, reservations, storage_name) : NULL;
        JsonObject *storage = layer_source(builder, layer, storage_name);
        JsonObject *node = json_make("driver", 's', is_fat ? "raw" : layer->format, "node-name", 's', name, "read-only", 'b',
                                     layer->read_only, "file", 's', storage_name, NULL);
        JsonObject *slice = make_slice(builder, layer, node, storage_name);
        add_metadata_cache(builder, layer, node);
        add_encryption(builder, layer, storage, node, name);
        builder_know(builder, layer->source, "seclabel @startupPolicy @index");
        json_add(storage, "node-name", 's', storage_name, "read-only", 'b', layer->read_only, "discard", 's', "unmap",
                 "pr-manager", 's', manager, "cache", 'o', cache_options(layer->cache), NULL);
        json_add(node, "cache", 'o', cache_options(layer->cache), NULL);
        json_add(node, "discard", 's', layer->discard, NULL);
        if (driver) {
                const char *discard = layer->discard, *zeroes = builder_choose(builder, driver, "@detect_zeroes", "off on unmap");
                /* Zeroes are unmapped only where discarding is passed on. */
                if (g_strcmp0(zeroes, "unmap") == 0 && g_strcmp0(discard, "unmap") != 0)
                        zeroes = "on";
                json_add(node, "detect-zeroes", 's', zeroes, NULL);
        }
        if (below)
                json_add(node, "backing", 's', below, NULL);
        else if (ends && strcmp(layer->format, "qcow2") == 0)
                json_add(node, "backing", 'n', NULL);
        builder_add_json(builder, "-blockdev", storage);
        if (slice)
                builder_add_json(builder, "-blockdev", slice);
        builder_add_json(builder, "-blockdev", node);
        return name;
}

/* What is below a disk's image, so many layers deep; NULL where its document does not say. */
static xmlNode *store_below(xmlNode *disk, unsigned depth) {
        xmlNode *store = disk;
        for (unsigned i = 0; store && i < depth; i++)
                store = xml_child(store, "backingStore");
        return store;
}

/* What the document says of the images below one; and what was found in them where they were opened. */
static const char *build_backing(Builder *builder, const Layer *above, GPtrArray *images, bool *ends) {
        xmlNode *store = builder_element(builder, above->element, "backingStore");
        unsigned n = above->number + 1;
        Layer layer = {
                .element = store,
                .type = "file",
                .format = "raw",
                .alias = above->alias,
                .number = n,
                .read_only = true,
                .cache = above->cache,
                .io = above->io,
                .discard = above->discard,
        };
        *ends = store && !xml_child(store, NULL);
        if (images) { /* what the images themselves say */
                if (store)
                        builder_know(builder, store->parent, "backingStore");
                *ends = n >= images->len;
                if (*ends)
                        return NULL;
                layer.image = images->pdata[n];
                layer.format = layer.image->format;
                layer.element = above->element;
                layer.source = NULL;
                const char *storage_name = node_name(builder, layer.alias, n, "storage"),
                           *name = node_name(builder, layer.alias, n, "format");
                bool last;
                const char *below = build_backing(builder, &layer, images, &last);
                JsonObject *storage = json_make("driver", 's', layer.image->is_device ? "host_device" : "file", "node-name", 's',
                                                storage_name, "filename", 's',
                                                builder_pass_as_file(builder, (int *) &layer.image->fd, layer.image->path),
                                                "read-only", 'b', TRUE, "aio", 's', layer.io, "discard", 's', "unmap", "cache",
                                                'o', cache_options(layer.cache), NULL);
                JsonObject *node = json_make("driver", 's', layer.format, "node-name", 's', name, "read-only", 'b', TRUE, "file",
                                             's', storage_name, "cache", 'o', cache_options(layer.cache), "discard", 's',
                                             layer.discard, "backing", 's', below, NULL);
                if (!below && strcmp(layer.format, "qcow2") == 0)
                        json_add(node, "backing", 'n', NULL);
                Layer named = layer; /* its element */
                named.element = store_below(above->element, n);
                named.source = xml_child(named.element, "source");
                if (named.element)
                        add_encryption(builder, &named, storage, node, name);
                builder_add_json(builder, "-blockdev", storage);
                builder_add_json(builder, "-blockdev", node);
                return name;
        }
        if (!store || *ends)
                return NULL;
        builder_know(builder, store, "@index");
        layer.type = builder_get(builder, store, "@type") ? builder_get(builder, store, "@type") : "file";
        layer.format = builder_require(builder, store, "format/@type");
        layer.source = builder_element(builder, store, "source");
        if (!layer.source) {
                builder_invalid(builder, store, "<source> is missing");
                return NULL;
        }
        bool last;
        const char *below = build_backing(builder, &layer, NULL, &last);
        return build_layer(builder, &layer, below, last, NULL);
}

/* A drive may be empty. */
static bool has_medium(const xmlNode *source, const DeviceDefinition *part) {
        return source &&
               (part->source[0] || strcmp(part->source_type, "nvme") == 0 ||
                (strcmp(part->source_type, "network") == 0 && xmlHasProp((xmlNode *) source, (const xmlChar *) "protocol")));
}

const char *build_disk_nodes(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        xmlNode *source = builder_element(builder, element, "source"), *driver = builder_element(builder, element, "driver");
        File *file = builder_file(builder, element);
        const char *cache = builder_choose(builder, driver, "@cache", "default none writethrough writeback directsync unsafe");
        Layer layer = {
                .element = element,
                .source = source,
                .type = part->source_type,
                .format = part->format,
                .alias = part->alias,
                .cache = cache,
                .io = builder_choose(builder, driver, "@io", "threads native io_uring"),
                .image = file && file->layers ? file->layers->pdata[0] : NULL,
                .read_only = part->read_only,
                .is_cdrom = strcmp(part->type, "cdrom") == 0,
                .is_floppy = strcmp(part->type, "floppy") == 0,
                .discard = builder_choose(builder, driver, "@discard", "ignore unmap"),
        };
        builder_get(builder, driver, "@type");
        builder_get(builder, driver, "@detect_zeroes");
        if (strcmp(part->format, "raw") != 0)
                check_format(builder, &layer);
        if (file && file->missing) {
                builder_choose_now(source, "missing", "yes");
                builder_know(builder, element, "source");
                return NULL;
        }
        if (!has_medium(source, part)) { /* an empty name is an empty drive */
                builder_know(builder, source, "@file @dev @dir @name @volume @startupPolicy seclabel");
                return NULL;
        }
        bool ends;
        const char *below = build_backing(builder, &layer, file ? file->layers : NULL, &ends);
        const char *name = build_layer(builder, &layer, below, ends, driver);
        if (builder_flag(builder, driver, "@copy_on_read") == 1) {
                const char *filter = node_name(builder, part->alias, 0, "cor");
                builder_add_json(builder, "-blockdev",
                                 json_make("driver", 's', "copy-on-read", "node-name", 's', filter, "file", 's', name, "discard",
                                           's', "unmap", NULL));
                name = filter;
        }
        return name;
}

const char *build_flat_node(Builder *builder, xmlNode *element, const char *name, const char *path, const char *format,
                            bool read_only, const File *file) {
        const ImageLayer *image = file && file->layers ? file->layers->pdata[0] : NULL;
        xmlNode *source = builder_element(builder, element, "source");
        const char *storage_name = builder_format(builder, "%s-storage", name),
                   *node = builder_format(builder, "%s-format", name);
        JsonObject *storage;
        if (source && builder_is(builder, element, "@type", "network"))
                storage = network_source(builder, source, storage_name);
        else
                storage = json_make("driver", 's',
                                    (image ? image->is_device : builder_is(builder, element, "@type", "block")) ? "host_device"
                                                                                                                : "file",
                                    "filename", 's', builder_pass_as_file(builder, image ? (int *) &image->fd : NULL, path),
                                    NULL);
        json_add(storage, "node-name", 's', storage_name, "read-only", 'b', read_only, "discard", 's', "unmap", NULL);
        builder_add_json(builder, "-blockdev", storage);
        builder_add_json(builder, "-blockdev",
                         json_make("driver", 's', format, "node-name", 's', node, "read-only", 'b', read_only, "file", 's',
                                   storage_name, NULL));
        return node;
}

/* The device */

/* Where on its bus a disk is, from its address. */
static void add_drive_address(Builder *builder, xmlNode *element, const DeviceDefinition *part, JsonObject *device) {
        xmlNode *address = builder_element(builder, element, "address"), *target = builder_element(builder, element, "target");
        if (!builder_is(builder, address, "@type", "drive")) {
                builder_invalid(builder, address ? address : element,
                                "'%s' on bus %s has an address of type '%.16s'; it must be drive", part->target, part->bus,
                                builder_get(builder, address, "@type") ? builder_get(builder, address, "@type") : "none");
                return;
        }
        gint64 controller = (gint64) builder_number(builder, address, "@controller", 0, 255, 0),
               bus = (gint64) builder_number(builder, address, "@bus", 0, 255, 0),
               scsi_target = (gint64) builder_number(builder, address, "@target", 0, 255, 0),
               unit = (gint64) builder_number(builder, address, "@unit", 0, 16383, 0);
        if (strcmp(part->bus, "ide") == 0) {
                if (builder->q35)
                        builder_unsupported(builder, target, "machine q35 has no IDE bus: use sata");
                json_add(device, "bus", 's', builder_format(builder, "ide.%" G_GINT64_FORMAT, bus), "unit", 'i', unit, NULL);
        } else if (strcmp(part->bus, "fdc") == 0)
                json_add(device, "unit", 'i', unit, NULL);
        else if (strcmp(part->bus, "sata") == 0)
                json_add(device, "bus", 's',
                         builder_format(builder, "%s.%" G_GINT64_FORMAT,
                                        builder_controller_bus(builder, address, "sata", (uint64_t) controller), unit),
                         NULL);
        else {
                xmlNode *owner = builder_controller_at(builder, "scsi", (uint64_t) controller);
                static const char *const narrow_models[] = { "lsilogic", "buslogic", "am53c974", "dc390" };
                bool narrow = false;
                for (size_t i = 0; owner && i < G_N_ELEMENTS(narrow_models); i++)
                        narrow |= xml_attribute_is(owner, "model", narrow_models[i]);
                json_add(device, "bus", 's',
                         builder_format(builder, "%s.0", builder_controller_bus(builder, address, "scsi", (uint64_t) controller)),
                         NULL);
                if (narrow) {
                        if (scsi_target != 0)
                                builder_unsupported(builder, address, "on this model of SCSI controller target must be 0");
                        json_add(device, "scsi-id", 'i', unit, NULL);
                } else
                        json_add(device, "channel", 'i', bus, "scsi-id", 'i', scsi_target, "lun", 'i', unit, NULL);
        }
}

/* The driver of each bus, by what stands in it. */
static const char *disk_driver(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        static const struct {
                const char *bus, *disk, *cdrom, *lun;
        } drivers[] = {
                { "ide", "ide-hd", "ide-cd", NULL },
                { "sata", "ide-hd", "ide-cd", NULL },
                { "scsi", "scsi-hd", "scsi-cd", "scsi-block" },
                { "usb", "usb-storage", "usb-storage", NULL },
                { "virtio", "virtio-blk", NULL, "virtio-blk" },
        };
        xmlNode *target = builder_element(builder, element, "target");
        if (strcmp(part->type, "floppy") == 0 || strcmp(part->bus, "fdc") == 0) {
                if (strcmp(part->type, "floppy") != 0 || strcmp(part->bus, "fdc") != 0)
                        builder_invalid(builder, target, "floppy drives are on bus fdc, and nothing else is");
                return "floppy";
        }
        for (size_t i = 0; i < G_N_ELEMENTS(drivers); i++)
                if (strcmp(part->bus, drivers[i].bus) == 0) {
                        const char *driver = strcmp(part->type, "cdrom") == 0 ? drivers[i].cdrom
                                             : strcmp(part->type, "lun") == 0 ? drivers[i].lun
                                                                              : drivers[i].disk;
                        if (driver)
                                return driver;
                        builder_unsupported(builder, target, "bus %s has no %s; use scsi", part->bus, part->type);
                        return "none";
                }
        builder_unsupported(builder, target,
                            "the QEMU driver does not know the disk bus '%.16s'; use virtio, scsi, sata, ide or usb", part->bus);
        return "none";
}

/* What has the back end is, in QEMU, a part of the device for some buses. */
static const char *block_device(Builder *builder, const DeviceDefinition *part) {
        if (strcmp(part->bus, "virtio") == 0)
                return builder_format(builder, "/machine/peripheral/%s/virtio-backend", part->alias);
        if (strcmp(part->bus, "usb") == 0)
                return builder_format(builder, "/machine/peripheral/%s/%s.0/legacy[0]", part->alias, part->alias);
        return part->alias;
}

/* Limits on input and output are set by a command once QEMU is there. */
void build_io_limits(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        static const struct {
                const char *name, *member;
                bool required;
        } limits[] = {
                { "total_bytes_sec", "bps", true },
                { "read_bytes_sec", "bps_rd", true },
                { "write_bytes_sec", "bps_wr", true },
                { "total_iops_sec", "iops", true },
                { "read_iops_sec", "iops_rd", true },
                { "write_iops_sec", "iops_wr", true },
                { "total_bytes_sec_max", "bps_max", false },
                { "read_bytes_sec_max", "bps_rd_max", false },
                { "write_bytes_sec_max", "bps_wr_max", false },
                { "total_iops_sec_max", "iops_max", false },
                { "read_iops_sec_max", "iops_rd_max", false },
                { "write_iops_sec_max", "iops_wr_max", false },
                { "total_bytes_sec_max_length", "bps_max_length", false },
                { "read_bytes_sec_max_length", "bps_rd_max_length", false },
                { "write_bytes_sec_max_length", "bps_wr_max_length", false },
                { "total_iops_sec_max_length", "iops_max_length", false },
                { "read_iops_sec_max_length", "iops_rd_max_length", false },
                { "write_iops_sec_max_length", "iops_wr_max_length", false },
                { "size_iops_sec", "iops_size", false },
        };
        static const char *const exclusive[][3] = {
                { "total_bytes_sec", "read_bytes_sec", "write_bytes_sec" },
                { "total_iops_sec", "read_iops_sec", "write_iops_sec" },
                { "total_bytes_sec_max", "read_bytes_sec_max", "write_bytes_sec_max" },
                { "total_iops_sec_max", "read_iops_sec_max", "write_iops_sec_max" },
        };
        xmlNode *tune = builder_element(builder, element, "iotune");
        for (size_t i = 0; i < G_N_ELEMENTS(exclusive); i++)
                if (builder_number(builder, tune, exclusive[i][0], 0, G_MAXINT64, 0) > 0 &&
                    (builder_number(builder, tune, exclusive[i][1], 0, G_MAXINT64, 0) > 0 ||
                     builder_number(builder, tune, exclusive[i][2], 0, G_MAXINT64, 0) > 0))
                        builder_invalid(builder, tune, "%s excludes %s and %s: leave it out, or those", exclusive[i][0],
                                        exclusive[i][1], exclusive[i][2]);
        JsonObject *arguments = json_make("id", 's', block_device(builder, part), "group", 's',
                                          builder_get(builder, tune, "group_name"), NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(limits); i++) {
                gint64 value = (gint64) builder_number(builder, tune, limits[i].name, 0, 1000000000000000, 0);
                if (value > 0 || limits[i].required)
                        json_add(arguments, limits[i].member, 'i', value, NULL);
        }
        builder_add_command(builder, "block_set_io_throttle", arguments);
}

static void add_geometry(Builder *builder, xmlNode *element, JsonObject *device) {
        static const Property properties[] = {
                { "blockio/@logical_block_size", "logical_block_size", PROPERTY_NUMBER },
                { "blockio/@physical_block_size", "physical_block_size", PROPERTY_NUMBER },
                { "blockio/@discard_granularity", "discard_granularity", PROPERTY_NUMBER },
                { "geometry/@cyls", "cyls", PROPERTY_NUMBER },
                { "geometry/@heads", "heads", PROPERTY_NUMBER },
                { "geometry/@secs", "secs", PROPERTY_NUMBER },
                { "geometry/@trans", "bios-chs-trans", PROPERTY_STRING },
                { "driver/@queues", "num-queues", PROPERTY_NUMBER },
                { "driver/@queue_size", "queue-size", PROPERTY_NUMBER },
                { "driver/@ioeventfd", "ioeventfd", PROPERTY_BOOL },
                { "driver/@event_idx", "event_idx", PROPERTY_BOOL },
                { "target/@rotation_rate", "rotation_rate", PROPERTY_NUMBER },
        };
        builder_copy_properties(builder, element, device, properties, G_N_ELEMENTS(properties));
}

static void add_error_policy(Builder *builder, xmlNode *element, JsonObject *device) {
        const char *write = builder_choose(builder, element, "driver/@error_policy", "default stop report ignore enospace"),
                   *read = builder_choose(builder, element, "driver/@rerror_policy", "default stop report ignore");
        if (g_strcmp0(write, "default") == 0)
                write = NULL;
        if (g_strcmp0(read, "default") == 0)
                read = NULL;
        json_add(device, "werror", 's', g_strcmp0(write, "enospace") == 0 ? "enospc" : write, "rerror", 's',
                 read                                ? read
                 : g_strcmp0(write, "enospace") == 0 ? NULL
                                                     : write,
                 NULL);
}

static void add_cache(Builder *builder, xmlNode *element, JsonObject *device) {
        const char *cache = builder_get(builder, element, "driver/@cache");
        for (size_t i = 0; cache && i < G_N_ELEMENTS(cache_modes); i++)
                if (strcmp(cache, cache_modes[i].mode) == 0)
                        json_add(device, "write-cache", 's', cache_modes[i].write_cache ? "on" : "off", NULL);
}

/* What a SCSI disk tells of itself. */
static void add_scsi_identity(Builder *builder, xmlNode *element, const DeviceDefinition *part, JsonObject *device) {
        const char *vendor = builder_get(builder, element, "vendor"), *product = builder_get(builder, element, "product"),
                   *serial = builder_get(builder, element, "serial");
        bool scsi = strcmp(part->bus, "scsi") == 0, lun = strcmp(part->type, "lun") == 0;
        if ((vendor || product) && (!scsi || lun))
                builder_unsupported(builder, builder_element(builder, element, vendor ? "vendor" : "product"),
                                    "only disks on bus scsi have a vendor and a product");
        json_add(device, "vendor", 's', vendor, "product", 's', product, NULL);
        if (scsi && !lun)
                json_add(device, "device_id", 's', serial && *serial ? serial : builder_format(builder, "drive-%s", part->alias),
                         NULL);
        const char *wwn = builder_get(builder, element, "wwn");
        char *end = NULL;
        const char *digits = wwn && g_str_has_prefix(wwn, "0x") ? wwn + 2 : wwn;
        guint64 value = wwn ? g_ascii_strtoull(digits, &end, 16) : 0;
        if (wwn && (*end || strlen(digits) != 16))
                builder_invalid(builder, builder_element(builder, element, "wwn"),
                                "'%.32s' is not a WWN: use 16 hexadecimal digits", wwn);
        else if (wwn)
                json_add(device, "wwn", 'i', (gint64) value, NULL);
}

static void check_lun(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        bool is_iscsi = strcmp(part->source_type, "network") == 0 && builder_is(builder, element, "source/@protocol", "iscsi");
        if (strcmp(part->source_type, "block") != 0 && strcmp(part->source_type, "volume") != 0 && !is_iscsi)
                builder_invalid(builder, element, "device='lun' needs a source of type block, not '%.32s'", part->source_type);
        if (strcmp(part->format, "raw") != 0)
                builder_invalid(builder, element, "device='lun' needs format raw");
        builder_know(builder, element, "@sgio");
        if (builder_flag(builder, element, "@rawio") == 1)
                builder_not_here(builder, element, "raw I/O of a disk, which needs CAP_SYS_RAWIO: leave out rawio");
}

/* A back end of another process. */
static void build_vhost_user_disk(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        const char *chardev = builder_format(builder, "chr-vu-%s", part->alias);
        JsonObject *backend = json_make("backend", 's', "socket", "id", 's', chardev, "path", 's',
                                        builder_require(builder, element, "source/@path"), NULL);
        builder_choose(builder, element, "source/@type", "unix");
        builder_know(builder, element, "driver/@name driver/@type target/@dev target/@bus");
        if (builder_flag(builder, element, "source/reconnect/@enabled") == 1)
                json_add(backend, "reconnect", 'i',
                         (gint64) builder_number(builder, element, "source/reconnect/@timeout", 0, 86400, 0), NULL);
        builder_add_options(builder, "-chardev", backend);
        JsonObject *device = builder_virtio_device_new(builder, element, part, "vhost-user-blk");
        add_geometry(builder, element, device);
        json_add(device, "chardev", 's', chardev, NULL);
        builder_add_boot(builder, element, device, part, 0);
        builder_add_device(builder, element, device);
}

/* The boot order of a floppy is its controller's property. */
static bool add_floppy_boot(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        JsonObject *boot = json_object_new();
        bool is_floppy = strcmp(part->bus, "fdc") == 0;
        builder_add_boot(builder, element, boot, part, 3);
        if (is_floppy && json_object_has_member(boot, "bootindex"))
                builder_add(builder, "-global", "isa-fdc.bootindex%c=%" G_GINT64_FORMAT,
                            builder_number(builder, element, "address/@unit", 0, 1, 0) ? 'B' : 'A',
                            json_int(boot, "bootindex", 0));
        json_object_unref(boot);
        return is_floppy;
}

/* Whether a start goes on without the file: files.c finds that it is missing. */
static void check_startup_policy(Builder *builder, xmlNode *element, const DeviceDefinition *part, bool removable) {
        const char *policy = builder_choose(builder, element, "source/@startupPolicy", "mandatory requisite optional");
        if (!policy)
                return;
        if (strcmp(part->source_type, "file") != 0 && strcmp(part->source_type, "block") != 0)
                builder_unsupported(builder, element, "a source of type '%.16s' has no startupPolicy: leave it out",
                                    part->source_type);
        if (strcmp(policy, "requisite") == 0 && !removable)
                builder_invalid(builder, element, "startupPolicy 'requisite' is for CD-ROM and floppy drives: use optional");
}

void build_disk(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        bool cdrom = strcmp(part->type, "cdrom") == 0, floppy = strcmp(part->type, "floppy") == 0,
             lun = strcmp(part->type, "lun") == 0, usb = strcmp(part->bus, "usb") == 0, virtio = strcmp(part->bus, "virtio") == 0;
        builder_know(builder, element,
                     "@type @device @model @snapshot driver/@name target/@dev target/@bus target/@tray readonly boot mirror "
                     "source/@index");
        if (strcmp(part->source_type, "vhostuser") == 0) {
                build_vhost_user_disk(builder, element, part);
                return;
        }
        if (builder_element(builder, element, "transient")) {
                builder_know(builder, element, "transient");
                builder_not_here(builder, element, "a transient disk");
        }
        if (lun)
                check_lun(builder, element, part);
        check_startup_policy(builder, element, part, cdrom || floppy);
        const File *file = builder_file(builder, element);
        if (file && file->missing && !cdrom && !floppy) { /* the guest does without */
                builder_choose_now(xml_child(element, "source"), "missing", "yes");
                builder_know_turned_off(builder, element);
                return;
        }
        if (!has_medium(xml_child(element, "source"), part) && !cdrom && !floppy)
                builder_invalid(builder, element, "<source> is missing");
        const char *driver = disk_driver(builder, element, part), *node = build_disk_nodes(builder, element, part);
        JsonObject *device =
                        virtio ? builder_virtio_device_new(builder, element, part, driver) : builder_device_new(driver, part);
        if (virtio && lun)
                json_add(device, "scsi", 'b', TRUE, NULL);
        if (usb)
                json_add(device, "removable", 'b', builder_flag(builder, element, "target/@removable") == 1, NULL);
        else if (!virtio)
                add_drive_address(builder, element, part, device);
        const char *thread = builder_io_thread(builder, element, "driver/@iothread");
        if (thread && !virtio)
                builder_unsupported(builder, builder_element(builder, element, "driver"), "only virtio disks have an iothread");
        json_add(device, "iothread", 's', thread, NULL);
        add_geometry(builder, element, device);
        add_scsi_identity(builder, element, part, device);
        add_error_policy(builder, element, device);
        add_cache(builder, element, device);
        json_add(device, "drive", 's', node, "serial", 's', builder_get(builder, element, "serial"), NULL);
        if (builder_element(builder, element, "shareable"))
                json_add(device, "share-rw", 'b', TRUE, NULL);
        if (!floppy || !add_floppy_boot(builder, element, part))
                builder_add_boot(builder, element, device, part, cdrom ? 1 : 0);
        builder_add_device(builder, element, device);
        if (xml_child(element, "iotune"))
                build_io_limits(builder, element, part);
}
