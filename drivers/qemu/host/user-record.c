/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/user-record.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define SERVICE "org.virtbus1.Driver.QEMU"

/* One for a user, one for their group: each is found by name, and by number through a link. */
static const char *const suffixes[] = { "user", "group" };

static char *text_of(const char *suffix, uid_t uid, const char *uuid) {
        return strcmp(suffix, "user") == 0 ? g_strdup_printf("{\"userName\":\"" USER_RECORD_PREFIX "%u\",\"uid\":%u,\"gid\":%u,"
                                                             "\"realName\":\"Guest of domain %s\",\"disposition\":\"dynamic\","
                                                             "\"service\":\"" SERVICE "\",\"locked\":true,"
                                                             "\"shell\":\"/usr/sbin/nologin\",\"homeDirectory\":\"/\"}\n",
                                                             uid, uid, uid, uuid)
                                           : g_strdup_printf("{\"groupName\":\"" USER_RECORD_PREFIX "%u\",\"gid\":%u,"
                                                             "\"description\":\"Guest of domain %s\",\"disposition\":\"dynamic\","
                                                             "\"service\":\"" SERVICE "\"}\n",
                                                             uid, uid, uuid);
}

static char *path_of(const char *folder, const char *prefix, uid_t uid, const char *suffix) {
        return g_strdup_printf("%s/%s%u.%s", folder, prefix, uid, suffix);
}

void user_record_write(const char *folder, uid_t uid, const char *uuid) {
        bool has_folder = mkdir(folder, 0755) == 0 || errno == EEXIST;
        for (size_t i = 0; has_folder && i < G_N_ELEMENTS(suffixes); i++) {
                g_autoptr(GError) error = NULL;
                g_autofree char *path = path_of(folder, USER_RECORD_PREFIX, uid, suffixes[i]), *name = g_path_get_basename(path),
                                *link = path_of(folder, "", uid, suffixes[i]), *text = text_of(suffixes[i], uid, uuid);
                if (!g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0644, &error))
                        log_warning("user %u of domain %s has no name: %s", uid, uuid, error->message);
                else if (symlink(name, link) < 0 && errno != EEXIST)
                        log_warning("user %u of domain %s has no name: %s: %s", uid, uuid, link, g_strerror(errno));
        }
        if (!has_folder)
                log_warning("user %u of domain %s has no name: directory %s cannot be made", uid, uuid, folder);
}

void user_record_remove(const char *folder, uid_t uid) {
        for (size_t i = 0; i < G_N_ELEMENTS(suffixes); i++) {
                g_autofree char *path = path_of(folder, USER_RECORD_PREFIX, uid, suffixes[i]),
                                *link = path_of(folder, "", uid, suffixes[i]);
                unlink(link);
                unlink(path);
        }
}
