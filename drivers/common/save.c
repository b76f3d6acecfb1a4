/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "save.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus.h"
#include "connection.h"
#include "log.h"
#include "options.h"
#include "process.h"
#include "vtables.h"

/* Whom a program that compresses runs as, where this is root. Nobody else's processes do: it holds a guest's memory. */
#define FILTER_USER "virtbus-filter"

/* A program between the hypervisor and the file. It outlives what it was started for until it has ended. */
typedef struct Filter {
        Process *process;
        Saving *saving; /* to be told, or NULL */
} Filter;

struct Saving {
        Operation *operation; /* NULL: it has ended before */
        Connection *connection;
        char *path, *temporary; /* NULL where it is a descriptor */
        bool managed, paused;
        char *compression, *program;
        int file, end; /* where it lies; what the hypervisor writes into */
        SaveHeader header;
        Filter *filter;
        GError *error;
        bool in_worker, is_cancelled, is_done;
};

struct Restoring {
        Operation *operation; /* NULL: none yet, or it has ended before */
        Connection *connection;
        char *path, *xml;
        bool managed, paused, in_worker;
        int fd;
        SaveHeader header;
        Definition *definition;
        Call *call; /* until there is an operation */
};

/* Programs */

static void on_filter_ended(void *data, int status);

void save_find_filter_user(Connection *connection) {
        const struct passwd *user = connection->privileged ? getpwnam(FILTER_USER) : NULL;
        connection->filter_uid = user ? user->pw_uid : geteuid();
        connection->filter_gid = user ? user->pw_gid : getegid();
}

static Filter *filter_new(const Connection *connection, char *const *arguments, int input, int output, GError **error) {
        if (connection->privileged && connection->filter_uid == 0) {
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                  "there is no user " FILTER_USER " to run %s; run systemd-sysusers, then start the driver again",
                                  arguments[0]);
                return NULL;
        }
        Filter *filter = g_new0(Filter, 1);
        g_autofd int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        const ProcessSetup setup = {
                .arguments = arguments,
                .uid = connection->filter_uid,
                .gid = connection->filter_gid,
                .confined = true,
                .log = null,
                .input = input,
                .output = output,
        };
        filter->process = process_new(connection->event, &setup, on_filter_ended, filter, error);
        if (!filter->process) {
                g_free(filter);
                return NULL;
        }
        process_go(filter->process);
        return filter;
}

/* Managed saves */

char *save_managed_path(const Connection *connection, const char *uuid) {
        return g_strdup_printf("%s/save/%s.save", connection->state_directory, uuid);
}

void save_find_managed(Connection *connection) {
        GHashTableIter iterator;
        void *value;
        g_autofree char *directory = g_strdup_printf("%s/save", connection->state_directory);
        g_autoptr(GHashTable) found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(GDir) listing = g_dir_open(directory, 0, NULL);
        for (const char *name; listing && (name = g_dir_read_name(listing));)
                if (g_str_has_suffix(name, ".save"))
                        g_hash_table_add(found, g_strndup(name, strlen(name) - strlen(".save")));
        g_hash_table_iter_init(&iterator, connection->by_uuid);
        while (g_hash_table_iter_next(&iterator, NULL, &value)) {
                Domain *domain = value;
                domain->has_managed_save = g_hash_table_contains(found, domain->uuid);
                /* Whether a guest that was being saved runs on, and is further now, is known when it is found again. */
                if (domain->save_is_used)
                        save_remove_managed(domain);
        }
}

/* Saving */

Saving *saving_new(const char *path, int fd, const char *compression, bool paused, GError **error) {
        bool plain = !*compression || strcmp(compression, SAVE_UNCOMPRESSED) == 0;
        g_autofree char *program = plain ? NULL : save_compression_program(compression, error);
        struct stat info;
        bool fine = plain || program;
        if (fine && path)
                fine = path_check(path, error);
        if (fine && fd >= 0 && (fstat(fd, &info) < 0 || (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY))
                fine = virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "this file cannot be written to");
        if (!fine) {
                if (fd >= 0)
                        close(fd);
                return NULL;
        }
        Saving *saving = g_new0(Saving, 1);
        *saving = (Saving){
                .path = g_strdup(path),
                .managed = !path && fd < 0,
                .paused = paused,
                .compression = g_strdup(plain ? SAVE_UNCOMPRESSED : compression),
                .program = g_steal_pointer(&program),
                .file = fd,
                .end = -1,
        };
        return saving;
}

