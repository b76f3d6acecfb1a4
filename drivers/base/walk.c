/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/vfs.h>

#include "bus.h"
#include "errors.h"

/* As many links as the kernel follows in one path: path_resolution(7). */
#define LINKS_MAX 40

typedef struct Walk {
        const char *path; /* as it was given */
        WalkTrust trust;
        GString *rest;   /* what of the path is still to be walked */
        GString *walked; /* for messages: where it is */
        int at;          /* where it is, and what that is */
        struct stat info;
        bool others_decide; /* somebody else could have put what it has come to */
        bool is_hidden;     /* it led through a folder that not everybody may search */
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
        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%.256s %s", walk->walked->str, why);
}

static bool not_found(const Walk *walk, GError **error, int reason) {
        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%.256s cannot be found: %s", walk->path,
                                 g_strerror(reason));
}

/* What somebody else could do to an entry of the folder that the walk is in, or NULL. In one that all may write to, such as
 * /tmp, what belongs to others is kept from being replaced where it is sticky; but anyone may have mounted a file system there
 * on something of theirs. */
static const char *find_fault(const Walk *walk, const struct stat *info) {
        bool is_folder = S_ISDIR(info->st_mode), is_link = S_ISLNK(info->st_mode);
        if (!is_trusted(info->st_uid))
                return geteuid() == 0 ? "is not root's" : "is another user's";
        if (others_may_write(&walk->info) && info->st_dev != walk->info.st_dev)
                return "is mounted in a folder that others may write to";
        if (!is_link && others_may_write(info) && !(is_folder && info->st_mode & S_ISVTX))
                return "may be written to by others";
        return NULL;
}

static bool check_entry(Walk *walk, const struct stat *info, GError **error) {
        const char *fault = find_fault(walk, info);
        if (fault && walk->trust == WALK_TRUSTED)
                return refuse(walk, error, fault);
        walk->others_decide |= fault != NULL;
        return !S_ISLNK(info->st_mode) || !walk->others_decide ||
               refuse(walk, error, "is a link that somebody else may have made: give the path that it leads to");
}

static void enter(Walk *walk, int at, const struct stat *info) {
        autofd_close(&walk->at);
        walk->at = at;
        walk->info = *info;
        walk->is_hidden |= S_ISDIR(info->st_mode) && !(info->st_mode & S_IXOTH);
}

static bool enter_root(Walk *walk, GError **error) {
        struct stat info;
        g_autofd int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &info) < 0)
                return not_found(walk, error, errno);
        g_string_assign(walk->walked, "/");
        walk->info = info;
        walk->others_decide = false;
        if (!check_entry(walk, &info, error))
                return false;
        enter(walk, steal_fd(&fd), &info);
        return true;
}

/* A link's text takes its place in the path. */
static bool follow(Walk *walk, int link, GError **error) {
        char target[PATH_MAX];
        ssize_t n = readlinkat(link, "", target, sizeof target - 1);
        if (n < 0 || ++walk->n_links > LINKS_MAX)
                return not_found(walk, error, n < 0 ? errno : ELOOP);
        target[n] = '\0';
        g_string_prepend(walk->rest, target);
        return target[0] != '/' || enter_root(walk, error);
}

/* Takes the next part of what is left of the path; NULL at its end. */
static char *next_part(Walk *walk) {
        size_t blank = strspn(walk->rest->str, "/"), length = strcspn(walk->rest->str + blank, "/");
        char *part = length > 0 ? g_strndup(walk->rest->str + blank, length) : NULL;
        g_string_erase(walk->rest, 0, (gssize) (blank + length));
        return part;
}

static bool take_step(Walk *walk, const char *part, GError **error) {
        struct stat info;
        g_autofd int fd = openat(walk->at, part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &info) < 0)
                return not_found(walk, error, errno);
        g_string_append_printf(walk->walked, "%s%s", g_str_has_suffix(walk->walked->str, "/") ? "" : "/", part);
        if (!check_entry(walk, &info, error))
                return false;
        if (S_ISLNK(info.st_mode))
                return follow(walk, fd, error);
        if (!S_ISDIR(info.st_mode) && walk->rest->len > 0)
                return not_found(walk, error, ENOTDIR);
        enter(walk, steal_fd(&fd), &info);
        return true;
}

static int open_by_walk(const char *path, WalkTrust trust, struct stat *info, bool *is_searchable, GError **error) {
        g_autoptr(GString) rest = g_string_new(path), walked = g_string_new(NULL);
        Walk walk = { .path = path, .trust = trust, .rest = rest, .walked = walked, .at = -1 };
        bool fine = path[0] == '/' && strlen(path) < PATH_MAX ? enter_root(&walk, error)
                                                              : not_found(&walk, error, path[0] == '/' ? ENAMETOOLONG : EINVAL);
        while (fine) {
                g_autofree char *part = next_part(&walk);
                if (!part)
                        break;
                fine = take_step(&walk, part, error);
        }
        if (!fine)
                autofd_close(&walk.at);
        *info = walk.info;
        *is_searchable = !walk.is_hidden;
        return fine ? walk.at : -1;
}

int walk_open(const char *path, WalkTrust trust, struct stat *info, GError **error) {
        bool unused;
        return open_by_walk(path, trust, info, &unused, error);
}

int walk_open_public(const char *path, struct stat *info, bool *is_searchable, GError **error) {
        return open_by_walk(path, WALK_NO_LINKS, info, is_searchable, error);
}

bool walk_is_of_processes(int fd) {
        struct statfs info;
        return fstatfs(fd, &info) == 0 && info.f_type == PROC_SUPER_MAGIC;
}
