/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "secret/sealer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "bus.h"
#include "errors.h"

#define PROGRAM "systemd-creds"

/* Where the host's key is, if not where systemd has it: its own variable, that it documents. */
#define KEY_VARIABLE "SYSTEMD_CREDENTIAL_SECRET"

struct Sealer {
        sd_event *event;
        char *program; /* NULL: there is none to be run */
        const char *why;
        GQueue waiting, working; /* Task */
        bool cancelled;
};

/* One run of systemd-creds: to seal, or to open. */
typedef struct Task {
        Sealer *sealer;
        char *name;
        int input, output, log; /* files in memory */
        Process *process;
        sd_event_source *deadline;
        bool timed_out;
        SealerSealed sealed; /* or NULL */
        SealerOpened opened;
        void *data;
} Task;

static void begin_next(Sealer *sealer);

Sealer *sealer_new(sd_event *event) {
        Sealer *sealer = g_new0(Sealer, 1);
        sealer->event = event;
        g_queue_init(&sealer->waiting);
        g_queue_init(&sealer->working);
        sealer->program = geteuid() == 0 ? g_find_program_in_path(PROGRAM) : NULL;
        sealer->why = geteuid() == 0 ? PROGRAM " is not installed" : "only root has a key for " PROGRAM;
        return sealer;
}

void sealer_free(Sealer *sealer) {
        g_assert(sealer_pending(sealer) == 0);
        g_free(sealer->program);
        g_free(sealer);
}

bool sealer_can(const Sealer *sealer, const char **why) {
        *why = sealer->program ? NULL : sealer->why;
        return sealer->program != NULL;
}

unsigned sealer_pending(const Sealer *sealer) {
        return g_queue_get_length((GQueue *) &sealer->waiting) + g_queue_get_length((GQueue *) &sealer->working);
}

static void task_free(Task *task) {
        if (task->process)
                process_free(task->process);
        sd_event_source_disable_unref(task->deadline);
        autofd_close(&task->input);
        autofd_close(&task->output);
        autofd_close(&task->log);
        g_free(task->name);
        g_free(task);
}

/* What a file in memory holds, with a zero behind it; NULL where that is more than is kept. */
static char *read_memory(int fd, size_t *size) {
        struct stat info;
        if (fstat(fd, &info) < 0 || info.st_size > SECRET_FILE_BYTES_MAX) {
                errno = EFBIG;
                return NULL;
        }
        char *text = g_malloc0((size_t) info.st_size + 1);
        ssize_t n = pread(fd, text, (size_t) info.st_size, 0);
        *size = n < 0 ? 0 : (size_t) n;
        return text;
}

/* The last line of what systemd-creds has said. It never says what it has read. */
static char *last_words(const Task *task) {
        size_t size = 0;
        g_autofree char *text = read_memory(task->log, &size);
        const char *end = text ? strrchr(g_strchomp(text), '\n') : NULL;
        return g_strdup_printf("%.300s", end ? end + 1 : text && *text ? text : "it said nothing");
}

/* Tells how a task has ended, and frees it. */
static void task_end(Task *task, const GError *error) {
        Sealer *sealer = task->sealer;
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        size_t size = 0;
        char *text = failure ? NULL : read_memory(task->output, &size);
        g_queue_remove(&sealer->working, task);
        if (!failure && !text)
                virtbus_error_set_errno(&failure, errno, "what " PROGRAM " wrote cannot be read");
        if (task->sealed)
                task->sealed(task->data, text, failure);
        else {
                SecretValue *value = text ? secret_value_new(text, size, &failure) : NULL;
                task->opened(task->data, value, failure);
        }
        if (text)
                explicit_bzero(text, size);
        g_free(text);
        task_free(task);
}

static void on_ended(void *data, int status) {
        Task *task = data;
        Sealer *sealer = task->sealer;
        g_autoptr(GError) error = NULL;
        const char *what = task->sealed ? "encrypt" : "decrypt";
        if (task->timed_out)
                virtbus_error_set(&error, VIRTBUS_ERROR_TIMEOUT, PROGRAM " did not %s the value within %d seconds", what,
                                  (int) (SEALER_PATIENCE / 1000000));
        else if (WIFSIGNALED(status))
                virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                  PROGRAM " was ended by signal %d before it could %s the value", WTERMSIG(status), what);
        else if (status != 0) {
                g_autofree char *words = last_words(task);
                virtbus_error_set(&error, VIRTBUS_ERROR_UNSUPPORTED, PROGRAM " cannot %s the value: %s", what, words);
        }
        task_end(task, error);
        begin_next(sealer);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *data) {
        Task *task = data;
        (void) source;
        (void) usec;
        task->timed_out = true;
        process_end(task->process);
        return 0;
}