/* Removes a file, which may hang, in a worker. */
static void remove_file(void *data, GError **error) {
        (void) error;
        unlink(data);
}

static void on_removed(void *data, const GError *error) {
        (void) error;
        g_free(data);
}

/* Takes the path. Where the driver is ending, the file stays, and the status of its domain names it. */
static void remove_later(const Connection *connection, char *path) {
        worker_run(connection->worker, remove_file, on_removed, path);
}

void saving_forget(const Connection *connection, const char *path) {
        remove_later(connection, g_strdup(path));
}

static void release(Saving *saving) {
        if (saving->in_worker || saving->operation)
                return;
        autofd_close(&saving->file);
        autofd_close(&saving->end);
        if (saving->temporary)
                remove_later(saving->connection, g_steal_pointer(&saving->temporary));
        save_header_clear(&saving->header);
        g_clear_error(&saving->error);
        g_free(saving->path);
        g_free(saving->compression);
        g_free(saving->program);
        g_free(saving);
}

void saving_free(Saving *saving) {
        saving->operation = NULL;
        if (saving->filter) {
                saving->filter->saving = NULL;
                process_end(saving->filter->process);
                saving->filter = NULL;
        }
        release(saving);
}

int saving_fd(const Operation *operation) {
        return operation->saving->end;
}

const char *saving_temporary(const Operation *operation) {
        return operation->saving->temporary;
}

bool saving_is_done(const Operation *operation) {
        return operation->saving && operation->saving->is_done;
}

static void remove_temporary(void *data, GError **error) {
        (void) error;
        unlink(((Saving *) data)->temporary);
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
        worker_run(saving->connection->worker, remove_temporary, on_temporary_removed, saving);
}

void saving_failed(Operation *operation, const GError *error) {
        end(operation->saving, error);
}

/* The guest is stopped and written, but that is of no use: it goes on. */
static void give_up(Saving *saving, const GError *error) {
        saving->connection->hypervisor->continue_saved(saving->operation, error);
}

/* In a worker: makes the file, and writes the header. */
static void open_and_write_header(void *data, GError **error) {
        Saving *saving = data;
        if (saving->path) {
                g_autofree char *directory = g_path_get_dirname(saving->path);
                if (saving->managed)
                        g_mkdir_with_parents(directory, 0700);
                saving->file = open(saving->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
                if (saving->file < 0) {
                        virtbus_error_set_errno(error, errno, "%s cannot be written", saving->path);
                        return;
                }
        }
        save_header_write(saving->file, &saving->header, error);
}

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
                        saving->filter = filter_new(saving->connection, arguments, pair[0], saving->file, &failure);
                        close(pair[0]);
                        saving->end = pair[1];
                        if (saving->filter)
                                saving->filter->saving = saving;
                }
        } else if (!failure)
                saving->end = fcntl(saving->file, F_DUPFD_CLOEXEC, 3);
        if (failure) {
                end(saving, failure);
                return;
        }
        saving->connection->hypervisor->save_memory(operation);
}

static void cancel(Job *job, void *data) {
        Operation *operation = data;
        (void) job;
        operation->saving->is_cancelled = true;
        if (operation->saving->end >= 0)
                operation->domain->connection->hypervisor->cancel_save(operation);
}

static void open_file(Saving *saving) {
        saving->in_worker = true;
        worker_run(saving->path ? saving->connection->worker : saving->connection->clients, open_and_write_header, on_begun,
                   saving);
}

