/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/snapshot-off.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/executable.h"
#include "bus.h"
#include "domain/connection.h"
#include "domain/operations/snapshot-create.h"
#include "domain/operations/snapshot-revert.h"
#include "domain/operations/tree-create.h"
#include "domain/operations/tree-delete.h"
#include "domain/owners-rights.h"
#include "domain/user-work.h"
#include "qemu/command/command-line.h"
#include "qemu/command/image-make.h"
#include "qemu/command/image.h"
#include "qemu/host/host.h"
#include "qemu/monitor/bare-qemu.h"
#include "qemu/monitor/monitor-job.h"
#include "qemu/monitor/script.h"

/* How much of what QEMU says is told. */
#define OUTPUT_BYTES_MAX 1024

/* QEMU loads a snapshot into images only together with the state of a machine. That of the one that it is itself, without
 * anything in it, is saved before into an image in memory, of this size, and loaded with them. */
#define SCRATCH_BYTES (16 * 1024 * 1024)
#define SCRATCH "scratch"

typedef struct OffImage {
        char *target, *path, *format;
        int fd;
} OffImage;

typedef struct OffWork {
        Connection *connection;
        Operation *operation; /* NULL: the driver is ending */
        char *name, *emulator, *domain_name;
        uid_t rights;
        GPtrArray *images; /* OffImage */
        void (*run)(struct OffWork *work);
        void (*told)(Operation *operation, const GError *error);
        int scratch, output;
        Monitor *monitor;
        Process *process;
        MonitorJob *job;
        GHashTable *scripts;
        bool is_done, in_worker;
        GError *failure;
} OffWork;

static void image_free(OffImage *image) {
        autofd_close(&image->fd);
        g_free(image->target);
        g_free(image->path);
        g_free(image->format);
        g_free(image);
}

static void off_work_free(OffWork *work) {
        g_clear_pointer(&work->job, monitor_job_free);
        g_clear_pointer(&work->scripts, g_hash_table_unref);
        g_clear_pointer(&work->monitor, monitor_free);
        g_clear_pointer(&work->process, process_free); /* it ends with this program, if it has not ended yet */
        autofd_close(&work->output);
        autofd_close(&work->scratch);
        g_clear_error(&work->failure);
        g_ptr_array_unref(work->images);
        g_free(work->name);
        g_free(work->emulator);
        g_free(work->domain_name);
        g_free(work);
}

static void end(OffWork *work, const GError *error) {
        Operation *operation = work->operation;
        void (*told)(Operation *, const GError *) = work->told;
        g_autoptr(GError) failure = NULL;
        if (error)
                virtbus_error_set(&failure, virtbus_error_code(error), "domain '%s': snapshot '%s': %s", work->domain_name,
                                  work->name, error->message);
        g_ptr_array_remove(host_of(work->connection)->snapshots, work);
        off_work_free(work);
        if (operation)
                told(operation, failure);
}

/* What QEMU is told */

static void quit(OffWork *work, const GError *error) {
        work->is_done = !error;
        if (!work->failure)
                work->failure = error ? g_error_copy(error) : NULL;
        monitor_command(work->monitor, "quit", NULL, -1, NULL, NULL); /* what was changed is written then */
}

static void add_actions(JsonArray *actions, const OffWork *work) {
        for (guint i = 0; i < work->images->len; i++) {
                const OffImage *image = work->images->pdata[i];
                json_array_add_object_element(actions,
                                              json_make("type", 's', "blockdev-snapshot-internal-sync", "data", 'o',
                                                        json_make("device", 's', image->target, "name", 's', work->name, NULL),
                                                        NULL));
        }
}

static void on_answered(void *data, JsonObject *answer, const GError *error) {
        (void) answer;
        quit(data, error);
}

static void run_create(OffWork *work) {
        JsonObject *arguments = json_object_new();
        JsonArray *actions = json_array_new();
        add_actions(actions, work);
        json_object_set_array_member(arguments, "actions", actions);
        monitor_command(work->monitor, "transaction", arguments, -1, on_answered, work);
}

static void on_removed(void *data, JsonObject *answer, const GError *error) {
        OffWork *work = data;
        (void) answer;
        if (error && !strstr(error->message, "does not exist") && !work->failure)
                work->failure = g_error_copy(error);
}

static void on_all_removed(void *data, JsonObject *answer, const GError *error) {
        (void) answer;
        quit(data, error);
}

static void run_remove(OffWork *work) {
        for (guint i = 0; i < work->images->len; i++)
                monitor_command(work->monitor, "blockdev-snapshot-delete-internal-sync",
                                json_make("device", 's', ((const OffImage *) work->images->pdata[i])->target, "name", 's',
                                          work->name, NULL),
                                -1, on_removed, work);
        monitor_command(work->monitor, "query-status", NULL, -1, on_all_removed, work); /* answered after those */
}

