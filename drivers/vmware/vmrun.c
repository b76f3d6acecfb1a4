/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmware/vmrun.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/executable.h"
#include "base/process.h"
#include "bus.h"
#include "errors.h"
#include "log.h"

/* How much of what it says goes into an error. */
#define SAID_MAX 300

/* How many paths a list may have. */
#define RUNNING_MAX 10000

/* The first of these that is there, with the product that it comes with. */
static const struct {
        const char *path, *beside, *product; /* BESIDE: a program of that product, in the same folder; or NULL */
} places[] = {
        { "/usr/bin/vmrun", "vmware", "ws" },
        { "/usr/bin/vmrun", "vmplayer", "player" },
        { "/usr/local/bin/vmrun", "vmware", "ws" },
        { "/usr/local/bin/vmrun", "vmplayer", "player" },
        { "/Applications/VMware Fusion.app/Contents/Library/vmrun", NULL, "fusion" },
};

struct Vmrun {
        sd_event *event;
        char *program; /* NULL: not there */
        const char *product;
        char *why;
        const uint64_t *answer_timeout;
        GQueue waiting, working; /* Task */
};

typedef struct Task {
        Vmrun *vmrun;
        char *command, *path, *option;
        uint64_t patience;
        VmrunDone done; /* NULL: nobody waits for it any more */
        void *data;
        int output;
        GString *said;
        sd_event_source *reading, *deadline;
        Process *process;
        bool is_late, is_long;
} Task;

static void begin_next(Vmrun *vmrun);

/* The program */

static bool find(Vmrun *vmrun, const char *path, const char *beside, const char *product) {
        ExecutableIdentity identity;
        g_autoptr(GError) error = NULL;
        g_autofree char *folder = g_path_get_dirname(path), *other = beside ? g_build_filename(folder, beside, NULL) : NULL;
        if (access(path, F_OK) < 0 || (other && access(other, F_OK) < 0))
                return false;
        if (executable_check(path, &identity, &error)) {
                vmrun->program = g_strdup(path);
                vmrun->product = product;
                return true;
        }
        log_error("%s", error->message);
        g_free(vmrun->why);
        vmrun->why = g_strdup(error->message);
        return false;
}

static void find_given(Vmrun *vmrun, const char *path) {
        bool found = false;
        g_autofree char *folder = g_path_get_dirname(path);
        static const char *const products[][2] = { { "vmware", "ws" }, { "vmplayer", "player" } };
        for (size_t i = 0; i < G_N_ELEMENTS(products) && !found; i++)
                found = find(vmrun, path, products[i][0], products[i][1]);
        if (!found)
                find(vmrun, path, NULL, "ws");
}

Vmrun *vmrun_new(sd_event *event, const uint64_t *answer_timeout) {
        Vmrun *vmrun = g_new0(Vmrun, 1);
        const char *given = g_getenv(VMRUN_VARIABLE);
        vmrun->event = event;
        vmrun->answer_timeout = answer_timeout;
        vmrun->why = g_strdup("VMware's program vmrun is not there: install VMware Workstation, Player or Fusion");
        g_queue_init(&vmrun->waiting);
        g_queue_init(&vmrun->working);
        if (given)
                find_given(vmrun, given);
        for (size_t i = 0; i < G_N_ELEMENTS(places) && !given && !vmrun->program; i++)
                find(vmrun, places[i].path, places[i].beside, places[i].product);
        return vmrun;
}

const char *vmrun_product(const Vmrun *vmrun, const char **why) {
        if (why)
                *why = vmrun->why;
        return vmrun->product;
}

/* Running it */

static void task_free(Task *task) {
        sd_event_source_disable_unref(task->reading);
        sd_event_source_disable_unref(task->deadline);
        if (task->process)
                process_free(task->process);
        autofd_close(&task->output);
        g_string_free(task->said, TRUE);
        g_free(task->command);
        g_free(task->path);
        g_free(task->option);
        g_free(task);
}

