/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/resize-disk.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/executable.h"
#include "domain/connection.h"
#include "domain/owners-rights.h"
#include "domain/disk-size.h"
#include "domain/operation.h"
#include "domain/user-work.h"
#include "qemu/command/handed-image.h"
#include "qemu/command/image.h"
#include "qemu/command/node-name.h"
#include "qemu/guest/guest.h"
#include "qemu/guest/resize-image.h"
#include "vtables.h"

/* Where a qcow2 header has the size of the disk: eight bytes, big-endian. */
#define QCOW2_SIZE_AT 24

/* One call; the domain may end or change meanwhile. */
typedef struct Resizing {
        Domain *domain;
        Call *call;
        DiskSize size;
        char *alias, *node, *path, *format; /* NODE: of its image in a running guest */
        uint64_t chosen;
        bool holds;        /* the domain, which is off, until its image has the new size */
        GPtrArray *layers; /* of an image that is opened */
        char *emulator;    /* what gives it another size */
        ImageResize *work;
        GPtrArray *work_list; /* the host's, which it is in */
} Resizing;

static Resizing *resizing_new(Domain *domain, const DeviceDefinition *device, const DiskSize *size, Call *call) {
        Resizing *resizing = g_new0(Resizing, 1);
        *resizing = (Resizing){ .domain = domain_ref(domain), .call = call, .size = *size };
        resizing->alias = g_strdup(device->alias);
        resizing->node = node_name_of_top(device, "format");
        resizing->path = g_strdup(device->source);
        resizing->format = g_strdup(device->format[0] ? device->format : "raw");
        return resizing;
}

static void resizing_free(Resizing *resizing) {
        g_clear_pointer(&resizing->layers, g_ptr_array_unref);
        g_clear_pointer(&resizing->work, image_resize_free);
        if (resizing->work_list)
                g_ptr_array_remove(resizing->work_list, resizing);
        if (resizing->holds)
                domain_hold(resizing->domain, false);
        domain_unref(resizing->domain);
        g_free(resizing->alias);
        g_free(resizing->node);
        g_free(resizing->path);
        g_free(resizing->format);
        g_free(resizing->emulator);
        g_free(resizing);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Resizing, resizing_free)

static void answer(Resizing *resizing, const GError *error) {
        if (error)
                call_fail(resizing->call, error);
        else
                reply_device_disk_resize(resizing->call);
        resizing_free(resizing);
}

/* Of a running guest */

/* The driver is ending, or the guest is being let go of, before QEMU has answered. */
static void drop(void *data) {
        g_autoptr(GError) error = NULL;
        virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        answer(data, error);
}

static void on_resized(void *data, JsonObject *object, const GError *error) {
        Guest *guest = ((Resizing *) data)->domain->run;
        (void) object;
        if (guest)
                guest->sizes_asked = 0;
        answer(data, error);
}

/* The size of the image that a node has; false: there is no such node. */
static bool find_size(JsonArray *nodes, const char *name, uint64_t *size) {
        gint64 bytes = json_int(json_member(json_find(nodes, "node-name", name), "image"), "virtual-size", -1);
        *size = bytes < 0 ? *size : (uint64_t) bytes;
        return bytes >= 0;
}

static void on_nodes(void *data, JsonObject *object, const GError *failure) {
        Resizing *resizing = data;
        Guest *guest = resizing->domain->run;
        g_autoptr(GError) error = NULL;
        uint64_t now = 0;
        if (failure)
                error = g_error_copy(failure);
        else if (!find_size(json_array(object, "return"), resizing->node, &now))
                domain_fail(resizing->domain, &error, VIRTBUS_ERROR_OPERATION_INVALID, "disk '%s' has no image", resizing->alias);
        else if (guest_check_monitor(resizing->domain, &error))
                disk_size_choose(&resizing->size, resizing->alias, now, &resizing->chosen, &error);
        if (error)
                answer(resizing, error);
        else
                monitor_ask(guest->monitor, "block_resize",
                            json_make("node-name", 's', resizing->node, "size", 'i', (gint64) resizing->chosen, NULL), on_resized,
                            resizing, drop);
}

static void resize_running(Resizing *resizing) {
        Guest *guest = resizing->domain->run;
        g_autoptr(GError) error = NULL;
        if (guest_check_monitor(resizing->domain, &error))
                monitor_ask(guest->monitor, "query-named-block-nodes", json_make("flat", 'b', TRUE, NULL), on_nodes, resizing,
                            drop);
        else
                answer(resizing, error);
}

/* Of a domain that is off */

static bool read_size(const ImageLayer *layer, uint64_t *size, GError **error) {
        struct stat info;
        uint64_t stored;
        if (strcmp(layer->format, "qcow2") == 0) {
                if (pread(layer->fd, &stored, sizeof stored, QCOW2_SIZE_AT) != sizeof stored)
                        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "image %s is too short", layer->path);
                *size = be64toh(stored);
                return true;
        }
        if (fstat(layer->fd, &info) < 0)
                return virtbus_error_set_errno(error, errno, "image %s cannot be looked at", layer->path);
        *size = (uint64_t) info.st_size;
        return true;
}

