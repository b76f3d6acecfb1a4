/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/disk-info.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "domain/connection.h"
#include "domain/owners-rights.h"
#include "domain/user-work.h"
#include "qemu/command/handed-image.h"
#include "qemu/command/image.h"
#include "qemu/command/node-name.h"
#include "qemu/guest/guest.h"
#include "vtables.h"

/* What stat(2) counts room in. */
#define STAT_BLOCK_BYTES 512

/* One call; the domain may end or change meanwhile. */
typedef struct DiskInfo {
        Domain *domain;
        Call *call;
        char *alias, *path, *format;
        char *format_node, *storage_node; /* of a running guest's image */
        bool is_device;
        uint64_t capacity, allocation, physical;
} DiskInfo;

static DiskInfo *disk_info_new(Domain *domain, const DeviceDefinition *device, Call *call) {
        DiskInfo *info = g_new0(DiskInfo, 1);
        *info = (DiskInfo){ .domain = domain_ref(domain), .call = call };
        info->alias = g_strdup(device->alias);
        info->path = g_strdup(device->source);
        info->format = g_strdup(device->format[0] ? device->format : "raw");
        info->format_node = node_name_of_top(device, "format");
        info->storage_node = node_name_of_top(device, "storage");
        info->is_device = strcmp(device->source_type, "block") == 0;
        return info;
}

static void answer(DiskInfo *info, const GError *error) {
        if (error)
                call_fail(info->call, error);
        else
                reply_device_disk_get_info(info->call, info->capacity, info->allocation, info->physical);
        domain_unref(info->domain);
        g_free(info->alias);
        g_free(info->path);
        g_free(info->format);
        g_free(info->format_node);
        g_free(info->storage_node);
        g_free(info);
}

/* Of a running guest */

/* The driver is ending, or the guest is being let go of, before QEMU has answered. */
static void drop(void *data) {
        g_autoptr(GError) error = NULL;
        virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        answer(data, error);
}

static void on_statistics(void *data, JsonObject *object, const GError *error) {
        DiskInfo *info = data;
        JsonObject *node = error ? NULL : json_find(json_array(object, "return"), "node-name", info->storage_node);
        info->allocation = (uint64_t) MAX(json_int(json_member(node, "stats"), "wr_highest_offset", 0), 0);
        answer(info, error);
}

/* A disk without a node for its storage is one whose format has it. */
static void on_nodes(void *data, JsonObject *object, const GError *failure) {
        DiskInfo *info = data;
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        JsonArray *nodes = error ? NULL : json_array(object, "return");
        JsonObject *format = json_member(json_find(nodes, "node-name", info->format_node), "image"),
                   *storage = json_member(json_find(nodes, "node-name", info->storage_node), "image");
        Guest *guest = info->domain->run;
        if (!error && !format)
                domain_fail(info->domain, &error, VIRTBUS_ERROR_OPERATION_INVALID, "disk '%s' has no image", info->alias);
        info->capacity = (uint64_t) MAX(json_int(format, "virtual-size", 0), 0);
        info->physical = (uint64_t) MAX(json_int(storage ? storage : format, "virtual-size", 0), 0);
        info->allocation = (uint64_t) MAX(json_int(storage ? storage : format, "actual-size", 0), 0);
        bool is_within = info->is_device && strcmp(info->format, "raw") != 0; /* a device is full, but not of what is in it */
        if (info->is_device)
                info->allocation = info->physical;
        if (!error && is_within && guest_check_monitor(info->domain, &error))
                monitor_ask(guest->monitor, "query-blockstats", json_make("query-nodes", 'b', TRUE, NULL), on_statistics, info,
                            drop);
        else
                answer(info, error);
}

/* Of a domain that is off */

/* Those of its domain. */
static GPtrArray *open_with_rights(const DiskInfo *info, GError **error) {
        g_autoptr(UserRights) rights = NULL;
        ImageBacking *backing = image_backing_new();
        GPtrArray *layers = NULL;
        backing->ends = true;
        if (user_rights_find(owners_rights_of(info->domain), &rights, error) && user_rights_enter(rights, error))
                layers = image_open(&(ImageSource){ .path = info->path,
                                                    .format = info->format,
                                                    .backing = backing,
                                                    .read_only = true },
                                    error);
        image_backing_free(backing);
        return layers;
}

/* In a thread, as opening may hang. */
static void look(void *data, GError **error) {
        DiskInfo *info = data;
        struct stat status;
        g_autoptr(GPtrArray) layers = open_with_rights(info, error);
        const ImageLayer *top = layers ? layers->pdata[0] : NULL;
        if (!top || !image_size(top->fd, top->path, info->format, &info->capacity, error) ||
            !image_size(top->fd, top->path, "raw", &info->physical, error))
                return;
        if (fstat(top->fd, &status) < 0)
                virtbus_error_set_errno(error, errno, "image %s cannot be looked at", top->path);
        else
                info->allocation = top->is_device ? info->physical : (uint64_t) status.st_blocks * STAT_BLOCK_BYTES;
}

static void on_looked(void *data, const GError *error) {
        answer(data, error);
}

/* Why the image of a domain that is off says nothing; false with the error. */
static bool check_off(const Domain *domain, const DeviceDefinition *device, GError **error) {
        static const char *const types[] = { "file", "block", NULL }, *const formats[] = { "", "raw", "qcow2", NULL };
        const Definition *definition = domain_definition(domain);
        if (!g_strv_contains(types, device->source_type))
                return domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                                   "disk '%s' is neither a file nor a block device; its size is known while the domain runs",
                                   device->alias);
        if (!device->source[0])
                return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID, "disk '%s' has no image", device->alias);
        if (device->is_handed)
                return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                                   "disk '%s' " IMAGE_IS_HANDED "; its size is known while it runs", device->alias);
        if (!g_strv_contains(formats, device->format))
                return domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                                   "disk '%s' has the format '%s', not raw or qcow2; its size is known while the domain runs",
                                   device->alias, device->format);
        g_autoptr(xmlDoc) document = definition_document(definition, NULL);
        const xmlNode *element = document ? definition_find_element(document, definition, device->alias) : NULL;
        bool is_encrypted = xml_find(element, "source/encryption") || xml_child(element, "encryption");
        /* a qcow2's header says the guest's size; before a raw image that is encrypted lies what its format keeps there */
        return !is_encrypted || strcmp(device->format, "qcow2") == 0 ||
               domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                           "disk '%s' is encrypted; its size is known while the domain runs", device->alias);
}

void disk_info_answer(Domain *domain, const DeviceDefinition *device, Call *call) {
        g_autoptr(GError) error = NULL;
        const Guest *guest = domain->run;
        if (domain_is_active(domain) ? !guest_check_monitor(domain, &error) : !check_off(domain, device, &error))
                call_fail(call, error);
        else if (domain_is_active(domain))
                monitor_ask(guest->monitor, "query-named-block-nodes", json_make("flat", 'b', TRUE, NULL), on_nodes,
                            disk_info_new(domain, device, call), drop);
        else
                user_work_run(domain->connection, domain->owner, look, on_looked, disk_info_new(domain, device, call));
}