/* What it says may be the guest's doing. */
static char *last_words(const Task *task) {
        g_autofree char *said = g_utf8_make_valid(task->said->str, (gssize) MIN(task->said->len, SAID_MAX));
        g_strdelimit(said, "\r\n\t", ' ');
        g_strstrip(said);
        return g_strdup(*said ? said : "it says nothing");
}

static bool has_failed(const Task *task, int status) {
        return status != 0 || g_str_has_prefix(task->said->str, "Error:");
}

static void set_error(const Task *task, int status, GError **error) {
        g_autofree char *said = last_words(task);
        if (task->is_late)
                virtbus_error_set(error, VIRTBUS_ERROR_TIMEOUT, "vmrun %s has not ended within %d seconds, and was ended",
                                  task->command, (int) (task->patience / 1000000));
        else if (task->is_long)
                virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "vmrun %s has said more than %d bytes, and was ended",
                                  task->command, VMRUN_BYTES_MAX);
        else if (WIFSIGNALED(status))
                virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "vmrun %s was ended by signal %d", task->command,
                                  WTERMSIG(status));
        else if (has_failed(task, status))
                virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "vmrun %s: %s", task->command, said);
}

static void task_end(Task *task, const GError *error) {
        Vmrun *vmrun = task->vmrun;
        g_queue_remove(&vmrun->working, task);
        if (task->done)
                task->done(task->data, error ? NULL : task->said->str, error);
        task_free(task);
        begin_next(vmrun);
}

/* Takes what it has said; its output may stay open, as what it has started has it too. */
static void read_output(Task *task) {
        char bytes[16 * 1024];
        for (ssize_t n; !task->is_long && (n = read(task->output, bytes, sizeof bytes)) > 0;) {
                g_string_append_len(task->said, bytes, n);
                if (task->said->len > VMRUN_BYTES_MAX) {
                        task->is_long = true;
                        process_end(task->process);
                }
        }
}

static int on_output(sd_event_source *source, int fd, uint32_t events, void *data) {
        Task *task = data;
        (void) fd;
        size_t before = task->said->len;
        read_output(task);
        if (task->is_long || (events & EPOLLHUP && task->said->len == before))
                sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return 0;
}

static void on_ended(void *data, int status) {
        Task *task = data;
        g_autoptr(GError) error = NULL;
        if (!task->is_long)
                read_output(task);
        set_error(task, status, &error);
        task_end(task, error);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *data) {
        Task *task = data;
        (void) source;
        (void) usec;
        task->is_late = true;
        process_end(task->process);
        return 0;
}

static bool listen_to(Task *task, GError **error) {
        sd_event *event = task->vmrun->event;
        int r = sd_event_add_time_relative(event, &task->deadline, CLOCK_MONOTONIC, task->patience, 0, on_deadline, task);
        if (r >= 0)
                r = sd_event_add_io(event, &task->reading, task->output, EPOLLIN, on_output, task);
        return r >= 0 || virtbus_error_set_errno(error, -r, "vmrun cannot be run");
}

static bool task_begin(Task *task, GError **error) {
        Vmrun *vmrun = task->vmrun;
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
                return virtbus_error_set_errno(error, errno, "vmrun cannot be run");
        task->output = ends[0];
        g_autofd int output = ends[1];
        g_autofree char *home = g_strdup_printf("HOME=%s", g_get_home_dir()),
                        *user = g_strdup_printf("USER=%s", g_get_user_name());
        char *environment[] = { home, user, NULL };
        const char *const words[] = { vmrun->program, "-T", vmrun->product, task->command, task->path, task->option };
        g_autoptr(GPtrArray) arguments = g_ptr_array_new();
        for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
                if (words[i])
                        g_ptr_array_add(arguments, (char *) words[i]);
        g_ptr_array_add(arguments, NULL);
        /* No bound of its files: what it starts has the same, and is the machine; which is root's program, whoever runs it. */
        const ProcessSetup setup = {
                .may_gain_privileges = true,
                .ends_with_us = !task->path, /* it only asks */
                .log = output,
                .uid = geteuid(),
                .gid = getegid(),
                .environment = environment,
                .arguments = (char **) arguments->pdata,
        };
        if (!listen_to(task, error))
                return false;
        task->process = process_run(vmrun->event, &setup, on_ended, task, error);
        return task->process != NULL;
}

