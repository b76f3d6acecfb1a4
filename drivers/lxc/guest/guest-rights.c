/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/guest/guest-rights.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lxc/guest/guest-failure.h"
#include "lxc/guest/guest-path.h"

/* The capabilities that the kernel may know. */
#define CAPABILITIES_MAX 64

/* How long a line of the container's passwd and group is at most. */
#define LINE_BYTES_MAX 1024

/* How large these are at most, in bytes; in larger ones, and behind what is added meanwhile, nobody is found. */
#define LIST_BYTES_MAX (1024 * 1024)

/* Who it runs as: names are the container's own, so that its files are read: no code of its own is run for that. */

static bool is_number(const char *text, uint32_t *number) {
        char *end;
        unsigned long value = strtoul(text, &end, 10);
        *number = (uint32_t) value;
        return *text >= '0' && *text <= '9' && !*end && value < UINT32_MAX;
}

/* A file of the container's, of no more than a bound: neither a pipe, which would keep us waiting, nor one without an end. */
static FILE *open_list(const char *path) {
        int fd = guest_path_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        struct stat info;
        FILE *stream = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size <= LIST_BYTES_MAX
                                       ? fdopen(fd, "re")
                                       : NULL;
        if (!stream && fd >= 0)
                close(fd);
        return stream;
}

/* "NAME:x:NUMBER:GROUP": by the name or the number. GROUP may be NULL. */
static bool look_up(const char *file, const char *name, uint32_t *number, uint32_t *group) {
        FILE *stream = open_list(file);
        char line[LINE_BYTES_MAX];
        bool found = false;
        for (size_t left = LIST_BYTES_MAX; stream && !found && left > sizeof line && fgets(line, sizeof line, stream);) {
                left -= strlen(line) + !*line;
                char *rest = line, *parts[4] = { 0 };
                for (size_t i = 0; i < 4; i++)
                        parts[i] = strsep(&rest, ":\n");
                uint32_t its_number, its_group = 0;
                if (!parts[2] || !is_number(parts[2], &its_number) || (parts[3] && group && !is_number(parts[3], &its_group)))
                        continue;
                uint32_t wanted;
                found = strcmp(parts[0], name) == 0 || (is_number(name, &wanted) && wanted == its_number);
                if (found)
                        *number = its_number;
                if (found && group)
                        *group = its_group;
        }
        if (stream)
                fclose(stream);
        return found;
}

static bool become_user(const GuestPlan *plan) {
        uint32_t user = 0, group = 0;
        errno = 0;
        if (plan->user && !look_up("/etc/passwd", plan->user, &user, &group) && !is_number(plan->user, &user))
                return guest_failure_set("the container has no user '%s'", plan->user);
        if (plan->group && !look_up("/etc/group", plan->group, &group, NULL) && !is_number(plan->group, &group))
                return guest_failure_set("the container has no group '%s'", plan->group);
        return (syscall(SYS_setgroups, 0, NULL) == 0 && syscall(SYS_setresgid, group, group, group) == 0 &&
                syscall(SYS_setresuid, user, user, user) == 0) ||
               guest_failure_set("its user cannot be set");
}

bool guest_rights_limit(const GuestPlan *plan) {
        for (int i = 0; i < CAPABILITIES_MAX && prctl(PR_CAPBSET_READ, i) >= 0; i++)
                if (!(plan->capabilities >> i & 1) && prctl(PR_CAPBSET_DROP, i) < 0)
                        return guest_failure_set("capabilities cannot be dropped");
        return true;
}

static bool give_up_capabilities(const GuestPlan *plan) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
        if (syscall(SYS_capget, &header, data) < 0)
                return guest_failure_set("capabilities cannot be read");
        for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
                uint32_t kept = data[i].permitted & (uint32_t) (plan->capabilities >> 32 * i);
                data[i] = (struct __user_cap_data_struct){ .effective = kept, .permitted = kept };
        }
        return syscall(SYS_capset, &header, data) == 0 || guest_failure_set("capabilities cannot be dropped");
}

bool guest_rights_become(const GuestPlan *plan) {
        return become_user(plan) && give_up_capabilities(plan);
}
