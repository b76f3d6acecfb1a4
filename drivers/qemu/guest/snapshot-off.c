/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/snapshot-off.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
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
#include "log.h"
#include "qemu/command/command-line.h"
#include "qemu/command/handed-image.h"
#include "qemu/command/image-make.h"
#include "qemu/command/image-snapshots.h"
#include "qemu/command/image.h"
#include "qemu/guest/images-qemu.h"
#include "qemu/guest/snapshot-images.h"
#include "qemu/host/host.h"

/* QEMU loads a snapshot into images only together with the state of a machine. That of the one that it is itself, without
 * anything in it, is saved before into an image in memory, of this size, and loaded with them. */
#define SCRATCH_BYTES (16 * 1024 * 1024)
#define SCRATCH "scratch"

typedef struct OffImage {
        SnapshotImage *of; /* in the work's list of all */
        int fd;
} OffImage;

struct OffWork;

/* What is done of them. */
typedef struct OffTask {
        /* In the worker, of each that is open: false where it is not one of those to be changed, or, with an error, nothing is to
         * be done. NULL: all are. */
        bool (*choose)(struct OffWork *work, const OffImage *image, bool has_it, GError **error);

        void (*run)(struct OffWork *work); /* tells QEMU; NULL: choosing is all */
        void (*told)(struct OffWork *work, Operation *operation, const GError *error);
        bool needs_scratch;
        bool passes_over; /* what is not there any more */
        bool only_looks;  /* also at images that the guest's QEMU has */
} OffTask;

typedef struct OffWork {
        Connection *connection;
        Operation *operation; /* NULL: the driver is ending */
        const OffTask *task;
        char *name, *emulator, *domain_name;
        char *given;     /* traces by which what is ours is known; or NULL */
        GString *traces; /* of the images */
        uid_t rights;
        GPtrArray *all;    /* SnapshotImage */
        GPtrArray *images; /* OffImage: those that are open */
        int scratch;
        ImagesQemu *qemu;
        bool in_worker;
        bool is_begun; /* QEMU was told to change them, and has not said that it did not */
} OffWork;

static void image_free(OffImage *image) {
        autofd_close(&image->fd);
        g_free(image);
}

static void off_work_free(OffWork *work) {
        g_clear_pointer(&work->qemu, images_qemu_free);
        autofd_close(&work->scratch);
        g_ptr_array_unref(work->images);
        g_ptr_array_unref(work->all);
        g_string_free(work->traces, TRUE);
        g_free(work->given);
        g_free(work->name);
        g_free(work->emulator);
        g_free(work->domain_name);
        g_free(work);
}

static void end(OffWork *work, const GError *error) {
        g_autoptr(GError) failure = NULL;
        if (error)
                virtbus_error_set(&failure, virtbus_error_code(error), "domain '%s': snapshot '%s': %s", work->domain_name,
                                  work->name, error->message);
        g_ptr_array_remove(host_of(work->connection)->snapshots, work);
        if (work->operation)
                work->task->told(work, work->operation, failure);
        off_work_free(work);
}

/* What QEMU is told */

static void add_actions(JsonArray *actions, const OffWork *work) {
        for (guint i = 0; i < work->images->len; i++) {
                const OffImage *image = work->images->pdata[i];
                json_array_add_object_element(actions, json_make("type", 's', "blockdev-snapshot-internal-sync", "data", 'o',
                                                                 json_make("device", 's', image->of->target, "name", 's',
                                                                           work->name, NULL),
                                                                 NULL));
        }
}

static void on_created(void *data, JsonObject *answer, const GError *error) {
        OffWork *work = data;
        (void) answer;
        /* A transaction that fails has changed nothing. */
        work->is_begun = !error || !monitor_is_there(images_qemu_monitor(work->qemu));
        images_qemu_quit(work->qemu, error);
}

static void run_create(OffWork *work) {
        JsonObject *arguments = json_object_new();
        JsonArray *actions = json_array_new();
        add_actions(actions, work);
        json_object_set_array_member(arguments, "actions", actions);
        work->is_begun = true;
        monitor_command(images_qemu_monitor(work->qemu), "transaction", arguments, -1, on_created, work);
}

static void on_removed(void *data, JsonObject *answer, const GError *error) {
        OffWork *work = data;
        (void) answer;
        images_qemu_fail(work->qemu, error);
}

static void on_all_removed(void *data, JsonObject *answer, const GError *error) {
        (void) answer;
        images_qemu_quit(((OffWork *) data)->qemu, error);
}

static void run_remove(OffWork *work) {
        for (guint i = 0; i < work->images->len; i++)
                monitor_command(images_qemu_monitor(work->qemu), "blockdev-snapshot-delete-internal-sync",
                                json_make("device", 's', ((const OffImage *) work->images->pdata[i])->of->target, "name", 's',
                                          work->name, NULL),
                                -1, on_removed, work);
        monitor_command(images_qemu_monitor(work->qemu), "query-status", NULL, -1, on_all_removed,
                        work); /* answered after those */
}

