/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/block-job-begin.h"

#include <string.h>

#include "bus.h"
#include "domain/domain-status.h"
#include "domain/operations/block-job.h"
#include "qemu/guest/block-job-files.h"
#include "qemu/guest/block-job-follow.h"
#include "qemu/guest/nodes.h"
#include "qemu/guest/plugging.h"

/* What a worker still opens is given up when it is open; of what QEMU may have heard the next driver hears from QEMU. */
static void forget(Guest *guest) {
        BlockOpening *opening = g_steal_pointer(&guest->block_opening);
        g_clear_pointer(&guest->block_ask, g_free);
        if (!opening)
                return;
        opening->guest = NULL;
        if (guest->block_jobs && g_hash_table_contains(guest->block_jobs, opening->alias))
                block_job_files_free(opening);
        else if (opening->is_open)
                block_job_files_give_up(opening);
}

/* Who has asked for it, while that is at work. */
typedef struct BlockAsk {
        const Operation *operation;
        const DiskJobRequest *request;
        BlockJobBegun begun;
        BlockJobEnded ended;
} BlockAsk;

static BlockAsk *ask_of(const Guest *guest) {
        BlockAsk *ask = guest->block_ask;
        return ask && ask->operation == guest->domain->operation ? ask : NULL;
}

static void tell(Guest *guest, const DiskJob *job, const GError *error) {
        g_autofree BlockAsk *ask = ask_of(guest) ? g_steal_pointer(&guest->block_ask) : NULL;
        if (ask)
                ask->begun(guest, job, error);
}

/* QEMU is told */

static void on_begun(void *data, const GError *failure) {
        BlockJob *job = data;
        Guest *guest = job->guest;
        Domain *domain = guest->domain;
        BlockOpening *opening = g_steal_pointer(&guest->block_opening);
        g_autoptr(GError) error = NULL;
        if (failure) {
                bool is_stuck = domain->state == DOMAIN_PAUSED && strstr(failure->message, "\" lock");
                domain_fail(domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "the %s of disk '%s' cannot begin: %.512s%s",
                            disk_job_kind_name(job->kind), job->target, failure->message,
                            is_stuck ? ". Of a paused guest QEMU keeps images locked that another job has used: resume it first"
                                     : "");
                for (guint i = 0; i < opening->written->len; i++)
                        nodes_remember_read_only(guest, job->alias, ((Written *) opening->written->pdata[i])->index);
                if (job->kind == DISK_COPY)
                        nodes_forget_image(guest, job->alias, job->copy.index);
                if (guest->monitor && monitor_is_there(guest->monitor))
                        nodes_sweep(guest, job->alias, NULL, NULL);
                block_job_files_give_up(opening);
                block_job_drop(job);
                domain_save_status(domain);
                tell(guest, NULL, error);
                return;
        }
        block_job_files_free(opening);
        job->stage = BLOCK_JOB_RUNS;
        job->disk_job = disk_job_new(domain, job->alias, job->target, job->kind, job->started_by, job->bandwidth, job);
        domain_save_status(domain);
        tell(guest, job->disk_job, NULL);
        block_job_follow(guest);
}

static JsonObject *job_arguments(const BlockJob *job) {
        return json_make("job-id", 's', job->id, "auto-finalize", 'b', FALSE, "auto-dismiss", 'b', FALSE, "speed", 'i',
                         (gint64) job->bandwidth, NULL);
}

/* The nodes of a copy are opened as those of the disk. */
static void add_copy(Guest *guest, Script *script, const BlockJob *job, BlockOpening *opening, unsigned set) {
        const NewNode new = {
                .alias = job->alias,
                .format = job->copy.format,
                .index = job->copy.index,
                .like = ((const DiskImage *) job->before->pdata[0])->index,
                .below = job->shallow && job->before->len > 1 ? ((const DiskImage *) job->before->pdata[1])->index : 0,
                .is_device = opening->is_device,
                .set = set,
                .fd = steal_fd(&opening->fd),
        };
        nodes_open(guest, script, &new);
}

