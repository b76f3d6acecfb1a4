/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jobs on the images of disks, and thresholds. */

#include <string.h>

#include "calls.h"
#include "documents.h"
#include "jobs.h"
#include "rows.h"
#include "usage.h"

#define IMAGE INTERFACE("Device.Disk.Image")
#define JOB INTERFACE("Job")
#define JOB_DISK INTERFACE("Job.Disk")
#define PROPERTIES "org.freedesktop.DBus.Properties"
#define MIB ((uint64_t) 1024 * 1024)

/* Bits of flags that the calls look at themselves. */
#define ABORT_ASYNC 1
#define ABORT_PIVOT 2
#define INFO_BYTES 1
#define SPEED_BYTES 1
#define REBASE_COPY_RAW 4
#define REBASE_COPY 8
#define REBASE_COPY_DEVICE 32
#define REBASE_BYTES 64
#define COMMIT_ACTIVE 4
#define COMMIT_BYTES 16

static const FlagOption abort_flags[] = { { ABORT_ASYNC, NULL }, { ABORT_PIVOT, NULL }, {} };
static const FlagOption info_flags[] = { { INFO_BYTES, NULL }, {} };
static const FlagOption pull_flags[] = { { REBASE_BYTES, NULL }, {} };
/* What a header names stays relative where it was (16). */
static const FlagOption rebase_flags[] = { { 1, "shallow" },          { 2, "reuse" },
                                           { REBASE_COPY_RAW, NULL }, { REBASE_COPY, NULL },
                                           FLAG_IS_ALWAYS_SO(16),     { REBASE_COPY_DEVICE, NULL },
                                           { REBASE_BYTES, NULL },    {} };
static const FlagOption commit_flags[] = {
        { 1, "shallow" }, { COMMIT_ACTIVE, NULL }, FLAG_IS_ALWAYS_SO(8), { COMMIT_BYTES, NULL }, {}
};
/* A job ends with the guest (4). */
static const FlagOption copy_flags[] = { { 1, "shallow" }, { 2, "reuse" }, FLAG_IS_ALWAYS_SO(4), { 8, "synchronous" }, {} };

/* What a call is about. */
typedef struct Block {
        char *disk, *source, *target, *format; /* the disk's object; its image, name and format */
        char *job;                             /* its job's; NULL: none */
        GVariant *of_job;
        void (*go_on)(Call *call);
} Block;

static void block_free(void *data) {
        Block *block = data;
        g_free(block->disk);
        g_free(block->source);
        g_free(block->target);
        g_free(block->format);
        g_free(block->job);
        if (block->of_job)
                g_variant_unref(block->of_job);
        g_free(block);
}

static Block *block_of(const Call *call) {
        return call->state;
}

/* The disk that the second argument names: by its target, with an index or without, or by its image. */
static void on_objects(Call *call, GVariant *reply) {
        g_autoptr(GVariant) objects = g_variant_get_child_value(reply, 0);
        g_autoptr(GPtrArray) disks = usage_disks(objects);
        const char *name = call_string(call, 1), *job = "/", *format = "";
        g_autofree char *target = g_strndup(name, name[0] == '/' ? strlen(name) : strcspn(name, "["));
        const UsageDevice *disk = usage_find(disks, target);
        Block *block = block_of(call);
        g_autoptr(GVariant) interfaces = disk ? g_variant_lookup_value(objects, disk->path, NULL) : NULL,
                            image = interfaces ? g_variant_lookup_value(interfaces, IMAGE, NULL) : NULL,
                            properties = interfaces ? g_variant_lookup_value(interfaces, INTERFACE("Device.Disk"), NULL) : NULL;
        if (!disk) {
                call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: disk '%s' was not found in the domain config", target);
                return;
        }
        if (!image || !properties) {
                call_refuse(call, LIBVIRT_NO_SUPPORT, "this function is not supported by the connection driver: block jobs");
                return;
        }
        g_variant_lookup(image, "Job", "&o", &job);
        g_variant_lookup(properties, "Format", "&s", &format);
        block->disk = g_strdup(disk->path);
        block->source = g_strdup(disk->source);
        block->target = g_strdup(disk->name);
        block->format = g_strdup(format);
        block->job = strcmp(job, "/") == 0 ? NULL : g_strdup(job);
        block->go_on(call);
}

static void on_active(Call *call, GVariant *properties) {
        (void) properties;
        row_objects(call, on_objects);
}

