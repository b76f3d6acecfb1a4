/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/container-claim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "domain/connection-table.h"
#include "domain/connection.h"
#include "lxc/container-work.h"

#define GROUP_SUFFIX ".group"
#define FORMER_SUFFIX ".former" /* of one that is taken back: it is not claimed any more */

static char *claim_of(const Domain *domain) {
        g_autofree char *name = g_strconcat(domain->uuid, GROUP_SUFFIX, NULL);
        return g_build_filename(domain->connection->runtime_directory, name, NULL);
}

bool container_claim_begin(const Domain *domain, GError **error) {
        g_autofree char *path = claim_of(domain);
        g_autofd int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        return fd >= 0 || virtbus_error_set_errno(error, errno, "cannot write %s", path);
}

void container_claim_end(const Domain *domain) {
        g_autofree char *path = claim_of(domain);
        unlink(path);
}

void container_claim_recover(Connection *connection) {
        g_autoptr(GDir) listing = g_dir_open(connection->runtime_directory, 0, NULL);
        for (const char *name; listing && (name = g_dir_read_name(listing));) {
                bool is_former = g_str_has_suffix(name, GROUP_SUFFIX FORMER_SUFFIX);
                size_t length = strlen(is_former ? GROUP_SUFFIX FORMER_SUFFIX : GROUP_SUFFIX);
                if (!is_former && !g_str_has_suffix(name, GROUP_SUFFIX))
                        continue;
                g_autofree char *known = g_strndup(name, strlen(name) - length), *uuid = uuid_normalize(known),
                                *file = g_strconcat(known, GROUP_SUFFIX, NULL),
                                *claim = g_build_filename(connection->runtime_directory, file, NULL),
                                *former = g_strconcat(claim, FORMER_SUFFIX, NULL);
                const Domain *domain = uuid ? connection_find(connection, uuid) : NULL;
                if (uuid && (!domain || !domain_is_active(domain)) && (is_former || rename(claim, former) == 0))
                        container_work_take_back(connection, uuid, claim, former);
        }
}