static void add_job(Script *script, const BlockJob *job, const DiskJobRequest *request, const BlockOpening *opening) {
        const DiskImage *top = job->before->pdata[0];
        g_autofree char *device = nodes_name(job->alias, top->index, "format"),
                        *top_node = nodes_name(job->alias, job->top, "format"),
                        *base_node = job->base ? nodes_name(job->alias, job->base, "format") : NULL;
        JsonObject *arguments = job_arguments(job);
        json_add(arguments, "device", 's', device, NULL);
        if (job->kind == DISK_COPY) {
                g_autofree char *target = nodes_name(job->alias, job->copy.index, "format");
                json_add(arguments, "target", 's', target, "sync", 's', request->shallow ? "top" : "full", "copy-mode", 's',
                         request->synchronous ? "write-blocking" : "background", NULL);
                if (request->granularity > 0)
                        json_add(arguments, "granularity", 'i', (gint64) request->granularity, NULL);
                if (request->buffer > 0)
                        json_add(arguments, "buf-size", 'i', (gint64) request->buffer, NULL);
                script_add_command(script, "blockdev-mirror", arguments);
                return;
        }
        /* What a header names is said here: QEMU itself knows images by its descriptors alone. */
        if (job->kind == DISK_PULL)
                json_add(arguments, "base-node", 's', base_node, "backing-file", 's', opening->named, NULL);
        else {
                json_add(arguments, "base-node", 's', base_node, NULL);
                if (job->kind == DISK_COMMIT)
                        json_add(arguments, "top-node", 's', top_node, "backing-file", 's', opening->named, NULL);
        }
        script_add_command(script, job->kind == DISK_PULL ? "block-stream" : "block-commit", arguments);
}

static void fail(Guest *guest, const GError *error) {
        BlockOpening *opening = g_steal_pointer(&guest->block_opening);
        block_job_files_give_up(opening);
        tell(guest, NULL, error);
}

/* What is opened is what QEMU has open. */
static bool check_files(const Guest *guest, const BlockOpening *opening, GError **error) {
        for (guint i = 0; i < opening->written->len; i++) {
                const Written *written = opening->written->pdata[i];
                if (!nodes_is_file(guest, opening->alias, written->index, written->fd))
                        return domain_fail(guest->domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                                           "%s is another file than the one that the guest uses: it was replaced meanwhile",
                                           written->path);
        }
        return true;
}

static void on_sets_known(void *data, JsonObject *answer, const GError *failure) {
        Guest *guest = data;
        BlockOpening *opening = guest->block_opening;
        const BlockAsk *ask = ask_of(guest);
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        if (!opening)
                return;
        const DiskJobRequest *request = ask ? ask->request : NULL;
        const DeviceDefinition *disk = definition_find_device(guest->domain->live, opening->alias);
        if (!error && (!request || !disk || !disk->images))
                domain_fail(guest->domain, &error, VIRTBUS_ERROR_OPERATION_INVALID, "the disk is gone already");
        if (error || !check_files(guest, opening, &error)) {
                fail(guest, error);
                return;
        }
        BlockJob *job = block_job_keep(guest, opening->alias, request->target, opening->kind);
        job->id = g_strdup_printf("virtbus-%s-%s-%u", disk_job_kind_name(job->kind), request->target, g_random_int());
        job->started_by = request->started_by;
        job->bandwidth = request->bandwidth;
        job->top = opening->top;
        job->base = opening->base;
        job->shallow = request->shallow;
        job->wish = request->pivots ? WISH_PIVOT : WISH_NOTHING;
        job->before = g_ptr_array_ref(disk->images);
        job->is_made = opening->is_made;
        job->ended = ask->ended;
        if (job->kind == DISK_COPY)
                job->copy = (DiskImage){ nodes_new_index(guest, opening->alias), g_strdup(opening->is_device ? "block" : "file"),
                                         g_strdup(opening->path), g_strdup(opening->format), false };
        Script *script = guest_script_new(guest);
        for (guint i = 0; i < opening->written->len; i++) {
                Written *written = opening->written->pdata[i];
                nodes_make_writable(guest, script, job->alias, written->index, written->below, steal_fd(&written->fd));
        }
        if (job->kind == DISK_COPY)
                add_copy(guest, script, job, opening, plugging_last_fdset(answer) + 1);
        add_job(script, job, request, opening);
        /* Whoever follows this driver knows of it before QEMU does. */
        if (domain_save_status(guest->domain)) {
                script_run(script, on_begun, job);
                return;
        }
        g_hash_table_remove(guest->scripts, script);
        domain_fail(guest->domain, &error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "the job cannot be written down in %s: make space there",
                    guest->domain->connection->runtime_directory);
        on_begun(job, error);
}

