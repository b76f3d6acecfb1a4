/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/guest/guest-mounts.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lxc/guest/guest-failure.h"
#include "lxc/guest/guest-path.h"

/* The group of terminals in a container, as everywhere. */
#define TTY_GROUP 5

/* Terminals that programs of one container may have, and how large its /dev may be: it holds a few nodes and links. */
#define TERMINALS "1024"
#define DEV_BYTES "262144"

/* Within the container's root */

static void give(const GuestPlan *plan, int parent, const char *name) {
        fchownat(parent, name, guest_plan_outside(plan->users, plan->n_users, 0),
                 guest_plan_outside(plan->groups, plan->n_groups, 0), AT_SYMLINK_NOFOLLOW);
}

/* Folders that are not there are made, of the container's root; so is a file, where it is to be one. */
static int find_or_make(const GuestPlan *plan, int root, const char *path, bool is_folder) {
        int found = guest_path_find(root, path);
        const char *slash = strrchr(path, '/');
        if (found >= 0 || errno != ENOENT || !slash || !slash[1])
                return found;
        char *above = strndup(path, slash > path ? (size_t) (slash - path) : 1);
        int parent = above ? find_or_make(plan, root, above, true) : -1, file = -1;
        free(above);
        if (parent < 0)
                return -1;
        bool made = is_folder ? mkdirat(parent, slash + 1, 0755) == 0
                              : (file = openat(parent, slash + 1, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644)) >=
                                                    0;
        if (made)
                give(plan, parent, slash + 1);
        int number = errno;
        close(parent);
        if (file >= 0)
                close(file);
        errno = number;
        return made ? guest_path_find(root, path) : -1;
}

/* A folder right in the root: no link, which would have what we mount there show another. */
static int find_or_make_place(const GuestPlan *plan, int root, const char *path) {
        if (mkdirat(root, path + 1, 0755) == 0)
                give(plan, root, path + 1);
        return guest_path_find_folder(root, path);
}

