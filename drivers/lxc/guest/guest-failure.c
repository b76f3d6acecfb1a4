/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/guest/guest-failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

char guest_failure[GUEST_FAILURE_BYTES_MAX];

bool guest_failure_set(const char *format, ...) {
        int number = errno;
        va_list arguments;
        if (guest_failure[0])
                return false;
        va_start(arguments, format);
        int length = vsnprintf(guest_failure, sizeof guest_failure, format, arguments);
        va_end(arguments);
        if (number != 0 && length > 0 && (size_t) length < sizeof guest_failure)
                snprintf(guest_failure + length, sizeof guest_failure - (size_t) length, ": %s", strerror(number));
        return false;
}
