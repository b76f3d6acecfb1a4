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

static bool set_prefixed(GError **error, GQuark domain, int code, const char *format, va_list arguments, const char *suffix) {
        g_autofree char *words = g_strdup_vprintf(format, arguments);
        /* Strangers' words, or a part of them, may be anything: what is not UTF-8 no bus would take. */
        g_autofree char *message = g_utf8_make_valid(words, -1);
        g_set_error(error, domain, code, "%s%s%s", message, suffix ? ": " : "", suffix ? suffix : "");
        return false;
}

bool virtbus_error_set_errno(GError **error, int errno_value, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        set_prefixed(error, VIRTBUS_ERROR, (int) code_of_errno(errno_value), format, arguments, g_strerror(errno_value));
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
