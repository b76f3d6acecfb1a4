/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/container-group.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bus.h"
#include "domain/control-group.h"

/* Where containers' groups are, in each hierarchy. */
#define PARENT "virtbus-lxc"

/* How long all processes may take to stop, or to be gone, in milliseconds: one that waits for a disk does not. */
#define FREEZE_PATIENCE 10000

/* How often version 1, which tells nobody when it is done, is asked, in milliseconds. */
#define FREEZE_STEP 2

static const char *const legacy[] = { "cpu", "cpuacct", "memory", "blkio", "cpuset", "freezer", "pids", NULL };
static const ControlGroupQuota quota = { "cputune/quota", "cputune/period" };

static char *name_of(const char *uuid) {
        return g_strconcat(PARENT "/", uuid, NULL);
}

static char *directory_of(const char *uuid, const char *hierarchy) {
        g_autofree char *name = name_of(uuid);
        return control_group_path(control_group_is_unified() ? "" : hierarchy, name);
}

static char *read_file(const char *directory, const char *name) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        char *text = NULL;
        return g_file_get_contents(path, &text, NULL, NULL) ? text : g_strdup("");
}

/* Limits */

/* A container has its memory as a limit, where it is not told another. */
static void complete_limits(xmlNode *root) {
        const xmlNode *current = xml_child(root, "currentMemory"), *memory = current ? current : xml_child(root, "memory");
        xmlNode *tune = xml_ensure_child(root, "memtune");
        if (xml_child(tune, "hard_limit"))
                return;
        g_autofree char *size = xml_text(memory), *unit = xml_attribute(memory, "unit");
        xmlNode *limit = xml_add(tune, "hard_limit", size);
        if (unit)
                xml_set_attribute(limit, "unit", unit);
}

bool container_group_limit(const char *uuid, xmlNode *root, GError **error) {
        g_autofree char *name = name_of(uuid), *cpuset = directory_of(uuid, "cpuset"), *cpus = NULL;
        g_autoptr(xmlDoc) document = xml_copy(root->doc);
        xmlNode *copy = xmlDocGetRootElement(document);
        complete_limits(copy);
        if (!control_group_set_limits(name, copy, &quota, error))
                return false;
        cpus = xml_attribute(xml_child(root, "vcpu"), "cpuset");
        int r = cpus ? control_group_write(cpuset, "cpuset.cpus", cpus) : 0;
        return r >= 0 || control_group_fail(error, cpuset, "cpuset.cpus", cpus, r);
}

bool container_group_open(const char *uuid, GArray *members, GError **error) {
        g_autofree char *name = name_of(uuid);
        for (const char *const *hierarchy = control_group_hierarchies(legacy); *hierarchy; hierarchy++) {
                g_autofree char *directory = control_group_path(*hierarchy, name),
                                *path = g_build_filename(directory, "cgroup.procs", NULL);
                int fd = control_group_is_mounted(*hierarchy) ? open(path, O_WRONLY | O_CLOEXEC) : -1;
                if (fd < 0 && control_group_is_mounted(*hierarchy))
                        return virtbus_error_set_errno(error, errno, "%s cannot be opened", path);
                if (fd >= 0)
                        g_array_append_val(members, fd);
        }
        return members->len > 0 ||
               virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                 "there are no control groups below /sys/fs/cgroup, which hold a container: mount them");
}

static void limit_processes(const char *uuid) {
        g_autofree char *directory = directory_of(uuid, "pids");
        control_group_write(directory, "pids.max", G_STRINGIFY(CONTAINER_GROUP_PROCESSES_MAX));
}

bool container_group_make(const char *uuid, xmlNode *root, GArray *members, GError **error) {
        g_autofree char *name = name_of(uuid);
        container_group_remove(uuid);
        if (!control_group_make(legacy, name, error) || !container_group_limit(uuid, root, error))
                return false;
        limit_processes(uuid);
        return container_group_open(uuid, members, error);
}

/* Freezing */

/* The kernel tells of changes of cgroup.events by POLLPRI. */
static bool wait_unified(const char *directory, const char *wanted) {
        g_autofree char *path = g_build_filename(directory, "cgroup.events", NULL);
        g_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
        gint64 until = g_get_monotonic_time() + FREEZE_PATIENCE * 1000;
        while (fd >= 0) {
                char text[256];
                ssize_t n = pread(fd, text, sizeof text - 1, 0);
                gint64 left = (until - g_get_monotonic_time()) / 1000;
                text[MAX(n, 0)] = '\0';
                if (n <= 0 || left <= 0 || strstr(text, wanted))
                        return n > 0 && strstr(text, wanted);
                poll(&(struct pollfd){ .fd = fd, .events = POLLPRI }, 1, (int) left);
        }
        return false;
}

