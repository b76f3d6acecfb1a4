/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "bus.h"
#include "qemu/host/claims.h"

#define MOUNT "/sys/fs/cgroup"

/* statfs(2) */
#define CGROUP2_MAGIC 0x63677270

/* Where guests' groups are, in each hierarchy; what those of threads are named by. */
#define PARENT "virtbus"
#define THREAD_PREFIX "thread-"

/* How long what was killed may take to leave its group, in milliseconds; and the room for what the kernel tells of one. */
#define EMPTY_PATIENCE 5000
#define EVENTS_BYTES 256

/* The hierarchies of version 1, of which each group has one directory; of version 2 there is one, without a name. */
static const char *const legacy[] = { "cpu", "memory", "blkio", "cpuset", NULL };
static const char *const unified[] = { "", NULL };

const CgroupLimit cgroup_limits[CGROUP_LIMITS] = {
        { "cputune/shares", false, "cpu.weight", "cpu", "cpu.shares", "100", "1024", "CPUWeight", "CPUShares" },
        { "blkiotune/weight", false, "io.weight", "blkio", "blkio.bfq.weight", "100", "100", "IOWeight", "BlockIOWeight" },
        { "memtune/hard_limit", true, "memory.max", "memory", "memory.limit_in_bytes", "max", "-1", "MemoryMax", "MemoryLimit" },
        { "memtune/soft_limit", true, "memory.high", "memory", "memory.soft_limit_in_bytes", "max", "-1", "MemoryHigh", NULL },
};

bool cgroup_is_unified(void) {
        struct statfs info;
        return statfs(MOUNT, &info) == 0 && (unsigned long) info.f_type == CGROUP2_MAGIC;
}

static const char *const *hierarchies(void) {
        return cgroup_is_unified() ? unified : legacy;
}

bool cgroup_read_limit(xmlNode *root, const char *path, bool is_size, uint64_t *value) {
        xmlNode *element = xml_find(root, path);
        g_autofree char *text = xml_text(element), *unit = is_size ? xml_attribute(element, "unit") : NULL;
        uint64_t factor = is_size ? xml_unit(unit ? unit : "KiB") : 1;
        if (!text || factor == 0 || !g_ascii_string_to_unsigned(text, 10, 0, UINT64_MAX / factor, value, NULL))
                return false;
        *value *= factor;
        return true;
}

bool cgroup_read_quota(xmlNode *root, uint64_t *quota, uint64_t *period) {
        if (!cgroup_read_limit(root, "cputune/global_period", false, period) || *period == 0)
                *period = CGROUP_PERIOD_DEFAULT;
        return cgroup_read_limit(root, "cputune/global_quota", false, quota) && *quota > 0 && *quota <= INT64_MAX;
}

bool cgroup_read_swap_limit(xmlNode *root, bool is_unified, uint64_t *value) {
        uint64_t hard = 0;
        if (!cgroup_read_limit(root, "memtune/swap_hard_limit", true, value))
                return false;
        cgroup_read_limit(root, "memtune/hard_limit", true, &hard);
        if (is_unified)
                *value = *value > hard ? *value - hard : 0;
        return true;
}

char *cgroup_memory_nodes(xmlNode *root) {
        return xml_attribute(xml_find(root, "numatune/memory"), "nodeset");
}

static int write_file(const char *directory, const char *name, const char *text) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        g_autofd int fd = open(path, O_WRONLY | O_CLOEXEC);
        return fd >= 0 && write(fd, text, strlen(text)) >= 0 ? 0 : -errno;
}

static bool fail(GError **error, const char *directory, const char *name, const char *text, int r) {
        return virtbus_error_set(error,
                                 r == -EINVAL || r == -ERANGE ? VIRTBUS_ERROR_INVALID_ARGUMENT : VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                 "cannot write '%s' to %s/%s: %s%s", text, directory, name, g_strerror(-r),
                                 r == -ENOENT ? "; this kernel has no such limit" : "");
}

/* Groups of guests */

static char *group_of(const char *hierarchy, const char *name) {
        return g_build_filename(MOUNT, hierarchy, name, NULL);
}

/* VALUE: NULL sets no limit, and does not mind where there is nothing to set. */
static bool set_limit(const char *directory, const char *name, const char *value, const char *none, GError **error) {
        int r = write_file(directory, name, value ? value : none);
        return r >= 0 || !value || fail(error, directory, name, value, r);
}

static bool set_quota(const char *directory, bool is_unified, int64_t quota, uint64_t period, GError **error) {
        g_autofree char *both = quota > 0 ? g_strdup_printf("%" PRId64 " %" PRIu64, quota, period) : NULL,
                        *time = g_strdup_printf("%" PRIu64, period),
                        *part = quota > 0 ? g_strdup_printf("%" PRId64, quota) : NULL;
        if (is_unified)
                return set_limit(directory, "cpu.max", both, "max", error);
        return set_limit(directory, "cpu.cfs_period_us", part ? time : NULL, "100000", error) &&
               set_limit(directory, "cpu.cfs_quota_us", part, "-1", error);
}

