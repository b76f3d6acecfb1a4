/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/helper-programs.h"

#include <unistd.h>

#include "base/executable.h"
#include "errors.h"

bool helper_program_check(const char *program, GError **error) {
        ExecutableIdentity unused;
        if (access(program, F_OK) < 0 && errno == ENOENT)
                return virtbus_error_set(
                                error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                "there is no %s: install the package passt, or leave out <backend> for QEMU's own network "
                                "of users",
                                program);
        return executable_check(program, &unused, error);
}
