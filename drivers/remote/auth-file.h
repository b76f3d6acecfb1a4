/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Credentials for hosts, in a file that only who the driver runs as may read, in the format of libvirt's auth.conf:
 *
 *     [credentials-NAME]
 *     username=USER
 *     password=PASSWORD
 *     [auth-SERVICE-HOST]
 *     credentials=NAME
 *
 * HOST may be "default". */

#include <glib.h>
#include <stdbool.h>

#define AUTH_FILE_BYTES_MAX (64 * 1024)

/* Names it; otherwise it is /etc/virtbus/auth.conf, in a session virtbus/auth.conf in the user's folder of configurations. */
#define AUTH_FILE_VARIABLE "VIRTBUS_AUTH_FILE"

/* What it has for a host: each is NULL, or to be freed by auth_file_wipe. False with AccessDenied or InvalidArgument where there
 * is such a file, and it cannot be believed or read. */
bool auth_file_find(const char *service, const char *host, char **username, char **password, GError **error);
void auth_file_wipe(char *text);
