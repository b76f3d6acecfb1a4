/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/confine-calls.h"
#include "errors.h"

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

/* Never shown, whatever names them: what the kernel tells of processes, and everything. */
static const char *const hidden_paths[] = { "/", "/proc", "/dev", "/etc", "/run" };

static bool is_below(const char *path, const char *folder) {
        size_t length = strlen(folder);
        return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static bool is_shown_anyway(const char *path) {
        for (size_t i = 0; i < G_N_ELEMENTS(system_paths); i++)
                if (is_below(path, system_paths[i]))
                        return true;
        for (size_t i = 0; i < G_N_ELEMENTS(device_paths); i++)
                if (is_below(path, device_paths[i]))
                        return true;
        for (size_t i = 0; i < G_N_ELEMENTS(common_devices); i++)
                if (is_below(path, common_devices[i].path))
                        return true;
        return is_below(path, "/proc");
}

static int compare(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

char **confine_order_paths(GPtrArray *paths) {
        g_autoptr(GPtrArray) ordered = g_ptr_array_new();
        for (guint i = 0; i < paths->len; i++) {
                char *path = g_canonicalize_filename(paths->pdata[i], "/");
                bool is_left_out = strlen(path) >= PATH_MAX || is_shown_anyway(path);
                for (size_t j = 0; j < G_N_ELEMENTS(hidden_paths); j++)
                        is_left_out |= strcmp(path, hidden_paths[j]) == 0;
                if (is_left_out)
                        g_free(path);
                else
                        g_ptr_array_add(ordered, path);
        }
        g_ptr_array_unref(paths);
        g_ptr_array_sort(ordered, compare);
        GPtrArray *kept = g_ptr_array_new();
        for (guint i = 0; i < ordered->len; i++)
                if (kept->len > 0 && is_below(ordered->pdata[i], kept->pdata[kept->len - 1]))
                        g_free(ordered->pdata[i]);
                else
                        g_ptr_array_add(kept, ordered->pdata[i]);
        g_ptr_array_add(kept, NULL);
        return (char **) g_ptr_array_free(kept, FALSE);
}

Confinement confine_for(const Confinement *from, const char *program, GPtrArray *paths) {
        if (!paths)
                paths = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(paths, g_path_get_dirname(program));
        for (char *const *path = from->paths; path && *path; path++)
                if (g_path_is_absolute(*path))
                        g_ptr_array_add(paths, g_strdup(*path));
        return (Confinement){ .parts = from->if_had ? confine_find_parts(from->parts) : from->parts,
                              .root = from->root,
                              .paths = confine_order_paths(paths) };
}

void confine_measure(const Confinement *confinement, size_t *bytes, size_t *n_pieces) {
        if (!confinement)
                return;
        *bytes += sizeof *confinement + strlen(confinement->root) + 1;
        *n_pieces += 2;
        if (confinement->paths)
                parcel_measure_strings(confinement->paths, bytes, n_pieces);
}

const Confinement *confine_pack(Parcel *parcel, const Confinement *confinement) {
        if (!confinement)
                return NULL;
        Confinement *copy = parcel_put(parcel, confinement, sizeof *confinement);
        copy->root = parcel_put(parcel, confinement->root, strlen(confinement->root) + 1);
        if (confinement->paths)
                copy->paths = parcel_put_strings(parcel, confinement->paths);
        return copy;
}

/* From here on: what a child does. */

/* The folders that lead to a path, below the folder that is the current one. */
static bool make_folders(const char *path) {
        char folder[PATH_MAX];
        for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
                memcpy(folder, path, (size_t) (slash - path));
                folder[slash - path] = '\0';
                if (mkdir(folder, 0755) < 0 && errno != EEXIST)
                        return false;
        }
        return true;
}

/* An empty place of the kind of what is mounted over it. */
static bool make_place(const char *place, bool is_folder) {
        if (!make_folders(place))
                return false;
        if (is_folder)
                return mkdir(place, 0755) == 0 || errno == EEXIST;
        return mknod(place, S_IFREG | 0644, 0) == 0 || errno == EEXIST;
}

/* A copy of the mount that a path is in, from there on; -1 where it is not there. Links are followed. */
static int copy_mount(const char *path) {
        return (int) syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
}

static bool is_absence(int number) {
        return number == ENOENT || number == ENOTDIR || number == ELOOP || number == EACCES;
}

static bool put_mount(int mount, const char *path, uint64_t attributes) {
        struct mount_attr set = { .attr_set = attributes | MOUNT_ATTR_NOSUID };
        struct stat info;
        return fstat(mount, &info) == 0 && make_place(path + 1, S_ISDIR(info.st_mode)) &&
               syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | AT_RECURSIVE, &set, sizeof set) == 0 &&
               syscall(SYS_move_mount, mount, "", AT_FDCWD, path + 1, MOVE_MOUNT_F_EMPTY_PATH) == 0;
}