static void on_opened(BlockOpening *opening, const GError *failure) {
        Guest *guest = opening->guest;
        g_autoptr(GError) error = NULL;
        if (failure)
                opening->is_made = false; /* the worker has removed it */
        if (!guest) {
                block_job_files_give_up(opening);
                return;
        }
        if (failure)
                domain_fail(guest->domain, &error, virtbus_error_code(failure), "%s", failure->message);
        else
                guest_check_monitor(guest->domain, &error);
        if (error)
                fail(guest, error);
        else
                monitor_command(guest->monitor, "query-fdsets", NULL, -1, on_sets_known, guest);
}

/* What is asked for */

static const DiskImage *resolve(const Domain *domain, const DeviceDefinition *disk, const char *name, const DiskImage *otherwise,
                                GError **error) {
        const DiskImage *image = name && *name ? disk_chain_find(disk->images, disk->target, name) : otherwise;
        if (!image)
                domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                            "disk '%s' has no image '%.200s'; Chain lists those it has", disk->target, name ? name : "");
        return image;
}

static void add_written(BlockOpening *opening, const Guest *guest, const GPtrArray *chain, int place) {
        const DiskImage *image = chain->pdata[place], *above = place > 0 ? chain->pdata[place - 1] : NULL,
                        *below = place + 1 < (int) chain->len ? chain->pdata[place + 1] : NULL;
        if (place == 0 || nodes_is_writable(guest, opening->alias, image->index))
                return;
        bool is_lured = image->is_found && guest->domain->connection->privileged;
        block_job_files_add(opening, image->index, below ? below->index : 0, image->path, is_lured ? above->path : NULL);
}

static void set_header(BlockOpening *opening, const DiskImage *image, const DiskImage *below) {
        opening->header = g_strdup(image->path);
        opening->below = g_strdup(below->path);
        opening->below_format = g_strdup(below->format);
}

static bool plan_commit(BlockOpening *opening, const Guest *guest, const DeviceDefinition *disk, const DiskJobRequest *request,
                        GError **error) {
        const GPtrArray *chain = disk->images;
        const DiskImage *top = resolve(guest->domain, disk, request->top, chain->pdata[0], error);
        if (!top)
                return false;
        int at = disk_chain_place(chain, top->index);
        guint next = request->shallow ? (guint) at + 1 : chain->len - 1;
        if (at + 1 >= (int) chain->len)
                return domain_fail(guest->domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                                   "disk '%s': there is no image below %s to be written", disk->target, top->path);
        const DiskImage *base = resolve(guest->domain, disk, request->base, chain->pdata[next], error);
        if (!base)
                return false;
        int end = disk_chain_place(chain, base->index);
        if (end <= at)
                return domain_fail(guest->domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT, "disk '%s': %s is not below %s",
                                   disk->target, base->path, top->path);
        opening->top = top->index;
        opening->base = base->index;
        opening->kind = at == 0 ? DISK_ACTIVE_COMMIT : DISK_COMMIT;
        if (opening->kind == DISK_COMMIT && request->pivots)
                return domain_fail(guest->domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                   "disk '%s': %s is not the image that the guest writes: there is nothing to pivot",
                                   disk->target, top->path);
        add_written(opening, guest, chain, end);
        if (at > 0) {
                add_written(opening, guest, chain, at - 1);
                set_header(opening, chain->pdata[at - 1], base);
        }
        return true;
}

static bool plan_pull(BlockOpening *opening, const Guest *guest, const DeviceDefinition *disk, const DiskJobRequest *request,
                      GError **error) {
        const GPtrArray *chain = disk->images;
        const DiskImage *top = chain->pdata[0];
        if (chain->len == 1)
                return domain_fail(guest->domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                                   "disk '%s': there is no image below %s to pull from", disk->target, top->path);
        const DiskImage *base = *request->base ? resolve(guest->domain, disk, request->base, NULL, error) : NULL;
        if (*request->base && !base)
                return false;
        if (base == top)
                return domain_fail(guest->domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT, "disk '%s': %s is not below itself",
                                   disk->target, base->path);
        opening->top = top->index;
        opening->base = base ? base->index : 0;
        if (base)
                set_header(opening, top, base);
        return true;
}

