/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/image-needs.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/named-file.h"
#include "base/user-rights.h"
#include "domain/connection.h"
#include "domain/owners-rights.h"
#include "domain/snapshot.h"
#include "qemu/command/image.h"

typedef struct NeedingTop {
        char *who, *path;
} NeedingTop;

static void top_free(void *data) {
        NeedingTop *top = data;
        g_free(top->who);
        g_free(top->path);
        g_free(top);
}

static void image_free(void *data) {
        NeededImage *image = data;
        g_free(image->path);
        g_free(image->by);
        g_free(image);
}

ImageNeeds *image_needs_new(const Domain *domain) {
        ImageNeeds *needs = g_new(ImageNeeds, 1);
        *needs = (ImageNeeds){
                .images = g_ptr_array_new_with_free_func(image_free),
                .tops = g_ptr_array_new_with_free_func(top_free),
                .rights = owners_rights_of(domain),
        };
        return needs;
}

void image_needs_free(ImageNeeds *needs) {
        g_ptr_array_unref(needs->images);
        g_ptr_array_unref(needs->tops);
        g_free(needs);
}

const NeededImage *image_needs_ask(ImageNeeds *needs, const char *path) {
        for (guint i = 0; i < needs->images->len; i++)
                if (strcmp(((const NeededImage *) needs->images->pdata[i])->path, path) == 0)
                        return needs->images->pdata[i];
        NeededImage *image = g_new0(NeededImage, 1);
        image->path = g_strdup(path);
        g_ptr_array_add(needs->images, image);
        return image;
}

void image_needs_add(ImageNeeds *needs, const char *who, const char *path) {
        NeedingTop *top = g_new(NeedingTop, 1);
        *top = (NeedingTop){ g_strdup(who), g_strdup(path) };
        g_ptr_array_add(needs->tops, top);
}

/* What a document names below an image, whatever that image's header says; of a domain that is off they have no numbers. */
static void add_named(ImageNeeds *needs, const char *who, const Definition *definition, xmlDoc *document,
                      const DeviceDefinition *device) {
        const xmlNode *element = document ? definition_find_element(document, definition, device->alias) : NULL;
        g_autoptr(GPtrArray) named = element ? disk_chain_read_named(element) : NULL;
        for (guint i = 1; named && i < named->len; i++) {
                const DiskImage *image = named->pdata[i];
                if (image->path[0])
                        image_needs_add(needs, who, image->path);
        }
}

static void add_definition(ImageNeeds *needs, const char *who, const Definition *definition, GHashTable *known) {
        bool names = definition && strstr(definition->xml, "<backingStore");
        g_autoptr(xmlDoc) document = names ? definition_document(definition, NULL) : NULL;
        for (guint i = 0; definition && i < definition->devices->len; i++) {
                const DeviceDefinition *device = definition->devices->pdata[i];
                if (device->device_class != DEVICE_DISK || !device->source[0] || g_hash_table_contains(known, device->source))
                        continue;
                image_needs_add(needs, who, device->source);
                add_named(needs, who, definition, document, device);
        }
}

static void add_snapshots(ImageNeeds *needs, const Domain *domain, const char *called, const char *without, GHashTable *known) {
        for (guint i = 0; i < snapshots_count(domain); i++) {
                const SnapshotDefinition *snapshot = snapshots_at(domain, i)->definition;
                g_autoptr(xmlDoc) document = snapshot->domain ? xml_parse_own(snapshot->domain, "domain", NULL) : NULL;
                g_autoptr(Definition) was = document ? definition_from_document(document, NULL) : NULL;
                g_autofree char *who = g_strdup_printf("snapshot '%s'%s", snapshot->name, called);
                if (g_strcmp0(snapshot->name, without) != 0)
                        add_definition(needs, who, was, known);
        }
}

void image_needs_add_all(ImageNeeds *needs, const Domain *domain, const char *without, GHashTable *known) {
        GHashTableIter iterator;
        void *other;
        g_autoptr(GHashTable) none = g_hash_table_new(g_str_hash, g_str_equal);
        add_snapshots(needs, domain, "", without, known);
        g_hash_table_iter_init(&iterator, domain->connection->by_uuid);
        while (g_hash_table_iter_next(&iterator, NULL, &other)) {
                const Domain *its = other;
                bool is_own = its->owner == domain->owner; /* others' names are not told */
                g_autofree char *who = is_own ? g_strdup_printf("domain '%s'", domain_name(its))
                                              : g_strdup("another user's domain"),
                                *called = g_strdup_printf(" of %s", who);
                /* One with its owner's rights alone names what nobody may be led to. */
                if (its == domain || (owners_rights_of(its) != USER_RIGHTS_ALL && owners_rights_of(its) != needs->rights))
                        continue;
                add_definition(needs, who, its->persistent, none);
                add_definition(needs, who, its->live, none);
                add_snapshots(needs, its, called, NULL, none);
        }
}

/* In a worker */

static bool find_file(const char *path, struct stat *info) {
        g_autofd int found = named_file_find("image", path, info, NULL);
        return found >= 0;
}

static void note(const ImageNeeds *needs, const char *path, const struct stat *info, const char *who) {
        for (guint i = 0; i < needs->images->len; i++) {
                NeededImage *image = needs->images->pdata[i];
                bool is_it = strcmp(image->path, path) == 0 ||
                             (info && image->is_found && image->device == info->st_dev && image->inode == info->st_ino);
                if (is_it && !image->by)
                        image->by = g_strdup(who);
        }
}

static void follow(const ImageNeeds *needs, const NeedingTop *top) {
        g_autofree char *path = g_strdup(top->path);
        for (unsigned n = 0; path && n < IMAGE_LAYERS_MAX; n++) {
                struct stat info;
                bool is_there = find_file(path, &info);
                if (is_there || n > 0)
                        note(needs, path, is_there ? &info : NULL, top->who);
                g_autofd int fd = is_there ? image_open_to_look(path, NULL) : -1;
                g_autofree char *named = fd >= 0 ? image_backing_name(fd) : NULL, *folder = g_path_get_dirname(path);
                g_free(path);
                path = !named ? NULL : named[0] == '/' ? g_strdup(named) : g_build_filename(folder, named, NULL);
        }
}

void image_needs_look(ImageNeeds *needs, GError **error) {
        g_autoptr(UserRights) rights = NULL;
        if (user_rights_find(needs->rights, &rights, error) && user_rights_enter(rights, error)) {
                for (guint i = 0; i < needs->images->len; i++) {
                        NeededImage *image = needs->images->pdata[i];
                        struct stat info;
                        image->is_found = find_file(image->path, &info);
                        image->device = image->is_found ? info.st_dev : 0;
                        image->inode = image->is_found ? info.st_ino : 0;
                }
                for (guint i = 0; i < needs->tops->len; i++)
                        follow(needs, needs->tops->pdata[i]);
        }
        user_rights_leave(rights);
}
