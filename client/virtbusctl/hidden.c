/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is not to be shown: values of secrets, and passwords. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "ctl.h"

/* What a person types, without showing it; the line's end is not a part of it. */
static ssize_t read_typed(const char *what, char *value, size_t size) {
        struct termios before, silent;
        if (tcgetattr(STDIN_FILENO, &before) < 0)
                return -1;
        silent = before;
        silent.c_lflag &= ~(tcflag_t) (ECHO | ISIG); /* Ctrl-C would leave a terminal that shows nothing */
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
        fprintf(stderr, "%s: ", what);
        ssize_t n = read(STDIN_FILENO, value, size);
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        fputs("\n", stderr);
        if (n > 0 && memchr(value, '\x03', (size_t) n)) {
                errno = ECANCELED;
                return -1;
        }
        return n > 0 && value[n - 1] == '\n' ? n - 1 : n;
}

static ssize_t read_all(int fd, char *value, size_t size) {
        size_t have = 0;
        ssize_t n = -1;
        while (have < size && n != 0) {
                n = read(fd, value + have, size - have);
                if (n < 0 && errno != EINTR)
                        return -1;
                have += n > 0 ? (size_t) n : 0;
        }
        return (ssize_t) have;
}

ssize_t read_hidden(const char *file, const char *what, char *value, size_t size, GError **error) {
        bool is_input = !file || strcmp(file, "-") == 0;
        int fd = is_input ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : is_input && isatty(fd) ? read_typed(what, value, size) : read_all(fd, value, size);
        if (n < 0)
                g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s cannot be read: %s",
                            is_input ? "standard input" : file, g_strerror(errno));
        if (fd >= 0 && !is_input)
                close(fd);
        return n;
}

/* Of a password. */
#define PASSWORD_BYTES_MAX 1024

char *read_password(const char *file, GError **error) {
        char text[PASSWORD_BYTES_MAX + 2];
        ssize_t n = read_hidden(file, "Password", text, sizeof text, error);
        size_t length = n > 0 ? (size_t) n : 0;
        char *password = NULL;
        if (n > 0 && text[n - 1] == '\n') /* as a file of one line has */
                length--;
        if (n >= 0 &&
            (length > PASSWORD_BYTES_MAX || memchr(text, '\0', length) || !g_utf8_validate(text, (gssize) length, NULL)))
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "a password is text, of at most %d bytes",
                            PASSWORD_BYTES_MAX);
        else if (n >= 0)
                password = g_strndup(text, length);
        explicit_bzero(text, sizeof text);
        return password;
}