void saving_begin(Operation *operation) {
        Domain *domain = operation->domain;
        Saving *saving = operation->saving;
        const Hypervisor *hypervisor = domain->connection->hypervisor;
        Call *call = g_steal_pointer(&operation->call);
        operation->job = job_new(domain->connection->objects, hypervisor->connection, saving->managed ? "managed-save" : "save",
                                 published_path(domain->published), call->uid, cancel, operation);
        if (saving->managed)
                reply_domain_managed_save(call, job_path(operation->job));
        else if (saving->path)
                reply_domain_save(call, job_path(operation->job));
        else
                reply_domain_save_to_fd(call, job_path(operation->job));
        if (saving->managed)
                saving->path = save_managed_path(domain->connection, domain->uuid);
        saving->operation = operation;
        saving->connection = domain->connection;
        domain->resumes = domain->state == DOMAIN_RUNNING;
        saving->header = (SaveHeader){
                .xml = g_strdup(domain->live->xml),
                .compression = g_strdup(saving->compression),
                .running = domain->resumes && !saving->paused,
        };
        if (saving->path)
                saving->temporary = g_strdup_printf("%s.%08x", saving->path, g_random_int());
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
        if (rename(saving->temporary, saving->path) < 0) {
                virtbus_error_set_errno(error, errno, "%s cannot be written", saving->path);
                return;
        }
        g_autofree char *directory = g_path_get_dirname(saving->path);
        g_autofd int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0)
                fsync(fd);
}

static void on_stored(void *data, const GError *error) {
        Saving *saving = data;
        saving->in_worker = false;
        if (!error)
                g_clear_pointer(&saving->temporary, g_free);
        if (!saving->operation) { /* the guest has ended by itself: what was saved of it is not what it was */
                if (!error && saving->path)
                        remove_later(saving->connection, g_strdup(saving->path));
                release(saving);
                return;
        }
        Domain *domain = saving->operation->domain;
        if (error) {
                give_up(saving, error);
                return;
        }
        saving->is_done = true;
        if (saving->managed) {
                domain->has_managed_save = true;
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
        saving->in_worker = true;
        worker_run(saving->path ? saving->connection->worker : saving->connection->clients, store, on_stored, saving);
}

static void on_filter_ended(void *data, int status) {
        Filter *filter = data;
        Saving *saving = filter->saving;
        process_free(filter->process);
        g_free(filter);
        if (!saving)
                return;
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
        Saving *saving = operation->saving;
        autofd_close(&saving->end); /* the program sees the end */
        saving->end = -1;
        if (error && !saving->error)
                saving->error = g_error_copy(error);
        if (!saving->filter)
                conclude(saving);
        else if (saving->error) /* when it is told, nothing holds the file any more */
                process_end(saving->filter->process);
}

/* Restoring */

static void free_restoring(Restoring *restoring) {
        if (restoring->in_worker || restoring->operation)
                return;
        autofd_close(&restoring->fd);
        save_header_clear(&restoring->header);
        g_clear_pointer(&restoring->definition, definition_unref);
        g_free(restoring->path);
        g_free(restoring->xml);
        g_free(restoring);
}

void restoring_free(Restoring *restoring) {
        restoring->operation = NULL;
        free_restoring(restoring);
}

int restoring_fd(const Operation *operation) {
        return operation->restoring ? operation->restoring->fd : -1;
}

bool restoring_is_running(const Operation *operation) {
        return operation->restoring->header.running && !operation->restoring->paused;
}

/* In a worker. */
static void open_and_read_header(void *data, GError **error) {
        Restoring *restoring = data;
        struct stat info;
        if (restoring->path) {
                restoring->fd = open(restoring->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
                if (restoring->fd < 0 || fstat(restoring->fd, &info) < 0) {
                        virtbus_error_set_errno(error, errno, "%s cannot be opened", restoring->path);
                        return;
                }
                if (!S_ISREG(info.st_mode)) {
                        virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s is not a file", restoring->path);
                        return;
                }
                fcntl(restoring->fd, F_SETFL, fcntl(restoring->fd, F_GETFL) & ~O_NONBLOCK);
        }
        save_header_read(restoring->fd, &restoring->header, error);
}

/* Puts the program that decompresses between the file and the hypervisor. */
static bool decompress(Restoring *restoring, GError **error) {
        int pair[2];
        if (strcmp(restoring->header.compression, SAVE_UNCOMPRESSED) == 0)
                return true;
        g_autofree char *program = save_compression_program(restoring->header.compression, error);
        char *const arguments[] = { program, (char *) "-dc", NULL };
        if (!program)
                return false;
        if (pipe2(pair, O_CLOEXEC) < 0)
                return virtbus_error_set_errno(error, errno, "a pipe cannot be made");
        Filter *filter = filter_new(restoring->connection, arguments, restoring->fd, pair[1], error);
        close(pair[1]);
        close(restoring->fd);
        restoring->fd = pair[0];
        return filter != NULL;
}

/* The definition that was saved, as a document of this connection. */
static Definition *read_definition(Restoring *restoring, GError **error) {
        Connection *connection = restoring->connection;
        const Hypervisor *hypervisor = connection->hypervisor;
        g_autoptr(Definition) saved = definition_parse(restoring->header.xml, error);
        if (!saved)
                return NULL;
        g_autoptr(xmlDoc) document = restoring->xml ? xml_parse(restoring->xml, "domain", error)
                                                    : xml_parse_own(restoring->header.xml, "domain", error);
        if (!document || (hypervisor->complete && !hypervisor->complete(connection, document, error)))
                return NULL;
        g_autoptr(Definition) definition = definition_from_document(document, error);
        if (!definition || (hypervisor->check && !hypervisor->check(connection, definition, document, false, error)))
                return NULL;
        if (strcmp(definition->uuid, saved->uuid) == 0)
                return g_steal_pointer(&definition);
        virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                          "the saved domain has UUID %s, and the document %s; use the same", saved->uuid, definition->uuid);
        return NULL;
}

/* The domain that is to run, which may have to be made; in a turn. */
static Domain *find_domain(Connection *connection, const Definition *definition, uid_t owner, GError **error) {
        Domain *domain = connection_find(connection, definition->uuid),
               *namesake = connection_find_name(connection, definition->name);
        if (namesake && namesake != domain) {
                domain_fail(namesake, error, VIRTBUS_ERROR_ALREADY_EXISTS,
                            "the saved domain has that name too, and another UUID: %s; pass a document with another name",
                            definition->uuid);
                return NULL;
        }
        if (domain && !namesake) {
                domain_fail(domain, error, VIRTBUS_ERROR_ALREADY_EXISTS,
                            "the saved domain has its UUID, and another name: '%s'; pass a document with its name",
                            definition->name);
                return NULL;
        }
        if (domain && domain_is_active(domain)) {
                domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID, "it is %s; to be restored it must be shutoff",
                            domain_state_name(domain->state));
                return NULL;
        }
        if (domain)
                return domain;
        g_autoptr(Domain) fresh = domain_new(connection, definition, false, owner);
        return fresh; /* which the connection's table holds */
}

