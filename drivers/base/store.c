/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/walk.h"
#include "base/xml.h"
#include "bus.h"
#include "errors.h"
#include "log.h"

#define UUID_BYTES 36 /* as text */

struct Store {
        char *definitions, *statuses, *first_run;
        Worker *worker;
};

typedef struct Write {
        char *path, *text;
        WorkDone done;
        void *data;
} Write;

static char *make_directory(const char *parent, const char *name, GError **error) {
        g_autofree char *path = g_build_filename(parent, name, NULL);
        if (g_mkdir_with_parents(path, 0700) < 0) {
                virtbus_error_set_errno(error, errno, "directory %s cannot be made", path);
                return NULL;
        }
        return g_steal_pointer(&path);
}

Store *store_new(sd_event *event, const char *kind, const char *state, const char *runtime, GError **error) {
        g_autoptr(Store) store = g_new0(Store, 1);
        store->first_run = runtime ? g_build_filename(runtime, "started", NULL) : NULL;
        if (!(store->definitions = make_directory(state, kind, error)) ||
            (runtime && !(store->statuses = make_directory(runtime, kind, error))) ||
            !(store->worker = worker_new(event, 1, error)))
                return NULL;
        return g_steal_pointer(&store);
}

void store_free(Store *store) {
        if (store->worker)
                worker_free(store->worker);
        g_free(store->definitions);
        g_free(store->statuses);
        g_free(store->first_run);
        g_free(store);
}

void store_finish(Store *store) {
        if (!worker_finish(store->worker))
                worker_abandon(store->worker); /* who would be told of it may be gone then */
}

bool store_is_busy(const Store *store) {
        return worker_pending(store->worker) > 0;
}

/* That nobody else decides what the path leads to, now or later. */
static bool check_folder(const char *what, const char *path, GError **error) {
        struct stat info;
        g_autoptr(GError) failure = NULL;
        g_autofd int fd = walk_open(path, WALK_TRUSTED, &info, &failure);
        if (fd < 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "%s is not used: %s; choose one in a directory that only you may write to", what,
                                         failure->message);
        return S_ISDIR(info.st_mode) ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s is not used: %s is not a directory", what, path);
}

bool store_check_user_runtime(GError **error) {
        const char *folder = g_get_user_runtime_dir();
        struct stat info;
        return lstat(folder, &info) < 0 || check_folder("the directory of XDG_RUNTIME_DIR", folder, error);
}

/* Makes a folder and those that lead to it, each in one that is known to be ours. */
static bool make_folder(const char *path, GError **error) {
        struct stat info;
        g_autofree char *parent = g_path_get_dirname(path);
        if (lstat(path, &info) == 0)
                return check_folder("the root directory", path, error);
        if (!make_folder(parent, error))
                return false;
        return mkdir(path, 0711) == 0 ||
               virtbus_error_set_errno(error, errno, "the root directory cannot be used: cannot make %s", path);
}

bool store_make_root(const char *root, GError **error) {
        /* Guests' own users go through the first two to their sockets, as through /run/virtbus. */
        static const struct {
                const char *name;
                mode_t mode;
        } own[] = { { NULL, 0711 }, { "run", 0711 }, { "state", 0700 }, { "log", 0700 } };
        g_autofree char *absolute = g_canonicalize_filename(root, NULL);
        bool fine = true;
        for (size_t i = 0; fine && i < G_N_ELEMENTS(own); i++) {
                g_autofree char *path = g_build_filename(absolute, own[i].name, NULL);
                fine = make_folder(path, error);
                if (fine && chmod(path, own[i].mode) < 0)
                        fine = virtbus_error_set_errno(error, errno,
                                                       "the root directory cannot be used: cannot change the mode of %s", path);
        }
        return fine;
}

static bool write_all(int fd, const char *text) {
        for (size_t left = strlen(text); left > 0;) {
                ssize_t n = write(fd, text, left);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return false;
                text += n;
                left -= (size_t) n;
        }
        return true;
}

static bool sync_directory_of(const char *path) {
        g_autofree char *directory = g_path_get_dirname(path);
        g_autofd int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd >= 0 && fsync(fd) == 0;
}

/* The path that a file is written to until it is whole: hidden, and of a form that backups do not have, so that nobody
 * mistakes it. */
static char *aside_of(const char *path) {
        g_autofree char *directory = g_path_get_dirname(path), *name = g_path_get_basename(path);
        return g_strdup_printf("%s/.%s.XXXXXX", directory, name);
}

bool file_is_aside(const char *name) {
        return name[0] == '.';
}

