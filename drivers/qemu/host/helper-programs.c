/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/helper-programs.h"

#include <string.h>
#include <unistd.h>

#include "base/executable.h"
#include "errors.h"
#include "qemu/host/descriptions.h"

#define VIRTIOFSD_REMEDY "install virtiofsd (Debian 12: qemu-system-common), or leave out the <filesystem>"

bool helper_program_check(const char *program, const char *remedy, GError **error) {
        ExecutableIdentity unused;
        if (access(program, F_OK) < 0 && errno == ENOENT)
                return virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "there is no %s: %s", program, remedy);
        return executable_check(program, &unused, error);
}

/* Paths of those that there are. */
static GPtrArray *list_virtiofsd(void) {
        g_autoptr(GPtrArray) descriptions = descriptions_read("vhost-user");
        GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
        for (guint i = 0; i < descriptions->len; i++) {
                JsonObject *description = json_node_get_object(descriptions->pdata[i]);
                const char *path = json_string(description, "binary");
                if (g_strcmp0(json_string(description, "type"), "fs") == 0 && path && path[0] == '/')
                        g_ptr_array_add(paths, g_strdup(path));
        }
        return paths;
}

/* The first that is there: of a package that was removed the description may be left. */
char *helper_program_find_virtiofsd(const char *named, GError **error) {
        g_autoptr(GPtrArray) paths = list_virtiofsd();
        for (guint i = 0; i < paths->len; i++) {
                const char *path = paths->pdata[i];
                if (*named ? strcmp(path, named) == 0 : access(path, X_OK) == 0)
                        return helper_program_check(path, VIRTIOFSD_REMEDY, error) ? g_strdup(path) : NULL;
        }
        if (*named)
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "no file in /usr/share/qemu/vhost-user or /etc/qemu/vhost-user describes %.256s as what shares "
                                  "folders (\"type\": \"fs\"): leave out the path of <binary>, or add one",
                                  named);
        else
                virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                  "no program that shares folders is described in /usr/share/qemu/vhost-user or "
                                  "/etc/qemu/vhost-user: " VIRTIOFSD_REMEDY);
        return NULL;
}

bool helper_program_has_virtiofsd(void) {
        g_autoptr(GPtrArray) paths = list_virtiofsd();
        for (guint i = 0; i < paths->len; i++)
                if (access(paths->pdata[i], X_OK) == 0)
                        return true;
        return false;
}
