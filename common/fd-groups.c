/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fd-groups.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "errors.h"

static void group_free(FdGroup *group) {
        for (unsigned i = 0; i < group->n; i++)
                close(group->fds[i]);
        g_free(group->name);
        g_free(group);
}

bool fd_group_name_check(const char *name) {
        size_t length = strlen(name);
        for (const char *c = name; *c; c++)
                if (g_ascii_iscntrl(*c))
                        return false;
        return length > 0 && length <= FD_GROUP_NAME_BYTES_MAX;
}

const FdGroup *fd_groups_find(const GPtrArray *groups, const char *name) {
        for (guint i = 0; groups && i < groups->len; i++)
                if (strcmp(((const FdGroup *) groups->pdata[i])->name, name) == 0)
                        return groups->pdata[i];
        return NULL;
}

static int read_descriptors(sd_bus_message *message, FdGroup *group, unsigned *left) {
        int fd, r = sd_bus_message_enter_container(message, 'a', "h");
        while (r >= 0 && (r = sd_bus_message_read_basic(message, 'h', &fd)) > 0) {
                if (group->n == FD_GROUP_DESCRIPTORS_MAX || *left == 0)
                        return -E2BIG;
                group->fds[group->n] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                if (group->fds[group->n] < 0)
                        return -errno;
                group->n++;
                (*left)--;
        }
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int read_group(sd_bus_message *message, GPtrArray *groups, unsigned *left, GError **error) {
        const char *name;
        int r = sd_bus_message_read_basic(message, 's', &name);
        if (r < 0)
                return r;
        bool is_known = fd_groups_find(groups, name) != NULL;
        if (is_known || !fd_group_name_check(name)) {
                virtbus_error_set(
                                error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                is_known ? "fds: there are two groups of descriptors '%.64s'"
                                         : "fds: '%.64s' cannot be the name of a group of descriptors: use 1 to %d bytes without "
                                           "control characters",
                                name, FD_GROUP_NAME_BYTES_MAX);
                return -EINVAL;
        }
        FdGroup *group = g_new0(FdGroup, 1);
        group->name = g_strdup(name);
        g_ptr_array_add(groups, group);
        r = read_descriptors(message, group, left);
        if (r == -E2BIG || (r >= 0 && group->n == 0)) {
                virtbus_error_set(
                                error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                "fds: the group '%.64s' has one descriptor, or one to read and one to write; all have at most %d",
                                name, FD_GROUPS_DESCRIPTORS_MAX);
                return -EINVAL;
        }
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

bool fd_groups_read(sd_bus_message *message, GPtrArray **groups, GError **error) {
        g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func((GDestroyNotify) group_free);
        unsigned left = FD_GROUPS_DESCRIPTORS_MAX;
        g_autoptr(GError) refused = NULL;
        int r = sd_bus_message_enter_container(message, 'a', "{sah}");
        while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sah")) > 0)
                r = read_group(message, found, &left, &refused);
        if (r >= 0)
                r = sd_bus_message_exit_container(message);
        if (r >= 0) {
                *groups = g_steal_pointer(&found);
                return true;
        }
        if (!refused)
                return virtbus_error_set_errno(error, -r, "fds: the descriptors cannot be read");
        g_propagate_error(error, g_steal_pointer(&refused));
        return false;
}
