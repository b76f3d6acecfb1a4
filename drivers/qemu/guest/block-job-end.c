/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/block-job-end.h"

#include <string.h>

#include "domain/connection.h"
#include "domain/domain-status.h"
#include "domain/images-change.h"
#include "log.h"
#include "qemu/guest/collect.h"
#include "qemu/guest/nodes.h"

static GPtrArray *images_after(const BlockJob *job, const GPtrArray *chain) {
        GPtrArray *after = disk_chain_new();
        int top = disk_chain_place(chain, job->top), base = job->base ? disk_chain_place(chain, job->base) : -1;
        bool copies = job->kind == DISK_COPY;
        if (copies)
                disk_chain_add(after, &job->copy);
        for (int i = 0; i < (int) chain->len; i++) {
                bool stays = job->kind == DISK_ACTIVE_COMMIT ? i >= base
                             : job->kind == DISK_COMMIT      ? i < top || i >= base
                             : copies                        ? i > 0 && job->shallow
                                                             : i == 0 || (base >= 0 && i >= base);
                if (stays)
                        disk_chain_add(after, chain->pdata[i]);
        }
        if (after->len > 0)
                ((DiskImage *) after->pdata[0])->is_found = false; /* its document names the first one */
        return after;
}

/* What the images are is being written. The job, and the guest, may end meanwhile. */
typedef struct Writing {
        Domain *domain;
        char *alias, *target, *id;
        BlockJobWritten done; /* NULL: what was written is taken back, and nobody waits */
} Writing;

static BlockJob *job_of(const Writing *writing) {
        const Guest *guest = writing->domain->run;
        BlockJob *job = guest && guest->block_jobs ? g_hash_table_lookup(guest->block_jobs, writing->alias) : NULL;
        return job && strcmp(job->id, writing->id) == 0 ? job : NULL;
}

static void on_defined(void *data, const ImagesChange *change, const GError *failure) {
        Writing *writing = data;
        BlockJob *job = job_of(writing);
        Domain *domain = writing->domain;
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        bool fine = !error && job && images_change_run(change, false, &error);
        if (!writing->done) {
                if (error)
                        log_error("domain '%s': its document says other images of disk '%s' than it has: %s", domain_name(domain),
                                  writing->target, error->message);
                if (job)
                        domain_save_status(domain);
        } else if (fine) {
                job->is_changed = true;
                job->stage = BLOCK_JOB_DECIDED;
                if (!domain_save_status(domain)) { /* the next driver would not know which images there are */
                        domain_fail(domain, &error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                                    "what becomes of disk '%s' cannot be written down in %s: make space there", writing->target,
                                    domain->connection->runtime_directory);
                        images_change_run(change, true, NULL);
                }
        }
        if (job && writing->done)
                writing->done(job, error);
        g_free(writing->alias);
        g_free(writing->target);
        g_free(writing->id);
        domain_unref(domain);
        g_free(writing);
}

static void write_chain(const BlockJob *job, GPtrArray *from, GPtrArray *chain, BlockJobWritten done) {
        Domain *domain = job->guest->domain;
        ImagesChange *change = images_change_new(domain);
        Writing *writing = g_new0(Writing, 1);
        *writing = (Writing){
                .domain = domain_ref(domain),
                .alias = g_strdup(job->alias),
                .target = g_strdup(job->target),
                .id = g_strdup(job->id),
                .done = done,
        };
        images_change_add(change, job->alias, job->target, from, chain);
        images_change_define(change, on_defined, writing);
}

void block_job_end_write(BlockJob *job, BlockJobWritten done) {
        g_autoptr(GPtrArray) after = images_after(job, job->before);
        if (after->len > 0) {
                write_chain(job, job->before, after, done);
                return;
        }
        g_autoptr(GError) error = NULL;
        domain_fail(job->guest->domain, &error, VIRTBUS_ERROR_OPERATION_INVALID, "the status of the job is damaged");
        done(job, error);
}

/* The end */