static void find_disk(Call *call, void (*go_on)(Call *call)) {
        Block *block = g_new0(Block, 1);
        block->go_on = go_on;
        call->state = block;
        call->free_state = block_free;
        row_if_active(call, on_active);
}

/* A bandwidth in bytes; false, with the call refused, where it is too much. */
static bool read_bandwidth(Call *call, size_t place, uint32_t in_bytes, uint64_t *bytes) {
        g_variant_get_child(call->arguments, place, "t", bytes);
        uint64_t unit = call->flags & in_bytes ? 1 : MIB;
        if (*bytes > INT64_MAX / unit) {
                call_refuse(call, LIBVIRT_OVERFLOW, "bandwidth must be less than %" G_GUINT64_FORMAT, INT64_MAX / unit);
                return false;
        }
        *bytes *= unit;
        return true;
}

/* The flags' options, and a bandwidth unless that is 0; floating. */
static GVariantDict *options_new(Call *call, uint64_t bandwidth) {
        g_autoptr(GVariant) flags = g_variant_ref_sink(call_options(call));
        GVariantDict *options = g_variant_dict_new(flags);
        if (bandwidth > 0)
                g_variant_dict_insert(options, "bandwidth", "t", bandwidth);
        return options;
}

static GVariant *options_end(GVariantDict *options) {
        GVariant *value = g_variant_dict_end(options);
        g_variant_dict_unref(options);
        return value;
}

static void begin(Call *call, const char *member, GVariant *arguments) {
        call_ask(call, block_of(call)->disk, IMAGE, member, arguments, "(o)", step_answer_nothing);
}

/* Beginning */

static void do_pull(Call *call) {
        uint64_t bandwidth;
        if (read_bandwidth(call, 2, REBASE_BYTES, &bandwidth))
                begin(call, "Pull", g_variant_new("(s@a{sv})", "", options_end(options_new(call, bandwidth))));
}

static void pull(Call *call) {
        find_disk(call, do_pull);
}

static void do_rebase(Call *call) {
        uint64_t bandwidth;
        const char *base = call_optional(call, 2);
        bool copies = (call->flags & REBASE_COPY) != 0;
        if (!copies && call->flags & (1 | 2 | REBASE_COPY_RAW | REBASE_COPY_DEVICE)) {
                call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: these flags need VIR_DOMAIN_BLOCK_REBASE_COPY");
                return;
        }
        if (copies && !base) {
                call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: base of a copy must not be NULL");
                return;
        }
        if (!read_bandwidth(call, 3, REBASE_BYTES, &bandwidth))
                return;
        GVariant *options = options_end(options_new(call, bandwidth));
        if (copies)
                begin(call, "Copy",
                      g_variant_new("(ss@a{sv})", base, call->flags & REBASE_COPY_RAW ? "raw" : block_of(call)->format, options));
        else
                begin(call, "Pull", g_variant_new("(s@a{sv})", base ? base : "", options));
}

static void rebase(Call *call) {
        find_disk(call, do_rebase);
}

static void do_commit(Call *call) {
        uint64_t bandwidth;
        const Block *block = block_of(call);
        const char *base = call_optional(call, 2), *top = call_optional(call, 3);
        bool is_active = !top || strcmp(top, block->source) == 0 || strcmp(top, block->target) == 0;
        if (is_active && !(call->flags & COMMIT_ACTIVE)) {
                call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: commit of '%s' active layer requires active flag",
                            block->target);
                return;
        }
        if (read_bandwidth(call, 4, COMMIT_BYTES, &bandwidth))
                begin(call, "Commit",
                      g_variant_new("(ss@a{sv})", base ? base : "", top ? top : "", options_end(options_new(call, bandwidth))));
}

static void commit(Call *call) {
        find_disk(call, do_commit);
}

