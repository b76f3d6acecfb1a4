/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/save.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/filter.h"
#include "base/named-file.h"
#include "bus.h"
#include "domain/connection.h"
#include "domain/disk-jobs.h"
#include "domain/domain-run.h"
#include "domain/domain-status.h"
#include "domain/operations/managed-save.h"
#include "domain/user-work.h"
#include "log.h"
#include "options.h"
#include "vtables.h"

struct Saving {
        Operation *operation; /* NULL: it has ended before */
        Connection *connection;
        char *path, *temporary; /* NULL where it is a descriptor, */
        uid_t user;             /* of this user */
        bool managed;
        SavedRuns runs;
        char *compression, *program;
        int file, end; /* where it lies; what the hypervisor writes into */
        SaveHeader header;
        Filter *filter;
        GError *error;
        bool in_worker, is_cancelled, is_done;
};

typedef struct Save {
        Operation operation;
        Saving *saving;
} Save;

Operation *save_new(Call *call, Saving *saving) {
        Operation *operation = operation_new(&save_class, call);
        ((Save *) operation)->saving = saving;
        saving->user = call->uid;
        return operation;
}

Saving *saving_new(const char *path, int fd, const char *compression, SavedRuns runs, GError **error) {
        bool plain = !*compression || strcmp(compression, SAVE_UNCOMPRESSED) == 0;
        g_autofree char *program = plain ? NULL : save_compression_program(compression, error);
        struct stat info;
        bool fine = plain || program;
        if (fine && path)
                fine = path_check(path, error);
        if (fine && fd >= 0 && (fstat(fd, &info) < 0 || (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY))
                fine = virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "the descriptor is not open for writing: open the file so, or pass a pipe's end");
        if (!fine) {
                if (fd >= 0)
                        close(fd);
                return NULL;
        }
        Saving *saving = g_new0(Saving, 1);
        *saving = (Saving){
                .path = g_strdup(path),
                .managed = !path && fd < 0,
                .runs = runs,
                .compression = g_strdup(plain ? SAVE_UNCOMPRESSED : compression),
                .program = g_steal_pointer(&program),
                .file = fd,
                .end = -1,
        };
        return saving;
}

static void release(Saving *saving) {
        if (saving->in_worker || saving->operation)
                return;
        autofd_close(&saving->file);
        autofd_close(&saving->end);
        if (saving->temporary)
                managed_save_forget(saving->connection, saving->temporary);
        save_header_clear(&saving->header);
        g_clear_error(&saving->error);
        g_free(saving->temporary);
        g_free(saving->path);
        g_free(saving->compression);
        g_free(saving->program);
        g_free(saving);
}

/* NULL where it is not an operation that saves. */
static Saving *saving_of(const Operation *operation) {
        return operation_is(operation, &save_class) ? ((const Save *) operation)->saving : NULL;
}

bool save_is_managed(const Domain *domain) {
        const Saving *saving = domain->operation ? saving_of(domain->operation) : NULL;
        return saving && saving->managed;
}

int saving_fd(const Operation *operation) {
        return saving_of(operation)->end;
}

static void save_free(Operation *operation) {
        Saving *saving = saving_of(operation);
        saving->operation = NULL;
        if (saving->filter) {
                filter_forget(saving->filter);
                saving->filter = NULL;
        }
        release(saving);
}

static void remove_temporary(void *data, GError **error) {
        (void) error;
        named_file_remove(((Saving *) data)->temporary);
}

static void on_temporary_removed(void *data, const GError *error) {
        Saving *saving = data;
        (void) error;
        saving->in_worker = false;
        g_clear_pointer(&saving->temporary, g_free);
        if (saving->operation)
                operation_finish(saving->operation, saving->error);
        else
                release(saving);
}

/* It has failed: what is not whole goes, before anyone is told. */
static void end(Saving *saving, const GError *error) {
        if (error != saving->error) {
                g_clear_error(&saving->error);
                saving->error = g_error_copy(error);
        }
        autofd_close(&saving->file);
        autofd_close(&saving->end);
        saving->file = saving->end = -1;
        if (!saving->temporary) {
                operation_finish(saving->operation, saving->error);
                return;
        }
        saving->in_worker = true;
        user_work_undo(saving->connection, saving->user, remove_temporary, on_temporary_removed, saving);
}

void saving_failed(Operation *operation, const GError *error) {
        end(saving_of(operation), error);
}

/* The guest is stopped and written, but that is of no use: it goes on. */
static void give_up(Saving *saving, const GError *error) {
        saving->connection->hypervisor->saving->continue_saved(saving->operation, error);
}