/* Takes a tree, which nothing has mounted, to a place; closes both. */
static bool attach(int tree, int place) {
        bool done = tree >= 0 && place >= 0 &&
                    move_mount(tree, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0;
        int number = errno;
        if (tree >= 0)
                close(tree);
        if (place >= 0)
                close(place);
        errno = number;
        return done;
}

/* A new filesystem of the kernel's; OPTIONS are names and values, NULL at the end. */
static int make_tree(const char *type, const char *const *options, unsigned attributes) {
        int context = fsopen(type, FSOPEN_CLOEXEC), tree = -1;
        bool fine = context >= 0;
        for (; fine && *options; options += 2)
                fine = fsconfig(context, FSCONFIG_SET_STRING, options[0], options[1], 0) == 0;
        if (fine && fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
                tree = fsmount(context, FSMOUNT_CLOEXEC, attributes);
        int number = errno;
        if (context >= 0)
                close(context);
        errno = number;
        return tree;
}

static int make_memory(const GuestPlan *plan, uint64_t bytes, const char *mode, unsigned attributes) {
        char size[24], user[12], group[12];
        snprintf(size, sizeof size, "%llu", (unsigned long long) bytes);
        snprintf(user, sizeof user, "%u", guest_plan_outside(plan->users, plan->n_users, 0));
        snprintf(group, sizeof group, "%u", guest_plan_outside(plan->groups, plan->n_groups, 0));
        const char *const options[] = { "size", size, "mode", mode, "uid", user, "gid", group, NULL };
        return make_tree("tmpfs", options, attributes);
}

/* Documents' filesystems */

/* Of the host's: as it is there, with what is mounted below it; but none of its devices are any in the container. */
static int clone_tree(const GuestMount *mount) {
        struct mount_attr attributes = { .attr_set = MOUNT_ATTR_NODEV | (mount->is_read_only ? MOUNT_ATTR_RDONLY : 0),
                                         .propagation = MS_PRIVATE };
        int tree = open_tree(mount->fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);
        if (tree >= 0 && mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes) == 0)
                return tree;
        int number = errno;
        if (tree >= 0)
                close(tree);
        errno = number;
        return -1;
}

static bool is_folder(int tree) {
        struct stat info;
        return fstat(tree, &info) < 0 || S_ISDIR(info.st_mode);
}

static bool mount_one(const GuestPlan *plan, int root, const GuestMount *mount, int tree) {
        if (tree < 0)
                tree = make_memory(plan, mount->bytes, "755",
                                   MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | (mount->is_read_only ? MOUNT_ATTR_RDONLY : 0));
        int place = tree < 0 ? -1 : find_or_make(plan, root, mount->target, is_folder(tree));
        return attach(tree, place) || guest_failure_set("filesystem '%s' cannot be mounted in the container", mount->target);
}

/* /dev */

static bool fill_dev(const GuestPlan *plan, int dev) {
        static const struct {
                const char *name;
                unsigned major, minor;
        } nodes[] = { { "null", 1, 3 },   { "zero", 1, 5 },    { "full", 1, 7 },
                      { "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 } };
        static const char *const links[][2] = { { "/proc/self/fd", "fd" },
                                                { "/proc/self/fd/0", "stdin" },
                                                { "/proc/self/fd/1", "stdout" },
                                                { "/proc/self/fd/2", "stderr" },
                                                { "pts/ptmx", "ptmx" } };
        uint32_t user = guest_plan_outside(plan->users, plan->n_users, 0),
                 group = guest_plan_outside(plan->groups, plan->n_groups, 0);
        for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
                if (mknodat(dev, nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) < 0 ||
                    fchownat(dev, nodes[i].name, user, group, 0) < 0)
                        return false;
        for (size_t i = 0; i < sizeof links / sizeof *links; i++)
                if (symlinkat(links[i][0], dev, links[i][1]) < 0)
                        return false;
        for (unsigned i = 0; i < plan->n_consoles; i++) {
                char name[16], target[16];
                snprintf(name, sizeof name, "tty%u", i + 1);
                snprintf(target, sizeof target, "pts/%u", i);
                if (symlinkat(target, dev, name) < 0 || (i == 0 && symlinkat(target, dev, "console") < 0))
                        return false;
        }
        return mkdirat(dev, "pts", 0755) == 0 && mkdirat(dev, "shm", 01777) == 0;
}

static bool open_terminal(const GuestPlan *plan, int pts, GuestTerminal *terminal) {
        int unlock = 0;
        terminal->master = openat(pts, "ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        if (terminal->master < 0 || ioctl(terminal->master, TIOCSPTLCK, &unlock) < 0)
                return false;
        terminal->slave = ioctl(terminal->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        return terminal->slave >= 0 && fchown(terminal->slave, guest_plan_outside(plan->users, plan->n_users, 0),
                                              guest_plan_outside(plan->groups, plan->n_groups, TTY_GROUP)) == 0;
}

static bool make_dev(const GuestPlan *plan, int root, GuestTerminal *terminals) {
        char group[12];
        snprintf(group, sizeof group, "%u", guest_plan_outside(plan->groups, plan->n_groups, TTY_GROUP));
        const char *const options[] = { "mode", "0620", "ptmxmode", "0666", "gid", group, "max", TERMINALS, NULL };
        unsigned plain = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
        int dev = -1, pts = -1;
        bool fine = attach(make_memory(plan, strtoull(DEV_BYTES, NULL, 10), "755", plain),
                           guest_path_find_folder(root, "/dev")) &&
                    (dev = guest_path_find_folder(root, "/dev")) >= 0 && fill_dev(plan, dev) &&
                    attach(make_tree("devpts", options, plain), guest_path_find_folder(dev, "pts")) &&
                    attach(make_memory(plan, plan->memory / 2, "1777", plain | MOUNT_ATTR_NODEV),
                           guest_path_find_folder(dev, "shm")) &&
                    (pts = guest_path_find_folder(dev, "pts")) >= 0;
        for (unsigned i = 0; fine && i < plan->n_consoles; i++)
                fine = open_terminal(plan, pts, terminals + i);
        int number = errno;
        if (dev >= 0)
                close(dev);
        if (pts >= 0)
                close(pts);
        errno = number;
        return fine || guest_failure_set("the container's /dev cannot be made");
}

/* Putting it together */

/* The folders that are mounted over. */
static bool make_places(const GuestPlan *plan, int root) {
        static const char *const places[] = { "/dev", "/proc", "/sys" };
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
                int place = find_or_make_place(plan, root, places[i]);
                if (place < 0)
                        return guest_failure_set("the root has no folder %s, where a link is none, and it cannot be made",
                                                 places[i]);
                close(place);
        }
        return true;
}

static int open_stage(const GuestPlan *plan) {
        return open(plan->stage, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static bool make_all(const GuestPlan *plan, const int *trees, GuestTerminal *terminals) {
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return guest_failure_set("a mount namespace cannot be made");
        if (!is_folder(trees[0])) {
                errno = ENOTDIR;
                return guest_failure_set("its root cannot be used");
        }
        if (!attach(dup(trees[0]), open_stage(plan)))
                return guest_failure_set("its root cannot be mounted");
        int root = open_stage(plan);
        bool fine = root >= 0 && make_places(plan, root) && make_dev(plan, root, terminals);
        for (size_t i = 1; fine && i < plan->n_mounts; i++)
                fine = mount_one(plan, root, plan->mounts + i, trees[i]);
        if (fine && chdir(plan->stage) < 0)
                fine = guest_failure_set("its root cannot be entered");
        if (root >= 0)
                close(root);
        return fine;
}

bool guest_mounts_make(const GuestPlan *plan, GuestTerminal *terminals) {
        int *trees = calloc(plan->n_mounts, sizeof *trees);
        if (!trees)
                return guest_failure_set("its filesystems cannot be read");
        umask(0);
        for (size_t i = 0; i < plan->n_mounts; i++) { /* while we are in the namespace where they were found */
                trees[i] = plan->mounts[i].fd < 0 ? -1 : clone_tree(plan->mounts + i);
                if (plan->mounts[i].fd >= 0 && trees[i] < 0)
                        return guest_failure_set("what is to be at '%s' cannot be mounted", plan->mounts[i].target);
        }
        bool fine = make_all(plan, trees, terminals);
        close(trees[0]);
        free(trees);
        return fine;
}

/* In the container */

/* Mounts something that is there over itself, to be read only; over what shows the host, nothing. */
static bool cover(int place, const char *name, int nothing) {
        struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY };
        int tree = nothing >= 0 ? open_tree(nothing, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH)
                                : open_tree(place, name,
                                            OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);
        if (tree < 0 && errno == ENOENT)
                return true;
        if (tree >= 0 && mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes) < 0) {
                close(tree);
                return false;
        }
        int target = openat(place, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (target < 0 && errno == ENOENT) {
                close(tree);
                return true;
        }
        return attach(tree, target);
}

/* What all may read of these is the host's. */
static bool shows_host(const char *name) {
        static const char *const names[] = { "keys", "key-users", "latency_stats", "sched_debug", "timer_stats" };
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                if (strcmp(name, names[i]) == 0)
                        return true;
        return false;
}

/* Rights of the host's root are those of a container's that has no users of its own: what that alone may read is not shown, and
 * what can be written, and folders, where that may be, are to be read only. What there is depends on the kernel. */
static bool cover_one(int proc, const char *name, int nothing) {
        struct stat info;
        if (fstatat(proc, name, &info, AT_SYMLINK_NOFOLLOW) < 0 || S_ISLNK(info.st_mode) || isdigit((unsigned char) *name))
                return true;
        bool is_file = !S_ISDIR(info.st_mode);
        if (is_file && (shows_host(name) || (info.st_mode & 0444) == 0400))
                return cover(proc, name, nothing);
        return (is_file && !(info.st_mode & 0222)) || cover(proc, name, -1);
}

static bool cover_proc(int proc, int nothing) {
        int list = openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *folder = list < 0 ? NULL : fdopendir(list);
        bool fine = folder;
        for (const struct dirent *entry; fine && (entry = readdir(folder));)
                fine = *entry->d_name == '.' || cover_one(proc, entry->d_name, nothing);
        int number = errno;
        if (folder)
                closedir(folder);
        else if (list >= 0)
                close(list);
        errno = number;
        return fine;
}

static bool mount_proc(int root) {
        const char *const none[] = { NULL };
        int nothing = guest_path_find(root, "/dev/null"), proc = -1;
        bool fine = nothing >= 0 &&
                    attach(make_tree("proc", none, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV),
                           guest_path_find_folder(root, "/proc")) &&
                    (proc = guest_path_find_folder(root, "/proc")) >= 0 && cover_proc(proc, nothing);
        return fine || guest_failure_set("the container's /proc cannot be mounted");
}

/* Tables of the firmware, and how much power programs of the host use, by which one learns what they do. */
static bool mount_sys(int root) {
        static const char *const hidden[] = { "firmware", "devices/virtual/powercap" };
        const char *const none[] = { NULL }, *const empty[] = { "size", "4096", "mode", "555", NULL };
        unsigned plain = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY;
        int sys = -1;
        bool fine = attach(make_tree("sysfs", none, plain), guest_path_find_folder(root, "/sys")) &&
                    (sys = guest_path_find_folder(root, "/sys")) >= 0;
        for (size_t i = 0; fine && i < sizeof hidden / sizeof *hidden; i++) {
                int place = guest_path_find_folder(sys, hidden[i]);
                fine = place < 0 ? errno == ENOENT : attach(make_tree("tmpfs", empty, plain), place);
        }
        return fine || guest_failure_set("the container's /sys cannot be mounted");
}

bool guest_mounts_enter(void) {
        /* What another namespace of users has mounted cannot be made the root; a second mount of it, over it, can. */
        int root = open_tree(AT_FDCWD, ".", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
        if (root < 0 || !attach(dup(root), open(".", O_PATH | O_DIRECTORY | O_CLOEXEC)))
                return guest_failure_set("its root cannot be entered");
        if (!mount_proc(root) || !mount_sys(root))
                return false;
        /* The former root is mounted over the new one, and taken off. */
        return (fchdir(root) == 0 && syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0 && chdir("/") == 0 &&
                close(root) == 0) ||
               guest_failure_set("its root cannot be entered");
}

/* Where the host's root is one that cannot be changed, of a kernel's first memory, all is kept as it was. */
void guest_mounts_forget(const GuestPlan *plan) {
        const char *const empty[] = { "size", "4096", "mode", "555", NULL };
        if (chdir("/") < 0)
                return;
        umount2(plan->stage, MNT_DETACH);
        if (attach(make_tree("tmpfs", empty, MOUNT_ATTR_RDONLY), open_stage(plan)) && chdir(plan->stage) == 0 &&
            syscall(SYS_pivot_root, ".", ".") == 0)
                umount2(".", MNT_DETACH);
        if (chdir("/") < 0)
                return;
}