static JsonObject *job_arguments(const OffWork *work, bool all) {
        JsonObject *arguments = json_make("tag", 's', work->name, "vmstate", 's', SCRATCH, NULL);
        JsonArray *devices = json_array_new();
        json_array_add_string_element(devices, SCRATCH);
        for (guint i = 0; all && i < work->images->len; i++)
                json_array_add_string_element(devices, ((const OffImage *) work->images->pdata[i])->target);
        json_object_set_array_member(arguments, "devices", devices);
        return arguments;
}

static void on_loaded(void *data, const GError *error) {
        OffWork *work = data;
        g_clear_pointer(&work->job, monitor_job_free);
        quit(work, error);
}

static void on_scratch_saved(void *data, const GError *error) {
        OffWork *work = data;
        g_clear_pointer(&work->job, monitor_job_free);
        if (error)
                quit(work, error);
        else
                work->job = monitor_job_new(work->monitor, "snapshot-load", job_arguments(work, true), on_loaded, work);
}

static void run_load(OffWork *work) {
        work->job = monitor_job_new(work->monitor, "snapshot-save", job_arguments(work, false), on_scratch_saved, work);
}

static void on_opened_by_qemu(void *data, const GError *error) {
        OffWork *work = data;
        if (error)
                quit(work, error);
        else
                work->run(work);
}

/* The file under the number of its set, and the image in it: whatever its header says is below it is not opened. */
static void add_image(Script *script, int set, const char *name, const char *format, int fd) {
        g_autofree char *path = g_strdup_printf("/dev/fdset/%d", set), *storage = g_strdup_printf("%s-storage", name);
        JsonObject *node = json_make("driver", 's', format, "node-name", 's', name, "file", 's', storage, NULL);
        if (strcmp(format, "qcow2") == 0)
                json_object_set_null_member(node, "backing");
        script_add(script,
                   monitor_request_new("add-fd", json_make("fdset-id", 'i', (gint64) set, NULL), fcntl(fd, F_DUPFD_CLOEXEC, 3)));
        script_add_command(script, "blockdev-add",
                           json_make("driver", 's', "file", "node-name", 's', storage, "filename", 's', path, NULL));
        script_add_command(script, "blockdev-add", node);
}

static void on_ready(void *data) {
        OffWork *work = data;
        work->scripts = g_hash_table_new_full(NULL, NULL, (GDestroyNotify) script_free, NULL);
        Script *script = script_new(work->monitor, work->scripts);
        for (guint i = 0; i < work->images->len; i++) {
                const OffImage *image = work->images->pdata[i];
                add_image(script, (int) i + 1, image->target, image->format, image->fd);
        }
        if (work->scratch >= 0)
                add_image(script, (int) work->images->len + 1, SCRATCH, "qcow2", work->scratch);
        script_run(script, on_opened_by_qemu, work);
}

static void on_event(void *data, const char *name, JsonObject *arguments) {
        const OffWork *work = data;
        (void) arguments;
        if (work->job && strcmp(name, "JOB_STATUS_CHANGE") == 0)
                monitor_job_told(work->job);
}

static void on_closed(void *data, const GError *error) {
        OffWork *work = data;
        (void) error; /* what it has said is told when it has ended */
        process_end(work->process);
}

static const MonitorListener listener = { .ready = on_ready, .event = on_event, .closed = on_closed };

static void on_ended(void *data, int status) {
        OffWork *work = data;
        char output[OUTPUT_BYTES_MAX] = "";
        g_autoptr(GError) error = NULL;
        ssize_t n = read(work->output, output, sizeof output);
        g_autofree char *said = g_strndup(output, n > 0 ? (size_t) n : 0), *valid = g_utf8_make_valid(said, -1);
        if (!work->is_done || status != 0 || work->failure)
                virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "%s",
                                  work->failure        ? work->failure->message
                                  : *g_strstrip(valid) ? valid
                                                       : "QEMU has failed");
        end(work, error);
}

static bool start(OffWork *work, GError **error) {
        const Host *host = host_of(work->connection);
        int output[2];
        if (pipe2(output, O_CLOEXEC | O_NONBLOCK) < 0)
                return virtbus_error_set_errno(error, errno, "%s cannot be started", work->emulator);
        g_autofd int log = output[1];
        work->output = output[0];
        const ProcessSetup setup = {
                .log = log,
                .uid = host->uid,
                .gid = host->gid,
                .confinement = &host->helpers,
                .seconds = SNAPSHOT_SECONDS,
        };
        const BareQemu qemu = {
                .emulator = work->emulator,
                .machine = "none,accel=tcg",
                .setup = &setup,
                .listener = &listener,
                .monitor_data = work,
                .ended = on_ended,
                .process_data = work,
        };
        work->process = bare_qemu_new(work->connection->event, &qemu, &work->monitor, error);
        if (work->process)
                process_go(work->process);
        return work->process != NULL;
}

