/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files that guests and users write: the header of a saved state, by the word that it begins with, or an image's. */

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "bus.h"
#include "domain/operations/save-image.h"
#include "fuzz.h"
#include "qemu/command/image-snapshots.h"
#include "qemu/command/image-make.h"
#include "qemu/command/image.h"

static void read_save(int fd) {
        g_autoptr(GError) error = NULL;
        SaveHeader header, again;
        if (!save_header_read(fd, &header, &error)) {
                fuzz_check_error(error);
                return;
        }
        /* What was read is written, and read as the same. */
        g_autofd int copy = memfd_create("copy", MFD_CLOEXEC);
        g_assert_true(save_header_write(copy, &header, &error));
        lseek(copy, 0, SEEK_SET);
        g_assert_true(save_header_read(copy, &again, &error));
        g_assert_cmpstr(again.xml, ==, header.xml);
        g_assert_cmpstr(again.compression, ==, header.compression);
        save_header_clear(&header);
        save_header_clear(&again);
}

static void read_image(const char *path) {
        static const char *const formats[] = { "qcow2", "raw" };
        for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
                g_autoptr(GError) error = NULL;
                g_autoptr(GPtrArray) layers = image_open(
                                &(ImageSource){ .path = path, .format = formats[i], .read_only = true, .foreign_user = true },
                                &error);
                if (!layers)
                        fuzz_check_error(error);
        }
}

static void read_snapshots(int fd, const char *path) {
        g_autoptr(GError) error = NULL;
        bool have = false;
        if (!image_snapshots_have(fd, path, "one", &have, &error))
                fuzz_check_error(error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        g_autofree char *path = g_build_filename(fuzz_folder(), "image", NULL);
        g_autofd int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        g_assert_cmpint(write(fd, data, size), ==, (gssize) size);
        lseek(fd, 0, SEEK_SET);
        if (size >= strlen("virtbus") && memcmp(data, "virtbus", strlen("virtbus")) == 0)
                read_save(fd);
        else {
                read_image(path);
                read_snapshots(fd, path);
                image_is_unwritten(fd);
        }
        return 0;
}
