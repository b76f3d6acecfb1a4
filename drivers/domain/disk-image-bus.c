/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/disk-image-bus.h"

#include <inttypes.h>
#include <string.h>

#include "domain/connection.h"
#include "domain/disk-jobs.h"
#include "domain/offers.h"
#include "domain/operations/block-job.h"
#include "options.h"
#include "vtables.h"

DEVICE_DISK_IMAGE_VTABLE(Device, image);

const Vtable *disk_image_vtable(void) {
        return &image_vtable;
}

static void begin(Call *call, const Device *self, DiskJobRequest *request) {
        request->alias = g_strdup(self->definition->alias);
        request->target = g_strdup(self->definition->target);
        request->started_by = call->uid;
        domain_operate(self->domain, block_job_new(call, request));
}

static bool check_bandwidth(uint64_t bandwidth, GError **error) {
        return bandwidth <= INT64_MAX || virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                                           "a bandwidth of %" PRIu64 " bytes is too much", bandwidth);
}

static void image_commit(Call *call, Device *self, const char *base, const char *top, sd_bus_message *options) {
        DiskJobRequest request = { .kind = DISK_COMMIT };
        g_autoptr(GError) error = NULL;
        if (!options_read(options, &error, "shallow", 'b', &request.shallow, "pivot", 'b', &request.pivots, "bandwidth", 't',
                          &request.bandwidth, NULL) ||
            !check_bandwidth(request.bandwidth, &error)) {
                call_fail(call, error);
                return;
        }
        request.base = g_strdup(base);
        request.top = g_strdup(top);
        begin(call, self, &request);
}

static void image_pull(Call *call, Device *self, const char *base, sd_bus_message *options) {
        DiskJobRequest request = { .kind = DISK_PULL };
        g_autoptr(GError) error = NULL;
        if (!options_read(options, &error, "bandwidth", 't', &request.bandwidth, NULL) ||
            !check_bandwidth(request.bandwidth, &error)) {
                call_fail(call, error);
                return;
        }
        request.base = g_strdup(base);
        begin(call, self, &request);
}

/* QEMU's own bounds; 0 is its choice. */
static bool check_copying(const DiskJobRequest *request, GError **error) {
        uint32_t granularity = request->granularity;
        if (granularity > 0 && (granularity < 512 || granularity > 64 * 1024 * 1024 || (granularity & (granularity - 1)) > 0))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "granularity is %" PRIu32 "; it must be a power of two from 512 to 64 MiB", granularity);
        return request->buffer <= INT32_MAX || virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                                                 "a buffer of %" PRIu64 " bytes is too much", request->buffer);
}

static void image_copy(Call *call, Device *self, const char *path, const char *format, sd_bus_message *options) {
        DiskJobRequest request = { .kind = DISK_COPY };
        g_autoptr(GError) error = NULL;
        bool is_device = g_str_has_prefix(path, "/dev/");
        const char *chosen = *format ? format : is_device ? "raw" : "qcow2";
        bool fine = options_read(options, &error, "shallow", 'b', &request.shallow, "reuse", 'b', &request.reuse, "pivot", 'b',
                                 &request.pivots, "synchronous", 'b', &request.synchronous, "bandwidth", 't', &request.bandwidth,
                                 "granularity", 'u', &request.granularity, "buffer", 't', &request.buffer, NULL) &&
                    path_check(path, &error) && check_bandwidth(request.bandwidth, &error) && check_copying(&request, &error);
        if (fine && !xml_is_text(path))
                fine = virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "the path has a character that a document cannot have");
        if (fine && strcmp(chosen, "qcow2") != 0 && strcmp(chosen, "raw") != 0)
                fine = virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "the format is '%.32s'; it must be qcow2 or raw",
                                         chosen);
        if (fine && request.shallow && strcmp(chosen, "raw") == 0)
                fine = virtbus_error_set(
                                &error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                "a shallow copy is backed by other images, which one of format raw cannot be: use qcow2");
        if (!fine) {
                call_fail(call, error);
                return;
        }
        request.path = g_strdup(path);
        request.format = g_strdup(chosen);
        begin(call, self, &request);
}

/* Of a disk that runs. */
static const DiskImage *find_image(const Device *self, const char *name, GError **error) {
        const DeviceDefinition *disk = self->definition;
        const Domain *domain = self->domain;
        if (!domain_is_up(domain)) {
                domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID, "it is %s; thresholds are set while it runs",
                            domain_state_name(domain->state));
                return NULL;
        }
        const DiskImage *image = !disk->images ? NULL
                                 : *name       ? disk_chain_find(disk->images, disk->target, name)
                                               : disk->images->pdata[0];
        if (!image)
                domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT, "disk '%s' has no image '%.200s'", disk->target, name);
        return image;
}

static void image_set_threshold(Call *call, Device *self, const char *name, uint64_t bytes) {
        g_autoptr(GError) error = NULL;
        const Hypervisor *hypervisor = self->domain->connection->hypervisor;
        const DiskImage *image = find_image(self, name, &error);
        if (image && bytes > INT64_MAX)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "a threshold of %" PRIu64 " bytes is too much", bytes);
        if (error)
                call_fail(call, error);
        else
                hypervisor->disk_jobs->set_threshold(self->domain, self->definition, image, bytes, call);
}

static int image_get_chain(const Device *self, sd_bus_message *message) {
        const GPtrArray *images = self->definition->images;
        int r = sd_bus_message_open_container(message, 'a', "(uss)");
        for (guint i = 0; r >= 0 && images && i < images->len; i++) {
                const DiskImage *image = images->pdata[i];
                r = sd_bus_message_append(message, "(uss)", image->index, image->path, image->format);
        }
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static const char *image_get_job(const Device *self) {
        const DiskJob *job = disk_job_find(self->domain, self->definition->alias);
        return job ? disk_job_path(job) : "/";
}

void disk_image_announce_jobs(Domain *domain) {
        for (guint i = 0; i < domain->devices->len; i++) {
                const Device *device = domain->devices->pdata[i];
                if (device->device_class == DEVICE_DISK)
                        published_changed(device->published, &image_vtable, (const int[]){ DEVICE_DISK_IMAGE_JOB, -1 });
        }
}

static const Device *find_disk(const Domain *domain, const char *alias) {
        for (guint i = 0; i < domain->devices->len; i++) {
                const Device *device = domain->devices->pdata[i];
                if (strcmp(device->definition->alias, alias) == 0 && device->device_class == DEVICE_DISK)
                        return device;
        }
        return NULL;
}

void disk_image_tell_job(Domain *domain, const char *alias, const char *operation, const char *state, const char *error) {
        const Device *device = find_disk(domain, alias);
        if (device)
                published_emit(device->published, image_vtable.info, "JobStateChanged", "sssss", device->definition->target,
                               device->definition->source, operation, state, error);
}

void disk_image_tell_threshold(const Domain *domain, const char *alias, const DiskImage *image, uint64_t threshold,
                               uint64_t excess) {
        const Device *device = find_disk(domain, alias);
        if (device)
                published_emit(device->published, image_vtable.info, "ThresholdReached", "sustt", device->definition->target,
                               image->index, image->path, threshold, excess);
}