static void on_turn(void *data, Turn *turn, const GError *error) {
        Restoring *restoring = data;
        Connection *connection = restoring->connection;
        Call *call = g_steal_pointer(&restoring->call);
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        Domain *domain = turn ? find_domain(connection, restoring->definition, call->uid, &failure) : NULL;
        if (domain)
                domain_operate(domain, (Operation){ .kind = OPERATION_START, .call = call, .restoring = restoring });
        else {
                call_fail(call, failure);
                free_restoring(restoring);
        }
        if (turn)
                turn_end(turn);
        connection_idle(connection);
}

static void on_header_read(void *data, const GError *error) {
        Restoring *restoring = data;
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        restoring->in_worker = false;
        if (!failure)
                restoring->definition = read_definition(restoring, &failure);
        if (!failure && decompress(restoring, &failure)) {
                turns_take(restoring->connection->turns, restoring->definition->uuid, restoring->definition->name, on_turn,
                           restoring);
                return;
        }
        call_fail(restoring->call, failure);
        free_restoring(restoring);
}

void restoring_begin(Connection *connection, const char *path, int fd, const char *xml, bool paused, Call *call) {
        Restoring *restoring = g_new0(Restoring, 1);
        *restoring = (Restoring){
                .connection = connection,
                .path = g_strdup(path),
                .fd = fd,
                .xml = xml && *xml ? g_strdup(xml) : NULL,
                .paused = paused,
                .call = call,
                .in_worker = true,
        };
        worker_run(path ? connection->worker : connection->clients, open_and_read_header, on_header_read, restoring);
}