static bool set_limits(const char *name, xmlNode *root, GError **error) {
        bool is_unified = cgroup_is_unified();
        uint64_t value, period;
        for (size_t i = 0; i < CGROUP_LIMITS; i++) {
                const CgroupLimit *limit = cgroup_limits + i;
                g_autofree char *directory = group_of(is_unified ? "" : limit->hierarchy, name),
                                *text = cgroup_read_limit(root, limit->path, limit->is_size, &value)
                                                        ? g_strdup_printf("%" PRIu64, value)
                                                        : NULL;
                if (!set_limit(directory, is_unified ? limit->unified_file : limit->legacy_file, text,
                               is_unified ? limit->none_unified : limit->none_legacy, error))
                        return false;
        }
        g_autofree char *memory = group_of(is_unified ? "" : "memory", name), *cpu = group_of(is_unified ? "" : "cpu", name),
                        *cpuset = group_of(is_unified ? "" : "cpuset", name), *swap = NULL, *nodes = cgroup_memory_nodes(root);
        if (cgroup_read_swap_limit(root, is_unified, &value))
                swap = g_strdup_printf("%" PRIu64, value);
        if (!set_limit(memory, is_unified ? "memory.swap.max" : "memory.memsw.limit_in_bytes", swap, is_unified ? "max" : "-1",
                       error))
                return false;
        bool has_quota = cgroup_read_quota(root, &value, &period);
        if (!set_quota(cpu, is_unified, has_quota ? (int64_t) value : 0, period, error))
                return false;
        if (nodes && !is_unified)
                write_file(cpuset, "cpuset.memory_migrate", "1");
        return !nodes || set_limit(cpuset, "cpuset.mems", nodes, "", error);
}

/* Version 1 wants a set of processors and of memory in each group before a process can be in it. */
static void inherit_cpuset(const char *parent, const char *directory) {
        static const char *const names[] = { "cpuset.cpus", "cpuset.mems" };
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *from = g_build_filename(parent, names[i], NULL), *text = NULL;
                if (g_file_get_contents(from, &text, NULL, NULL))
                        write_file(directory, names[i], text);
        }
}

static bool fail_to_make(GError **error, const char *directory) {
        bool is_denied = errno == EACCES || errno == EPERM || errno == EROFS;
        return virtbus_error_set(error, is_denied ? VIRTBUS_ERROR_UNSUPPORTED : VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                 "control group %s cannot be made: %s%s", directory, g_strerror(errno),
                                 is_denied ? "; limits are for guests of the system's driver" : "");
}

static bool make_group(const char *hierarchy, const char *name, GError **error) {
        static const char *const controllers[] = { "+cpu", "+memory", "+io", "+cpuset" };
        g_autofree char *top = group_of(hierarchy, ""), *parent = group_of(hierarchy, PARENT),
                        *directory = group_of(hierarchy, name);
        if ((mkdir(parent, 0755) < 0 && errno != EEXIST) || (mkdir(directory, 0755) < 0 && errno != EEXIST))
                return fail_to_make(error, directory);
        if (strcmp(hierarchy, "cpuset") == 0) {
                inherit_cpuset(top, parent);
                inherit_cpuset(parent, directory);
        }
        /* Those that the kernel lacks are missed where a limit of theirs is set. */
        for (size_t i = 0; !*hierarchy && i < G_N_ELEMENTS(controllers); i++) {
                write_file(top, "cgroup.subtree_control", controllers[i]);
                write_file(parent, "cgroup.subtree_control", controllers[i]);
        }
        return true;
}

/* Whether a hierarchy of version 1 is mounted: limits of one that is not are refused when they are set. */
static bool is_mounted(const char *hierarchy) {
        g_autofree char *directory = group_of(hierarchy, ""), *file = g_build_filename(directory, "cgroup.procs", NULL);
        return g_file_test(file, G_FILE_TEST_EXISTS);
}

bool cgroup_limit_guest(const Connection *connection, const char *uuid, pid_t pid, xmlNode *root, GError **error) {
        g_autofree char *name = g_strconcat(PARENT "/", uuid, NULL), *text = g_strdup_printf("%d", pid);
        const Claim claim = { .kind = &cgroup_claims, .name = name, .uuid = uuid, .alias = "" };
        g_autofree char *known = group_of(hierarchies()[0], name);
        bool is_new = !g_file_test(known, G_FILE_TEST_IS_DIR);
        if (is_new && !claim_take(connection, &claim, error))
                return false;
        for (const char *const *hierarchy = hierarchies(); is_new && *hierarchy; hierarchy++)
                if (is_mounted(*hierarchy) && !make_group(*hierarchy, name, error))
                        return false;
        if (!set_limits(name, root, error))
                return false;
        for (const char *const *hierarchy = hierarchies(); is_new && *hierarchy; hierarchy++) {
                g_autofree char *directory = group_of(*hierarchy, name);
                int r = is_mounted(*hierarchy) ? write_file(directory, "cgroup.procs", text) : 0;
                if (r < 0)
                        return fail(error, directory, "cgroup.procs", text, r);
        }
        return true;
}