static bool show(const char *path, uint64_t attributes) {
        int mount = copy_mount(path);
        if (mount < 0)
                return is_absence(errno);
        bool fine = put_mount(mount, path, attributes);
        int failure = errno;
        close(mount);
        errno = failure;
        return fine;
}

/* A link into /usr is the same there, and takes less than a mount: so are /bin, /lib and others on most systems. */
static bool copy_link(const char *path) {
        char target[PATH_MAX];
        ssize_t n = readlink(path, target, sizeof target - 1);
        if (n <= 0)
                return false;
        target[n] = '\0';
        /* Of one in the root, "usr" is the same. */
        bool is_same = is_below(target, "/usr") || (!strchr(path + 1, '/') && is_below(target, "usr"));
        return is_same && !strstr(target, "..") && make_folders(path + 1) && symlink(target, path + 1) == 0;
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
 * that he had. */
static bool show_devices(bool is_users) {
        return is_users ? show("/dev", 0) : make_devices();
}

static const char *fill_root(const Confinement *confinement) {
        int mounts[CONFINE_PATHS_MAX];
        size_t n = 0;
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return "its mounts cannot be made its own";
        /* Before the root is there, which may be below one of them. */
        for (; confinement->paths && confinement->paths[n]; n++) {
                if (n == CONFINE_PATHS_MAX) {
                        errno = E2BIG;
                        return "its root cannot have all that it is to open";
                }
                mounts[n] = copy_mount(confinement->paths[n]);
                if (mounts[n] < 0 && !is_absence(errno))
                        return "its root cannot have all that it is to open";
        }
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
        if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
                return "its root cannot be entered";
        return NULL;
}

/* Its folders can be searched whatever files are made with here. */
static const char *make_root(const Confinement *confinement) {
        mode_t mask = umask(0022);
        const char *failure = fill_root(confinement);
        umask(mask);
        return failure;
}

static bool write_file(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        bool fine = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text);
        if (fd >= 0)
                close(fd);
        return fine;
}

/* "ID ID 1", without the C library's printf. */
static void write_map(char *text, unsigned id) {
        char digits[16];
        size_t n = 0;
        do
                digits[n++] = (char) ('0' + id % 10);
        while ((id /= 10) > 0);
        for (int copy = 0; copy < 2; copy++) {
                for (size_t i = n; i > 0; i--)
                        *text++ = digits[i - 1];
                *text++ = ' ';
        }
        strcpy(text, "1");
}

static const char *enter_user_namespace(void) {
        char users[64], groups[64];
        write_map(users, (unsigned) syscall(SYS_geteuid));
        write_map(groups, (unsigned) syscall(SYS_getegid));
        if (unshare(CLONE_NEWUSER) < 0)
                return "a user namespace is not to be had";
        if (!write_file("/proc/self/setgroups", "deny") || !write_file("/proc/self/uid_map", users) ||
            !write_file("/proc/self/gid_map", groups))
                return "its user namespace cannot have its user";
        /* Who has no other user than root gains nothing by its namespace. */
        return prctl(PR_SET_SECUREBITS, 3, 0, 0, 0) < 0 ? "privileges of a user namespace cannot be given up" : NULL;
}

