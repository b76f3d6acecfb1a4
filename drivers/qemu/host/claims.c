/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/claims.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "bus.h"
#include "log.h"

static const ClaimKind *const *kinds = (const ClaimKind *const[]){ NULL };

void claims_register(const ClaimKind *const *all) {
        kinds = all;
}

static const ClaimKind *find_kind(const char *name) {
        for (const ClaimKind *const *kind = kinds; *kind; kind++)
                if (strcmp((*kind)->name, name) == 0)
                        return *kind;
        return NULL;
}

/* Looking whether a thing is held and writing that it is are one step. */
static GMutex mutex;

static char *directory_of(const Connection *connection) {
        return g_build_filename(connection->runtime_directory, "claims", NULL);
}

/* The names of the files are "UUID KIND NAME", their text is the alias and, in a second line, the note. */
static char *path_of(const Connection *connection, const Claim *claim) {
        g_autofree char *directory = directory_of(connection), *name = g_strdup(claim->name);
        return g_strdup_printf("%s/%s %s %s", directory, claim->uuid, claim->kind->name, g_strdelimit(name, "/", ' '));
}

/* Splits a file's name; false where it has none of these forms. */
static bool parse_name(char *file, char **uuid, const ClaimKind **kind, char **name) {
        char *space = strchr(file, ' '), *second = space ? strchr(space + 1, ' ') : NULL;
        if (!second || file_is_aside(file))
                return false;
        *space = *second = '\0';
        *uuid = file;
        *name = g_strdelimit(second + 1, " ", '/');
        *kind = find_kind(space + 1);
        return *kind != NULL;
}

bool claim_take(const Connection *connection, const Claim *claim, GError **error) {
        g_autofree char *path = path_of(connection, claim), *directory = directory_of(connection), *holder = NULL,
                        *text = g_strdup_printf("%s\n%s", claim->alias, claim->note ? claim->note : "");
        g_mutex_lock(&mutex);
        bool fine = mkdir(directory, 0700) == 0 || errno == EEXIST ||
                    virtbus_error_set_errno(error, errno, "directory %s cannot be made", directory);
        g_autoptr(GDir) listing = fine ? g_dir_open(directory, 0, NULL) : NULL;
        for (const char *entry; !holder && listing && (entry = g_dir_read_name(listing));) {
                g_autofree char *file = g_strdup(entry);
                char *uuid, *name;
                const ClaimKind *kind;
                if (parse_name(file, &uuid, &kind, &name) && kind == claim->kind && strcmp(name, claim->name) == 0)
                        holder = g_strdup(uuid);
        }
        if (holder)
                fine = virtbus_error_set(error, VIRTBUS_ERROR_RESOURCE_BUSY, "%s %s is held by domain %s", claim->kind->what,
                                         claim->name, holder);
        if (fine)
                fine = file_replace(path, text, false, error);
        g_mutex_unlock(&mutex);
        return fine;
}

/* Calls EACH with the files, which may go meanwhile. */
typedef void (*EachFile)(const Connection *connection, const char *directory, const char *file, const char *uuid,
                         const ClaimKind *kind, const char *name, void *data);
static void each_file(const Connection *connection, EachFile each, void *data) {
        g_autofree char *directory = directory_of(connection);
        g_autoptr(GDir) listing = g_dir_open(directory, 0, NULL);
        for (const char *entry; listing && (entry = g_dir_read_name(listing));) {
                g_autofree char *file = g_strdup(entry);
                char *uuid, *name;
                const ClaimKind *kind;
                if (parse_name(file, &uuid, &kind, &name))
                        each(connection, directory, entry, uuid, kind, name, data);
        }
}

typedef struct Search {
        const char *uuid, *alias;
        bool (*is_held)(const Connection *connection, const char *uuid);
        bool found;
} Search;

static void find(const Connection *connection, const char *directory, const char *file, const char *uuid, const ClaimKind *kind,
                 const char *name, void *data) {
        Search *search = data;
        (void) connection;
        (void) directory;
        (void) file;
        (void) kind;
        (void) name;
        search->found |= strcmp(uuid, search->uuid) == 0;
}

bool claims_any(const Connection *connection, const char *uuid) {
        Search search = { .uuid = uuid };
        each_file(connection, find, &search);
        return search.found;
}

static void give_back(const Connection *connection, const char *directory, const char *file, const char *uuid,
                      const ClaimKind *kind, const char *name, void *data) {
        const Search *search = data;
        g_autofree char *path = g_build_filename(directory, file, NULL), *text = NULL;
        if (search->uuid ? strcmp(uuid, search->uuid) != 0 : search->is_held(connection, uuid))
                return;
        char *note = g_file_get_contents(path, &text, NULL, NULL) ? strchr(text, '\n') : NULL;
        if (!note)
                return;
        *note++ = '\0';
        if (search->alias && strcmp(text, search->alias) != 0)
                return;
        if (kind->give_back(name, note))
                unlink(path);
        else
                log_warning("%s %s, held by domain %s, cannot be given back", kind->what, name, uuid);
}

void claims_give_back(const Connection *connection, const char *uuid, const char *alias) {
        Search search = { .uuid = uuid, .alias = alias };
        each_file(connection, give_back, &search);
}

/* Nobody writes one meanwhile. */
static void remove_aside(const Connection *connection) {
        g_autofree char *directory = directory_of(connection);
        g_mutex_lock(&mutex);
        g_autoptr(GDir) listing = g_dir_open(directory, 0, NULL);
        for (const char *entry; listing && (entry = g_dir_read_name(listing));) {
                g_autofree char *path = g_build_filename(directory, entry, NULL);
                if (file_is_aside(entry))
                        unlink(path);
        }
        g_mutex_unlock(&mutex);
}

void claims_sweep(const Connection *connection, bool (*is_held)(const Connection *connection, const char *uuid)) {
        Search search = { .is_held = is_held };
        remove_aside(connection);
        each_file(connection, give_back, &search);
}