static JsonObject *job_arguments(const OffWork *work, bool all) {
        JsonObject *arguments = json_make("tag", 's', work->name, "vmstate", 's', SCRATCH, NULL);
        JsonArray *devices = json_array_new();
        json_array_add_string_element(devices, SCRATCH);
        for (guint i = 0; all && i < work->images->len; i++)
                json_array_add_string_element(devices, ((const OffImage *) work->images->pdata[i])->of->target);
        json_object_set_array_member(arguments, "devices", devices);
        return arguments;
}

static void on_loaded(void *data, const GError *error) {
        images_qemu_quit(((OffWork *) data)->qemu, error);
}

static void on_scratch_saved(void *data, const GError *error) {
        OffWork *work = data;
        if (error)
                images_qemu_quit(work->qemu, error);
        else
                images_qemu_job(work->qemu, "snapshot-load", job_arguments(work, true), on_loaded);
}

static void run_load(OffWork *work) {
        images_qemu_job(work->qemu, "snapshot-save", job_arguments(work, false), on_scratch_saved);
}

static void on_opened_by_qemu(void *data, const GError *error) {
        OffWork *work = data;
        if (error)
                images_qemu_quit(work->qemu, error);
        else
                work->task->run(work);
}

/* Whatever its header says is below it is not opened. */
static void add_image(Script *script, unsigned set, const char *name, const char *format, int fd) {
        images_qemu_add(script, set,
                        &(ImagesQemuNode){ .name = name, .format = format, .fd = fd, .writes = true, .is_root = true });
}

static void on_ready(void *data) {
        OffWork *work = data;
        Script *script = images_qemu_script(work->qemu);
        for (guint i = 0; i < work->images->len; i++) {
                const OffImage *image = work->images->pdata[i];
                add_image(script, i + 1, image->of->target, image->of->format, image->fd);
        }
        if (work->scratch >= 0)
                add_image(script, work->images->len + 1, SCRATCH, "qcow2", work->scratch);
        script_run(script, on_opened_by_qemu, work);
}

static void on_ended(void *data, const GError *error) {
        end(data, error);
}

static bool start(OffWork *work, GError **error) {
        const ImagesQemuSetup setup = {
                .connection = work->connection,
                .emulator = work->emulator,
                .seconds = IMAGES_QEMU_SECONDS,
                .ready = on_ready,
                .ended = on_ended,
                .data = work,
        };
        work->qemu = images_qemu_new(&setup, error);
        return work->qemu != NULL;
}

/* Opening */

/* Whether it is there; where it is not, and that is no fault, *FD is -1. */
static bool open_one(const OffWork *work, const SnapshotImage *image, int *fd, GError **error) {
        struct stat info;
        *fd = -1;
        if (image->is_handed)
                return virtbus_error_set(error, VIRTBUS_ERROR_OPERATION_INVALID,
                                         "disk '%s' " IMAGE_IS_HANDED "; its snapshots can be made and changed while it runs",
                                         image->target);
        if (work->task->passes_over && stat(image->path, &info) < 0 && errno == ENOENT)
                return true;
        g_autoptr(GPtrArray) layers =
                        image_open(&(ImageSource){ .path = image->path, .format = image->format, .foreign_user = geteuid() == 0 },
                                   error);
        if (!layers)
                return false;
        const ImageLayer *top = layers->pdata[0];
        if (strcmp(top->format, "qcow2") != 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                         "image %s is not qcow2, which alone can have snapshots in it", image->path);
        *fd = fcntl(top->fd, F_DUPFD_CLOEXEC, 3);
        return *fd >= 0 || virtbus_error_set_errno(error, errno, "image %s cannot be opened", image->path);
}

static bool choose(OffWork *work, const OffImage *image, bool *is_chosen, GError **error) {
        g_autoptr(GError) refused = NULL;
        bool has_it = false;
        *is_chosen = true;
        if (!work->task->choose)
                return true;
        if (!image_snapshots_have(image->fd, image->of->path, work->name, &has_it, error))
                return false;
        *is_chosen = work->task->choose(work, image, has_it, &refused);
        if (refused)
                g_propagate_error(error, g_steal_pointer(&refused));
        return !error || !*error;
}