/* In a worker: makes the file, and writes the header. */
static void open_and_write_header(void *data, GError **error) {
        Saving *saving = data;
        if (saving->path) {
                struct stat info;
                if (lstat(saving->path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISLNK(info.st_mode)) {
                        virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s is not a file that could be replaced",
                                          saving->path);
                        return;
                }
                saving->file = named_file_make("the saved state", saving->temporary, saving->managed, error);
                if (saving->file < 0)
                        return;
        }
        save_header_write(saving->file, &saving->header, error);
}

static void on_filter_ended(void *data, int status);

static bool check_not_cancelled(const Saving *saving, GError **error) {
        if (saving->connection->closing)
                return domain_fail(saving->operation->domain, error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        return !saving->is_cancelled ||
               domain_fail(saving->operation->domain, error, VIRTBUS_ERROR_CANCELLED, "the save was cancelled");
}

static void on_begun(void *data, const GError *error) {
        Saving *saving = data;
        Operation *operation = saving->operation;
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        int pair[2] = { -1, -1 };
        saving->in_worker = false;
        if (saving->file < 0) /* it was not made */
                g_clear_pointer(&saving->temporary, g_free);
        if (!operation) {
                release(saving);
                return;
        }
        if (!failure && check_not_cancelled(saving, &failure) && saving->program) {
                char *const arguments[] = { saving->program, (char *) "-c", NULL };
                if (pipe2(pair, O_CLOEXEC) < 0)
                        virtbus_error_set_errno(&failure, errno, "a pipe cannot be made");
                else {
                        saving->filter = filter_new(saving->connection->event, &saving->connection->filter_user, arguments,
                                                    pair[0], saving->file, on_filter_ended, saving, &failure);
                        close(pair[0]);
                        saving->end = pair[1];
                }
        } else if (!failure)
                saving->end = fcntl(saving->file, F_DUPFD_CLOEXEC, 3);
        if (failure) {
                end(saving, failure);
                return;
        }
        saving->connection->hypervisor->saving->save_memory(operation);
}

static void cancel(Job *job, void *data) {
        Operation *operation = data;
        (void) job;
        saving_of(operation)->is_cancelled = true;
        if (saving_of(operation)->end >= 0)
                operation->domain->connection->hypervisor->saving->cancel_save(operation);
}

/* What a client has handed in may be a pipe that nobody reads, and a path may lead to what hangs. */
static void run_in_worker(Saving *saving, WorkFunction work, WorkDone done) {
        saving->in_worker = true;
        if (saving->path)
                user_work_run(saving->connection, saving->user, work, done, saving);
        else
                worker_run_of(saving->connection->clients, saving->user, work, done, saving);
}

static void open_file(Saving *saving) {
        run_in_worker(saving, open_and_write_header, on_begun);
}

static bool has_saving(const Hypervisor *hypervisor) {
        return HYPERVISOR_HAS(hypervisor, saving, save_memory);
}

/* A guest that works on its disks is not one that could be stopped and read. */
static bool save_check(const Operation *operation, GError **error) {
        return disk_jobs_check_none(operation->domain, NULL, "it is saved", error);
}

static void save_begin(Operation *operation) {
        Domain *domain = operation->domain;
        Saving *saving = saving_of(operation);
        Call *call = g_steal_pointer(&operation->call);
        operation->job = job_new(domain->connection->objects, domain->connection->name, saving->managed ? "managed-save" : "save",
                                 published_path(domain->published), call->uid, cancel, operation);
        if (saving->managed)
                reply_domain_managed_save(call, job_path(operation->job));
        else if (saving->path)
                reply_domain_save(call, job_path(operation->job));
        else
                reply_domain_save_to_fd(call, job_path(operation->job));
        if (saving->managed)
                saving->path = managed_save_path(domain->connection, domain->uuid);
        saving->operation = operation;
        saving->connection = domain->connection;
        domain->resumes = domain->state == DOMAIN_RUNNING;
        saving->header = (SaveHeader){
                .xml = definition_machine_text(domain->live), /* its images are looked at when it is restored */
                .compression = g_strdup(saving->compression),
                .running = saved_runs(saving->runs, domain->resumes),
        };
        if (saving->path)
                saving->temporary = g_strdup_printf("%s.%0*x", saving->path, SAVE_NUMBER_DIGITS, g_random_int());
        /* A successor of this driver removes what is not whole, and lets the guest go on. */
        domain_save_status(domain);
        if (!saving->managed || !domain->removing_save) /* else it is removed before it is written anew */
                open_file(saving);
}

/* In a worker: makes it durable, and gives it its name. */
static void store(void *data, GError **error) {
        Saving *saving = data;
        if (fsync(saving->file) < 0 && errno != EINVAL && errno != EROFS) { /* a pipe has nothing to be synchronized */
                virtbus_error_set_errno(error, errno, "the saved state cannot be written");
                return;
        }
        if (!saving->path)
                return;
        named_file_rename("the saved state", saving->temporary, saving->path, error);
}

static void on_unwanted_removed(void *data) {
        Saving *saving = data;
        g_autoptr(GError) error = NULL;
        saving->in_worker = false;
        if (!saving->operation) {
                release(saving);
                return;
        }
        domain_fail(saving->operation->domain, &error, VIRTBUS_ERROR_OPERATION_INVALID,
                    "it was undefined meanwhile, and a transient domain has no managed save");
        give_up(saving, error);
}

static void on_stored(void *data, const GError *error) {
        Saving *saving = data;
        saving->in_worker = false;
        if (!error)
                g_clear_pointer(&saving->temporary, g_free);
        if (!saving->operation) { /* the guest has ended by itself: what was saved of it is not what it was */
                if (!error && saving->path)
                        managed_save_forget(saving->connection, saving->path);
                release(saving);
                return;
        }
        Domain *domain = saving->operation->domain;
        if (error) {
                give_up(saving, error);
                return;
        }
        if (saving->managed)
                domain->has_managed_save = true;
        if (saving->managed && !domain->persistent) { /* another domain of its UUID would be restored from it later */
                saving->in_worker = true;
                managed_save_remove_first(domain, on_unwanted_removed, saving);
                return;
        }
        saving->is_done = true;
        if (saving->managed) {
                domain_announce(domain, (const int[]){ DOMAIN_HAS_MANAGED_SAVE, -1 });
        }
        domain_destroy(domain, REASON_SAVED, NULL);
}

/* The stream has ended: it is made durable, or the guest goes on. */
static void conclude(Saving *saving) {
        g_autoptr(GError) cancelled = NULL;
        if (!saving->error && !check_not_cancelled(saving, &cancelled)) { /* it was too late for the hypervisor */
                give_up(saving, cancelled);
                return;
        }
        if (saving->error) {
                end(saving, saving->error);
                return;
        }
        run_in_worker(saving, store, on_stored);
}

static void on_filter_ended(void *data, int status) {
        Saving *saving = data;
        saving->filter = NULL;
        /* Where it has ended by itself, that is why the hypervisor could not write on, whichever of the two is seen first. */
        bool is_cause = WIFEXITED(status) && WEXITSTATUS(status) != 0 &&
                        !g_error_matches(saving->error, VIRTBUS_ERROR, VIRTBUS_ERROR_CANCELLED);
        if (saving->end < 0 && (status == 0 || (saving->error && !is_cause))) {
                conclude(saving);
                return;
        }
        g_autoptr(GError) error = NULL, earlier = g_steal_pointer(&saving->error);
        virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "%s has failed; is there space left?", saving->compression);
        if (saving->end < 0 && !earlier) {
                give_up(saving, error);
                return;
        }
        saving->error = g_steal_pointer(&error);
        if (saving->end < 0)
                conclude(saving); /* else the hypervisor finds that out */
}

