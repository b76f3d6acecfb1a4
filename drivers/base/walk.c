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

/* The inode of /proc itself, where the links to the caller's own folders are: PROC_ROOT_INO, linux/proc_ns.h. */
#define PROCESSES_ROOT 1

typedef struct Walk {
        WalkTrust trust;
        bool makes;          /* folders that are not there */
        char rest[PATH_MAX]; /* what of the path is still to be walked */
        int at;              /* where it is; what that is and is called: WALKED */
        bool others_decide;  /* somebody else could have put what it has come to */
        unsigned n_links;
        Walked *walked;
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

static bool refuse(Walk *walk, const char *why) {
        walk->walked->fault = why;
        return false;
}

static bool fail(Walk *walk, int failure) {
        walk->walked->failure = failure;
        return false;
}

/* What somebody else could do to an entry of the folder that the walk is in, or NULL. In one that all may write to, such as
 * /tmp, what belongs to others is kept from being replaced where it is sticky; but anyone may have mounted a file system there
 * on something of theirs. */
static const char *find_fault(const Walk *walk, const struct stat *info) {
        const struct stat *folder = &walk->walked->info;
        bool is_folder = S_ISDIR(info->st_mode), is_link = S_ISLNK(info->st_mode);
        if (!is_trusted(info->st_uid))
                return geteuid() == 0 ? "is not root's" : "is another user's";
        if (others_may_write(folder) && info->st_dev != folder->st_dev)
                return "is mounted in a folder that others may write to";
        if (!is_link && others_may_write(info) && !(is_folder && info->st_mode & S_ISVTX))
                return "may be written to by others";
        return NULL;
}

/* Where the system lets anyone give any file a second name, such a name is as good as a link; so is a node that somebody has
 * moved. The owner of a folder that nobody else may write to may have what is that owner's there by as many names as he likes. */
static const char *find_disguise(const Walk *walk, const struct stat *info) {
        const struct stat *folder = &walk->walked->info;
        bool is_owners = info->st_uid == folder->st_uid && !others_may_write(folder);
        if (S_ISREG(info->st_mode) && info->st_nlink > 1 && !is_owners && (walk->others_decide || others_may_write(folder)))
                return "has a second name, and somebody else may have made this one: copy it, or name it where only root may "
                       "write";
        if ((S_ISBLK(info->st_mode) || S_ISCHR(info->st_mode)) && walk->others_decide)
                return "is a device that somebody else may have put there: name it where only root may write";
        return NULL;
}

static bool check_entry(Walk *walk, const struct stat *info) {
        const char *fault = find_fault(walk, info), *disguise = find_disguise(walk, info);
        if (disguise || (fault && walk->trust == WALK_TRUSTED))
                return refuse(walk, fault && walk->trust == WALK_TRUSTED ? fault : disguise);
        walk->others_decide |= fault != NULL;
        return !S_ISLNK(info->st_mode) || !walk->others_decide ||
               refuse(walk, "is a link that somebody else may have made: give the path that it leads to");
}

static void enter(Walk *walk, int at, const struct stat *info) {
        autofd_close(&walk->at);
        walk->at = at;
        walk->walked->info = *info;
        walk->walked->is_searchable &= !S_ISDIR(info->st_mode) || info->st_mode & S_IXOTH;
}

static bool enter_root(Walk *walk) {
        struct stat info;
        g_autofd int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &info) < 0)
                return fail(walk, errno);
        strcpy(walk->walked->at, "/");
        walk->walked->info = info;
        walk->others_decide = false;
        if (!check_entry(walk, &info))
                return false;
        enter(walk, steal_fd(&fd), &info);
        return true;
}

/* Those of one process, as its root, lead the kernel elsewhere than their text says: whoever uses the path comes there. */
static bool is_of_one_process(const Walk *walk, int link) {
        return walk_is_of_processes(link) && walk->walked->info.st_ino != PROCESSES_ROOT;
}

