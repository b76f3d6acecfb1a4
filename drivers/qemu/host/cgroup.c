/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/cgroup.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "qemu/host/claims.h"

/* Where guests' groups are, in each hierarchy; what those of threads are named by. */
#define PARENT "virtbus"
#define THREAD_PREFIX "thread-"

static const char *const legacy[] = { "cpu", "memory", "blkio", "cpuset", NULL };

const ControlGroupQuota cgroup_quota = { "cputune/global_quota", "cputune/global_period" };

bool cgroup_limit_guest(const Connection *connection, const char *uuid, pid_t pid, xmlNode *root, GError **error) {
        g_autofree char *name = g_strconcat(PARENT "/", uuid, NULL), *text = g_strdup_printf("%d", pid);
        const Claim claim = { .kind = &cgroup_claims, .name = name, .uuid = uuid, .alias = "" };
        g_autofree char *known = control_group_path(control_group_hierarchies(legacy)[0], name);
        bool is_new = !g_file_test(known, G_FILE_TEST_IS_DIR);
        if (is_new && !claim_take(connection, &claim, error))
                return false;
        if (is_new && !control_group_make(legacy, name, error))
                return false;
        if (!control_group_set_limits(name, root, &cgroup_quota, error))
                return false;
        for (const char *const *hierarchy = control_group_hierarchies(legacy); is_new && *hierarchy; hierarchy++) {
                g_autofree char *directory = control_group_path(*hierarchy, name);
                int r = control_group_is_mounted(*hierarchy) ? control_group_write(directory, "cgroup.procs", text) : 0;
                if (r < 0)
                        return control_group_fail(error, directory, "cgroup.procs", text, r);
        }
        return true;
}

static bool give_back(const char *name, const char *note) {
        (void) note;
        return control_group_remove(legacy, name);
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
                return strcmp(path, "/") == 0 ? NULL : control_group_path(is_unified ? "" : "cpu", path);
        }
        return NULL;
}

bool cgroup_limit_thread(pid_t pid, pid_t thread, const char *name, int64_t quota, uint64_t period, GError **error) {
        bool is_unified = control_group_is_unified();
        g_autofree char *group = find_group(pid, is_unified), *number = g_strdup_printf("%d", thread),
                        *file = g_strconcat(THREAD_PREFIX, name, NULL),
                        *directory = group ? g_build_filename(group, file, NULL) : NULL;
        if (!group)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                         "the guest has no control group of its own, in which its threads could be limited");
        if (quota <= 0 && !g_file_test(directory, G_FILE_TEST_IS_DIR))
                return true;
        if (is_unified)
                control_group_write(group, "cgroup.subtree_control", "+cpu"); /* where that fails, setting the limit does */
        if (mkdir(directory, 0755) < 0 && errno != EEXIST)
                return control_group_fail_to_make(error, directory);
        if (is_unified)
                control_group_write(directory, "cgroup.type", "threaded"); /* it may be already */
        if (!control_group_set_quota(directory, is_unified, quota, period, error))
                return false;
        int r = control_group_write(directory, is_unified ? "cgroup.threads" : "tasks", number);
        return r >= 0 || r == -ESRCH || control_group_fail(error, directory, "entered", number, r);
}

const ClaimKind cgroup_claims = { "cgroup", "control group", give_back };
