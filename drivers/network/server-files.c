/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/server-files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/store.h"
#include "errors.h"
#include "network/dnsmasq.h"

#define OWN_FOLDER "run"

/* How many files of added lines there may be, before all are put into one. */
#define ADDITIONS_MAX 4096

typedef struct ServerFile {
        const char *name;
        const char *option; /* of the folder of added lines; NULL: it is read when dnsmasq starts alone */
        const char *text;   /* NULL: there is none */
} ServerFile;

#define N_FILES 3

static void list_files(const DnsmasqFiles *files, ServerFile list[N_FILES]) {
        list[0] = (ServerFile){ "dnsmasq.conf", NULL, files ? files->configuration : NULL };
        list[1] = (ServerFile){ "dhcp-hosts", "dhcp-hostsdir", files ? files->leases : NULL };
        list[2] = (ServerFile){ "hosts", "hostsdir", files ? files->names : NULL };
}

static char *additions_of(const char *folder, const ServerFile *file) {
        return g_strdup_printf("%s/%s.d", folder, file->name);
}

char *server_files_folder(const Servers *servers, const char *uuid) {
        return g_build_filename(servers->folder, uuid, NULL);
}

char *server_files_own(const Servers *servers, const char *uuid) {
        return g_build_filename(servers->folder, uuid, OWN_FOLDER, NULL);
}

void server_files_arguments(const char *folder, char *arguments[2]) {
        ServerFile list[N_FILES];
        list_files(NULL, list);
        for (size_t i = 0; i < 2; i++) {
                g_autofree char *additions = additions_of(folder, &list[i + 1]);
                arguments[i] = g_strdup_printf("--%s=%s", list[i + 1].option, additions);
        }
}

/* Made, or there already, with these rights: given while it is root's, as the driver's unit lets it change nobody else's. */
static bool make_folder(const char *path, uid_t uid, gid_t gid, mode_t mode, GError **error) {
        return ((mkdir(path, 0700) == 0 || errno == EEXIST) && chown(path, 0, gid) == 0 && chmod(path, mode) == 0 &&
                chown(path, uid, gid) == 0) ||
               virtbus_error_set_errno(error, errno, "folder %s cannot be made", path);
}

/* For dnsmasq to read from the moment on at which it is there. */
static bool write_file(const Servers *servers, const char *folder, const char *path, const char *text, GError **error) {
        g_autofree char *aside = g_build_filename(folder, ".new", NULL);
        return file_replace(aside, text, false, error) &&
               ((chown(aside, (uid_t) -1, servers->gid) == 0 && chmod(aside, 0640) == 0 && rename(aside, path) == 0) ||
                virtbus_error_set_errno(error, errno, "file %s cannot be given to user " SERVER_USER, path));
}

/* Nobody follows what dnsmasq has put there. */
static void empty(const char *path) {
        g_autoptr(GDir) listing = g_dir_open(path, 0, NULL);
        for (const char *name; listing && (name = g_dir_read_name(listing));) {
                g_autofree char *file = g_build_filename(path, name, NULL);
                unlink(file);
        }
}

static void remove_folder(const char *path) {
        struct stat info;
        if (lstat(path, &info) != 0 || !S_ISDIR(info.st_mode))
                return;
        empty(path);
        rmdir(path);
}

static bool write_whole(const Servers *servers, const char *folder, const ServerFile *file, GError **error) {
        g_autofree char *path = g_build_filename(folder, file->name, NULL), *additions = additions_of(folder, file);
        if (file->text && !write_file(servers, folder, path, file->text, error))
                return false;
        if (file->option)
                empty(additions);
        return true;
}

bool server_files_write(const Servers *servers, const NetworkDefinition *definition, GError **error) {
        g_autofree char *folder = server_files_folder(servers, definition->uuid),
                        *own = server_files_own(servers, definition->uuid),
                        *number = g_build_filename(own, SERVER_NUMBER_FILE, NULL);
        g_autoptr(DnsmasqFiles) files = dnsmasq_files_new(definition, folder);
        ServerFile list[N_FILES];
        list_files(files, list);
        bool fine = make_folder(servers->runtime, 0, 0, 0711, error) && make_folder(servers->folder, 0, 0, 0711, error) &&
                    make_folder(folder, 0, servers->gid, 0750, error) && make_folder(own, servers->uid, 0, 0770, error) &&
                    file_remove(number, false, error);
        for (size_t i = 0; i < N_FILES && fine; i++) {
                g_autofree char *additions = additions_of(folder, &list[i]);
                fine = (!list[i].option || make_folder(additions, 0, servers->gid, 0750, error)) &&
                       write_whole(servers, folder, &list[i], error);
        }
        return fine;
}