/* A link's text takes its place in the path. */
static bool follow(Walk *walk, int link) {
        char target[PATH_MAX];
        if (is_of_one_process(walk, link))
                return refuse(walk, "is a link of a process's, not a path: give the path that it leads to");
        size_t rest = strlen(walk->rest);
        ssize_t n = readlinkat(link, "", target, sizeof target);
        if (n < 0 || ++walk->n_links > LINKS_MAX)
                return fail(walk, n < 0 ? errno : ELOOP);
        if ((size_t) n + rest >= sizeof walk->rest)
                return fail(walk, ENAMETOOLONG);
        memmove(walk->rest + n, walk->rest, rest + 1);
        memcpy(walk->rest, target, (size_t) n);
        return target[0] != '/' || enter_root(walk);
}

/* Takes the next part of what is left of the path; false at its end. */
static bool next_part(Walk *walk, char *part) {
        size_t blank = strspn(walk->rest, "/"), length = strcspn(walk->rest + blank, "/");
        memcpy(part, walk->rest + blank, length);
        part[length] = '\0';
        memmove(walk->rest, walk->rest + blank + length, strlen(walk->rest + blank + length) + 1);
        return length > 0;
}

/* Where it is, for messages: as much as there is room for. */
static void say_part(Walk *walk, const char *part) {
        char *at = walk->walked->at;
        size_t length = strlen(at), more = strlen(part);
        bool has_slash = length > 0 && at[length - 1] == '/';
        if (length + 1 + more >= PATH_MAX)
                return;
        if (!has_slash)
                at[length++] = '/';
        memcpy(at + length, part, more + 1);
}

/* As a folder first: what is mounted when it is entered is there then. */
static int open_part(int at, const char *part) {
        int fd = openat(at, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 && errno == ENOTDIR ? openat(at, part, O_PATH | O_NOFOLLOW | O_CLOEXEC) : fd;
}

static bool take_step(Walk *walk, const char *part) {
        struct stat info;
        g_autofd int fd = open_part(walk->at, part);
        if (fd < 0 && errno == ENOENT && walk->makes && mkdirat(walk->at, part, 0700) == 0)
                fd = open_part(walk->at, part);
        if (fd < 0 || fstat(fd, &info) < 0)
                return fail(walk, errno);
        say_part(walk, part);
        if (!check_entry(walk, &info))
                return false;
        if (S_ISLNK(info.st_mode))
                return follow(walk, fd);
        if (!S_ISDIR(info.st_mode) && walk->rest[0])
                return fail(walk, ENOTDIR);
        enter(walk, steal_fd(&fd), &info);
        return true;
}

static int walk_to(const char *path, WalkTrust trust, bool makes, Walked *walked) {
        char part[PATH_MAX];
        Walk walk = { .trust = trust, .makes = makes, .at = -1, .walked = walked };
        *walked = (Walked){ .is_searchable = true };
        g_strlcpy(walk.rest, path, sizeof walk.rest);
        bool fine = path[0] == '/' && strlen(path) < PATH_MAX ? enter_root(&walk)
                                                              : fail(&walk, path[0] == '/' ? ENAMETOOLONG : EINVAL);
        while (fine && next_part(&walk, part))
                fine = take_step(&walk, part);
        if (fine)
                return walk.at;
        autofd_close(&walk.at);
        return -1;
}

int walk_find(const char *path, WalkTrust trust, Walked *walked) {
        return walk_to(path, trust, false, walked);
}

int walk_make(const char *path, Walked *walked) {
        int fd = walk_to(path, WALK_NO_LINKS, true, walked);
        if (fd >= 0 && !S_ISDIR(walked->info.st_mode)) {
                walked->failure = ENOTDIR;
                autofd_close(&fd);
                fd = -1;
        }
        return fd;
}

int walk_open(const char *path, WalkTrust trust, struct stat *info, GError **error) {
        Walked walked;
        int fd = walk_find(path, trust, &walked);
        *info = walked.info;
        if (walked.fault)
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%.256s %s", walked.at, walked.fault);
        else if (fd < 0)
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%.256s cannot be found: %s", path,
                                  g_strerror(walked.failure));
        return fd;
}

bool walk_is_of_processes(int fd) {
        struct statfs info;
        return fstatfs(fd, &info) == 0 && info.f_type == PROC_SUPER_MAGIC;
}
