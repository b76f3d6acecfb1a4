/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/snapshot-images.h"

#include <inttypes.h>
#include <string.h>

static void image_free(void *data) {
        SnapshotImage *image = data;
        g_free(image->target);
        g_free(image->path);
        g_free(image->format);
        g_free(image);
}

static Definition *definition_of(const Domain *domain, const SnapshotDefinition *snapshot, GError **error) {
        if (!snapshot->domain)
                return definition_ref(domain_definition(domain));
        g_autoptr(xmlDoc) document = xml_parse_own(snapshot->domain, "domain", error);
        return document ? definition_from_document(document, error) : NULL;
}

GPtrArray *snapshot_images_find(const Domain *domain, const SnapshotDefinition *definition, GError **error) {
        g_autoptr(Definition) of = definition_of(domain, definition, error);
        if (!of)
                return NULL;
        GPtrArray *images = g_ptr_array_new_with_free_func(image_free);
        for (guint i = 0; i < of->devices->len; i++) {
                const DeviceDefinition *device = of->devices->pdata[i];
                const SnapshotDisk *disk = device->device_class == DEVICE_DISK && device->source[0]
                                                           ? snapshot_definition_find(definition, device->target)
                                                           : NULL;
                if (!disk || disk->place != SNAPSHOT_INTERNAL)
                        continue;
                SnapshotImage *image = g_new(SnapshotImage, 1);
                *image = (SnapshotImage){ g_strdup(device->target), g_strdup(device->source), g_strdup(device->format),
                                          device->is_handed };
                g_ptr_array_add(images, image);
        }
        return images;
}

const DeviceDefinition *snapshot_images_disk(const Definition *definition, const char *path) {
        for (guint i = 0; i < definition->devices->len; i++) {
                const DeviceDefinition *device = definition->devices->pdata[i];
                if (device->device_class == DEVICE_DISK && strcmp(device->source, path) == 0)
                        return device;
        }
        return NULL;
}

static char *trace_of(const char *target, uint64_t device, uint64_t inode) {
        return g_strdup_printf("%s=%" PRIu64 ":%" PRIu64, target, device, inode);
}

void snapshot_traces_add(GString *traces, const char *target, uint64_t device, uint64_t inode) {
        g_autofree char *trace = trace_of(target, device, inode);
        g_string_append_printf(traces, "%s%s", traces->len > 0 ? " " : "", trace);
}

bool snapshot_traces_have(const char *traces, const char *target, uint64_t device, uint64_t inode) {
        if (!traces)
                return true;
        g_autofree char *trace = trace_of(target, device, inode);
        g_auto(GStrv) all = g_strsplit(traces, " ", -1);
        return g_strv_contains((const char *const *) all, trace);
}
