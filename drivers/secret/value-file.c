/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "secret/value-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus.h"
#include "errors.h"
#include "log.h"

#define SUFFIX ".value"

static char *path_of(const char *values, const char *uuid) {
        return g_strdup_printf("%s/%s" SUFFIX, values, uuid);
}

char *value_files_open(const char *state, GError **error) {
        g_autofree char *path = g_build_filename(state, "values", NULL);
        if (g_mkdir_with_parents(path, 0700) == 0)
                return g_steal_pointer(&path);
        virtbus_error_set_errno(error, errno, "directory %s cannot be made", path);
        return NULL;
}

/* The UUID of a file's name, to be freed; NULL where it is not one of ours. */
static char *uuid_of(const char *name) {
        g_autofree char *uuid = g_str_has_suffix(name, SUFFIX) ? g_strndup(name, strlen(name) - strlen(SUFFIX)) : NULL;
        return uuid && g_uuid_string_is_valid(uuid) ? g_steal_pointer(&uuid) : NULL;
}

/* Whatever lies there is not waited for. */
static char *read_file(const char *path, GError **error) {
        struct stat info;
        g_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
        if (fd < 0 || fstat(fd, &info) < 0) {
                virtbus_error_set_errno(error, errno, "%s", path);
                return NULL;
        }
        if (!S_ISREG(info.st_mode) || info.st_size > SECRET_FILE_BYTES_MAX) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_XML, "%s is not a file that virtbus writes", path);
                return NULL;
        }
        char *text = g_malloc0((size_t) info.st_size + 1);
        ssize_t n = read(fd, text, (size_t) info.st_size);
        if (n == info.st_size)
                return text;
        virtbus_error_set_errno(error, n < 0 ? errno : EIO, "%s", path);
        explicit_bzero(text, (size_t) info.st_size);
        g_free(text);
        return NULL;
}

/* Whether a file may be written over, or removed: not what a later version has written. */
static bool check_not_newer(const char *path, GError **error) {
        g_autoptr(GError) failure = NULL;
        ValueForm form;
        const char *rest;
        char *text = read_file(path, &failure);
        if (text)
                secret_file_parse(text, &form, &rest, &failure);
        secret_text_free(text);
        return !g_error_matches(failure, VIRTBUS_ERROR, VIRTBUS_ERROR_UNSUPPORTED) ||
               virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "%s is left alone: %s", path, failure->message);
}

void value_files_clean(const char *values, bool (*has_definition)(void *data, const char *uuid), void *data) {
        g_autoptr(GDir) listing = g_dir_open(values, 0, NULL);
        for (const char *name; listing && (name = g_dir_read_name(listing));) {
                g_autofree char *path = g_build_filename(values, name, NULL), *uuid = uuid_of(name);
                g_autoptr(GError) error = NULL;
                if (!file_is_aside(name) && (!uuid || has_definition(data, uuid)))
                        continue;
                if (!check_not_newer(path, &error))
                        log_error("%s", error->message);
                else if (unlink(path) < 0)
                        log_error("%s cannot be removed: %s", path, g_strerror(errno));
        }
}

ValueStorage value_file_find(const char *values, const char *uuid) {
        g_autoptr(GError) error = NULL;
        g_autofree char *path = path_of(values, uuid);
        ValueForm form = VALUE_PLAIN;
        const char *rest;
        if (!g_file_test(path, G_FILE_TEST_EXISTS))
                return STORAGE_NONE;
        char *text = read_file(path, &error);
        if (!text || !secret_file_parse(text, &form, &rest, &error))
                log_error("the value of secret %s cannot be read: %s", uuid, error->message);
        secret_text_free(text);
        return form == VALUE_SEALED ? STORAGE_ENCRYPTED : STORAGE_PLAIN;
}

/* Something to be done to a file. */
typedef struct Work {
        char *path, *text;
        WorkDone done;
        ValueFileRead read;
        void *data;
} Work;

static void work_free(Work *work) {
        g_free(work->path);
        secret_text_free(work->text);
        g_free(work);
}

static void begin(Worker *worker, const Work *template, const char *values, const char *uuid, WorkFunction function,
                  WorkDone told) {
        Work *work = g_new(Work, 1);
        *work = *template;
        work->path = path_of(values, uuid);
        worker_run(worker, function, told, work);
}

static void tell_done(void *data, const GError *error) {
        Work *work = data;
        work->done(work->data, error);
        work_free(work);
}

static void write_in_thread(void *data, GError **error) {
        const Work *work = data;
        if (check_not_newer(work->path, error))
                file_replace(work->path, work->text, true, error);
}

void value_file_write(Worker *worker, const char *values, const char *uuid, char *text, WorkDone done, void *data) {
        begin(worker, &(Work){ .text = text, .done = done, .data = data }, values, uuid, write_in_thread, tell_done);
}

static void remove_in_thread(void *data, GError **error) {
        const Work *work = data;
        if (check_not_newer(work->path, error))
                file_remove(work->path, true, error);
}

void value_file_remove(Worker *worker, const char *values, const char *uuid, WorkDone done, void *data) {
        begin(worker, &(Work){ .done = done, .data = data }, values, uuid, remove_in_thread, tell_done);
}

static void read_in_thread(void *data, GError **error) {
        Work *work = data;
        work->text = read_file(work->path, error);
}

static void tell_read(void *data, const GError *error) {
        Work *work = data;
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        ValueForm form = VALUE_PLAIN;
        const char *rest = NULL;
        if (!failure)
                secret_file_parse(work->text, &form, &rest, &failure);
        if (g_error_matches(failure, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_XML)) {
                g_autofree char *why = g_strdup(failure->message);
                g_clear_error(&failure);
                virtbus_error_set(&failure, VIRTBUS_ERROR_HYPERVISOR_FAILED, "%s: %s; set it again", work->path, why);
        }
        work->read(work->data, form, rest, failure);
        work_free(work);
}

void value_file_read(Worker *worker, const char *values, const char *uuid, ValueFileRead done, void *data) {
        begin(worker, &(Work){ .read = done, .data = data }, values, uuid, read_in_thread, tell_read);
}
