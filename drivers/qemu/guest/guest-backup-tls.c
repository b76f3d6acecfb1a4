/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/guest-backup-tls.h"

#include "qemu/command/build-tls.h"
#include "qemu/guest/guest-fetch.h"
#include "qemu/guest/guest-secrets.h"
#include "qemu/guest/isolation.h"

#define CREDENTIALS "obj" GUEST_BACKUP_SETS "_tls0"
#define PASSWORD GUEST_BACKUP_SETS "-tls-secret0"

struct GuestBackupTls {
        char *folder;
        GPtrArray *files; /* File: the password of the key */
        void (*done)(Guest *guest, const GError *error);
};

void guest_backup_tls_forget(GuestBackup *self) {
        struct GuestBackupTls *tls = g_steal_pointer(&self->tls);
        if (!tls)
                return;
        guest_fetch_forget(self->guest);
        isolation_drop(self->guest);
        g_ptr_array_unref(tls->files);
        g_free(tls->folder);
        g_free(tls);
}

static void on_shown(Guest *guest, const GError *error) {
        if (guest->backup && guest->backup->tls)
                guest->backup->tls->done(guest, error);
}

static void on_fetched(Guest *guest, const GError *error) {
        const struct GuestBackupTls *tls = guest->backup ? guest->backup->tls : NULL;
        if (tls && error)
                tls->done(guest, error);
        else if (tls)
                isolation_show_path(guest, tls->folder, on_shown);
}

void guest_backup_tls_prepare(Guest *guest, void (*done)(Guest *guest, const GError *error)) {
        static const FetchKind fetched[] = { { FILE_SECRET, guest_secrets_ask }, { 0, NULL } };
        GuestBackup *self = guest->backup;
        if (!self->definition->has_tls) {
                done(guest, NULL);
                return;
        }
        struct GuestBackupTls *tls = self->tls = g_new0(struct GuestBackupTls, 1);
        *tls = (struct GuestBackupTls){ build_tls_folder("backup"), g_ptr_array_new_with_free_func((GDestroyNotify) file_free),
                                        done };
        File *file = g_new0(File, 1);
        *file = (File){ .purpose = FILE_SECRET,
                        .path = g_strdup(tls->folder),
                        .rights = USER_RIGHTS_ALL,
                        .may_lack = true,
                        .fd = -1,
                        .whose = g_strdup("the backup's server"),
                        .alias = g_strdup(GUEST_BACKUP_SETS),
                        .usage = g_strdup("tls"),
                        .number = -1 };
        g_ptr_array_add(tls->files, file);
        guest_fetch(guest, tls->files, fetched, on_fetched);
}

static void add_object(Script *script, JsonObject *object, const char *id) {
        script_add_command(script, "object-add", object);
        script_undo_by(script, "object-del", json_make("id", 's', id, NULL));
}

const char *guest_backup_tls_add(GuestBackup *self, Script *script) {
        const struct GuestBackupTls *tls = self->tls;
        if (!tls)
                return NULL;
        int number = ((const File *) tls->files->pdata[0])->number;
        g_autofree char *password = g_strdup_printf("/proc/self/fd/%d", number);
        bool has_password = number >= 0;
        if (has_password)
                add_object(script, json_make("qom-type", 's', "secret", "id", 's', PASSWORD, "file", 's', password, NULL),
                           PASSWORD);
        add_object(script,
                   json_make("qom-type", 's', "tls-creds-x509", "id", 's', CREDENTIALS, "dir", 's', tls->folder, "endpoint", 's',
                             "server", "verify-peer", 'b', TRUE, "passwordid", 's', has_password ? PASSWORD : NULL, NULL),
                   CREDENTIALS);
        return CREDENTIALS;
}

void guest_backup_tls_remove(const GuestBackup *self, Script *script) {
        static const char *const ids[] = { CREDENTIALS, PASSWORD };
        for (size_t i = 0; self->definition->has_tls && i < G_N_ELEMENTS(ids); i++)
                script_add_command(script, "object-del", json_make("id", 's', ids[i], NULL));
}
