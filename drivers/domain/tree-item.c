/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/tree-item.h"

#include <string.h>

#include "domain/device-definition.h"
#include "errors.h"

bool tree_name_check(const char *name, const char *whose, GError **error) {
        bool fine = *name && strlen(name) <= NAME_BYTES_MAX && name[0] != '.';
        for (const char *c = name; *c; c++)
                fine &= (unsigned char) *c >= 0x20 && *c != 0x7f && *c != '/';
        return fine || virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "'%.64s' cannot be a %s's name: use 1 to %d bytes without '/' and control "
                                         "characters, and no '.' at the beginning",
                                         name, whose, NAME_BYTES_MAX);
}