/* Those of its domain. */
static GPtrArray *open_with_rights(const Resizing *resizing, GError **error) {
        g_autoptr(UserRights) rights = NULL;
        if (!user_rights_find(owners_rights_of(resizing->domain), &rights, error) || !user_rights_enter(rights, error))
                return NULL;
        return image_open(&(ImageSource){ .path = resizing->path, .format = resizing->format, .foreign_user = geteuid() == 0 },
                          error);
}

/* In a thread, as opening may hang. Headers of other formats than these are not looked into here. */
static void open_image(void *data, GError **error) {
        Resizing *resizing = data;
        uint64_t now = 0;
        if (strcmp(resizing->format, "raw") != 0 && strcmp(resizing->format, "qcow2") != 0) {
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                  "image %s has the format '%s': only raw and qcow2 are resized while the domain is off; others "
                                  "can be resized while it runs",
                                  resizing->path, resizing->format);
                return;
        }
        resizing->layers = open_with_rights(resizing, error);
        const ImageLayer *top = resizing->layers ? resizing->layers->pdata[0] : NULL;
        if (!top)
                return;
        ExecutableIdentity identity;
        if (!executable_check(resizing->emulator, &identity, error))
                return;
        if (top->is_device)
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "%s is a block device, which is resized by what has made it",
                                  top->path);
        else if (resizing->layers->len > 1)
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                  "image %s is backed by another; it can be resized while the domain runs", top->path);
        else if (read_size(top, &now, error))
                disk_size_choose(&resizing->size, resizing->alias, now, &resizing->chosen, error);
}

static void on_image_resized(void *data, const GError *error) {
        answer(data, error);
}

/* It is given the open image: what is at the path may be another one by now. */
static bool begin_work(Resizing *resizing, GError **error) {
        const ImageLayer *top = resizing->layers->pdata[0];
        Connection *connection = resizing->domain->connection;
        const ImageToResize image = {
                .emulator = resizing->emulator,
                .path = resizing->path,
                .format = resizing->format,
                .fd = top->fd,
                .bytes = resizing->chosen,
        };
        resizing->work = image_resize_new(connection, &image, on_image_resized, resizing, error);
        if (!resizing->work)
                return false;
        resizing->work_list = host_of(connection)->resizings;
        g_ptr_array_add(resizing->work_list, resizing);
        return true;
}

static void on_opened(void *data, const GError *failure) {
        Resizing *resizing = data;
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        if (!error && domain_is_active(resizing->domain))
                domain_fail(resizing->domain, &error, VIRTBUS_ERROR_RESOURCE_BUSY, "it has been started meanwhile; call again");
        if (error || !begin_work(resizing, &error))
                answer(resizing, error);
}

/* Its size is not that of its image, and needs a passphrase to be changed. */
static bool is_encrypted(const Domain *domain, const DeviceDefinition *device) {
        const Definition *definition = domain_definition(domain);
        g_autoptr(xmlDoc) document = definition_document(definition, NULL);
        const xmlNode *element = document ? definition_find_element(document, definition, device->alias) : NULL;
        return xml_find(element, "source/encryption") || xml_child(element, "encryption");
}

void resize_disk(Domain *domain, const DeviceDefinition *device, const DiskSize *size, Call *call) {
        g_autoptr(Resizing) resizing = resizing_new(domain, device, size, call);
        g_autoptr(GError) error = NULL;
        if (domain_is_active(domain))
                resize_running(g_steal_pointer(&resizing));
        else if (strcmp(device->source_type, "file") != 0 || !resizing->path[0]) {
                domain_fail(domain, &error, VIRTBUS_ERROR_UNSUPPORTED,
                            "disk '%s' is not a file; it can be resized while the domain runs", device->alias);
                call_fail(call, error);
        } else if (device->is_handed) {
                domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID,
                            "disk '%s' " IMAGE_IS_HANDED "; it can be resized while it runs", device->alias);
                call_fail(call, error);
        } else if (is_encrypted(domain, device)) {
                domain_fail(domain, &error, VIRTBUS_ERROR_UNSUPPORTED,
                            "disk '%s' is encrypted; it can be resized while the domain runs", device->alias);
                call_fail(call, error);
        } else if (domain->holds > 0) { /* what is to be added is added to what it has now */
                domain_fail(domain, &error, VIRTBUS_ERROR_RESOURCE_BUSY,
                            "an image of it is being given another size, or it another name; call again when that is done");
                call_fail(call, error);
        } else {
                resizing->holds = true;
                resizing->emulator = command_line_emulator(domain_definition(domain));
                domain_hold(domain, true);
                user_work_run(domain->connection, domain->owner, open_image, on_opened, g_steal_pointer(&resizing));
        }
}

void resize_disk_end(GPtrArray *resizings) {
        while (resizings->len > 0)
                drop(resizings->pdata[resizings->len - 1]);
        g_ptr_array_unref(resizings);
}