static bool open_all(OffWork *work, GError **error) {
        for (guint i = 0; i < work->all->len; i++) {
                OffImage image = { work->all->pdata[i], -1 };
                bool is_chosen = false;
                bool fine = open_one(work, image.of, &image.fd, error) &&
                            (image.fd < 0 || choose(work, &image, &is_chosen, error));
                if (fine && is_chosen)
                        g_ptr_array_add(work->images, g_memdup2(&image, sizeof image));
                else
                        autofd_close(&image.fd);
                if (!fine)
                        return false;
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
        bool is_all = !work->task->run || work->images->len == 0;
        work->in_worker = false;
        if (!work->operation) /* the driver is ending */
                off_work_free(work);
        else if (error || is_all || !start(work, &error))
                end(work, error);
}

static void begin(Operation *operation, const SnapshotDefinition *definition, const OffTask *task, const char *given) {
        const Domain *domain = operation->domain;
        OffWork *work = g_new0(OffWork, 1);
        g_autoptr(GError) error = NULL;
        GPtrArray *all = snapshot_images_find(domain, definition, &error);
        *work = (OffWork){
                .connection = domain->connection,
                .operation = operation,
                .task = task,
                .name = g_strdup(definition->name),
                .domain_name = g_strdup(domain_name(domain)),
                .emulator = command_line_emulator(domain_definition(domain)),
                .given = g_strdup(given),
                .traces = g_string_new(NULL),
                .rights = owners_rights_of(domain),
                .all = all ? all : g_ptr_array_new(),
                .images = g_ptr_array_new_with_free_func((GDestroyNotify) image_free),
                .scratch = -1,
        };
        for (guint i = 0; domain_is_active(domain) && !task->only_looks && i < work->all->len;) { /* its QEMU has these */
                const SnapshotImage *image = work->all->pdata[i];
                if (snapshot_images_disk(domain_definition(domain), image->path))
                        g_ptr_array_remove_index(work->all, i);
                else
                        i++;
        }
        if (!error && task->needs_scratch)
                work->scratch = image_make_in_memory(SCRATCH_BYTES, &error);
        g_ptr_array_add(host_of(work->connection)->snapshots, work);
        if (error || work->all->len == 0) {
                end(work, error);
                return;
        }
        work->in_worker = true;
        user_work_run(work->connection, domain->owner, open_images, on_opened, work);
}

/* Each */

static bool choose_to_make(OffWork *work, const OffImage *image, bool has_it, GError **error) {
        struct stat info;
        if (has_it)
                return virtbus_error_set(error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                         "image %s has a snapshot of that name already, of which nothing is known here: use "
                                         "RedefineSnapshot to have it, or another name",
                                         image->of->path);
        if (fstat(image->fd, &info) < 0)
                return virtbus_error_set_errno(error, errno, "image %s cannot be looked at", image->of->path);
        snapshot_traces_add(work->traces, image->of->target, info.st_dev, info.st_ino);
        return true;
}

static void tell_prepared(OffWork *work, Operation *operation, const GError *error) {
        tree_create_prepared(operation, work->traces->str, error);
}

static void tell_made(OffWork *work, Operation *operation, const GError *error) {
        if (error && work->is_begun)
                tree_create_unknown(operation, error);
        else
                tree_create_made(operation, error);
}

static bool choose_to_load(OffWork *work, const OffImage *image, bool has_it, GError **error) {
        (void) work;
        return has_it ||
               virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "image %s has no such snapshot", image->of->path);
}

static void tell_looked(OffWork *work, Operation *operation, const GError *error) {
        (void) work;
        snapshot_looked(operation, error);
}

static void tell_loaded(OffWork *work, Operation *operation, const GError *error) {
        (void) work;
        snapshot_loaded(operation, error);
}

/* One that has it no more is no fault; another file has nothing of ours. */
static bool choose_to_remove(OffWork *work, const OffImage *image, bool has_it, GError **error) {
        struct stat info;
        if (fstat(image->fd, &info) < 0)
                return virtbus_error_set_errno(error, errno, "image %s cannot be looked at", image->of->path);
        return has_it && snapshot_traces_have(work->given, image->of->target, info.st_dev, info.st_ino);
}

static void tell_removed(OffWork *work, Operation *operation, const GError *error) {
        (void) work;
        tree_delete_removed(operation, error);
}

void snapshot_off_prepare(Operation *operation) {
        static const OffTask task = { .choose = choose_to_make, .told = tell_prepared };
        begin(operation, snapshot_create_definition(operation), &task, NULL);
}

void snapshot_off_create(Operation *operation) {
        static const OffTask task = { .run = run_create, .told = tell_made };
        begin(operation, snapshot_create_definition(operation), &task, NULL);
}

void snapshot_off_look(Operation *operation) {
        static const OffTask task = { .choose = choose_to_load, .told = tell_looked, .only_looks = true };
        begin(operation, snapshot_revert_definition(operation), &task, NULL);
}

void snapshot_off_load(Operation *operation) {
        static const OffTask task = { .run = run_load, .told = tell_loaded, .needs_scratch = true };
        begin(operation, snapshot_revert_definition(operation), &task, NULL);
}

void snapshot_off_remove(Operation *operation, const SnapshotDefinition *definition, const char *traces) {
        static const OffTask known = { .choose = choose_to_remove, .run = run_remove, .told = tell_removed }, half_made = {
                .choose = choose_to_remove, .run = run_remove, .told = tell_removed, .passes_over = true
        };
        if (domain_is_active(operation->domain))
                tree_delete_leaves_guest(operation);
        begin(operation, definition, traces ? &half_made : &known, traces);
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