/* Opening */

static int make_scratch(GError **error) {
        g_autofd int fd = memfd_create("virtbus-snapshot", MFD_CLOEXEC);
        if (fd < 0) {
                virtbus_error_set_errno(error, errno, "a file in memory cannot be made");
                return -1;
        }
        return image_make(fd, "in memory", "qcow2", SCRATCH_BYTES, NULL, NULL, error) ? steal_fd(&fd) : -1;
}

static bool open_all(OffWork *work, GError **error) {
        for (guint i = 0; i < work->images->len; i++) {
                OffImage *image = work->images->pdata[i];
                g_autoptr(GPtrArray) layers = image_open(image->path, image->format, false, NULL, geteuid() == 0, error);
                if (!layers)
                        return false;
                ImageLayer *top = layers->pdata[0];
                if (strcmp(top->format, "qcow2") != 0)
                        return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                                 "image %s is not qcow2, which alone can have snapshots in it", image->path);
                image->fd = fcntl(top->fd, F_DUPFD_CLOEXEC, 3);
                if (image->fd < 0)
                        return virtbus_error_set_errno(error, errno, "image %s cannot be opened", image->path);
        }
        return true;
}

/* In a worker, with the rights of the domain. */
static void open_images(void *data, GError **error) {
        OffWork *work = data;
        ExecutableIdentity identity;
        g_autoptr(UserRights) rights = NULL;
        bool fine = executable_check(work->emulator, &identity, error);
        if (fine && user_rights_find(work->rights, &rights, error) && user_rights_enter(rights, error))
                open_all(work, error);
        user_rights_leave(rights);
}

static void on_opened(void *data, const GError *failure) {
        OffWork *work = data;
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        work->in_worker = false;
        if (!work->operation) { /* the driver is ending */
                off_work_free(work);
                return;
        }
        if (error || !start(work, &error))
                end(work, error);
}

static void begin(Operation *operation, const SnapshotDefinition *definition, void (*run)(OffWork *work),
                  void (*told)(Operation *operation, const GError *error)) {
        const Domain *domain = operation->domain;
        const Definition *of = domain_definition(domain);
        OffWork *work = g_new0(OffWork, 1);
        g_autoptr(GError) error = NULL;
        *work = (OffWork){
                .connection = domain->connection,
                .operation = operation,
                .name = g_strdup(definition->name),
                .domain_name = g_strdup(domain_name(domain)),
                .emulator = command_line_emulator(of),
                .rights = owners_rights_of(domain),
                .images = g_ptr_array_new_with_free_func((GDestroyNotify) image_free),
                .run = run,
                .told = told,
                .scratch = -1,
                .output = -1,
        };
        for (guint i = 0; i < of->devices->len; i++) {
                const DeviceDefinition *device = of->devices->pdata[i];
                const SnapshotDisk *disk = device->device_class == DEVICE_DISK && device->source[0]
                                                           ? snapshot_definition_find(definition, device->target)
                                                           : NULL;
                if (!disk || disk->place != SNAPSHOT_INTERNAL)
                        continue;
                OffImage *image = g_new0(OffImage, 1);
                *image = (OffImage){ g_strdup(device->target), g_strdup(device->source), g_strdup(device->format), -1 };
                g_ptr_array_add(work->images, image);
        }
        if (run == run_load)
                work->scratch = make_scratch(&error);
        g_ptr_array_add(host_of(work->connection)->snapshots, work);
        if (error || work->images->len == 0) {
                end(work, error);
                return;
        }
        work->in_worker = true;
        user_work_run(work->connection, domain->owner, open_images, on_opened, work);
}

void snapshot_off_create(Operation *operation) {
        begin(operation, snapshot_create_definition(operation), run_create, tree_create_made);
}

void snapshot_off_load(Operation *operation) {
        begin(operation, snapshot_revert_definition(operation), run_load, snapshot_loaded);
}

void snapshot_off_remove(Operation *operation, const SnapshotDefinition *definition) {
        begin(operation, definition, run_remove, tree_delete_removed);
}

void snapshot_off_end(GPtrArray *works) {
        for (guint i = 0; i < works->len; i++) {
                OffWork *work = works->pdata[i];
                work->operation = NULL;
                if (!work->in_worker)
                        off_work_free(work);
        }
        g_ptr_array_unref(works);
}