static const char *enter_namespaces(unsigned parts) {
        static const struct {
                unsigned part;
                int flag;
                const char *failure;
        } namespaces[] = {
                { CONFINE_ROOT, CLONE_NEWNS, "a mount namespace is not to be had" },
                { CONFINE_IPC, CLONE_NEWIPC, "an ipc namespace is not to be had" },
                { CONFINE_UTS, CLONE_NEWUTS, "a uts namespace is not to be had" },
                { CONFINE_NETWORK, CLONE_NEWNET, "a network namespace is not to be had" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(namespaces); i++)
                if (parts & namespaces[i].part && unshare(namespaces[i].flag) < 0)
                        return namespaces[i].failure;
        return NULL;
}

const char *confine_enter(const Confinement *confinement) {
        const struct rlimit no_core = { 1, 1 } /* core(5): 1 means no core, for pipes too */,
                            processes = { CONFINE_PROCESSES_MAX, CONFINE_PROCESSES_MAX };
        const char *failure = confinement->parts & CONFINE_USER ? enter_user_namespace() : NULL;
        if (!failure)
                failure = enter_namespaces(confinement->parts);
        if (!failure && confinement->parts & CONFINE_ROOT)
                failure = make_root(confinement);
        /* Of a user who has other processes too, these would count. */
        if (!failure &&
            (setrlimit(RLIMIT_CORE, &no_core) < 0 || (syscall(SYS_geteuid) == 0 && setrlimit(RLIMIT_NPROC, &processes) < 0)))
                failure = "its limits cannot be set";
        return failure;
}

/* Landlock: what later headers than some systems' have, by its documentation. */
typedef struct Rules {
        uint64_t files, network, scopes;
} Rules;
#define NETWORK_VERSION 4
#define NETWORK_ALL 3 /* to bind TCP, to connect it */
#define SCOPES_VERSION 6
#define SCOPE_ABSTRACT_SOCKETS 1
#define SCOPE_SIGNALS 2

#define OF_FILES LANDLOCK_ACCESS_FS_WRITE_FILE
#define OF_FOLDERS \
        (OF_FILES | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | \
         LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | \
         LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

unsigned confine_landlock_version(void) {
        long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
        return version > 0 ? (unsigned) version : 0;
}

/* Lets it change what is shown there. */
static bool allow(int rules, const char *path) {
        struct stat info;
        int fd = open(path, O_PATH | O_CLOEXEC);
        if (fd < 0)
                return is_absence(errno);
        struct landlock_path_beneath_attr beneath = { .parent_fd = fd };
        bool fine = fstat(fd, &info) == 0;
        beneath.allowed_access = S_ISDIR(info.st_mode) ? OF_FOLDERS : OF_FILES;
        fine = fine && syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) == 0;
        close(fd);
        return fine;
}

static const char *enter_landlock(const Confinement *confinement) {
        static const char failure[] = "it cannot be confined by Landlock";
        unsigned version = confine_landlock_version();
        bool has_network = !(confinement->parts & CONFINE_NETWORK);
        const Rules wanted = {
                .files = OF_FOLDERS,
                .network = version >= NETWORK_VERSION && !has_network ? NETWORK_ALL : 0,
                .scopes = version >= SCOPES_VERSION ? SCOPE_SIGNALS | (has_network ? 0 : SCOPE_ABSTRACT_SOCKETS) : 0,
        };
        size_t size = version >= SCOPES_VERSION    ? sizeof wanted
                      : version >= NETWORK_VERSION ? 2 * sizeof(uint64_t)
                                                   : sizeof(uint64_t);
        int rules = (int) syscall(SYS_landlock_create_ruleset, &wanted, size, 0);
        if (rules < 0)
                return failure;
        bool fine = allow(rules, "/dev");
        for (char *const *path = confinement->paths; fine && path && *path; path++)
                fine = allow(rules, *path);
        fine = fine && syscall(SYS_landlock_restrict_self, rules, 0) == 0;
        close(rules);
        return fine ? NULL : failure;
}

const char *confine_finish(const Confinement *confinement) {
        const char *failure = confinement->parts & CONFINE_LANDLOCK ? enter_landlock(confinement) : NULL;
        if (!failure && confinement->parts & CONFINE_CALLS && !confine_calls(confinement->io_uring))
                failure = "system calls cannot be taken from it";
        return failure;
}

/* By the parent again. */

static bool can_have(unsigned parts) {
        pid_t pid = lean_fork();
        if (pid == 0)
                _exit((parts & CONFINE_USER && enter_user_namespace()) || enter_namespaces(parts) ? 1 : 0);
        int status = 1;
        while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        return pid > 0 && status == 0;
}

unsigned confine_known_parts(unsigned parts) {
        unsigned found = parts & ~(unsigned) CONFINE_NAMESPACES;
        if (found & CONFINE_LANDLOCK && confine_landlock_version() == 0)
                found &= ~(unsigned) CONFINE_LANDLOCK;
        if (found & CONFINE_CALLS && !confine_calls_known())
                found &= ~(unsigned) CONFINE_CALLS;
        return found;
}

/* Most systems let all of them be had. */
static unsigned find_namespaces(unsigned parts) {
        static const unsigned singles[] = { CONFINE_ROOT, CONFINE_IPC, CONFINE_UTS, CONFINE_NETWORK };
        unsigned found = 0, user = parts & CONFINE_USER;
        if (!(parts & ~user) || can_have(parts))
                return parts & ~user ? parts : 0;
        for (size_t i = 0; i < G_N_ELEMENTS(singles); i++)
                if (parts & singles[i] && can_have(user | singles[i]))
                        found |= user | singles[i];
        return found;
}

unsigned confine_find_parts(unsigned parts) {
        static unsigned asked, found;
        unsigned namespaces = parts & CONFINE_NAMESPACES;
        if (namespaces != asked)
                found = find_namespaces(namespaces);
        asked = namespaces;
        return found | confine_known_parts(parts);
}

/* The child of confine_show: mounts are copied where they are seen, and put where they are to be. Who is not root copies them in
 * a mount namespace of that process's user namespace, as it may copy none of the host's. */
static int show_in(int process, unsigned parts, char *const *paths) {
        int mounts[CONFINE_PATHS_MAX];
        size_t n = 0;
        umask(0022);
        if (parts & CONFINE_USER && (setns(process, CLONE_NEWUSER) < 0 || unshare(CLONE_NEWNS) < 0))
                return errno;
        for (; paths[n]; n++) {
                if (n == CONFINE_PATHS_MAX)
                        return E2BIG;
                mounts[n] = copy_mount(paths[n]);
                if (mounts[n] < 0 && !is_absence(errno))
                        return errno;
        }
        if (setns(process, CLONE_NEWNS) < 0 || chdir("/") < 0)
                return errno;
        for (size_t i = 0; i < n; i++)
                if (mounts[i] >= 0 && !put_mount(mounts[i], paths[i], 0))
                        return errno;
        return 0;
}

bool confine_show(int process, unsigned parts, char *const *paths, GError **error) {
        size_t bytes = 0, n_pieces = 0;
        parcel_measure_strings(paths, &bytes, &n_pieces);
        g_autoptr(Parcel) parcel = parcel_new(bytes, n_pieces);
        char *const *names = parcel ? parcel_put_strings(parcel, paths) : NULL;
        pid_t child = names ? lean_fork() : -1;
        if (child == 0)
                _exit(show_in(process, parts, names));
        int failure = child < 0 ? errno : 0, status = 0;
        while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
                ;
        if (failure == 0 && status != 0)
                failure = WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
        return failure == 0 ||
               virtbus_error_set_errno(error, failure, "%s cannot be shown to a process that has a root of its own", paths[0]);
}
