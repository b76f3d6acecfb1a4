/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/build-nodes.h"

#include <inttypes.h>
#include <string.h>

#include "fd-groups.h"
#include "qemu/command/build-network-source.h"
#include "qemu/command/builder-device.h"
#include "qemu/command/builder-read.h"
#include "qemu/command/builder-write.h"
#include "qemu/command/image.h"
#include "qemu/command/node-name.h"

static const CacheMode cache_modes[] = {
        { "none", true, false, true },        { "writethrough", false, false, false }, { "writeback", false, false, true },
        { "directsync", true, false, false }, { "unsafe", false, true, true },
};

const CacheMode *cache_mode_find(const char *name) {
        for (size_t i = 0; name && i < G_N_ELEMENTS(cache_modes); i++)
                if (strcmp(name, cache_modes[i].name) == 0)
                        return cache_modes + i;
        return NULL;
}

const char *build_disk_cache(Builder *builder, xmlNode *disk) {
        const char *name =
                        builder_choose(builder, disk, "driver/@cache", "default none writethrough writeback directsync unsafe");
        bool is_shared = builder_element(builder, disk, "shareable") && !builder_element(builder, disk, "readonly");
        return is_shared && (!name || strcmp(name, "default") == 0) ? "none" : name;
}

static JsonObject *cache_options(const char *name) {
        const CacheMode *mode = cache_mode_find(name);
        return mode ? json_make("direct", 'b', mode->direct, "no-flush", 'b', mode->no_flush, NULL) : NULL;
}

static const char *node_name(Builder *builder, const char *alias, unsigned layer, const char *what) {
        g_autofree char *prefix = node_name_prefix(alias);
        return builder_format(builder, "%s%u-%s", prefix, builder->context->first_layer + layer, what);
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
        const char *path = builder_require(builder, layer->source, block ? "@dev" : "@file"),
                   *group = builder_get(builder, layer->source, "@fdgroup");
        if (group && !fd_group_name_check(group))
                builder_invalid(builder, layer->source,
                                "fdgroup cannot be empty, longer than 255 bytes, or have control characters");
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
                return build_network_source(builder, layer->source, name);
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

bool build_disk_has_medium(const xmlNode *source, const DeviceDefinition *part) {
        return source &&
               (part->source[0] || strcmp(part->source_type, "nvme") == 0 ||
                (strcmp(part->source_type, "network") == 0 && xmlHasProp((xmlNode *) source, (const xmlChar *) "protocol")));
}

const char *build_disk_nodes(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        xmlNode *source = builder_element(builder, element, "source"), *driver = builder_element(builder, element, "driver");
        File *file = builder_file(builder, element);
        Layer layer = {
                .element = element,
                .source = source,
                .type = part->source_type,
                .format = part->format,
                .alias = part->alias,
                .cache = build_disk_cache(builder, element),
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
        if (!build_disk_has_medium(source, part)) { /* an empty name is an empty drive */
                builder_know(builder, source, "@file @dev @dir @name @volume @startupPolicy seclabel");
                return NULL;
        }
        bool ends;
        const char *below = build_backing(builder, &layer, file ? file->layers : NULL, &ends);
        const char *name = build_layer(builder, &layer, below, ends, driver);
        if (builder_switch(builder, driver, "@copy_on_read") == 1) {
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
                storage = build_network_source(builder, source, storage_name);
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
