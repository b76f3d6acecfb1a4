/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/resize-image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "errors.h"
#include "qemu/host/host.h"
#include "qemu/monitor/bare-qemu.h"

/* How much of what QEMU says is told. */
#define OUTPUT_BYTES_MAX 1024

/* The image's node. */
#define NODE "image"

struct ImageResize {
        char *path;
        uint64_t bytes;
        Monitor *monitor;
        Process *process;
        int output; /* what QEMU says */
        bool is_resized;
        GError *failure; /* what QEMU answers */
        ImageResized done;
        void *data;
};

void image_resize_free(ImageResize *resize) {
        g_clear_pointer(&resize->monitor, monitor_free);
        g_clear_pointer(&resize->process, process_free); /* it ends with this program, if it has not ended yet */
        autofd_close(&resize->output);
        g_clear_error(&resize->failure);
        g_free(resize->path);
        g_free(resize);
}

static void on_resized(void *data, JsonObject *answer, const GError *error) {
        ImageResize *resize = data;
        (void) answer;
        resize->is_resized = !error;
        resize->failure = error ? g_error_copy(error) : NULL;
        monitor_command(resize->monitor, "quit", NULL, -1, NULL, NULL); /* what was changed is written then */
}

static void on_ready(void *data) {
        ImageResize *resize = data;
        monitor_command(resize->monitor, "block_resize",
                        json_make("node-name", 's', NODE, "size", 'i', (gint64) resize->bytes, NULL), -1, on_resized, resize);
}

static void on_closed(void *data, const GError *error) {
        ImageResize *resize = data;
        (void) error; /* what it has said is told when it has ended */
        process_end(resize->process);
}

static const MonitorListener listener = { .ready = on_ready, .closed = on_closed };

static void on_ended(void *data, int status) {
        ImageResize *resize = data;
        char output[OUTPUT_BYTES_MAX] = "";
        g_autoptr(GError) error = NULL;
        ssize_t n = read(resize->output, output, sizeof output);
        g_autofree char *said = g_strndup(output, n > 0 ? (size_t) n : 0), *valid = g_utf8_make_valid(said, -1);
        if (!resize->is_resized || status != 0)
                virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "image %s cannot be given this size: %s", resize->path,
                                  resize->failure      ? resize->failure->message
                                  : *g_strstrip(valid) ? valid
                                                       : "QEMU has failed");
        resize->done(resize->data, error);
}

/* The file under the number that QEMU has for it, and the image in it: whatever its header says is below it is not opened. */
static char *make_node(const char *format) {
        const bool has_header = strcmp(format, "raw") != 0;
        g_autoptr(JsonObject) node = json_make("driver", 's', format, "node-name", 's', NODE, "file", 's', "file", NULL);
        if (has_header)
                json_object_set_null_member(node, "backing");
        return json_text(node);
}

static Process *start(Connection *connection, const ImageToResize *image, int log, ImageResize *resize, GError **error) {
        const Host *host = host_of(connection);
        g_autofree char *set = g_strdup_printf("fd=%d,set=1", image->fd), *node = make_node(image->format);
        const char *const more[] = { "-add-fd",   set,
                                     "-blockdev", "{\"driver\":\"file\",\"node-name\":\"file\",\"filename\":\"/dev/fdset/1\"}",
                                     "-blockdev", node,
                                     NULL };
        const ProcessSetup setup = {
                .log = log,
                .uid = host->uid,
                .gid = host->gid,
                .confinement = &host->helpers,
                .seconds = IMAGE_RESIZE_SECONDS,
        };
        const BareQemu qemu = {
                .emulator = image->emulator,
                .machine = "none,accel=tcg",
                .more = more,
                .fds = &image->fd,
                .n_fds = 1,
                .setup = &setup,
                .listener = &listener,
                .monitor_data = resize,
                .ended = on_ended,
                .process_data = resize,
        };
        return bare_qemu_new(connection->event, &qemu, &resize->monitor, error);
}

ImageResize *image_resize_new(Connection *connection, const ImageToResize *image, ImageResized done, void *data, GError **error) {
        g_autoptr(ImageResize) resize = g_new0(ImageResize, 1);
        int output[2];
        *resize = (ImageResize){ .path = g_strdup(image->path), .bytes = image->bytes, .output = -1, .done = done, .data = data };
        if (pipe2(output, O_CLOEXEC | O_NONBLOCK) < 0) {
                virtbus_error_set_errno(error, errno, "%s cannot be started", image->emulator);
                return NULL;
        }
        g_autofd int log = output[1];
        resize->output = output[0];
        resize->process = start(connection, image, log, resize, error);
        if (!resize->process)
                return NULL;
        process_go(resize->process);
        return g_steal_pointer(&resize);
}
