/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/qemu-words.h"

#include <string.h>

#include "domain/connection.h"
#include "qemu/guest/guest-secrets.h"

#define SET_PATH "/dev/fdset/"

static const char *path_of(const CommandLine *line, const char *name, const char **end) {
        char *behind;
        guint64 set = g_ascii_strtoull(name + strlen(SET_PATH), &behind, 10);
        *end = behind;
        return g_hash_table_lookup(line->fd_sets, GUINT_TO_POINTER((guint) MIN(set, G_MAXUINT)));
}

char *qemu_words(const CommandLine *line, const char *words) {
        GString *text = g_string_new(NULL);
        const char *end;
        for (const char *name; line && (name = strstr(words, SET_PATH)); words = end) {
                const char *path = path_of(line, name, &end);
                g_string_append_len(text, words, name - words);
                if (path)
                        g_string_append(text, path);
                else
                        g_string_append_len(text, name, end - name);
        }
        g_string_append(text, words);
        return g_string_free(text, FALSE);
}

bool qemu_cannot_lock(const char *words) {
        return strstr(words, "Failed to lock byte") || (strstr(words, "Failed to get \"") && strstr(words, " lock"));
}

#define CANNOT_UNLOCK "Invalid password, cannot unlock any keyslot"

bool qemu_cannot_unlock(const char *words) {
        return strstr(words, CANNOT_UNLOCK) != NULL;
}

bool qemu_fail_passphrase(const Domain *domain, const xmlNode *disk, GError **error) {
        g_autofree char *target = xml_attribute(xml_child(disk, "target"), "dev"), *secret = guest_secret_of_disk(disk);
        return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                           "disk '%s': the value of %s is not the passphrase of its image (QEMU: " CANNOT_UNLOCK
                           "); set the right one: virtbusctl secret set-value",
                           target ? target : "", secret);
}

/* "Cannot load certificate 'FOLDER/server-cert.pem' & key 'FOLDER/server-key.pem': Decryption has failed." */
static char *folder_of_key(const char *words) {
        static const char before[] = " & key '", after[] = "': Decryption has failed";
        const char *begin = strstr(words, before), *end = begin ? strstr(begin, after) : NULL;
        if (!end)
                return NULL;
        begin += strlen(before);
        g_autofree char *path = g_strndup(begin, (gsize) (end - begin));
        return g_path_get_dirname(path);
}

bool qemu_cannot_open_key(const char *words) {
        g_autofree char *folder = folder_of_key(words);
        return folder != NULL;
}

bool qemu_fail_key(const Domain *domain, const char *words, GError **error) {
        g_autofree char *folder = folder_of_key(words);
        return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                           "the private key in %s has a password, which is not the value of the secret of usage tls:%s (QEMU: "
                           "Decryption has failed); set it: virtbusctl secret define, set-value",
                           folder, folder);
}

/* The running domain that has an image, DOMAIN itself included where another of its disks has it. */
static const Domain *find_holder(const Domain *domain, const char *alias, const char *path) {
        GHashTableIter iterator;
        void *value;
        g_hash_table_iter_init(&iterator, domain->connection->by_uuid);
        while (g_hash_table_iter_next(&iterator, NULL, &value)) {
                const Domain *other = value;
                const GPtrArray *devices = domain_is_active(other) || other == domain ? domain_definition(other)->devices : NULL;
                for (guint i = 0; devices && i < devices->len; i++) {
                        const DeviceDefinition *device = devices->pdata[i];
                        if (device->device_class == DEVICE_DISK && strcmp(device->source, path) == 0 &&
                            (other != domain || g_strcmp0(device->alias, alias) != 0))
                                return other;
                }
        }
        return NULL;
}

bool qemu_fail_locked(const Domain *domain, const char *alias, const char *target, const char *path, GError **error) {
        const Domain *holder = find_holder(domain, alias, path);
        g_autofree char *disk = target ? g_strdup_printf("disk '%s': its ", target) : g_strdup("");
        g_autofree char *who = holder == domain ? g_strdup("another of its disks")
                               : holder         ? g_strdup_printf("domain '%s'", domain_name(holder))
                                                : g_strdup("another process");
        return domain_fail(
                        domain, error, VIRTBUS_ERROR_RESOURCE_BUSY,
                        "%simage %s is in use by %s; end that first, or declare the disk <shareable/> or <readonly/> in all that "
                        "use it",
                        disk, path, who);
}

/* The image that cannot be locked, where QEMU was given but one, or one that somebody is known to have; NULL: which is not
 * known. */
static const char *find_locked(const Domain *domain, const CommandLine *line) {
        GHashTableIter iterator;
        void *path;
        g_hash_table_iter_init(&iterator, line->fd_sets);
        while (g_hash_table_iter_next(&iterator, NULL, &path))
                if (g_hash_table_size(line->fd_sets) == 1 || find_holder(domain, NULL, path))
                        return path;
        return NULL;
}

GError *qemu_error(const Domain *domain, const CommandLine *line, const GError *error) {
        GError *told = NULL;
        const char *path = error && line && qemu_cannot_lock(error->message) ? find_locked(domain, line) : NULL;
        g_autofree char *text = error ? qemu_words(line, error->message) : NULL;
        if (path)
                qemu_fail_locked(domain, NULL, NULL, path, &told);
        return path ? told : error ? g_error_new_literal(error->domain, error->code, text) : NULL;
}
