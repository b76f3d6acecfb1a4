/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/confine-root.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/walk.h"

/* What is in the root is a few empty files and folders, over which others are mounted. */
#define ROOT_OPTIONS "mode=0755,size=16m"

/* The system, to read. What is not there is left out. */
static const char *const system_paths[] = {
        "/usr",
        "/bin",
        "/sbin",
        "/lib",
        "/lib32",
        "/lib64",
        "/nix/store",
        "/gnu/store",
        "/etc/alternatives",
        "/etc/asound.conf",
        "/etc/ceph",
        "/etc/crypto-policies",
        "/etc/gnutls",
        "/etc/ld.so.cache",
        "/etc/localtime",
        "/etc/pki",
        "/etc/qemu",
        "/etc/ssl",
};

/* The same, for who keeps the network: where names of hosts are looked up. */
static const char *const network_paths[] = {
        "/etc/gai.conf",  "/etc/host.conf",   "/etc/hosts",    "/etc/nsswitch.conf",
        "/etc/protocols", "/etc/resolv.conf", "/etc/services",
};

/* Nodes that belong to no guest more than to another; who may open which, their modes say as before. */
static const char *const device_paths[] = { "/dev/kvm", "/dev/pts" };

/* Those that everybody may open anyway, by their minor numbers of major 1: made anew, which takes a fifth of what showing
 * takes. */
static const struct {
        const char *path;
        unsigned minor;
} common_devices[] = {
        { "/dev/null", 3 }, { "/dev/zero", 5 }, { "/dev/full", 7 }, { "/dev/random", 8 }, { "/dev/urandom", 9 },
};

/* Where programs share memory and messages by names: each has empty ones of its own. */
static const char *const shared_folders[] = { "/dev/shm", "/dev/mqueue" };

/* Never shown, whatever names them: what the kernel tells of processes, and everything. */
static const char *const hidden_paths[] = { "/", "/proc", "/dev", "/etc", "/run" };

