/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/guest/guest-failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

void guest_failure_read(int fd) {
        char text[GUEST_FAILURE_BYTES_MAX] = "";
        size_t length = 0;
        for (ssize_t n; (n = read(fd, text + length, sizeof text - 1 - length)) > 0 || (n < 0 && errno == EINTR);)
                length += n > 0 ? (size_t) n : 0;
        errno = 0;
        if (length > 0)
                guest_failure_set("%s", text);
}