void saving_written(Operation *operation, const GError *error) {
        Saving *saving = saving_of(operation);
        autofd_close(&saving->end); /* the program sees the end */
        saving->end = -1;
        if (error && !saving->error)
                saving->error = g_error_copy(error);
        if (!saving->filter)
                conclude(saving);
        else if (saving->error) /* when it is told, nothing holds the file any more */
                filter_end(saving->filter);
}

/* One that is to take the place of a managed save begins to be written. */
static void save_removed(Operation *operation) {
        Saving *saving = saving_of(operation);
        if (saving->managed && !saving->in_worker && saving->file < 0 && !saving->error)
                open_file(saving);
}

/* The guest has ended because it is saved. */
static OperationFate save_fate(const Operation *operation) {
        return saving_of(operation)->is_done ? OPERATION_SUCCEEDS : OPERATION_FAILS;
}

static void save_write_status(const Operation *operation, xmlNode *status) {
        const Saving *saving = saving_of(operation);
        xml_set_attribute(status, "saving", "1");
        if (saving->temporary)
                xml_set_attribute(status, "saving-file", saving->temporary);
}

/* Its status says no more that it is being saved. */
static void save_failed(Operation *operation, const GError *error) {
        (void) error;
        domain_save_status(operation->domain);
}

const OperationClass save_class = {
        .name = "Save",
        .states = IN_ACTIVE,
        .needs = "be active",
        .size = sizeof(Save),
        .is_offered = has_saving,
        .check = save_check,
        .begin = save_begin,
        .failed = save_failed,
        .fate = save_fate,
        .save_removed = save_removed,
        .write_status = save_write_status,
        .free = save_free,
};
