/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stage.h"

#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "interface-info.h"

/* What strings in calls mostly are. */
static const char *const words[] = { "",        "a",      "serial0", "vda",   "none",    "raw",       "paused",
                                     "running", "force",  "mode",    "xml",   "flags",   "live",      "config",
                                     "agent",   "acpi",   "gzip",    "KEY_A", "<disk/>", "/dev/null", "timeout",
                                     "current", "secret", "root",    "x:y",   NULL };

/* The process that stands for a QEMU: it sends back what it is sent, so that it can be asked whether it is well. */
static pid_t echo;
static int echo_fd = -1;

/* One that has been told to end does not answer, even where it has not got round to its end: a signal comes before all else. */
static bool is_well(void) {
        char byte = 'x';
        return echo > 0 && send(echo_fd, &byte, 1, MSG_NOSIGNAL) == 1 && TEMP_FAILURE_RETRY(read(echo_fd, &byte, 1)) == 1;
}

static void end_echo(void) {
        if (echo > 0) {
                close(echo_fd);
                kill(echo, SIGKILL);
                waitpid(echo, NULL, 0);
        }
        echo = 0;
}

static void ensure_echo(void) {
        static bool begun;
        int pair[2];
        if (is_well())
                return;
        end_echo();
        if (!begun)
                atexit(end_echo);
        begun = true;
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
        echo = fork();
        if (echo == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                dup2(pair[1], STDIN_FILENO);
                dup2(pair[1], STDOUT_FILENO);
                execl("/bin/cat", "cat", NULL);
                _exit(EXIT_FAILURE);
        }
        close(pair[1]);
        echo_fd = pair[0];
        g_assert_true(is_well());
}

/* proc(5): the 22nd field of a process's stat. */
static char *start_time(void) {
        g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int) echo), *text = NULL;
        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        g_auto(GStrv) fields = g_strsplit(strrchr(text, ')') + 2, " ", 21);
        return g_strdup(fields[19]);
}

void stage_write(const char *name, const char *text) {
        g_autofree char *path = g_build_filename(fuzz_folder(), name, NULL), *run = g_build_filename(fuzz_folder(), "run", NULL),
                        *folder = g_path_get_dirname(path);
        g_autoptr(GString) filled = g_string_new(text);
        if (strstr(text, "@PID@")) {
                ensure_echo();
                g_autofree char *pid = g_strdup_printf("%d", (int) echo), *start = start_time();
                g_string_replace(filled, "@PID@", pid, 0);
                g_string_replace(filled, "@START@", start, 0);
        }
        g_string_replace(filled, "@RUN@", run, 0);
        g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
        g_assert_true(g_file_set_contents_full(path, filled->str, (gssize) filled->len, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place) {
        (void) info;
        (void) kind;
        (void) place;
        remove(path);
        return 0;
}

void stage_clean(void) {
        static const char *const folders[] = { "run", "state/domains", "state/save", "log" };
        for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
                g_autofree char *path = g_build_filename(fuzz_folder(), folders[i], NULL);
                nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
        }
        stage_write("run/started", ""); /* nothing starts by itself */
}

/* What driver.c does with a call. */
static int on_driver_message(sd_bus_message *message, void *data, sd_bus_error *unused) {
        (void) unused;
        return objects_dispatch(((Stage *) data)->objects, message);
}

void stage_open(Stage *stage) {
        *stage = (Stage){ 0 };
        g_assert_cmpint(sd_event_new(&stage->event), >=, 0);
        stage->objects = objects_new();
        fuzz_bus_pair(stage->event, &stage->service, &stage->driver);
        g_assert_cmpint(sd_bus_add_filter(stage->driver, NULL, on_driver_message, stage), >=, 0);
        stage->connection = fuzz_open_qemu(stage->event, stage->objects);
        objects_set_peer(stage->objects, stage->driver);
        g_assert_cmpint(objects_send_all(stage->objects), >=, 0);
        connection_resume(stage->connection);
        fuzz_settle(stage->event);
}

static void close_bus(sd_bus *bus) {
        sd_bus_detach_event(bus);
        sd_bus_close(bus);
        sd_bus_unref(bus);
}

void stage_close(Stage *stage) {
        objects_set_peer(stage->objects, NULL);
        close_bus(stage->driver);
        connection_close(stage->connection);
        objects_free(stage->objects);
        close_bus(stage->service);
        sd_event_unref(stage->event);
}

static int on_reply(sd_bus_message *reply, void *data, sd_bus_error *unused) {
        const char *signature = data;
        (void) unused;
        if (!sd_bus_message_is_method_error(reply, NULL))
                g_assert_true(fuzz_is_readable(reply, signature));
        return 0;
}

void stage_call(Stage *stage, const char *line) {
        g_auto(GStrv) parts = g_strsplit(line + 1, " ", 3);
        if (g_strv_length(parts) < 2 || !strchr(parts[1], '.') || !g_utf8_validate(line, -1, NULL))
                return;
        char *member = strrchr(parts[1], '.');
        *member++ = '\0';
        g_autofree char *interface = g_strconcat("org.virtbus1.", parts[1], NULL),
                        *path = strcmp(parts[0], ".") == 0 ? g_strdup(STAGE_PATH) : g_strconcat(STAGE_PATH "/", parts[0], NULL);
        const InterfaceInfo *info = interface_find(interface);
        const MethodInfo *method = info ? interface_method(info, member) : NULL;
        if (!method || !sd_bus_object_path_is_valid(path))
                return;
        Bytes bytes = { (const uint8_t *) parts[2], parts[2] ? strlen(parts[2]) : 0 };
        g_autoptr(sd_bus_message) call = NULL;
        int r = sd_bus_message_new_method_call(stage->service, &call, NULL, path, interface, member);
        if (r >= 0)
                r = bytes_append(&bytes, call, method->in_signature, words);
        if (r >= 0)
                sd_bus_call_async(stage->service, NULL, call, on_reply, (void *) method->out_signature, 0);
        fuzz_settle(stage->event);
}