/* Reading the state is what makes the kernel look whether all have stopped; it tells nobody. */
static bool wait_legacy(const char *directory, const char *wanted) {
        for (int waited = 0; waited < FREEZE_PATIENCE; waited += FREEZE_STEP) {
                g_autofree char *state = read_file(directory, "freezer.state");
                if (g_str_has_prefix(state, wanted))
                        return true;
                poll(NULL, 0, FREEZE_STEP);
                control_group_write(directory, "freezer.state", wanted);
        }
        return false;
}

bool container_group_freeze(const char *uuid, bool freezes, GError **error) {
        bool is_unified = control_group_is_unified();
        g_autofree char *directory = directory_of(uuid, "freezer");
        const char *file = is_unified ? "cgroup.freeze" : "freezer.state", *text = is_unified ? (freezes ? "1" : "0")
                                                                                   : freezes  ? "FROZEN"
                                                                                              : "THAWED";
        int r = control_group_write(directory, file, text);
        if (r < 0)
                return control_group_fail(error, directory, file, text, r);
        if (is_unified ? wait_unified(directory, freezes ? "frozen 1" : "frozen 0") : wait_legacy(directory, text))
                return true;
        control_group_write(directory, file, is_unified ? "0" : "THAWED");
        return virtbus_error_set(error, VIRTBUS_ERROR_TIMEOUT, "not all of its processes have stopped within %d seconds",
                                 FREEZE_PATIENCE / 1000);
}

/* The end */

/* Whether a process, which is held, is in a group. */
static bool is_member(int pid, const char *uuid) {
        g_autofree char *path = g_strdup_printf("/proc/%d/cgroup", pid), *text = NULL, *name = name_of(uuid);
        return g_file_get_contents(path, &text, NULL, NULL) && strstr(text, name);
}

/* Of version 1, where nothing ends all of a group at once: each that is in it, by a descriptor: its number may be another's. */
static void kill_legacy(const char *uuid, const char *directory) {
        g_autofree char *text = read_file(directory, "cgroup.procs");
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        for (size_t i = 0; lines[i]; i++) {
                int pid = atoi(lines[i]);
                g_autofd int fd = pid > 1 ? (int) syscall(SYS_pidfd_open, pid, 0) : -1;
                if (fd >= 0 && is_member(pid, uuid))
                        syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
        }
}

void container_group_remove(const char *uuid) {
        g_autofree char *name = name_of(uuid), *directory = directory_of(uuid, "freezer");
        bool is_unified = control_group_is_unified();
        if (!g_file_test(directory, G_FILE_TEST_IS_DIR)) {
                control_group_remove(legacy, name);
                return;
        }
        if (is_unified) {
                control_group_write(directory, "cgroup.freeze", "0");
                control_group_write(directory, "cgroup.kill", "1");
                wait_unified(directory, "populated 0");
        } else {
                kill_legacy(uuid, directory);
                control_group_write(directory, "freezer.state", "THAWED");
        }
        for (int waited = 0; !control_group_remove(legacy, name) && waited < FREEZE_PATIENCE; waited += FREEZE_STEP) {
                kill_legacy(uuid, directory);
                poll(NULL, 0, FREEZE_STEP); /* what has been killed is not gone at once, of which version 1 tells nobody */
        }
}

/* Use */

static bool find_number(const char *text, const char *key, uint64_t *number) {
        const char *at = g_str_has_prefix(text, key) ? text : strstr(text, key);
        if (at)
                *number = g_ascii_strtoull(at + strlen(key), NULL, 10);
        return at;
}

ContainerUsage container_group_usage(const char *uuid) {
        ContainerUsage usage = { 0 };
        bool is_unified = control_group_is_unified();
        g_autofree char *processors = directory_of(uuid, "cpuacct"), *memory = directory_of(uuid, "memory"),
                        *bytes = read_file(memory, is_unified ? "memory.current" : "memory.usage_in_bytes"),
                        *stat = read_file(processors, is_unified ? "cpu.stat" : "cpuacct.stat"),
                        *total = read_file(processors, is_unified ? "cgroup.procs" : "cpuacct.usage");
        usage.has_memory = *bytes;
        usage.memory = g_ascii_strtoull(bytes, NULL, 10);
        if (is_unified) {
                usage.has_time = find_number(stat, "usage_usec ", &usage.time) &&
                                 find_number(stat, "user_usec ", &usage.user_time) &&
                                 find_number(stat, "system_usec ", &usage.system_time);
                return usage;
        }
        uint64_t tick = UINT64_C(1000000) / (uint64_t) sysconf(_SC_CLK_TCK);
        usage.has_time = *total && find_number(stat, "user ", &usage.user_time) &&
                         find_number(stat, "system ", &usage.system_time);
        usage.time = g_ascii_strtoull(total, NULL, 10) / 1000; /* nanoseconds */
        usage.user_time *= tick;
        usage.system_time *= tick;
        return usage;
}