/* Ends what a QEMU has left behind in a group of version 2, and waits until the kernel tells that nothing is in it: what was
 * killed is there yet while it gives back its memory. */
static void empty_group(const char *directory) {
        g_autofree char *path = g_build_filename(directory, "cgroup.events", NULL);
        g_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || write_file(directory, "cgroup.kill", "1") < 0)
                return;
        for (;;) {
                char text[EVENTS_BYTES];
                struct pollfd changed = { .fd = fd, .events = POLLPRI };
                ssize_t n = pread(fd, text, sizeof text - 1, 0);
                text[MAX(n, 0)] = '\0';
                if (!strstr(text, "populated 1") || poll(&changed, 1, EMPTY_PATIENCE) <= 0)
                        return;
        }
}

/* False where it is there still. */
static bool remove_group(const char *directory) {
        g_autoptr(GDir) listing = g_dir_open(directory, 0, NULL);
        empty_group(directory);
        for (const char *entry; listing && (entry = g_dir_read_name(listing));) {
                g_autofree char *path = g_build_filename(directory, entry, NULL);
                if (g_str_has_prefix(entry, THREAD_PREFIX))
                        rmdir(path);
        }
        return rmdir(directory) == 0 || errno == ENOENT;
}

static bool give_back(const char *name, const char *note) {
        bool fine = true;
        (void) note;
        for (const char *const *hierarchy = hierarchies(); *hierarchy; hierarchy++) {
                g_autofree char *directory = group_of(*hierarchy, name), *parent = group_of(*hierarchy, PARENT);
                fine &= remove_group(directory);
                rmdir(parent); /* unless another guest has a group */
        }
        return fine;
}

/* Groups of threads */

/* The group of a process, of version 2 or of the hierarchy of processor time; not that of its first thread. NULL where it has
 * none of its own. /proc/PID/cgroup: "HIERARCHY:CONTROLLER,...:PATH" */
static char *find_group(pid_t pid, bool is_unified) {
        g_autofree char *file = g_strdup_printf("/proc/%d/cgroup", pid), *text = NULL;
        g_file_get_contents(file, &text, NULL, NULL);
        g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
        for (char **line = lines; *line; line++) {
                g_auto(GStrv) parts = g_strsplit(*line, ":", 3);
                g_auto(GStrv) controllers = g_strsplit(g_strv_length(parts) == 3 ? parts[1] : "none", ",", -1);
                if (g_strv_length(parts) < 3 || !(is_unified ? strcmp(*line, "0::") > 0 && g_str_has_prefix(*line, "0::")
                                                             : g_strv_contains((const char *const *) controllers, "cpu")))
                        continue;
                g_autofree char *last = g_path_get_basename(parts[2]), *above = g_path_get_dirname(parts[2]);
                const char *path = g_str_has_prefix(last, THREAD_PREFIX) ? above : parts[2];
                return strcmp(path, "/") == 0 ? NULL : group_of(is_unified ? "" : "cpu", path);
        }
        return NULL;
}

bool cgroup_limit_thread(pid_t pid, pid_t thread, const char *name, int64_t quota, uint64_t period, GError **error) {
        bool is_unified = cgroup_is_unified();
        g_autofree char *group = find_group(pid, is_unified), *number = g_strdup_printf("%d", thread),
                        *file = g_strconcat(THREAD_PREFIX, name, NULL),
                        *directory = group ? g_build_filename(group, file, NULL) : NULL;
        if (!group)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                         "the guest has no control group of its own, in which its threads could be limited");
        if (quota <= 0 && !g_file_test(directory, G_FILE_TEST_IS_DIR))
                return true;
        if (is_unified)
                write_file(group, "cgroup.subtree_control", "+cpu"); /* where that fails, setting the limit does */
        if (mkdir(directory, 0755) < 0 && errno != EEXIST)
                return fail_to_make(error, directory);
        if (is_unified)
                write_file(directory, "cgroup.type", "threaded"); /* it may be already */
        if (!set_quota(directory, is_unified, quota, period, error))
                return false;
        int r = write_file(directory, is_unified ? "cgroup.threads" : "tasks", number);
        return r >= 0 || r == -ESRCH || fail(error, directory, "entered", number, r);
}

const ClaimKind cgroup_claims = { "cgroup", "control group", give_back };
