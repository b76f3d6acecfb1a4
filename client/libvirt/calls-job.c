/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is at work on a domain. */

#include <string.h>

#include "calls.h"
#include "rows.h"

#define JOB INTERFACE("Job")
#define JOB_BACKUP INTERFACE("Job.Backup")

#define JOB_NONE 0
#define JOB_BOUNDED 1
#define JOB_UNBOUNDED 2

#define JOB_COMPLETED 1

#define OPERATION_BACKUP 9

static const FlagOption stats_flags[] = { { JOB_COMPLETED, NULL }, { 2, NULL }, {} };

/* The job of the call's domain among what the manager has: its path, and its properties; NULL for none. *MODE: that of a backup,
 * or NULL. */
static GVariant *find_job(Call *call, GVariant *reply, const char **path, const char **mode) {
        g_autoptr(GVariant) objects = g_variant_get_child_value(reply, 0);
        *mode = NULL;
        for (size_t i = 0; i < g_variant_n_children(objects); i++) {
                g_autoptr(GVariant) interfaces = NULL;
                const char *of = "";
                g_variant_get_child(objects, i, "{&o@a{sa{sv}}}", path, &interfaces);
                GVariant *job = g_variant_lookup_value(interfaces, JOB, G_VARIANT_TYPE_VARDICT);
                if (job && g_variant_lookup(job, "Object", "&o", &of) && strcmp(of, call->domain) == 0) {
                        g_autoptr(GVariant) backup = g_variant_lookup_value(interfaces, JOB_BACKUP, G_VARIANT_TYPE_VARDICT);
                        if (backup)
                                g_variant_lookup(backup, "Mode", "&s", mode);
                        return job;
                }
                if (job)
                        g_variant_unref(job);
        }
        return NULL;
}

static void ask_jobs(Call *call, CallStep step) {
        call_ask(call, MANAGER_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, "(a{oa{sa{sv}}})", step);
}

static void answer_stats(Call *call, int32_t type, bool is_backup, uint64_t done, uint64_t total, uint64_t left) {
        const char *const names[] = { is_backup ? "disk_total" : "data_total", is_backup ? "disk_processed" : "data_processed",
                                      is_backup ? "disk_remaining" : "data_remaining" };
        const uint64_t values[] = { total, done, left };
        GVariantBuilder parameters;
        g_variant_builder_init(&parameters, G_VARIANT_TYPE("a(sv)"));
        if (is_backup)
                g_variant_builder_add(&parameters, "(sv)", "operation", g_variant_new_int32(OPERATION_BACKUP));
        for (size_t i = 0; type == JOB_BOUNDED && i < G_N_ELEMENTS(names); i++)
                g_variant_builder_add(&parameters, "(sv)", names[i], g_variant_new_uint64(values[i]));
        call_answer(call, g_variant_new("(ia(sv))", type, &parameters));
}

static void on_info(Call *call, GVariant *reply) {
        const char *path, *mode;
        uint64_t done = 0, total = 0;
        g_autoptr(GVariant) job = find_job(call, reply, &path, &mode);
        if (job) {
                g_variant_lookup(job, "BytesDone", "t", &done);
                g_variant_lookup(job, "BytesTotal", "t", &total);
        }
        int32_t type = !job ? JOB_NONE : total > 0 ? JOB_BOUNDED : JOB_UNBOUNDED;
        uint64_t left = total > done ? total - done : 0, zero = 0;
        if (call->row->procedure == REMOTE_DOMAIN_GET_JOB_STATS)
                answer_stats(call, type, mode != NULL, done, total, left);
        else
                call_answer(call, g_variant_new("(ittttttttttt)", type, zero, zero, total, done, left, total, done, left, zero,
                                                zero, zero));
}

static void on_active(Call *call, GVariant *properties) {
        (void) properties;
        ask_jobs(call, on_info);
}

static void get_info(Call *call) {
        row_if_active(call, on_active);
}

/* What a job that is over did is not kept. */
static void get_stats(Call *call) {
        if (call->flags & JOB_COMPLETED)
                call_answer(call, g_variant_new("(ia(sv))", JOB_NONE, NULL));
        else
                row_if_active(call, on_active);
}

static void on_abort(Call *call, GVariant *reply) {
        const char *path, *mode;
        g_autoptr(GVariant) job = find_job(call, reply, &path, &mode);
        if (mode && strcmp(mode, "pull") == 0) /* which is how one ends that was read */
                call_ask(call, path, JOB_BACKUP, "Finish", NULL, "()", step_answer_nothing);
        else if (job)
                call_ask(call, path, JOB, "Cancel", NULL, "()", step_answer_nothing);
        else
                call_refuse(call, LIBVIRT_OPERATION_INVALID, "Requested operation is not valid: no job is active on the domain");
}

static void on_active_to_abort(Call *call, GVariant *properties) {
        (void) properties;
        ask_jobs(call, on_abort);
}

static void abort_job(Call *call) {
        row_if_active(call, on_active_to_abort);
}

/* The driver is never held up by a guest. */
static void on_active_to_control(Call *call, GVariant *properties) {
        (void) properties;
        call_answer(call, g_variant_new("(uut)", 0, 0, (uint64_t) 0));
}

static void get_control(Call *call) {
        row_if_active(call, on_active_to_control);
}

const CallRow job_calls[] = {
        { REMOTE_DOMAIN_GET_JOB_INFO, get_info },
        { REMOTE_DOMAIN_GET_JOB_STATS, get_stats, NULL, READS, stats_flags },
        { REMOTE_DOMAIN_ABORT_JOB, abort_job, NULL, CHANGES },
        { REMOTE_DOMAIN_ABORT_JOB_FLAGS, abort_job, NULL, CHANGES },
        { REMOTE_DOMAIN_GET_CONTROL_INFO, get_control },
        {},
};