static bool task_begin(Task *task, GError **error) {
        g_autofree char *name = g_strdup_printf("--name=%s", task->name);
        const char *key = g_getenv(KEY_VARIABLE);
        g_autofree char *variable = key ? g_strdup_printf(KEY_VARIABLE "=%s", key) : NULL;
        char *environment[] = { variable, NULL };
        char *arguments[] = { task->sealer->program, task->sealed ? "encrypt" : "decrypt", name, "-", "-", NULL };
        const ProcessSetup setup = {
                .arguments = arguments,
                .environment = environment,
                .log = task->log,
                .input = task->input,
                .output = task->output,
                .uid = geteuid(),
                .gid = getegid(),
                .file_size = SECRET_FILE_BYTES_MAX,
        };
        int r = sd_event_add_time_relative(task->sealer->event, &task->deadline, CLOCK_MONOTONIC, SEALER_PATIENCE, 0, on_deadline,
                                           task);
        if (r < 0)
                return virtbus_error_set_errno(error, -r, PROGRAM " cannot be run");
        task->process = process_run(task->sealer->event, &setup, on_ended, task, error);
        return task->process != NULL;
}

static void begin_next(Sealer *sealer) {
        while (!g_queue_is_empty(&sealer->waiting) && g_queue_get_length(&sealer->working) < SEALER_PROCESSES_MAX) {
                g_autoptr(GError) error = NULL;
                Task *task = g_queue_pop_head(&sealer->waiting);
                g_queue_push_tail(&sealer->working, task);
                if (!task_begin(task, &error))
                        task_end(task, error);
        }
}

static bool fill(int fd, const void *bytes, size_t size) {
        return fd >= 0 && write(fd, bytes, size) == (ssize_t) size && lseek(fd, 0, SEEK_SET) == 0;
}

static void run(Sealer *sealer, const Task *template, const char *name, const void *bytes, size_t size) {
        g_autoptr(GError) error = NULL;
        Task *task = g_new(Task, 1);
        *task = *template;
        task->sealer = sealer;
        task->name = g_strdup(name);
        task->input = memfd_create("secret-input", MFD_CLOEXEC);
        task->output = memfd_create("secret-output", MFD_CLOEXEC);
        task->log = memfd_create("secret-log", MFD_CLOEXEC);
        const char *why = NULL;
        if (sealer->cancelled)
                virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        else if (!sealer_can(sealer, &why))
                virtbus_error_set(&error, VIRTBUS_ERROR_UNSUPPORTED, "%s", why);
        else if (task->output < 0 || task->log < 0 || !fill(task->input, bytes, size))
                virtbus_error_set_errno(&error, errno, "a value cannot be handed to " PROGRAM);
        if (error) {
                task_end(task, error);
                return;
        }
        g_queue_push_tail(&sealer->waiting, task);
        begin_next(sealer);
}

void sealer_seal(Sealer *sealer, const char *name, const SecretValue *value, SealerSealed done, void *data) {
        run(sealer, &(Task){ .sealed = done, .data = data }, name, value->bytes, value->size);
}

void sealer_open(Sealer *sealer, const char *name, const char *sealed, SealerOpened done, void *data) {
        run(sealer, &(Task){ .opened = done, .data = data }, name, sealed, strlen(sealed));
}

void sealer_cancel(Sealer *sealer) {
        g_autoptr(GError) error = NULL;
        virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        sealer->cancelled = true;
        for (Task *task; (task = g_queue_pop_head(&sealer->waiting));)
                task_end(task, error);
        for (Task *task; (task = g_queue_peek_head(&sealer->working));) {
                if (task->process)
                        process_end(task->process); /* it has nothing that is waited for, and ends by itself */
                task_end(task, error);
        }
}
