/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/control-group.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "bus.h"

#define MOUNT "/sys/fs/cgroup"

/* How long what was killed may take to leave its group, in milliseconds; and the room for what the kernel tells of one. */
#define EMPTY_PATIENCE 5000
#define EVENTS_BYTES 256

/* statfs(2) */
#define CGROUP2_MAGIC 0x63677270

/* Of version 2 there is one hierarchy, without a name. */
static const char *const unified[] = { "", NULL };

const ControlGroupLimit control_group_limits[CONTROL_GROUP_LIMITS] = {
        { "cputune/shares", false, "cpu.weight", "cpu", "cpu.shares", "100", "1024", "CPUWeight", "CPUShares" },
        { "blkiotune/weight", false, "io.weight", "blkio", "blkio.bfq.weight", "100", "100", "IOWeight", "BlockIOWeight" },
        { "memtune/hard_limit", true, "memory.max", "memory", "memory.limit_in_bytes", "max", "-1", "MemoryMax", "MemoryLimit" },
        { "memtune/soft_limit", true, "memory.high", "memory", "memory.soft_limit_in_bytes", "max", "-1", "MemoryHigh", NULL },
};

bool control_group_is_unified(void) {
        struct statfs info;
        return statfs(MOUNT, &info) == 0 && (unsigned long) info.f_type == CGROUP2_MAGIC;
}

const char *const *control_group_hierarchies(const char *const *legacy) {
        return control_group_is_unified() ? unified : legacy;
}

bool control_group_read_limit(xmlNode *root, const char *path, bool is_size, uint64_t *value) {
        xmlNode *element = xml_find(root, path);
        g_autofree char *text = xml_text(element), *unit = is_size ? xml_attribute(element, "unit") : NULL;
        uint64_t factor = is_size ? xml_unit(unit ? unit : "KiB") : 1;
        if (!text || factor == 0 || !g_ascii_string_to_unsigned(text, 10, 0, UINT64_MAX / factor, value, NULL))
                return false;
        *value *= factor;
        return true;
}

bool control_group_read_quota(xmlNode *root, const ControlGroupQuota *names, uint64_t *quota, uint64_t *period) {
        if (!control_group_read_limit(root, names->period, false, period) || *period == 0)
                *period = CONTROL_GROUP_PERIOD_DEFAULT;
        return control_group_read_limit(root, names->quota, false, quota) && *quota > 0 && *quota <= INT64_MAX;
}

bool control_group_read_swap_limit(xmlNode *root, bool is_unified, uint64_t *value) {
        uint64_t hard = 0;
        if (!control_group_read_limit(root, "memtune/swap_hard_limit", true, value))
                return false;
        control_group_read_limit(root, "memtune/hard_limit", true, &hard);
        if (is_unified)
                *value = *value > hard ? *value - hard : 0;
        return true;
}

char *control_group_memory_nodes(xmlNode *root) {
        return xml_attribute(xml_find(root, "numatune/memory"), "nodeset");
}

int control_group_write(const char *directory, const char *name, const char *text) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        g_autofd int fd = open(path, O_WRONLY | O_CLOEXEC);
        return fd >= 0 && write(fd, text, strlen(text)) >= 0 ? 0 : -errno;
}

bool control_group_fail(GError **error, const char *directory, const char *name, const char *text, int r) {
        return virtbus_error_set(error,
                                 r == -EINVAL || r == -ERANGE ? VIRTBUS_ERROR_INVALID_ARGUMENT : VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                 "cannot write '%s' to %s/%s: %s%s", text, directory, name, g_strerror(-r),
                                 r == -ENOENT ? "; this kernel has no such limit" : "");
}

/* Groups */

char *control_group_path(const char *hierarchy, const char *name) {
        return g_build_filename(MOUNT, hierarchy, name, NULL);
}

/* VALUE: NULL sets no limit, and does not mind where there is nothing to set. */
static bool set_limit(const char *directory, const char *name, const char *value, const char *none, GError **error) {
        int r = control_group_write(directory, name, value ? value : none);
        return r >= 0 || !value || control_group_fail(error, directory, name, value, r);
}

bool control_group_set_quota(const char *directory, bool is_unified, int64_t quota, uint64_t period, GError **error) {
        g_autofree char *both = quota > 0 ? g_strdup_printf("%" PRId64 " %" PRIu64, quota, period) : NULL,
                        *time = g_strdup_printf("%" PRIu64, period),
                        *part = quota > 0 ? g_strdup_printf("%" PRId64, quota) : NULL;
        if (is_unified)
                return set_limit(directory, "cpu.max", both, "max", error);
        return set_limit(directory, "cpu.cfs_period_us", part ? time : NULL, "100000", error) &&
               set_limit(directory, "cpu.cfs_quota_us", part, "-1", error);
}

