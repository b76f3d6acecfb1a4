/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/block-job.h"

#include <string.h>

static void job_free(void *data) {
        BlockJob *job = data;
        if (job->disk_job) {
                g_autoptr(GError) error = NULL;
                domain_fail(job->guest->domain, &error, VIRTBUS_ERROR_CANCELLED,
                            job->guest->domain->connection->closing
                                            ? "the driver is ending; QEMU works on, and the next driver has a job for it"
                                            : "it has ended");
                disk_job_end(job->disk_job, error);
        }
        char *strings[] = { job->id, job->alias, job->target, job->copy.type, job->copy.path, job->copy.format };
        for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
                g_free(strings[i]);
        g_clear_pointer(&job->before, g_ptr_array_unref);
        g_clear_error(&job->error);
        g_free(job);
}

BlockJob *block_job_keep(Guest *guest, const char *alias, const char *target, DiskJobKind kind) {
        BlockJob *job = g_new0(BlockJob, 1);
        *job = (BlockJob){ .guest = guest, .alias = g_strdup(alias), .target = g_strdup(target), .kind = kind };
        if (!guest->block_jobs)
                guest->block_jobs = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, job_free);
        g_hash_table_insert(guest->block_jobs, job->alias, job);
        return job;
}

void block_job_drop(BlockJob *job) {
        g_hash_table_remove(job->guest->block_jobs, job->alias);
}

/* In the status */

static void save_chain(xmlNode *element, const GPtrArray *chain) {
        for (guint i = 0; i < chain->len; i++) {
                const DiskImage *image = chain->pdata[i];
                xmlNode *node = xml_add(element, "image", image->path);
                xml_set_number(node, "index", image->index);
                xml_set_attribute(node, "type", image->type);
                xml_set_attribute(node, "format", image->format);
                xml_set_number(node, "found", image->is_found);
        }
}

static void save(const Guest *guest, xmlNode *saved) {
        GHashTableIter iterator;
        void *data;
        if (!guest->block_jobs)
                return;
        g_hash_table_iter_init(&iterator, guest->block_jobs);
        while (g_hash_table_iter_next(&iterator, NULL, &data)) {
                const BlockJob *job = data;
                xmlNode *element = xml_add(saved, "block-job", NULL);
                xml_set_attribute(element, "id", job->id);
                xml_set_attribute(element, "alias", job->alias);
                xml_set_attribute(element, "target", job->target);
                xml_set_attribute(element, "kind", disk_job_kind_name(job->kind));
                xml_set_number(element, "by", job->started_by);
                xml_set_number(element, "bandwidth", (int64_t) job->bandwidth);
                xml_set_number(element, "top", job->top);
                xml_set_number(element, "base", job->base);
                xml_set_number(element, "shallow", job->shallow);
                xml_set_number(element, "wish", job->wish);
                xml_set_number(element, "asked", job->is_asked);
                xml_set_number(element, "changed", job->is_changed);
                xml_set_number(element, "decided", job->stage == BLOCK_JOB_DECIDED);
                xml_set_number(element, "ended", job->stage == BLOCK_JOB_ENDS);
                if (job->error) {
                        xml_set_number(element, "error-code", job->error->code);
                        xml_set_attribute(element, "error", job->error->message);
                }
                if (job->kind == DISK_COPY) {
                        xml_set_number(element, "copy", job->copy.index);
                        xml_set_number(element, "made", job->is_made);
                        xml_set_attribute(element, "copy-type", job->copy.type);
                        xml_set_attribute(element, "copy-path", job->copy.path);
                        xml_set_attribute(element, "copy-format", job->copy.format);
                }
                save_chain(element, job->before);
        }
}

static uint64_t number(const xmlNode *element, const char *name, uint64_t max) {
        uint64_t value = 0;
        xml_number_attribute(element, name, 0, max, &value, NULL);
        return value;
}

static GPtrArray *load_chain(const xmlNode *element) {
        GPtrArray *chain = disk_chain_new();
        for (const xmlNode *node = xml_child(element, "image"); node; node = xml_next(node, "image")) {
                g_autofree char *path = xml_text(node), *type = xml_attribute(node, "type"),
                                *format = xml_attribute(node, "format");
                if (path && type && format)
                        disk_chain_add(chain, &(DiskImage){ (uint32_t) number(node, "index", UINT32_MAX), type, path, format,
                                                            number(node, "found", 1) > 0 });
        }
        return chain;
}

static void load(Guest *guest, xmlNode *saved) {
        for (const xmlNode *element = xml_child(saved, "block-job"); element; element = xml_next(element, "block-job")) {
                g_autofree char *id = xml_attribute(element, "id"), *alias = xml_attribute(element, "alias"),
                                *target = xml_attribute(element, "target"), *kind = xml_attribute(element, "kind");
                DiskJobKind known;
                g_autoptr(GPtrArray) before = load_chain(element);
                if (!id || !alias || !target || !disk_job_kind_from_name(kind, &known) || before->len == 0)
                        continue; /* damaged */
                BlockJob *job = block_job_keep(guest, alias, target, known);
                job->id = g_steal_pointer(&id);
                job->started_by = (uid_t) number(element, "by", UINT32_MAX);
                job->bandwidth = number(element, "bandwidth", INT64_MAX);
                job->top = (uint32_t) number(element, "top", UINT32_MAX);
                job->base = (uint32_t) number(element, "base", UINT32_MAX);
                job->shallow = number(element, "shallow", 1) > 0;
                job->wish = (BlockJobWish) number(element, "wish", WISH_CANCEL);
                job->is_made = number(element, "made", 1) > 0;
                job->is_asked = number(element, "asked", 1) > 0;
                job->is_changed = number(element, "changed", 1) > 0;
                job->stage = number(element, "decided", 1) > 0 ? BLOCK_JOB_DECIDED : BLOCK_JOB_RUNS;
                if (number(element, "ended", 1) > 0)
                        job->stage = BLOCK_JOB_ENDS;
                g_autofree char *error = xml_attribute(element, "error");
                if (error)
                        job->error = g_error_new_literal(VIRTBUS_ERROR, (int) number(element, "error-code", INT32_MAX), error);
                job->copy = (DiskImage){ (uint32_t) number(element, "copy", UINT32_MAX), xml_attribute(element, "copy-type"),
                                         xml_attribute(element, "copy-path"), xml_attribute(element, "copy-format"), false };
                job->before = g_steal_pointer(&before);
        }
}

static void forget(Guest *guest) {
        g_clear_pointer(&guest->block_jobs, g_hash_table_unref);
}

const GuestModule block_job_module = {
        .save = save,
        .load = load,
        .forget = forget,
};
