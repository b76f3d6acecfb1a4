/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The URI of a hypervisor elsewhere, as libvirt writes them: SCHEME://[USER@]HOST[:PORT][/PATH][?PARAMETER=VALUE&...]. What is
 * wrong with one is said without repeating any of it: a password may be anywhere in what somebody takes for a URI. */

#include <glib.h>
#include <stdbool.h>

/* The longest host, and the longest path. */
#define REMOTE_HOST_BYTES_MAX 255
#define REMOTE_PATH_BYTES_MAX 255

typedef struct RemoteUri {
        char *scheme;
        char *username; /* or NULL */
        char *host;     /* in small letters; an IPv6 address without brackets */
        char *path;     /* decoded, without '/' at its ends, and none twice: "" for none */
        GHashTable *parameters;
        int port; /* 0: none is said */
} RemoteUri;

/* Reads one whose parameters are of those, NULL at the end. InvalidArgument. */
RemoteUri *remote_uri_parse(const char *text, const char *const *parameters, GError **error);
void remote_uri_free(RemoteUri *uri);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RemoteUri, remote_uri_free)

/* A parameter, or NULL. */
const char *remote_uri_parameter(const RemoteUri *uri, const char *name);

/* One that is 0 or 1; false with InvalidArgument where it is another. */
bool remote_uri_flag(const RemoteUri *uri, const char *name, bool *flag, GError **error);

/* Host and port as a URL has them: "[::1]:8443". To be freed. */
char *remote_uri_place(const RemoteUri *uri, int default_port);
