/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/guest-backup-tls.h"

#include "qemu/command/build-tls.h"
#include "qemu/command/files-plan.h"
#include "qemu/guest/guest-fetch.h"
#include "qemu/guest/guest-secrets.h"
#include "qemu/guest/isolation.h"

struct GuestBackupTls {
        GPtrArray *files; /* File: the password of the key, named by the folder */
        void (*done)(Guest *guest, const GError *error);
};

static const File *password_of(const struct GuestBackupTls *tls) {
        return tls->files->pdata[0];
}

void guest_backup_tls_forget(GuestBackup *self) {
        struct GuestBackupTls *tls = g_steal_pointer(&self->tls);
        if (!tls)
                return;
        guest_fetch_forget(self->guest);
        isolation_drop(self->guest);
        g_ptr_array_unref(tls->files);
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
                isolation_show_path(guest, password_of(tls)->path, on_shown);
}

void guest_backup_tls_prepare(Guest *guest, void (*done)(Guest *guest, const GError *error)) {
        static const FetchKind fetched[] = { { FILE_SECRET, guest_secrets_ask }, { 0, NULL } };
        GuestBackup *self = guest->backup;
        if (!self->definition->has_tls) {
                done(guest, NULL);
                return;
        }
        struct GuestBackupTls *tls = self->tls = g_new0(struct GuestBackupTls, 1);
        *tls = (struct GuestBackupTls){ g_ptr_array_new_with_free_func((GDestroyNotify) file_free), done };
        File *file = files_plan_tls(tls->files, NULL, "backup");
        file->whose = g_strdup("the backup's server");
        file->alias = g_strdup(GUEST_BACKUP_SETS);
        guest_fetch(guest, tls->files, fetched, on_fetched);
}

char *guest_backup_tls_add(GuestBackup *self, Script *script) {
        const struct GuestBackupTls *tls = self->tls;
        if (!tls)
                return NULL;
        const File *file = password_of(tls);
        g_autofree char *id = build_tls_object_id(GUEST_BACKUP_SETS), *secret = build_tls_secret_id(GUEST_BACKUP_SETS),
                        *password = g_strdup_printf("/proc/self/fd/%d", file->number);
        bool has_secret = file->number >= 0;
        if (has_secret)
                script_add_command(script, "object-add",
                                   json_make("qom-type", 's', "secret", "id", 's', secret, "file", 's', password, NULL));
        script_add_command(script, "object-add", build_tls_credentials(id, file->path, true, has_secret ? secret : NULL));
        return g_steal_pointer(&id);
}

void guest_backup_tls_remove(const GuestBackup *self, Script *script) {
        g_autofree char *id = build_tls_object_id(GUEST_BACKUP_SETS), *secret = build_tls_secret_id(GUEST_BACKUP_SETS);
        const char *const ids[] = { id, secret };
        for (size_t i = 0; self->definition->has_tls && i < G_N_ELEMENTS(ids); i++)
                script_add_command(script, "object-del", json_make("id", 's', ids[i], NULL));
}
