/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/resize-image.h"

#include <string.h>

#include "bus.h"
#include "errors.h"
#include "qemu/guest/images-qemu.h"

/* The image's node. */
#define NODE "image"

struct ImageResize {
        char *path;
        uint64_t bytes;
        ImagesQemu *qemu;
        ImageResized done;
        void *data;
};

void image_resize_free(ImageResize *resize) {
        g_clear_pointer(&resize->qemu, images_qemu_free);
        g_free(resize->path);
        g_free(resize);
}

static void on_resized(void *data, JsonObject *answer, const GError *error) {
        (void) answer;
        images_qemu_quit(((ImageResize *) data)->qemu, error);
}

static void on_ready(void *data) {
        ImageResize *resize = data;
        monitor_command(images_qemu_monitor(resize->qemu), "block_resize",
                        json_make("node-name", 's', NODE, "size", 'i', (gint64) resize->bytes, NULL), -1, on_resized, resize);
}

static void on_ended(void *data, const GError *failure) {
        ImageResize *resize = data;
        g_autoptr(GError) error = NULL;
        if (failure)
                virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "image %s cannot be given this size: %s", resize->path,
                                  failure->message);
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

ImageResize *image_resize_new(Connection *connection, const ImageToResize *image, ImageResized done, void *data, GError **error) {
        g_autofree char *set = g_strdup_printf("fd=%d,set=1", image->fd), *node = make_node(image->format);
        const char *const more[] = { "-add-fd",   set,
                                     "-blockdev", "{\"driver\":\"file\",\"node-name\":\"file\",\"filename\":\"/dev/fdset/1\"}",
                                     "-blockdev", node,
                                     NULL };
        g_autoptr(ImageResize) resize = g_new(ImageResize, 1);
        *resize = (ImageResize){ .path = g_strdup(image->path), .bytes = image->bytes, .done = done, .data = data };
        const ImagesQemuSetup setup = {
                .connection = connection,
                .emulator = image->emulator,
                .seconds = IMAGE_RESIZE_SECONDS,
                .more = more,
                .fds = &image->fd,
                .n_fds = 1,
                .ready = on_ready,
                .ended = on_ended,
                .data = resize,
        };
        resize->qemu = images_qemu_new(&setup, error);
        return resize->qemu ? g_steal_pointer(&resize) : NULL;
}