/* Takes libvirt's parameters of a copy; false, with the call refused, where one is not known. */
static bool take_parameters(Call *call, GVariantDict *options) {
        g_autoptr(GVariant) parameters = g_variant_get_child_value(call->arguments, 3);
        GVariantIter iterator;
        const char *name;
        GVariant *value;
        bool fine = true;
        g_variant_iter_init(&iterator, parameters);
        while (fine && g_variant_iter_next(&iterator, "(&sv)", &name, &value)) {
                bool is_big = g_variant_is_of_type(value, G_VARIANT_TYPE_UINT64),
                     is_small = g_variant_is_of_type(value, G_VARIANT_TYPE_UINT32);
                if (is_big && strcmp(name, "bandwidth") == 0 && g_variant_get_uint64(value) > 0)
                        g_variant_dict_insert(options, "bandwidth", "t", g_variant_get_uint64(value));
                else if (is_small && strcmp(name, "granularity") == 0)
                        g_variant_dict_insert(options, "granularity", "u", g_variant_get_uint32(value));
                else if (is_big && strcmp(name, "buf-size") == 0)
                        g_variant_dict_insert(options, "buffer", "t", g_variant_get_uint64(value));
                else if (!is_big || strcmp(name, "bandwidth") != 0)
                        fine = false;
                if (!fine)
                        call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: parameter '%.64s' not supported", name);
                g_variant_unref(value);
        }
        return fine;
}

static void do_copy(Call *call) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = document_read(call_string(call, 2), &error);
        xmlNode *root = document ? xmlDocGetRootElement(document) : NULL;
        g_autofree char *file = root ? document_value(root, "source@file") : NULL,
                        *device = root ? document_value(root, "source@dev") : NULL,
                        *format = root ? document_value(root, "driver@type") : NULL;
        const char *path = file ? file : device;
        if (!path) {
                call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: the copy's document must name a file or a device");
                return;
        }
        GVariantDict *options = options_new(call, 0);
        if (take_parameters(call, options))
                begin(call, "Copy",
                      g_variant_new("(ss@a{sv})", path, format ? format : block_of(call)->format, options_end(options)));
        else
                g_variant_dict_unref(options);
}

static void copy(Call *call) {
        find_disk(call, do_copy);
}

/* What is at work */

static void on_disk_properties(Call *call, GVariant *reply) {
        static const struct {
                const char *operation;
                int32_t type;
        } types[] = { { "pull", 1 }, { "copy", 2 }, { "commit", 3 }, { "active-commit", 4 } };
        g_autoptr(GVariant) of_disk = g_variant_get_child_value(reply, 0);
        GVariant *of_job = block_of(call)->of_job;
        uint64_t done = 0, total = 0, bandwidth = 0;
        gboolean ready = FALSE;
        const char *operation = "";
        int32_t type = 0;
        g_variant_lookup(of_job, "BytesDone", "t", &done);
        g_variant_lookup(of_job, "BytesTotal", "t", &total);
        g_variant_lookup(of_job, "Operation", "&s", &operation);
        g_variant_lookup(of_disk, "Bandwidth", "t", &bandwidth);
        g_variant_lookup(of_disk, "Ready", "b", &ready);
        for (size_t i = 0; i < G_N_ELEMENTS(types); i++)
                if (strcmp(types[i].operation, operation) == 0)
                        type = types[i].type;
        /* Clients take it for ready, or at its end, when both are equal. */
        total = MAX(total, 1);
        done = ready ? total : MIN(done, total - 1);
        call_answer(call, g_variant_new("(iittt)", 1, type, call->flags & INFO_BYTES ? bandwidth : (bandwidth + MIB - 1) / MIB,
                                        done, total));
}

static void on_job_properties(Call *call, GVariant *reply) {
        block_of(call)->of_job = g_variant_get_child_value(reply, 0);
        call_ask(call, block_of(call)->job, PROPERTIES, "GetAll", g_variant_new("(s)", JOB_DISK), "(a{sv})", on_disk_properties);
}

static void answer_none(Call *call) {
        call_answer(call, g_variant_new("(iittt)", 0, 0, (uint64_t) 0, (uint64_t) 0, (uint64_t) 0));
}

/* The job has ended meanwhile. */
static bool on_job_gone(Call *call, const GError *error) {
        (void) error;
        answer_none(call);
        return true;
}

static void do_info(Call *call) {
        if (!block_of(call)->job) {
                answer_none(call);
                return;
        }
        call->on_error = on_job_gone;
        call_ask(call, block_of(call)->job, PROPERTIES, "GetAll", g_variant_new("(s)", JOB), "(a{sv})", on_job_properties);
}

static void get_info(Call *call) {
        find_disk(call, do_info);
}

/* The job of the call's disk; false, with the call refused, where there is none. */
static void on_no_job(Call *call, GVariant *properties) {
        (void) properties;
        call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: disk %s does not have an active block job",
                    block_of(call)->target);
}

static bool has_job(Call *call) {
        if (block_of(call)->job)
                return true;
        row_if_active(call, on_no_job);
        return false;
}

