/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which user of this machine a name stands for by which a client is known: a file that only root may have written. A line is a
 * user and, after a space, the name, in which * stands for anything and ? for any one character; the first that fits counts.
 * "#" begins a line that says nothing. */

#include <glib.h>

/* A name: a certificate's, RFC 4514's form as libvirt's allow-lists have it, or SASL's, with its realm; in bytes. */
#define TLS_USERS_NAME_BYTES_MAX 1024

/* The file's most bytes. */
#define TLS_USERS_BYTES_MAX (64 * 1024)

/* Finds the user that NAME stands for; NULL with ERROR where there is none, or where a line cannot be understood. TEXT is the
 * file's, PATH what errors call it. */
char *tls_users_find(const char *text, const char *path, const char *name, GError **error);