bool confine_root_is_below(const char *path, const char *folder) {
        size_t length = strlen(folder);
        return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

bool confine_root_holds(const char *path) {
        for (size_t i = 0; i < G_N_ELEMENTS(system_paths); i++)
                if (confine_root_is_below(path, system_paths[i]))
                        return true;
        for (size_t i = 0; i < G_N_ELEMENTS(device_paths); i++)
                if (confine_root_is_below(path, device_paths[i]))
                        return true;
        for (size_t i = 0; i < G_N_ELEMENTS(common_devices); i++)
                if (confine_root_is_below(path, common_devices[i].path))
                        return true;
        for (size_t i = 0; i < G_N_ELEMENTS(hidden_paths); i++)
                if (strcmp(path, hidden_paths[i]) == 0)
                        return true;
        return confine_root_is_below(path, "/proc");
}

/* A folder for PART in that one, where there is none; by no link, whoever has made it: a guest may write to what it was shown. */
static int enter_folder(int at, const char *part) {
        if (mkdirat(at, part, 0755) < 0 && errno != EEXIST)
                return -1;
        return openat(at, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Opens the last folder that leads to a path, below the current one: they are made where there are none. */
static int make_folders(const char *path, const char **name) {
        char part[PATH_MAX];
        int at = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        for (const char *slash; at >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
                memcpy(part, path, (size_t) (slash - path));
                part[slash - path] = '\0';
                int next = enter_folder(at, part), failure = errno;
                close(at);
                errno = failure;
                at = next;
        }
        *name = path;
        return at;
}

/* Opens an empty place of the kind of what is mounted over it. */
static int make_place(const char *path, bool is_folder) {
        const char *name;
        int folder = make_folders(path, &name), place = -1;
        if (folder < 0)
                return -1;
        if ((is_folder ? mkdirat(folder, name, 0755) : mknodat(folder, name, S_IFREG | 0644, 0)) == 0 || errno == EEXIST)
                place = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        int failure = errno;
        close(folder);
        errno = failure;
        return place;
}

/* A copy of the mount that what was opened is in, from there on. */
static int copy_mount(int from) {
        return (int) syscall(SYS_open_tree, from, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
}

bool confine_root_lacks(int number) {
        return number == ENOENT || number == ENOTDIR || number == ELOOP || number == EACCES;
}

/* Of what a path leads to, whoever says so; -1 where it is not there. */
static int copy_named(const char *path) {
        int from = open(path, O_PATH | O_CLOEXEC), mount = from < 0 ? -1 : copy_mount(from), failure = errno;
        if (from >= 0)
                close(from);
        errno = failure;
        return mount;
}

static bool put_mount(int mount, const char *path, uint64_t attributes) {
        struct mount_attr set = { .attr_set = attributes | MOUNT_ATTR_NOSUID };
        struct stat info;
        if (fstat(mount, &info) < 0)
                return false;
        int place = make_place(path + 1, S_ISDIR(info.st_mode));
        bool fine = place >= 0 && syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | AT_RECURSIVE, &set, sizeof set) == 0 &&
                    syscall(SYS_move_mount, mount, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0;
        int failure = errno;
        if (place >= 0)
                close(place);
        errno = failure;
        return fine;
}

static bool show(const char *path, uint64_t attributes) {
        int mount = copy_named(path);
        if (mount < 0)
                return confine_root_lacks(errno);
        bool fine = put_mount(mount, path, attributes);
        int failure = errno;
        close(mount);
        errno = failure;
        return fine;
}

/* What a document names: NULL, or why it cannot be shown, by errno. MOUNTS gets -1 for what is not there. */
static const char *copy_paths(char *const *paths, int *mounts, size_t *n) {
        static char text[2 * PATH_MAX];
        static const char failure[] = "its root cannot have all that it is to open";
        for (*n = 0; paths && paths[*n]; ++*n) {
                Walked walked;
                if (*n == CONFINE_PATHS_MAX) {
                        errno = E2BIG;
                        return failure;
                }
                int from = walk_find(paths[*n], WALK_NO_LINKS, &walked);
                mounts[*n] = from < 0 ? -1 : copy_mount(from);
                int number = from < 0 ? walked.failure : errno;
                if (from >= 0)
                        close(from);
                errno = walked.fault ? ELOOP : number;
                if (walked.fault) {
                        stpcpy(stpcpy(stpcpy(text, walked.at), " "), walked.fault);
                        return text;
                }
                if (mounts[*n] < 0 && !confine_root_lacks(number))
                        return failure;
        }
        return NULL;
}

/* A link into /usr is the same there, and takes less than a mount: so are /bin, /lib and others on most systems. */
static bool copy_link(const char *path) {
        char target[PATH_MAX];
        ssize_t n = readlink(path, target, sizeof target - 1);
        if (n <= 0)
                return false;
        target[n] = '\0';
        /* Of one in the root, "usr" is the same. */
        bool is_same = confine_root_is_below(target, "/usr") || (!strchr(path + 1, '/') && confine_root_is_below(target, "usr"));
        if (!is_same || strstr(target, ".."))
                return false;
        const char *name;
        int folder = make_folders(path + 1, &name);
        bool fine = folder >= 0 && symlinkat(target, folder, name) == 0;
        if (folder >= 0)
                close(folder);
        return fine;
}

static bool show_system(const char *const *paths, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (!copy_link(paths[i]) && !show(paths[i], MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV))
                        return false;
        return true;
}

static bool make_node(const char *place, dev_t device) {
        return mknod(place, S_IFCHR | 0666, device) == 0 && chmod(place, 0666) == 0;
}

/* Also the multiplexer of the pseudo terminals, where the kernel finds them beside it. */
static bool make_devices(void) {
        bool fine = mkdir("dev", 0755) == 0 && make_node("dev/ptmx", makedev(5, 2));
        for (size_t i = 0; fine && i < G_N_ELEMENTS(common_devices); i++)
                fine = make_node(common_devices[i].path + 1, makedev(1, common_devices[i].minor));
        for (size_t i = 0; fine && i < G_N_ELEMENTS(device_paths); i++)
                fine = show(device_paths[i], 0);
        return fine;
}

/* What is passed as a descriptor and can only be named by a path is named by one of /proc/self/fd; QEMU reads a setting or two
 * of the kernel's. Root's children see no processes but their own; a user namespace may not mount one of its own: who has that
 * sees the processes of its user, as before. */
static bool show_processes(bool is_users) {
        if (is_users)
                return show("/proc", 0);
        return mkdir("proc", 0555) == 0 &&
               mount("proc", "proc", "proc", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=ptraceable") == 0;
}

/* In a user namespace no node can be made, and the multiplexer is one: who is in it sees the host's devices, with the rights
 * that he had; but not what programs share with each other beside them. */
static bool show_devices(bool is_users) {
        bool fine = is_users ? show("/dev", 0) : make_devices();
        for (size_t i = 0; is_users && fine && i < G_N_ELEMENTS(shared_folders); i++)
                fine = mount("virtbus", shared_folders[i] + 1, "tmpfs", MS_NOSUID | MS_NODEV, ROOT_OPTIONS) == 0 ||
                       confine_root_lacks(errno);
        return fine;
}

static const char *fill_root(const Confinement *confinement) {
        int mounts[CONFINE_PATHS_MAX];
        size_t n = 0;
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return "its mounts cannot be made its own";
        /* Before the root is there, which may be below one of them. */
        const char *failure = copy_paths(confinement->paths, mounts, &n);
        if (failure)
                return failure;
        if (mount("virtbus", confinement->root, "tmpfs", MS_NOSUID, ROOT_OPTIONS) < 0 || chdir(confinement->root) < 0)
                return "a root cannot be mounted";
        if (!show_system(system_paths, G_N_ELEMENTS(system_paths)) ||
            (!(confinement->parts & CONFINE_NETWORK) && !show_system(network_paths, G_N_ELEMENTS(network_paths))))
                return "its root cannot have the system";
        if (!show_devices(confinement->parts & CONFINE_USER))
                return "its root cannot have its devices";
        if (!show_processes(confinement->parts & CONFINE_USER))
                return "its root cannot have its processes";
        for (size_t i = 0; i < n; i++)
                if (mounts[i] >= 0 && (!put_mount(mounts[i], confinement->paths[i], 0) || close(mounts[i]) < 0))
                        return "its root cannot have all that it is to open";
        if (confinement->temporary && ((mkdir("tmp", 0777) < 0 && errno != EEXIST) || chmod("tmp", 01777) < 0))
                return "its root cannot have a folder for temporary files";
        if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
                return "its root cannot be entered";
        return NULL;
}

/* Its folders can be searched whatever files are made with here. */
const char *confine_root_make(const Confinement *confinement) {
        mode_t mask = umask(0022);
        const char *failure = fill_root(confinement);
        umask(mask);
        return failure;
}

/* Mounts are copied where they are seen, and put where they are to be. Who is not root copies them in
 * a mount namespace of that process's user namespace, as it may copy none of the host's. */
int confine_root_show(int process, unsigned parts, char *const *paths) {
        int mounts[CONFINE_PATHS_MAX];
        size_t n = 0;
        umask(0022);
        if (parts & CONFINE_USER && (setns(process, CLONE_NEWUSER) < 0 || unshare(CLONE_NEWNS) < 0))
                return errno;
        if (copy_paths(paths, mounts, &n))
                return errno;
        if (setns(process, CLONE_NEWNS) < 0 || chdir("/") < 0)
                return errno;
        for (size_t i = 0; i < n; i++)
                if (mounts[i] >= 0 && !put_mount(mounts[i], paths[i], 0))
                        return errno;
        return 0;
}
