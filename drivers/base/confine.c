/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/confine-calls.h"
#include "base/confine-root.h"
#include "base/walk.h"
#include "bus.h"
#include "errors.h"

static int compare(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

char **confine_order_paths(GPtrArray *paths) {
        g_autoptr(GPtrArray) ordered = g_ptr_array_new();
        for (guint i = 0; i < paths->len; i++) {
                char *path = g_canonicalize_filename(paths->pdata[i], "/");
                if (strlen(path) >= PATH_MAX || confine_root_holds(path))
                        g_free(path);
                else
                        g_ptr_array_add(ordered, path);
        }
        g_ptr_array_unref(paths);
        g_ptr_array_sort(ordered, compare);
        GPtrArray *kept = g_ptr_array_new();
        for (guint i = 0; i < ordered->len; i++)
                if (kept->len > 0 && confine_root_is_below(ordered->pdata[i], kept->pdata[kept->len - 1]))
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
                return "a user namespace cannot be created";
        if (!write_file("/proc/self/setgroups", "deny") || !write_file("/proc/self/uid_map", users) ||
            !write_file("/proc/self/gid_map", groups))
                return "its user namespace cannot have its user";
        /* Who has no other user than root gains nothing by its namespace. */
        return prctl(PR_SET_SECUREBITS, 3, 0, 0, 0) < 0 ? "the privileges of a user namespace cannot be dropped" : NULL;
}

static const char *enter_namespaces(unsigned parts) {
        static const struct {
                unsigned part;
                int flag;
                const char *failure;
        } namespaces[] = {
                { CONFINE_ROOT, CLONE_NEWNS, "a mount namespace cannot be created" },
                { CONFINE_IPC, CLONE_NEWIPC, "an ipc namespace cannot be created" },
                { CONFINE_UTS, CLONE_NEWUTS, "a uts namespace cannot be created" },
                { CONFINE_NETWORK, CLONE_NEWNET, "a network namespace cannot be created" },
                { CONFINE_PROCESSES, CLONE_NEWPID, "a pid namespace cannot be created" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(namespaces); i++)
                if (parts & namespaces[i].part && unshare(namespaces[i].flag) < 0)
                        return namespaces[i].failure;
        return NULL;
}

unsigned confine_first_namespaces(const Confinement *confinement) {
        return confinement && confinement->parts & CONFINE_PROCESSES ? CLONE_NEWPID : 0;
}

const char *confine_enter(const Confinement *confinement) {
        const struct rlimit no_core = { 1, 1 } /* core(5): 1 means no core, for pipes too */,
                            processes = { CONFINE_PROCESSES_MAX, CONFINE_PROCESSES_MAX };
        const char *failure = confinement->parts & CONFINE_USER ? enter_user_namespace() : NULL;
        if (!failure)
                failure = enter_namespaces(confinement->parts & ~(unsigned) CONFINE_PROCESSES); /* it was begun in that */
        if (!failure && confinement->parts & CONFINE_ROOT)
                failure = confine_root_make(confinement);
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
                return confine_root_lacks(errno);
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
        if (fine && confinement->temporary && confinement->parts & CONFINE_ROOT)
                fine = allow(rules, "/tmp");
        fine = fine && syscall(SYS_landlock_restrict_self, rules, 0) == 0;
        close(rules);
        return fine ? NULL : failure;
}

const char *confine_finish(const Confinement *confinement) {
        const char *failure = confinement->parts & CONFINE_LANDLOCK ? enter_landlock(confinement) : NULL;
        if (!failure && confinement->parts & CONFINE_CALLS && !confine_calls(confinement->io_uring, confinement->chroot))
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
        static const unsigned singles[] = { CONFINE_ROOT, CONFINE_IPC, CONFINE_UTS, CONFINE_NETWORK, CONFINE_PROCESSES };
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

/* A child that finds the same can only tell a number. */
static bool check_ways(char *const *paths, GError **error) {
        for (; *paths; paths++) {
                Walked walked;
                g_autofd int found = walk_find(*paths, WALK_NO_LINKS, &walked);
                if (found < 0 && walked.fault)
                        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s is not shown to it: %s %s", *paths,
                                                 walked.at, walked.fault);
        }
        return true;
}

bool confine_show(int process, unsigned parts, char *const *paths, GError **error) {
        size_t bytes = 0, n_pieces = 0;
        if (!check_ways(paths, error))
                return false;
        parcel_measure_strings(paths, &bytes, &n_pieces);
        g_autoptr(Parcel) parcel = parcel_new(bytes, n_pieces);
        char *const *names = parcel ? parcel_put_strings(parcel, paths) : NULL;
        pid_t child = names ? lean_fork() : -1;
        if (child == 0)
                _exit(confine_root_show(process, parts, names));
        int failure = child < 0 ? errno : 0, status = 0;
        while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
                ;
        if (failure == 0 && status != 0)
                failure = WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
        return failure == 0 ||
               virtbus_error_set_errno(error, failure, "%s cannot be shown to a process that has a root of its own", paths[0]);
}