void restoring_take(Operation *operation) {
        Restoring *restoring = operation->restoring;
        Domain *domain = operation->domain;
        restoring->operation = operation;
        domain_set_live(domain, restoring->definition); /* its devices' objects are those that were saved */
        operation->paused = !restoring_is_running(operation);
        if (restoring->managed || !operation->call)
                return;
        Call *call = g_steal_pointer(&operation->call);
        operation->job = job_new(domain->connection->objects, domain->connection->hypervisor->connection, "restore",
                                 published_path(domain->published), call->uid, NULL, operation);
        if (restoring->path)
                reply_connection_restore_domain(call, published_path(domain->published), job_path(operation->job));
        else
                reply_connection_restore_domain_from_fd(call, published_path(domain->published), job_path(operation->job));
}

static void on_managed_read(void *data, const GError *error) {
        Restoring *restoring = data;
        Operation *operation = restoring->operation;
        g_autoptr(GError) failure = NULL, named = NULL;
        restoring->in_worker = false;
        if (!operation) {
                free_restoring(restoring);
                return;
        }
        if (!error)
                restoring->definition = read_definition(restoring, &failure);
        if (error || failure || !decompress(restoring, &failure)) {
                domain_fail(operation->domain, &named, virtbus_error_code(error ? error : failure),
                            "%s; pass the option force_boot to start it without what was saved",
                            (error ? error : failure)->message);
                operation_finish(operation, named);
                return;
        }
        restoring_take(operation);
        restoring->connection->hypervisor->start(operation);
}

void restoring_begin_managed(Operation *operation) {
        Domain *domain = operation->domain;
        Restoring *restoring = g_new0(Restoring, 1);
        *restoring = (Restoring){
                .operation = operation,
                .connection = domain->connection,
                .path = save_managed_path(domain->connection, domain->uuid),
                .fd = -1,
                .managed = true,
                .paused = operation->paused,
                .in_worker = true,
        };
        operation->restoring = restoring;
        worker_run(domain->connection->worker, open_and_read_header, on_managed_read, restoring);
}

bool restoring_cancel(Operation *operation) {
        if (!operation || !operation->restoring || !operation->restoring->in_worker)
                return false;
        g_autoptr(GError) error = NULL;
        domain_fail(operation->domain, &error, VIRTBUS_ERROR_CANCELLED, "it was destroyed while it started");
        operation_finish(operation, error);
        return true;
}

typedef struct Removal {
        Domain *domain;
        char *path;
} Removal;

static void remove_managed(void *data, GError **error) {
        const Removal *removal = data;
        (void) error;
        unlink(removal->path);
}

static void on_managed_removed(void *data, const GError *error) {
        Removal *removal = data;
        g_autoptr(Domain) domain = removal->domain; /* the reference that was held */
        domain->removing_save = false;
        if (error) /* the driver is ending: a domain that is defined anew must not find it */
                unlink(removal->path);
        g_free(removal->path);
        g_free(removal);
        if (domain->save_is_used) {
                domain->save_is_used = false;
                domain_save_status(domain);
        }
        Operation *operation = domain->operation;
        if (operation && operation->saving && operation->saving->managed && !operation->saving->in_worker &&
            operation->saving->file < 0 && !operation->saving->error)
                open_file(operation->saving);
}

void save_remove_managed(Domain *domain) {
        if (!domain->has_managed_save)
                return;
        Removal *removal = g_new0(Removal, 1);
        *removal = (Removal){ domain_ref(domain), save_managed_path(domain->connection, domain->uuid) };
        domain->has_managed_save = false;
        domain->removing_save = true;
        domain_announce(domain, (const int[]){ DOMAIN_HAS_MANAGED_SAVE, -1 });
        worker_run(domain->connection->worker, remove_managed, on_managed_removed, removal);
}