bool control_group_set_limits(const char *name, xmlNode *root, const ControlGroupQuota *quota, GError **error) {
        bool is_unified = control_group_is_unified();
        uint64_t value, period;
        for (size_t i = 0; i < CONTROL_GROUP_LIMITS; i++) {
                const ControlGroupLimit *limit = control_group_limits + i;
                g_autofree char *directory = control_group_path(is_unified ? "" : limit->hierarchy, name),
                                *text = control_group_read_limit(root, limit->path, limit->is_size, &value)
                                                        ? g_strdup_printf("%" PRIu64, value)
                                                        : NULL;
                if (!set_limit(directory, is_unified ? limit->unified_file : limit->legacy_file, text,
                               is_unified ? limit->none_unified : limit->none_legacy, error))
                        return false;
        }
        g_autofree char *memory = control_group_path(is_unified ? "" : "memory", name),
                        *cpu = control_group_path(is_unified ? "" : "cpu", name),
                        *cpuset = control_group_path(is_unified ? "" : "cpuset", name), *swap = NULL,
                        *nodes = control_group_memory_nodes(root);
        if (control_group_read_swap_limit(root, is_unified, &value))
                swap = g_strdup_printf("%" PRIu64, value);
        if (!set_limit(memory, is_unified ? "memory.swap.max" : "memory.memsw.limit_in_bytes", swap, is_unified ? "max" : "-1",
                       error))
                return false;
        bool has_quota = control_group_read_quota(root, quota, &value, &period);
        if (!control_group_set_quota(cpu, is_unified, has_quota ? (int64_t) value : 0, period, error))
                return false;
        if (nodes && !is_unified)
                control_group_write(cpuset, "cpuset.memory_migrate", "1");
        return !nodes || set_limit(cpuset, "cpuset.mems", nodes, "", error);
}

/* Version 1 wants a set of processors and of memory in each group before a process can be in it. */
static void inherit_cpuset(const char *parent, const char *directory) {
        static const char *const names[] = { "cpuset.cpus", "cpuset.mems" };
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *from = g_build_filename(parent, names[i], NULL), *text = NULL;
                if (g_file_get_contents(from, &text, NULL, NULL))
                        control_group_write(directory, names[i], text);
        }
}

bool control_group_fail_to_make(GError **error, const char *directory) {
        bool is_denied = errno == EACCES || errno == EPERM || errno == EROFS;
        return virtbus_error_set(error, is_denied ? VIRTBUS_ERROR_UNSUPPORTED : VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                 "control group %s cannot be made: %s%s", directory, g_strerror(errno),
                                 is_denied ? "; limits are for guests of the system's driver" : "");
}

static bool make_one(const char *hierarchy, const char *name, GError **error) {
        static const char *const controllers[] = { "+cpu", "+memory", "+io", "+cpuset", "+pids" };
        g_autofree char *top = control_group_path(hierarchy, ""), *directory = control_group_path(hierarchy, name),
                        *parent = g_path_get_dirname(directory);
        if ((mkdir(parent, 0755) < 0 && errno != EEXIST) || (mkdir(directory, 0755) < 0 && errno != EEXIST))
                return control_group_fail_to_make(error, directory);
        if (strcmp(hierarchy, "cpuset") == 0) {
                inherit_cpuset(top, parent);
                inherit_cpuset(parent, directory);
        }
        /* Those that the kernel lacks are missed where a limit of theirs is set. */
        for (size_t i = 0; !*hierarchy && i < G_N_ELEMENTS(controllers); i++) {
                control_group_write(top, "cgroup.subtree_control", controllers[i]);
                control_group_write(parent, "cgroup.subtree_control", controllers[i]);
        }
        return true;
}

/* Whether a hierarchy of version 1 is mounted: limits of one that is not are refused when they are set. */
bool control_group_is_mounted(const char *hierarchy) {
        g_autofree char *directory = control_group_path(hierarchy, ""), *file = g_build_filename(directory, "cgroup.procs", NULL);
        return g_file_test(file, G_FILE_TEST_EXISTS);
}

bool control_group_wait(const char *directory, const char *wanted, unsigned patience) {
        g_autofree char *path = g_build_filename(directory, "cgroup.events", NULL);
        g_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
        gint64 until = g_get_monotonic_time() + (gint64) patience * 1000;
        while (fd >= 0) {
                char text[EVENTS_BYTES];
                struct pollfd changed = { .fd = fd, .events = POLLPRI };
                ssize_t n = pread(fd, text, sizeof text - 1, 0);
                gint64 left = (until - g_get_monotonic_time()) / 1000;
                text[MAX(n, 0)] = '\0';
                if (n <= 0 || left <= 0 || strstr(text, wanted))
                        return n > 0 && strstr(text, wanted);
                poll(&changed, 1, (int) left);
        }
        return false;
}

/* Ends what was left behind in a group of version 2, and waits until the kernel tells that nothing is in it: what was killed is
 * there yet while it gives back its memory. */
static void empty_group(const char *directory) {
        if (control_group_write(directory, "cgroup.kill", "1") >= 0)
                control_group_wait(directory, "populated 0", EMPTY_PATIENCE);
}

/* False where it is there still. */
static bool remove_one(const char *directory) {
        g_autoptr(GDir) listing = g_dir_open(directory, 0, NULL);
        empty_group(directory);
        for (const char *entry; listing && (entry = g_dir_read_name(listing));) {
                g_autofree char *path = g_build_filename(directory, entry, NULL);
                rmdir(path); /* of threads; files stay */
        }
        return rmdir(directory) == 0 || errno == ENOENT;
}

/* The directory that holds groups goes with the last of them: not while another is made. */
static GMutex parents;

bool control_group_make(const char *const *legacy, const char *name, GError **error) {
        g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&parents);
        for (const char *const *hierarchy = control_group_hierarchies(legacy); *hierarchy; hierarchy++)
                if (control_group_is_mounted(*hierarchy) && !make_one(*hierarchy, name, error))
                        return false;
        return true;
}

bool control_group_remove(const char *const *legacy, const char *name) {
        g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&parents);
        bool fine = true;
        for (const char *const *hierarchy = control_group_hierarchies(legacy); *hierarchy; hierarchy++) {
                g_autofree char *directory = control_group_path(*hierarchy, name), *parent = g_path_get_dirname(directory);
                fine &= remove_one(directory);
                rmdir(parent); /* unless another has a group */
        }
        return fine;
}