void server_files_remove(const Servers *servers, const char *uuid) {
        g_autofree char *folder = server_files_folder(servers, uuid), *own = server_files_own(servers, uuid);
        ServerFile list[N_FILES];
        list_files(NULL, list);
        remove_folder(own);
        for (size_t i = 0; i < N_FILES; i++) {
                g_autofree char *additions = additions_of(folder, &list[i]);
                remove_folder(additions);
        }
        remove_folder(folder);
}

/* Changes */

static void add_lines(GHashTable *lines, const char *text) {
        g_auto(GStrv) all = g_strsplit(text, "\n", -1);
        for (char **line = all; *line; line++)
                if (**line)
                        g_hash_table_add(lines, g_strdup(*line));
}

/* The lines that dnsmasq knows, and how many files of additions they are in; only root writes these. */
static GHashTable *known_lines(const char *folder, const ServerFile *file, unsigned *n_additions) {
        GHashTable *lines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autofree char *path = g_build_filename(folder, file->name, NULL), *additions = additions_of(folder, file), *text = NULL;
        g_autoptr(GDir) listing = g_dir_open(additions, 0, NULL);
        *n_additions = 0;
        if (g_file_get_contents(path, &text, NULL, NULL))
                add_lines(lines, text);
        for (const char *name; listing && (name = g_dir_read_name(listing)); (*n_additions)++) {
                g_autofree char *addition = g_build_filename(additions, name, NULL), *more = NULL;
                if (g_file_get_contents(addition, &more, NULL, NULL))
                        add_lines(lines, more);
        }
        return lines;
}

/* What is in TEXT and not among LINES; *ALL: whether every one of these is in TEXT. */
static char *missing_lines(GHashTable *lines, const char *text, bool *all) {
        g_autoptr(GHashTable) wanted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        GString *missing = g_string_new(NULL);
        GHashTableIter iterator;
        void *line;
        add_lines(wanted, text);
        *all = true;
        g_hash_table_iter_init(&iterator, lines);
        while (g_hash_table_iter_next(&iterator, &line, NULL))
                *all = *all && g_hash_table_contains(wanted, line);
        g_hash_table_iter_init(&iterator, wanted);
        while (g_hash_table_iter_next(&iterator, &line, NULL))
                if (!g_hash_table_contains(lines, line))
                        g_string_append_printf(missing, "%s\n", (const char *) line);
        return g_string_free(missing, FALSE);
}

static bool change_lines(const Servers *servers, const char *folder, const ServerFile *file, ServerNews *news, GError **error) {
        unsigned n_additions;
        bool all;
        g_autoptr(GHashTable) lines = known_lines(folder, file, &n_additions);
        g_autofree char *missing = missing_lines(lines, file->text, &all), *additions = additions_of(folder, file),
                        *path = g_strdup_printf("%s/%u", additions, n_additions);
        if (all && !*missing)
                return true;
        if (all && n_additions < ADDITIONS_MAX)
                return write_file(servers, folder, path, missing, error);
        *news = MAX(*news, SERVER_READS_AGAIN);
        return write_whole(servers, folder, file, error);
}

static bool change_whole(const Servers *servers, const char *folder, const ServerFile *file, ServerNews *news, GError **error) {
        g_autofree char *path = g_build_filename(folder, file->name, NULL), *there = NULL;
        if (g_file_get_contents(path, &there, NULL, NULL) && strcmp(there, file->text) == 0)
                return true;
        *news = SERVER_STARTS_AGAIN;
        return write_whole(servers, folder, file, error);
}

bool server_files_change(const Servers *servers, const NetworkDefinition *definition, ServerNews *news, GError **error) {
        g_autofree char *folder = server_files_folder(servers, definition->uuid);
        g_autoptr(DnsmasqFiles) files = dnsmasq_files_new(definition, folder);
        ServerFile list[N_FILES];
        *news = SERVER_KNOWS;
        list_files(files, list);
        for (size_t i = 0; i < N_FILES; i++)
                if (list[i].text && !(list[i].option ? change_lines : change_whole)(servers, folder, &list[i], news, error))
                        return false;
        return true;
}
