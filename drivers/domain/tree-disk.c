/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/tree-disk.h"

#include <string.h>

void *tree_disk_find(const GPtrArray *disks, const char *name) {
        for (guint i = 0; i < disks->len; i++)
                if (strcmp(((const TreeDisk *) disks->pdata[i])->name, name) == 0)
                        return disks->pdata[i];
        return NULL;
}

bool tree_disk_fail(const void *disk, VirtbusError code, const char *why, GError **error) {
        return virtbus_error_set(error, code, "disk '%s' %s", ((const TreeDisk *) disk)->name, why);
}

static bool read_one(const GPtrArray *disks, xmlNode *element, TreeDiskRead read, void *data, GError **error) {
        g_autofree char *name = xml_attribute(element, "name");
        if (!xml_is(element, "disk"))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "<disks> has no such element: it has <disk>");
        if (!name || !*name)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "name is missing: the disk's target, or its image");
        if (tree_disk_find(disks, name))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "disk '%.64s' is named twice", name);
        if (disks->len >= TREE_DISKS_MAX)
                return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, element, "there are more than %d disks", TREE_DISKS_MAX);
        return read(data, element, g_steal_pointer(&name), error);
}

bool tree_disks_read(const GPtrArray *disks, const xmlNode *element, TreeDiskRead read, void *data, GError **error) {
        for (xmlNode *disk = xml_child(element, NULL); disk; disk = xml_next(disk, NULL))
                if (!read_one(disks, disk, read, data, error))
                        return false;
        return true;
}

static bool is_disk(const TreeDisk *disk, const DeviceDefinition *device) {
        return device->device_class == DEVICE_DISK &&
               (strcmp(disk->name, device->target) == 0 || (device->source[0] && strcmp(disk->name, device->source) == 0));
}

static bool is_of_domain(const TreeDisk *disk, const Definition *domain) {
        for (guint i = 0; i < domain->devices->len; i++)
                if (is_disk(disk, domain->devices->pdata[i]))
                        return true;
        return false;
}

static TreeDisk *take(GPtrArray *given, const DeviceDefinition *device, size_t size) {
        for (guint i = 0; i < given->len; i++)
                if (is_disk(given->pdata[i], device))
                        return g_ptr_array_steal_index(given, i);
        return g_malloc0(size);
}

bool tree_disks_complete(GPtrArray **disks, size_t size, GDestroyNotify free, const Definition *domain, TreeDiskComplete complete,
                         void *data, GError **error) {
        g_autoptr(GPtrArray) given = g_steal_pointer(disks);
        *disks = g_ptr_array_new_with_free_func(free);
        for (guint i = 0; i < given->len; i++)
                if (!is_of_domain(given->pdata[i], domain))
                        return tree_disk_fail(given->pdata[i], VIRTBUS_ERROR_INVALID_ARGUMENT, "is not one of the domain's",
                                              error);
        for (guint i = 0; i < domain->devices->len; i++) {
                const DeviceDefinition *device = domain->devices->pdata[i];
                if (device->device_class != DEVICE_DISK)
                        continue;
                TreeDisk *disk = take(given, device, size);
                g_ptr_array_add(*disks, disk);
                g_free(disk->name);
                disk->name = g_strdup(device->target);
                if (!complete(data, disk, device, error))
                        return false;
        }
        return given->len == 0 || tree_disk_fail(given->pdata[0], VIRTBUS_ERROR_INVALID_ARGUMENT,
                                                 "is named twice, by its target and its image", error);
}

/* Choosing */

typedef struct Choosing {
        const char *what;
        bool all, any; /* the document names none; one is in it */
        TreeDiskComplete complete;
        void *data;
} Choosing;

static bool choose(void *data, void *which, const DeviceDefinition *device, GError **error) {
        Choosing *choosing = data;
        TreeChosenDisk *disk = which;
        if (!disk->is_said)
                disk->is_in = choosing->all && device->source[0] && !device->read_only;
        choosing->any |= disk->is_in;
        if (!disk->is_in)
                return true;
        g_autofree char *why = g_strdup_printf("has no image: it cannot be in a %s", choosing->what);
        return device->source[0] ? choosing->complete(choosing->data, disk, device, error)
                                 : tree_disk_fail(disk, VIRTBUS_ERROR_INVALID_ARGUMENT, why, error);
}

bool tree_disks_choose(GPtrArray **disks, size_t size, GDestroyNotify free, const Definition *domain, const char *what,
                       TreeDiskComplete complete, void *data, GError **error) {
        Choosing choosing = { what, (*disks)->len == 0, false, complete, data };
        return tree_disks_complete(disks, size, free, domain, choose, &choosing, error) &&
               (choosing.any || virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "no disk would be in the %s", what));
}