static void begin_next(Vmrun *vmrun) {
        while (!g_queue_is_empty(&vmrun->waiting) && g_queue_get_length(&vmrun->working) < VMRUN_PROCESSES_MAX) {
                g_autoptr(GError) error = NULL;
                Task *task = g_queue_pop_head(&vmrun->waiting);
                g_queue_push_tail(&vmrun->working, task);
                if (!task_begin(task, &error)) {
                        task_end(task, error); /* which looks at those that wait */
                        return;
                }
        }
}

void vmrun_call(Vmrun *vmrun, const char *command, const char *path, const char *option, uint64_t patience, VmrunDone done,
                void *data) {
        g_autoptr(GError) error = NULL;
        if (!vmrun->program) {
                virtbus_error_set(&error, VIRTBUS_ERROR_UNSUPPORTED, "%s", vmrun->why);
                done(data, NULL, error);
                return;
        }
        Task *task = g_new0(Task, 1);
        *task = (Task){ .vmrun = vmrun,
                        .command = g_strdup(command),
                        .path = g_strdup(path),
                        .option = g_strdup(option),
                        .patience = *vmrun->answer_timeout ? *vmrun->answer_timeout : patience,
                        .done = done,
                        .data = data,
                        .output = -1,
                        .said = g_string_new(NULL) };
        g_queue_push_tail(&vmrun->waiting, task);
        begin_next(vmrun);
}

void vmrun_forget(Vmrun *vmrun, const void *data) {
        for (GList *link = vmrun->waiting.head, *next; link; link = next) {
                Task *task = link->data;
                next = link->next;
                if (task->data != data)
                        continue;
                g_queue_delete_link(&vmrun->waiting, link);
                task_free(task);
        }
        for (GList *link = vmrun->working.head; link; link = link->next) {
                Task *task = link->data;
                if (task->data != data || !task->done)
                        continue;
                task->done = NULL;
                process_end(task->process);
        }
}

bool vmrun_is_busy(const Vmrun *vmrun) {
        return vmrun->waiting.length + vmrun->working.length > 0;
}

void vmrun_free(Vmrun *vmrun) {
        for (Task *task; (task = g_queue_pop_head(&vmrun->waiting));)
                task_free(task);
        for (Task *task; (task = g_queue_pop_head(&vmrun->working));)
                task_free(task);
        g_free(vmrun->program);
        g_free(vmrun->why);
        g_free(vmrun);
}

/* What runs */

GHashTable *vmrun_parse_list(const char *said, GError **error) {
        static const char title[] = "Total running VMs: ";
        g_auto(GStrv) lines = g_strsplit(said, "\n", RUNNING_MAX + 2);
        g_autoptr(GHashTable) paths = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        guint64 n = 0, found = 0;
        bool is_list = lines[0] && g_str_has_prefix(lines[0], title) &&
                       g_ascii_string_to_unsigned(g_strchomp(lines[0]) + strlen(title), 10, 0, RUNNING_MAX, &n, NULL);
        for (char **line = lines + 1; is_list && *line; line++) {
                if (!*g_strchomp(*line))
                        continue;
                is_list = **line == '/';
                found++;
                g_hash_table_add(paths, g_strdup(*line));
        }
        if (is_list && found == n)
                return g_steal_pointer(&paths);
        virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                          "what vmrun says is not its list of %" G_GUINT64_FORMAT " machines that run", n);
        return NULL;
}
