/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/images-qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "qemu/host/host.h"
#include "qemu/monitor/bare-qemu.h"

/* How much of what QEMU says is told. */
#define OUTPUT_BYTES_MAX 1024

struct ImagesQemu {
        ImagesQemuSetup setup;
        Process *process;
        Monitor *monitor;
        MonitorJob *job;
        ImagesQemuDone job_done;
        GHashTable *scripts;
        int output;
        bool is_done;
        GError *failure;
};

void images_qemu_free(ImagesQemu *qemu) {
        g_clear_pointer(&qemu->job, monitor_job_free);
        g_hash_table_unref(qemu->scripts);
        g_clear_pointer(&qemu->monitor, monitor_free);
        g_clear_pointer(&qemu->process, process_free); /* it ends with this program, if it has not ended yet */
        autofd_close(&qemu->output);
        g_clear_error(&qemu->failure);
        g_free(qemu);
}

Monitor *images_qemu_monitor(const ImagesQemu *qemu) {
        return qemu->monitor;
}

Script *images_qemu_script(ImagesQemu *qemu) {
        return script_new(qemu->monitor, qemu->scripts);
}

void images_qemu_fail(ImagesQemu *qemu, const GError *error) {
        if (error && !qemu->failure)
                qemu->failure = g_error_copy(error);
}

void images_qemu_quit(ImagesQemu *qemu, const GError *error) {
        qemu->is_done = !error;
        images_qemu_fail(qemu, error);
        monitor_command(qemu->monitor, "quit", NULL, -1, NULL, NULL); /* what was changed is written then */
}

static void on_job_done(void *data, const GError *error) {
        ImagesQemu *qemu = data;
        ImagesQemuDone done = qemu->job_done;
        g_clear_pointer(&qemu->job, monitor_job_free);
        done(qemu->setup.data, error);
}

void images_qemu_job(ImagesQemu *qemu, const char *command, JsonObject *arguments, ImagesQemuDone done) {
        qemu->job_done = done;
        qemu->job = monitor_job_new(qemu->monitor, command, arguments, on_job_done, qemu);
}

void images_qemu_add(Script *script, unsigned set, const ImagesQemuNode *node) {
        g_autofree char *path = g_strdup_printf("/dev/fdset/%u", set), *storage = g_strdup_printf("%s-storage", node->name);
        JsonObject *image = json_make("driver", 's', node->format, "node-name", 's', node->name, "file", 's', storage,
                                      "read-only", 'b', !node->is_root || !node->writes, NULL);
        if (strcmp(node->format, "qcow2") == 0) {
                if (node->below)
                        json_add(image, "backing", 's', node->below, NULL);
                else
                        json_object_set_null_member(image, "backing");
        }
        script_add(script, monitor_request_new("add-fd", json_make("fdset-id", 'i', (gint64) set, NULL),
                                               fcntl(node->fd, F_DUPFD_CLOEXEC, 3)));
        script_add_command(script, "blockdev-add",
                           json_make("driver", 's', node->is_device ? "host_device" : "file", "node-name", 's', storage,
                                     "filename", 's', path, "read-only", 'b', !node->writes, NULL));
        script_add_command(script, "blockdev-add", image);
}

static void on_ready(void *data) {
        const ImagesQemu *qemu = data;
        qemu->setup.ready(qemu->setup.data);
}

static void on_event(void *data, const char *name, JsonObject *arguments) {
        const ImagesQemu *qemu = data;
        (void) arguments;
        if (qemu->job && strcmp(name, "JOB_STATUS_CHANGE") == 0)
                monitor_job_told(qemu->job);
}

static void on_closed(void *data, const GError *error) {
        const ImagesQemu *qemu = data;
        (void) error; /* what it has said is told when it has ended */
        process_end(qemu->process);
}

static const MonitorListener listener = { .ready = on_ready, .event = on_event, .closed = on_closed };

static void on_ended(void *data, int status) {
        ImagesQemu *qemu = data;
        char output[OUTPUT_BYTES_MAX] = "";
        g_autoptr(GError) error = NULL;
        ssize_t n = read(qemu->output, output, sizeof output);
        g_autofree char *said = g_strndup(output, n > 0 ? (size_t) n : 0), *valid = g_utf8_make_valid(said, -1);
        if (!qemu->is_done || status != 0 || qemu->failure)
                virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "%s",
                                  qemu->failure        ? qemu->failure->message
                                  : *g_strstrip(valid) ? valid
                                                       : "QEMU has failed");
        qemu->setup.ended(qemu->setup.data, error);
}

ImagesQemu *images_qemu_new(const ImagesQemuSetup *setup, GError **error) {
        const Host *host = host_of(setup->connection);
        int output[2];
        if (pipe2(output, O_CLOEXEC | O_NONBLOCK) < 0) {
                virtbus_error_set_errno(error, errno, "%s cannot be started", setup->emulator);
                return NULL;
        }
        g_autofd int log = output[1];
        ImagesQemu *qemu = g_new0(ImagesQemu, 1);
        *qemu = (ImagesQemu){
                .setup = *setup,
                .output = output[0],
                .scripts = g_hash_table_new_full(NULL, NULL, (GDestroyNotify) script_free, NULL),
        };
        const ProcessSetup process = {
                .log = log,
                .uid = host->uid,
                .gid = host->gid,
                .confinement = &host->helpers,
                .seconds = setup->seconds,
        };
        const BareQemu bare = {
                .emulator = setup->emulator,
                .machine = "none,accel=tcg",
                .more = setup->more,
                .fds = setup->fds,
                .n_fds = setup->n_fds,
                .setup = &process,
                .listener = &listener,
                .monitor_data = qemu,
                .ended = on_ended,
                .process_data = qemu,
        };
        qemu->process = bare_qemu_new(setup->connection->event, &bare, &qemu->monitor, error);
        if (!qemu->process) {
                images_qemu_free(qemu);
                return NULL;
        }
        process_go(qemu->process);
        return qemu;
}
