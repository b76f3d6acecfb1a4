/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "executable.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "bus.h"
#include "errors.h"

/* As many links as the kernel follows in one path: path_resolution(7). */
#define LINKS_MAX 40

/* A walk along a path, from folder to folder by their descriptors. */
typedef struct Walk {
        const char *program; /* as it was given */
        GString *rest;       /* what of the path is still to be walked */
        GString *walked;     /* for messages: where it is */
        int folder;
        struct stat info; /* of that folder */
        unsigned n_links;
} Walk;

static bool is_trusted(uid_t owner) {
        struct stat root;
        if (owner == 0 || owner == geteuid())
                return true;
        /* In a user namespace root's own files show as another user's: whoever has the root directory is root. */
        return geteuid() != 0 && stat("/", &root) == 0 && owner == root.st_uid;
}

static bool others_may_write(const struct stat *info) {
        bool own_group = info->st_gid == 0 || (geteuid() != 0 && info->st_gid == getegid());
        return info->st_mode & S_IWOTH || (info->st_mode & S_IWGRP && !own_group);
}

static bool refuse(const Walk *walk, GError **error, const char *why) {
        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                 "the program %.256s is not run: %.256s %s; install it where only root may write", walk->program,
                                 walk->walked->str, why);
}

static bool not_found(const Walk *walk, GError **error, int reason) {
        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                 "the program %.256s cannot be found: %s; install it, or name another", walk->program,
                                 g_strerror(reason));
}

static bool is_no_program(const Walk *walk, GError **error) {
        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                 "no program can be run from %.256s: it is not an executable file", walk->program);
}

/* A folder that all may write to, such as /tmp, keeps what belongs to others from being replaced where it is sticky, but anyone may have
 * mounted a file system there on something of theirs. */
static bool check_entry(const Walk *walk, const struct stat *info, GError **error) {
        if (!is_trusted(info->st_uid))
                return refuse(walk, error, geteuid() == 0 ? "is not root's" : "is another user's");
        if (others_may_write(&walk->info) && info->st_dev != walk->info.st_dev)
                return refuse(walk, error, "is mounted in a folder that others may write to");
        if (S_ISLNK(info->st_mode))
                return true;
        if (others_may_write(info) && !(S_ISDIR(info->st_mode) && info->st_mode & S_ISVTX))
                return refuse(walk, error, "may be written to by others");
        return true;
}

static bool enter(Walk *walk, int folder, const struct stat *info) {
        autofd_close(&walk->folder);
        walk->folder = folder;
        walk->info = *info;
        return true;
}

static bool enter_root(Walk *walk, GError **error) {
        struct stat info;
        g_autofd int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &info) < 0)
                return virtbus_error_set_errno(error, errno, "the root directory cannot be opened");
        g_string_assign(walk->walked, "/");
        return check_entry(walk, &info, error) && enter(walk, steal_fd(&fd), &info);
}

/* A link's text takes its place in the path. */
static bool follow(Walk *walk, int link, GError **error) {
        char target[PATH_MAX];
        ssize_t n = readlinkat(link, "", target, sizeof target - 1);
        if (n < 0 || ++walk->n_links > LINKS_MAX)
                return not_found(walk, error, n < 0 ? errno : ELOOP);
        target[n] = '\0';
        g_string_prepend_c(walk->rest, '/');
        g_string_prepend(walk->rest, target);
        return target[0] != '/' || enter_root(walk, error);
}

/* The next part of what is left of the path; false at its end. */
static bool next_part(Walk *walk, char **part) {
        size_t blank = strspn(walk->rest->str, "/"), length = strcspn(walk->rest->str + blank, "/");
        *part = g_strndup(walk->rest->str + blank, length);
        g_string_erase(walk->rest, 0, (gssize) (blank + length));
        return length > 0;
}

static bool check_file(const Walk *walk, const struct stat *info, ExecutableIdentity *identity, GError **error) {
        if (!S_ISREG(info->st_mode) || !(info->st_mode & 0111))
                return is_no_program(walk, error);
        if (walk->rest->len > 0)
                return not_found(walk, error, ENOTDIR);
        *identity = (ExecutableIdentity){
                .size = info->st_size,
                .time = (gint64) info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec,
        };
        return true;
}

static bool walk_on(Walk *walk, ExecutableIdentity *identity, GError **error) {
        if (!enter_root(walk, error))
                return false;
        for (;;) {
                struct stat info;
                g_autofree char *part = NULL;
                if (!next_part(walk, &part))
                        return is_no_program(walk, error);
                g_autofd int fd = openat(walk->folder, part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
                if (fd < 0 || fstat(fd, &info) < 0)
                        return not_found(walk, error, errno);
                g_string_append_printf(walk->walked, "%s%s", g_str_has_suffix(walk->walked->str, "/") ? "" : "/", part);
                if (!check_entry(walk, &info, error))
                        return false;
                if (S_ISLNK(info.st_mode)) {
                        if (!follow(walk, fd, error))
                                return false;
                } else if (S_ISDIR(info.st_mode))
                        enter(walk, steal_fd(&fd), &info);
                else
                        return check_file(walk, &info, identity, error);
        }
}

bool executable_check(const char *path, ExecutableIdentity *identity, GError **error) {
        g_autoptr(GString) rest = g_string_new(path), walked = g_string_new(NULL);
        if (path[0] != '/' || strlen(path) >= PATH_MAX)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "no program can be run from %.256s: its path must begin with /", path);
        Walk walk = { .program = path, .rest = rest, .walked = walked, .folder = -1 };
        bool fine = walk_on(&walk, identity, error);
        autofd_close(&walk.folder);
        return fine;
}