/* The images that it has no more: their nodes go, from the top. */
static void remove_images(Guest *guest, Script *script, const char *alias, const GPtrArray *images, const GPtrArray *chain) {
        static const char *const whats[] = { "format", "slice", "storage" };
        for (guint i = 0; i < images->len; i++) {
                const DiskImage *image = images->pdata[i];
                if (image->index == 0 || disk_chain_place(chain, image->index) >= 0)
                        continue;
                for (size_t k = 0; k < G_N_ELEMENTS(whats); k++) {
                        g_autofree char *name = nodes_name(alias, image->index, whats[k]);
                        if (!nodes_has(guest, name))
                                continue;
                        script_add_command(script, "blockdev-del", json_make("node-name", 's', name, NULL));
                        nodes_forget(guest, name);
                }
        }
}

static void on_narrowed(void *data, const GError *unused) {
        (void) unused;
        domain_save_status(((const Guest *) data)->domain);
}

/* Those that the guest does not write are only read again. */
static void narrow_images(Guest *guest, Script *script, const char *alias, const GPtrArray *chain) {
        for (guint i = 1; i < chain->len; i++) {
                const DiskImage *image = chain->pdata[i], *below = i + 1 < chain->len ? chain->pdata[i + 1] : NULL;
                if (nodes_can_be_narrowed(guest, alias, image->index))
                        nodes_make_read_only(guest, script, alias, image->index, below ? below->index : 0);
        }
}

/* What was put off while the guest was paused. */
void block_job_end_narrow(Guest *guest) {
        const GPtrArray *devices = guest->domain->live->devices;
        for (guint i = 0; i < devices->len; i++) {
                const DeviceDefinition *disk = devices->pdata[i];
                bool is_wide = false;
                for (guint k = 1; disk->images && k < disk->images->len; k++)
                        is_wide |= nodes_can_be_narrowed(guest, disk->alias, ((const DiskImage *) disk->images->pdata[k])->index);
                if (!is_wide || disk_job_find(guest->domain, disk->alias))
                        continue;
                Script *script = guest_script_new(guest);
                script_ignore_errors(script);
                narrow_images(guest, script, disk->alias, disk->images);
                script_run(script, on_narrowed, guest);
                nodes_sweep(guest, disk->alias, NULL, NULL); /* QEMU takes it after that */
        }
}

static void on_swept(void *data) {
        BlockJob *job = data;
        Guest *guest = job->guest;
        DiskJob *disk_job = g_steal_pointer(&job->disk_job);
        g_autoptr(GError) error = g_steal_pointer(&job->error);
        BlockJobEnded ended = job->ended;
        guest->sizes_asked = 0;
        collect_forget(guest);
        block_job_drop(job);
        domain_save_status(guest->domain);
        disk_job_end(disk_job, error);
        if (ended)
                ended(guest, error);
}

static void on_cleaned(void *data, const GError *unused) {
        BlockJob *job = data;
        (void) unused;
        if (job->guest->monitor && monitor_is_there(job->guest->monitor))
                nodes_sweep(job->guest, job->alias, on_swept, job);
        else
                on_swept(job);
}

void block_job_end(BlockJob *job, const GError *failure) {
        Guest *guest = job->guest;
        const DeviceDefinition *disk = definition_find_device(guest->domain->live, job->alias);
        g_autoptr(GPtrArray) after = images_after(job, job->before), copies = disk_chain_new();
        const GPtrArray *chain = failure || !job->is_changed ? job->before : after;
        Script *script = guest_script_new(guest);
        GError *error = failure ? g_error_copy(failure) : NULL;
        job->stage = BLOCK_JOB_ENDS;
        g_clear_error(&job->error);
        job->error = error;
        /* It is known of only once when QEMU has forgotten it: a successor of this driver goes on from here. */
        domain_save_status(guest->domain);
        if (failure && job->is_changed) /* QEMU could not do the last step */
                write_chain(job, after, job->before, NULL);
        script_ignore_errors(script);
        script_add_command(script, "job-dismiss", json_make("id", 's', job->id, NULL));
        if (job->kind == DISK_COPY)
                disk_chain_add(copies, &job->copy);
        remove_images(guest, script, job->alias, copies, chain);
        remove_images(guest, script, job->alias, job->before, chain);
        /* In a guest that is paused QEMU would keep the descriptor that writes, and with it a lock against itself. */
        if (disk && guest->domain->state == DOMAIN_RUNNING)
                narrow_images(guest, script, job->alias, chain);
        script_run(script, on_cleaned, job);
}
