/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu-words.h"

#include <string.h>

#include "connection.h"

#define SET_PATH "/dev/fdset/"

/* Lines that say nothing of a failure: QEMU tells of each pseudo terminal. */
static const char *const passing[] = { "char device redirected to " };

static bool is_passing(const char *line) {
        const char *words = strstr(line, ": "); /* after the program's name, which some versions put first */
        for (size_t i = 0; i < G_N_ELEMENTS(passing); i++)
                if (g_str_has_prefix(line, passing[i]) || (words && g_str_has_prefix(words + 2, passing[i])))
                        return true;
        return false;
}

static const char *path_of(const CommandLine *line, const char *name, const char **end) {
        char *behind;
        guint64 set = g_ascii_strtoull(name + strlen(SET_PATH), &behind, 10);
        *end = behind;
        return g_hash_table_lookup(line->fd_sets, GUINT_TO_POINTER((guint) MIN(set, G_MAXUINT)));
}

static void append_with_paths(GString *text, const CommandLine *line, const char *words) {
        const char *end;
        for (const char *name; (name = strstr(words, SET_PATH)); words = end) {
                const char *path = path_of(line, name, &end);
                g_string_append_len(text, words, name - words);
                if (path)
                        g_string_append(text, path);
                else
                        g_string_append_len(text, name, end - name);
        }
        g_string_append(text, words);
}

static bool has_disk(const Domain *domain, const char *path) {
        for (guint i = 0; i < domain->live->devices->len; i++) {
                const DeviceDefinition *device = domain->live->devices->pdata[i];
                if (device->device_class == DEVICE_DISK && strcmp(device->source, path) == 0)
                        return true;
        }
        return false;
}

static const Domain *find_user(const Domain *domain, const char *path) {
        GHashTableIter iterator;
        void *value;
        g_hash_table_iter_init(&iterator, domain->connection->by_uuid);
        while (g_hash_table_iter_next(&iterator, NULL, &value)) {
                const Domain *other = value;
                if (other != domain && domain_is_active(other) && other->live && has_disk(other, path))
                        return other;
        }
        return NULL;
}

/* Who else has the image that is meant: the one that QEMU names or, where it names none, one of those that it was given. */
static void append_user(GString *text, const Domain *domain, const CommandLine *line, const char *words) {
        const char *name = strstr(words, "[" SET_PATH), *end;
        const char *named = name ? path_of(line, name + 1, &end) : NULL;
        GHashTableIter iterator;
        void *path;
        g_hash_table_iter_init(&iterator, line->fd_sets);
        while (g_hash_table_iter_next(&iterator, NULL, &path)) {
                const Domain *user = !named || strcmp(named, path) == 0 ? find_user(domain, path) : NULL;
                if (user)
                        g_string_append_printf(
                                        text,
                                        "; domain '%s' has %s open: shut that down, or let both have it with <shareable/> in "
                                        "their disks",
                                        domain_name(user), (const char *) path);
                if (user)
                        return;
        }
}

char *qemu_words(const Domain *domain, const CommandLine *line, const char *words) {
        g_auto(GStrv) lines = g_strsplit(words, "\n", -1);
        GString *text = g_string_new(NULL);
        for (char **each = lines; *each; each++) {
                if (is_passing(*each))
                        continue;
                if (text->len > 0)
                        g_string_append_c(text, '\n');
                line ? append_with_paths(text, line, *each) : (void) g_string_append(text, *each);
        }
        if (line && strstr(words, "Failed to get") && strstr(words, "\" lock"))
                append_user(text, domain, line, words);
        return g_string_free(text, FALSE);
}

GError *qemu_error(const Domain *domain, const CommandLine *line, const GError *error) {
        g_autofree char *text = error ? qemu_words(domain, line, error->message) : NULL;
        return error ? g_error_new_literal(error->domain, error->code, text) : NULL;
}