bool file_replace(const char *path, const char *text, bool sync, GError **error) {
        g_autofree char *aside = aside_of(path);
        g_autofd int fd = g_mkstemp_full(aside, O_WRONLY | O_CLOEXEC, 0600);
        if (fd < 0)
                return virtbus_error_set_errno(error, errno, "%s cannot be written", path);
        if (write_all(fd, text) && (!sync || fsync(fd) == 0) && rename(aside, path) == 0 && (!sync || sync_directory_of(path)))
                return true;
        int failure = errno;
        unlink(aside);
        return virtbus_error_set_errno(error, failure, "%s cannot be written", path);
}

bool file_remove(const char *path, bool sync, GError **error) {
        if ((unlink(path) == 0 || errno == ENOENT) && (!sync || sync_directory_of(path)))
                return true;
        return virtbus_error_set_errno(error, errno, "%s cannot be removed", path);
}

static void write_in_thread(void *data, GError **error) {
        Write *write = data;
        if (write->text)
                file_replace(write->path, write->text, true, error);
        else
                file_remove(write->path, true, error);
}

static void written(void *data, const GError *error) {
        Write *write = data;
        write->done(write->data, error);
        g_free(write->path);
        g_free(write->text);
        g_free(write);
}

static char *file_of(const char *directory, const char *uuid) {
        return g_strdup_printf("%s/%s.xml", directory, uuid);
}

void store_define(Store *store, const char *uuid, const char *text, WorkDone done, void *data) {
        Write *write = g_new0(Write, 1);
        *write = (Write){ .path = file_of(store->definitions, uuid), .text = g_strdup(text), .done = done, .data = data };
        worker_run(store->worker, write_in_thread, written, write);
}

bool store_has_definition(const Store *store, const char *uuid) {
        g_autofree char *path = file_of(store->definitions, uuid);
        return g_file_test(path, G_FILE_TEST_EXISTS);
}

bool store_save_status(Store *store, const char *uuid, const char *text, GError **error) {
        g_autofree char *path = file_of(store->statuses, uuid);
        return text ? file_replace(path, text, false, error) : file_remove(path, false, error);
}

bool store_check_format(const xmlNode *element, GError **error) {
        uint64_t format = 1;
        if (!xml_number_attribute(element, "format", 1, UINT32_MAX, &format, error))
                return false;
        return format <= STORE_FORMAT ||
               virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                 "it has format %u, of a later version of virtbus; this one reads up to %d", (unsigned) format,
                                 STORE_FORMAT);
}

void store_put_status_aside(Store *store, const char *uuid, const GError *reason) {
        g_autofree char *path = file_of(store->statuses, uuid), *aside = g_strdup_printf("%s/%s.damaged", store->statuses, uuid);
        if (rename(path, aside) < 0)
                log_error("the status of the running domain %s is damaged: %s", uuid, reason->message);
        else
                log_error("the status of the running domain %s is damaged, and kept as %s: %s", uuid, aside, reason->message);
}

/* Whether a file is one of ours: UUID.xml. */
static bool is_document(const char *name) {
        g_autofree char *uuid = g_strndup(name, UUID_BYTES);
        return g_uuid_string_is_valid(uuid) && strcmp(name + UUID_BYTES, ".xml") == 0;
}

/* Whatever lies there is not waited for. */
static char *read_document(const char *path, GError **error) {
        struct stat info;
        g_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &info) < 0) {
                virtbus_error_set_errno(error, errno, "it cannot be read");
                return NULL;
        }
        if (!S_ISREG(info.st_mode) || info.st_size > XML_OWN_BYTES_MAX) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_XML, "it is %s",
                                  S_ISREG(info.st_mode) ? "larger than any that virtbus writes" : "not a file");
                return NULL;
        }
        g_autofree char *text = g_malloc0((size_t) info.st_size + 1);
        ssize_t n = read(fd, text, (size_t) info.st_size);
        if (n < 0)
                virtbus_error_set_errno(error, errno, "it cannot be read");
        else if (strlen(text) != (size_t) info.st_size)
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_XML, "it is damaged: there are zeros in it");
        else
                return g_steal_pointer(&text);
        return NULL;
}

static void each_file(const char *directory, StoreEach each, void *data) {
        g_autoptr(GDir) listing = g_dir_open(directory, 0, NULL);
        for (const char *name; listing && (name = g_dir_read_name(listing));) {
                g_autofree char *path = g_build_filename(directory, name, NULL);
                if (file_is_aside(name)) /* left by a write that was cut off */
                        unlink(path);
                if (!is_document(name))
                        continue;
                g_autoptr(GError) error = NULL;
                g_autofree char *uuid = g_strndup(name, UUID_BYTES), *text = read_document(path, &error);
                each(data, uuid, text, error);
        }
}

void store_each_definition(Store *store, StoreEach each, void *data) {
        each_file(store->definitions, each, data);
}

void store_each_status(Store *store, StoreEach each, void *data) {
        each_file(store->statuses, each, data);
}

bool store_is_first_run(Store *store) {
        g_autofd int fd = open(store->first_run, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        return fd >= 0;
}
