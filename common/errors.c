/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "errors.h"

#include <errno.h>
#include <string.h>

#define PREFIX "org.virtbus1.Error."

G_DEFINE_QUARK(virtbus - error, virtbus_error)

int virtbus_error_from_short_name(const char *name) {
        for (int code = 0; code < VIRTBUS_N_ERRORS; code++) {
                const char *whole = virtbus_error_name((VirtbusError) code);
                if (g_str_has_prefix(whole, PREFIX) && g_str_equal(whole + strlen(PREFIX), name))
                        return code;
        }
        return -1;
}

static VirtbusError code_of_errno(int errno_value) {
        switch (errno_value) {
        case ENOSPC:
        case EDQUOT:
        case ENOMEM:
        case EFBIG:
        case EMFILE:
        case ENFILE:
                return VIRTBUS_ERROR_LIMIT_EXCEEDED;
        case ENOENT:
        case ENOTDIR:
        case EISDIR:
        case EACCES:
        case EPERM:
        case ELOOP:
        case ENAMETOOLONG:
        case EROFS:
        case ENXIO: /* a socket, or a device that is not there, was opened as a file */
                return VIRTBUS_ERROR_INVALID_ARGUMENT;
        default:
                return VIRTBUS_ERROR_HYPERVISOR_FAILED;
        }
}

/* What to do where the system refuses: for those of its reasons that leave something to do. */
static const char *remedy_of_errno(int errno_value) {
        static const struct {
                int value;
                const char *remedy;
        } remedies[] = {
                { ENOSPC, "make space on that file system" },
                { EDQUOT, "raise the quota, or make space below it" },
                { EROFS, "use a place that can be written, or mount it so" },
                { EMFILE, "raise this program's limit of open files: LimitNOFILE= of its unit" },
                { ENFILE, "raise the host's limit of open files: fs.file-max" },
                { ENOMEM, "free memory of the host, or raise the limit of this program's unit" },
                { EACCES, "look at its permissions and at those of the folders above it" },
                { EPERM, "this program may not: look at its unit's capabilities, or at the container that it is in" },
                { ENOENT, "look whether it is there, and how it is spelt" },
                { ENOTDIR, "a part of that path is not a folder: correct it" },
                { EISDIR, "it is a folder: name a file" },
                { ELOOP, "a link is in the way, or links lead in a circle: name the file itself" },
                { ENAMETOOLONG, "use a shorter name" },
                { EIO, "the device has failed: look into the kernel's log" },
                { EBUSY, "something else uses it: end that, or try again later" },
                { ENODEV, "the host has no such device: is the kernel's module for it loaded?" },
                { ENXIO, "nothing is behind that device or socket: is its program running, its module loaded?" },
                { ETXTBSY, "it is being run or written: end that first" },
                { EADDRINUSE, "another program listens there: end it, or use another place" },
                { ECONNREFUSED, "nobody listens there: is its program running?" },
                { EFBIG, "raise the limit of files' sizes, or use a file system with greater files" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(remedies); i++)
                if (remedies[i].value == errno_value)
                        return remedies[i].remedy;
        return NULL;
}

static bool set_prefixed(GError **error, GQuark domain, int code, const char *format, va_list arguments, const char *suffix) {
        g_autofree char *words = g_strdup_vprintf(format, arguments);
        /* Strangers' words, or a part of them, may be anything: what is not UTF-8 no bus would take. */
        g_autofree char *message = g_utf8_make_valid(words, -1);
        g_set_error(error, domain, code, "%s%s%s", message, suffix ? ": " : "", suffix ? suffix : "");
        return false;
}

bool virtbus_error_set_errno(GError **error, int errno_value, const char *format, ...) {
        va_list arguments;
        /* One that has a remedy of its own knows better. */
        const char *remedy = strchr(format, ';') || strchr(format, '?') ? NULL : remedy_of_errno(errno_value);
        g_autofree char *why = g_strdup_printf("%s%s%s", g_strerror(errno_value), remedy ? "; " : "", remedy ? remedy : "");
        va_start(arguments, format);
        set_prefixed(error, VIRTBUS_ERROR, (int) code_of_errno(errno_value), format, arguments, why);
        va_end(arguments);
        return false;
}

bool virtbus_error_set(GError **error, VirtbusError code, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        set_prefixed(error, VIRTBUS_ERROR, (int) code, format, arguments, NULL);
        va_end(arguments);
        return false;
}

/* Its codes are the quarks of names. */
static G_DEFINE_QUARK(virtbus - error - named, named_error);

bool virtbus_error_set_named(GError **error, const char *name, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        set_prefixed(error, named_error_quark(), (int) g_quark_from_string(name), format, arguments, NULL);
        va_end(arguments);
        return false;
}

const char *virtbus_error_name_of(const GError *error) {
        return error->domain == named_error_quark() ? g_quark_to_string((GQuark) error->code)
                                                    : virtbus_error_name(virtbus_error_code(error));
}

VirtbusError virtbus_error_code(const GError *error) {
        return error->domain == VIRTBUS_ERROR ? (VirtbusError) error->code : VIRTBUS_ERROR_HYPERVISOR_FAILED;
}

int virtbus_error_reply(sd_bus_message *call, const GError *error) {
        g_autofree char *message = g_utf8_make_valid(error->message, -1); /* of GLib's own errors too */
        return sd_bus_reply_method_errorf(call, virtbus_error_name_of(error), "%s", message);
}
