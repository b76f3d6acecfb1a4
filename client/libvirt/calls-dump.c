/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A guest's memory as a file, and the images and errors of its disks. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calls.h"
#include "rows.h"
#include "usage.h"

#define DOMAIN INTERFACE("Domain")
#define DISK INTERFACE("Device.Disk")
#define KIB 1024

#define DUMP_CRASH 1
#define DUMP_RESET 8
#define FORMAT_ELF 0
#define FORMATS 5

#define RESIZE_BYTES 1

#define ERROR_UNSPECIFIED 1
#define ERROR_NO_SPACE 2

/* A dump has nothing but the guest's memory (16), and a guest that ran runs on as soon as it is written (2). */
static const FlagOption dump_flags[] = {
        { DUMP_CRASH, NULL }, FLAG_IS_ALWAYS_SO(2), { DUMP_RESET, NULL }, FLAG_IS_ALWAYS_SO(16), {}
};
static const FlagOption resize_flags[] = { { RESIZE_BYTES, NULL }, {} };

/* What is to be done with the guest afterwards. */
static void on_dumped(Call *call, GVariant *reply) {
        (void) reply;
        call->on_error = NULL;
        if (call->flags & DUMP_CRASH)
                call_ask(call, call->domain, DOMAIN, "Destroy", g_variant_new("(a{sv})", NULL), "()", step_answer_nothing);
        else if (call->flags & DUMP_RESET)
                call_ask(call, call->domain, DOMAIN, "Reset", NULL, "()", step_answer_nothing);
        else
                call_answer_nothing(call);
}

/* A dump that has failed is none. Only what was made for it is removed. */
static bool on_not_dumped(Call *call, const GError *error) {
        struct stat status;
        (void) error;
        if (lstat(call_string(call, 1), &status) == 0 && S_ISREG(status.st_mode))
                unlink(call_string(call, 1));
        return false;
}

/* The file is the user's: opened with the user's rights, which this process has where it serves its own user. A pipe needs
 * somebody who reads it. */
static int open_file(const char *path, bool *made) {
        const int flags = O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK;
        int fd = open(path, flags | O_CREAT | O_EXCL, 0600);
        *made = fd >= 0;
        if (fd < 0 && errno == EEXIST)
                fd = open(path, flags | O_TRUNC);
        return fd < 0 ? -errno : fd;
}

static void on_active(Call *call, GVariant *properties) {
        g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
        const char *path = call_string(call, 1);
        bool made = false;
        (void) properties;
        int fd = *path == '/' ? open_file(path, &made) : -EINVAL;
        if (fd < 0) {
                call_refuse(call, LIBVIRT_OPERATION_FAILED, "operation failed: failed to create '%s': %s", path, g_strerror(-fd));
                return;
        }
        int place = g_unix_fd_list_append(fds, fd, NULL);
        close(fd);
        call->on_error = made ? on_not_dumped : NULL;
        call_ask_job_with_fds(call, call->domain, DOMAIN, "Dump", g_variant_new("(ha{sv})", place, NULL), fds, "(o)", 0,
                              on_dumped);
}

static void dump(Call *call) {
        uint32_t format = FORMAT_ELF;
        if (call->row->procedure == REMOTE_DOMAIN_CORE_DUMP_WITH_FORMAT)
                g_variant_get_child(call->arguments, 2, "u", &format);
        if (origin_is_system(call->client->origin))
                call_refuse(call, LIBVIRT_OPERATION_UNSUPPORTED,
                            "what serves you may not write your files: use virtbusctl dump, which does it with your rights");
        else if (format >= FORMATS)
                call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: unknown dumpformat %u", format);
        else if (format != FORMAT_ELF)
                call_refuse(call, LIBVIRT_OPERATION_INVALID,
                            "Requested operation is not valid: virtbus dumps as ELF, not in the format %u", format);
        else
                row_if_active(call, on_active);
}

static void on_disks(Call *call, GVariant *reply) {
        g_autoptr(GVariant) objects = g_variant_get_child_value(reply, 0);
        g_autoptr(GPtrArray) disks = usage_disks(objects);
        const UsageDevice *disk = usage_find(disks, call_string(call, 1));
        GVariantBuilder options;
        uint64_t size;
        g_variant_get_child(call->arguments, 2, "t", &size);
        g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
        g_variant_builder_add(&options, "{sv}", "shrink", g_variant_new_boolean(TRUE));
        g_autoptr(GVariant) kept = g_variant_ref_sink(g_variant_builder_end(&options));
        uint64_t unit = call->flags & RESIZE_BYTES ? 1 : KIB;
        if (!disk)
                call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: disk '%s' was not found in the domain config",
                            call_string(call, 1));
        else if (size > UINT64_MAX / unit)
                call_refuse(call, LIBVIRT_OVERFLOW, "size must be less than %" G_GUINT64_FORMAT, UINT64_MAX / unit);
        else
                call_ask(call, disk->path, DISK, "Resize", g_variant_new("(t@a{sv})", size * unit, kept), "()",
                         step_answer_nothing);
}

static void on_active_to_resize(Call *call, GVariant *properties) {
        (void) properties;
        row_objects(call, on_disks);
}

/* libvirt resizes what a running guest has; whoever wants more asks the bus. */
static void resize(Call *call) {
        row_if_active(call, on_active_to_resize);
}

static void on_disks_with_errors(Call *call, GVariant *reply) {
        g_autoptr(GVariant) objects = g_variant_get_child_value(reply, 0);
        g_autoptr(GPtrArray) disks = usage_disks(objects);
        GVariantBuilder errors;
        uint32_t room;
        int32_t n = 0;
        g_variant_get_child(call->arguments, 1, "u", &room);
        g_variant_builder_init(&errors, G_VARIANT_TYPE("a(si)"));
        for (unsigned int i = 0; i < disks->len; i++) {
                const UsageDevice *disk = disks->pdata[i];
                g_autoptr(GVariant) interfaces = g_variant_lookup_value(objects, disk->path, NULL),
                                    properties = interfaces ? g_variant_lookup_value(interfaces, DISK, NULL) : NULL;
                const char *error = "";
                if (properties)
                        g_variant_lookup(properties, "Error", "&s", &error);
                /* Without room for any, clients want to know how many disks there are. */
                if (room > 0 && *error && (uint32_t) n < room)
                        g_variant_builder_add(&errors, "(si)", disk->name,
                                              strcmp(error, "no-space") == 0 ? ERROR_NO_SPACE : ERROR_UNSPECIFIED);
                n += room == 0 || *error ? 1 : 0;
        }
        call_answer(call, g_variant_new("(a(si)i)", &errors, n));
}

static void on_active_to_ask(Call *call, GVariant *properties) {
        (void) properties;
        row_objects(call, on_disks_with_errors);
}

static void get_errors(Call *call) {
        row_if_active(call, on_active_to_ask);
}

const CallRow dump_calls[] = {
        { REMOTE_DOMAIN_CORE_DUMP, dump, NULL, CHANGES, dump_flags },
        { REMOTE_DOMAIN_CORE_DUMP_WITH_FORMAT, dump, NULL, CHANGES, dump_flags },
        { REMOTE_DOMAIN_BLOCK_RESIZE, resize, NULL, CHANGES, resize_flags },
        { REMOTE_DOMAIN_GET_DISK_ERRORS, get_errors },
        {},
};
