/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/dump.h"

#include "domain/operations/dump.h"

#include "qemu/guest/progress.h"

static void on_completed(Guest *guest, JsonObject *arguments) {
        Operation *operation = guest->domain->operation;
        JsonObject *result = json_member(arguments, "result");
        const char *failure = json_string(arguments, "error");
        g_autoptr(GError) error = NULL;
        if (!operation_is(operation, &dump_class) || !guest_take_awaited(guest, AWAITS_DUMP))
                return;
        progress_end(guest);
        if (failure || g_strcmp0(json_string(result, "status"), "completed") != 0)
                domain_fail(guest->domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "the dump failed: %.512s",
                            failure ? failure : "no reason given");
        operation_finish(operation, error);
}

static void give_up(Guest *guest, const GError *error) {
        Operation *operation = guest->domain->operation;
        if (!operation_is(operation, &dump_class) || !guest_take_awaited(guest, AWAITS_DUMP))
                return;
        progress_end(guest);
        operation_finish(operation, error);
}

static void on_dump_progress(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        JsonObject *result = json_member(answer, "return");
        Operation *operation = guest->domain->operation;
        if (!error && result && operation_is(operation, &dump_class))
                job_progress(operation->job, (uint64_t) json_int(result, "completed", 0),
                             (uint64_t) json_int(result, "total", 0));
        /* Its end too. */
        const char *status = error ? NULL : json_string(result, "status");
        g_autoptr(JsonObject) ended = g_strcmp0(status, "completed") == 0 || g_strcmp0(status, "failed") == 0
                                                      ? json_make("result", 'o', json_object_ref(result), NULL)
                                                      : NULL;
        if (ended)
                on_completed(guest, ended);
}

static void on_dump_begun(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        Operation *operation = guest->domain->operation;
        (void) answer;
        if (!operation_is(operation, &dump_class) || guest->awaits != AWAITS_DUMP)
                return;
        if (error && guest_take_awaited(guest, AWAITS_DUMP))
                operation_finish(operation, error);
        else
                progress_follow(guest, "query-dump", on_dump_progress);
}

void dump_memory(Operation *operation) {
        Guest *guest = operation->domain->run;
        g_autoptr(GError) error = NULL;
        if (!guest_check_monitor(operation->domain, &error)) {
                operation_finish(operation, error);
                return;
        }
        guest->awaits = AWAITS_DUMP;
        g_autofree char *name = guest_pass_fd(guest, dump_fd(operation)), *protocol = g_strdup_printf("fd:%s", name);
        monitor_command(guest->monitor, "dump-guest-memory",
                        json_make("paging", 'b', FALSE, "protocol", 's', protocol, "detach", 'b', TRUE, NULL), -1, on_dump_begun,
                        guest);
}

static const MonitorEvent events[] = {
        { "DUMP_COMPLETED", PHASE_RUNNING, on_completed },
        { NULL, 0, NULL },
};

const GuestModule dump_module = {
        .events = events,
        .give_up = give_up,
};
