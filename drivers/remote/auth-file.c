/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "remote/auth-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus.h"
#include "errors.h"

void auth_file_wipe(char *text) {
        if (text)
                explicit_bzero(text, strlen(text));
        g_free(text);
}

static char *path_of_file(void) {
        const char *named = g_getenv(AUTH_FILE_VARIABLE);
        if (named)
                return g_strdup(named);
        return geteuid() == 0 ? g_strdup("/etc/virtbus/auth.conf")
                              : g_build_filename(g_get_user_config_dir(), "virtbus", "auth.conf", NULL);
}

/* Its text; NULL where there is no file, or with an error. */
static char *read_file(const char *path, GError **error) {
        struct stat status;
        g_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
                return NULL;
        if (fd < 0 || fstat(fd, &status) < 0) {
                virtbus_error_set_errno(error, errno, "the credentials in %s", path);
                return NULL;
        }
        if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 077) != 0) {
                virtbus_error_set(
                                error, VIRTBUS_ERROR_ACCESS_DENIED,
                                "the credentials in %s are not used, as others may read or change it: it must be a file of user "
                                "%u, of mode 0600",
                                path, geteuid());
                return NULL;
        }
        g_autofree char *text = g_malloc(AUTH_FILE_BYTES_MAX + 1);
        ssize_t length = read(fd, text, AUTH_FILE_BYTES_MAX + 1);
        if (length >= 0 && length <= AUTH_FILE_BYTES_MAX) {
                text[length] = '\0';
                return g_steal_pointer(&text);
        }
        explicit_bzero(text, AUTH_FILE_BYTES_MAX + 1);
        virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s is longer than %d bytes", path, AUTH_FILE_BYTES_MAX);
        return NULL;
}

bool auth_file_find(const char *service, const char *host, char **username, char **password, GError **error) {
        GError *failure = NULL;
        g_autofree char *path = path_of_file(), *own = g_strdup_printf("auth-%s-%s", service, host),
                        *others = g_strdup_printf("auth-%s-default", service);
        char *text = read_file(path, &failure);
        *username = *password = NULL;
        if (!text) {
                if (failure)
                        g_propagate_error(error, failure);
                return !failure;
        }
        g_autoptr(GKeyFile) file = g_key_file_new();
        bool is_read = g_key_file_load_from_data(file, text, strlen(text), G_KEY_FILE_NONE, NULL);
        auth_file_wipe(text);
        if (!is_read)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s is not of the format of libvirt's auth.conf",
                                         path);
        g_autofree char *name = g_key_file_get_string(file, own, "credentials", NULL);
        if (!name)
                name = g_key_file_get_string(file, others, "credentials", NULL);
        g_autofree char *group = g_strdup_printf("credentials-%s", name ? name : "");
        *username = name ? g_key_file_get_string(file, group, "username", NULL) : NULL;
        *password = name ? g_key_file_get_string(file, group, "password", NULL) : NULL;
        return !name || *password ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                 "%s names credentials for %s, and has no password of them", path, host);
}