static void do_set_speed(Call *call) {
        uint64_t bandwidth;
        if (has_job(call) && read_bandwidth(call, 2, SPEED_BYTES, &bandwidth))
                call_ask(call, block_of(call)->job, JOB_DISK, "SetBandwidth", g_variant_new("(t)", bandwidth), "()",
                         step_answer_nothing);
}

static void set_speed(Call *call) {
        find_disk(call, do_set_speed);
}

/* Ending */

static void on_ended(void *data, const GError *error) {
        Call *call = data;
        bool is_failure = error && call->flags & ABORT_PIVOT;
        if (is_failure)
                call_fail(call, g_error_copy(error));
        else /* that it was cancelled is what was wanted */
                call_answer_nothing(call);
        call_unref(call);
}

static void on_told(Call *call, GVariant *reply) {
        (void) reply;
        if (call->flags & ABORT_ASYNC)
                call_answer_nothing(call);
        else
                jobs_wait(call->client->jobs, block_of(call)->job, on_ended, call_ref(call));
        jobs_expected(call->client->jobs);
}

static bool on_not_told(Call *call, const GError *error) {
        (void) error;
        jobs_expected(call->client->jobs);
        (void) call;
        return false;
}

static void tell(Call *call, const char *interface, const char *member) {
        jobs_expect(call->client->jobs);
        call->on_error = on_not_told;
        call_ask(call, block_of(call)->job, interface, member, NULL, "()", on_told);
}

/* A copy that is whole stays one. */
static void on_readiness(Call *call, GVariant *reply) {
        g_autoptr(GVariant) properties = g_variant_get_child_value(reply, 0);
        g_autoptr(GVariant) of_job = block_of(call)->of_job ? g_variant_ref(block_of(call)->of_job) : NULL;
        gboolean ready = FALSE;
        const char *operation = "";
        g_variant_lookup(properties, "Ready", "b", &ready);
        g_variant_lookup(of_job, "Operation", "&s", &operation);
        if (ready && strcmp(operation, "copy") == 0)
                tell(call, JOB_DISK, "Finish");
        else
                tell(call, JOB, "Cancel");
}

static void on_job_to_abort(Call *call, GVariant *reply) {
        block_of(call)->of_job = g_variant_get_child_value(reply, 0);
        call_ask(call, block_of(call)->job, PROPERTIES, "GetAll", g_variant_new("(s)", JOB_DISK), "(a{sv})", on_readiness);
}

static void do_abort(Call *call) {
        if (!has_job(call))
                return;
        if (call->flags & ABORT_PIVOT)
                tell(call, JOB_DISK, "Pivot");
        else
                call_ask(call, block_of(call)->job, PROPERTIES, "GetAll", g_variant_new("(s)", JOB), "(a{sv})", on_job_to_abort);
}

static void abort_job(Call *call) {
        find_disk(call, do_abort);
}

static void do_set_threshold(Call *call) {
        uint64_t bytes;
        const char *name = call_string(call, 1);
        g_variant_get_child(call->arguments, 2, "t", &bytes);
        call_ask(call, block_of(call)->disk, IMAGE, "SetThreshold", g_variant_new("(st)", strchr(name, '[') ? name : "", bytes),
                 "()", step_answer_nothing);
}

static void set_threshold(Call *call) {
        find_disk(call, do_set_threshold);
}

const CallRow block_calls[] = {
        { REMOTE_DOMAIN_BLOCK_PULL, pull, NULL, CHANGES, pull_flags },
        { REMOTE_DOMAIN_BLOCK_REBASE, rebase, NULL, CHANGES, rebase_flags },
        { REMOTE_DOMAIN_BLOCK_COMMIT, commit, NULL, CHANGES, commit_flags },
        { REMOTE_DOMAIN_BLOCK_COPY, copy, NULL, CHANGES, copy_flags },
        { REMOTE_DOMAIN_GET_BLOCK_JOB_INFO, get_info, NULL, READS, info_flags },
        { REMOTE_DOMAIN_BLOCK_JOB_SET_SPEED, set_speed, NULL, CHANGES, info_flags },
        { REMOTE_DOMAIN_BLOCK_JOB_ABORT, abort_job, NULL, CHANGES, abort_flags },
        { REMOTE_DOMAIN_SET_BLOCK_THRESHOLD, set_threshold, NULL, CHANGES },
        {},
};