static bool plan_copy(BlockOpening *opening, const Guest *guest, const DeviceDefinition *disk, const DiskJobRequest *request,
                      GError **error) {
        const GPtrArray *chain = disk->images;
        const DiskImage *top = chain->pdata[0];
        g_autoptr(JsonObject) options = nodes_options(guest, disk->alias, top->index, "format");
        if (json_object_has_member(options, "encrypt") || json_object_has_member(options, "key-secret") ||
            json_object_has_member(options, "offset"))
                return domain_fail(guest->domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                                   "disk '%s' is encrypted, or a part of a file: it cannot be copied while it is used: end the "
                                   "domain, and copy it then",
                                   disk->target);
        if (nodes_new_index(guest, disk->alias) == 0)
                return domain_fail(guest->domain, error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "disk '%s' has too many images",
                                   disk->target);
        opening->top = top->index;
        opening->path = g_strdup(request->path);
        opening->format = g_strdup(request->format);
        opening->source = g_strdup(top->path);
        opening->source_format = g_strdup(top->format);
        opening->reuse = request->reuse;
        if (request->shallow && chain->len > 1)
                set_header(opening, top, chain->pdata[1]);
        return true;
}

static bool check_disk(const Guest *guest, const DeviceDefinition *disk, const DiskJobRequest *request, GError **error) {
        const Domain *domain = guest->domain;
        if (!disk)
                return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID, "disk '%s' is gone already", request->target);
        if (strcmp(disk->type, "disk") != 0)
                return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                                   "'%s' is a %s: jobs work on the images of disks", disk->target, disk->type);
        if (disk->read_only && request->kind != DISK_COPY)
                return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID, "disk '%s' is read-only", disk->target);
        if (!disk->images)
                return domain_fail(
                                domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                                "disk '%s' has an image that is neither a file nor a block device, or was opened by an earlier "
                                "version of this driver; no job can work on it until the domain is started anew",
                                disk->target);
        for (guint i = 0; i < disk->images->len; i++) {
                const DiskImage *image = disk->images->pdata[i];
                g_autofree char *filter = nodes_name(disk->alias, 1, "cor");
                if (!nodes_is_known(guest, disk->alias, image->index) || nodes_has(guest, filter))
                        return domain_fail(
                                        domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                                        "disk '%s' copies what it reads, or how its images were opened is not known: no job can "
                                        "work on it",
                                        disk->target);
        }
        return true;
}

void block_job_ask(Guest *guest, const DiskJobRequest *request, BlockJobBegun begun, BlockJobEnded ended) {
        static bool (*const plans[])(BlockOpening *, const Guest *, const DeviceDefinition *, const DiskJobRequest *,
                                     GError **) = {
                [DISK_COMMIT] = plan_commit,
                [DISK_ACTIVE_COMMIT] = plan_commit,
                [DISK_PULL] = plan_pull,
                [DISK_COPY] = plan_copy,
        };
        Domain *domain = guest->domain;
        const DeviceDefinition *disk = definition_find_device(domain->live, request->alias);
        g_autoptr(GError) error = NULL;
        g_autoptr(BlockOpening) opening = block_job_files_new(guest, request->kind, request->alias);
        opening->opened = on_opened;
        if (!guest_check_monitor(domain, &error) || !check_disk(guest, disk, request, &error) ||
            !plans[request->kind](opening, guest, disk, request, &error)) {
                begun(guest, NULL, error);
                return;
        }
        g_free(guest->block_ask);
        guest->block_ask = g_new(BlockAsk, 1);
        *guest->block_ask = (BlockAsk){ domain->operation, request, begun, ended };
        guest->block_opening = opening;
        block_job_files_open(domain, g_steal_pointer(&opening));
}

void block_job_unask(Guest *guest) {
        g_clear_pointer(&guest->block_ask, g_free);
}

static void on_operation_begun(Guest *guest, const DiskJob *job, const GError *error) {
        if (error)
                operation_finish(guest->domain->operation, error);
        else
                block_job_begun(guest->domain->operation, job);
}

void block_job_begin(Operation *operation) {
        block_job_ask(operation->domain->run, block_job_request(operation), on_operation_begun, NULL);
}

const GuestModule block_job_begin_module = {
        .forget = forget,
};
