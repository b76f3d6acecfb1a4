/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>

#include "domain/domain-run.h"
#include "domain/operations/dump.h"
#include "domain/operations/save.h"
#include "test/machine.h"

/* A dump is the machine's memory in these pieces, each after a while, all zero. */
#define DUMP_STEPS 10
#define DUMP_STEP_BYTES 4096
#define DUMP_STEP_DELAY 20000 /* microseconds */

/* Dump */

static int on_dump_step(sd_event_source *source, uint64_t usec, void *data) {
        static const uint8_t piece[DUMP_STEP_BYTES];
        Machine *machine = data;
        Operation *operation = machine->operation;
        g_autoptr(GError) error = laboratory_take_failure(machine->domain, TEST_DUMP);
        (void) source;
        (void) usec;
        if (!error && write(dump_fd(operation), piece, sizeof piece) < 0)
                virtbus_error_set_errno(&error, errno, "domain '%s': the dump cannot be written", domain_name(machine->domain));
        if (error || ++machine->dumped == DUMP_STEPS) {
                machine->operation = NULL;
                operation_finish(operation, error);
                return 0;
        }
        job_progress(operation->job, machine->dumped * sizeof piece, DUMP_STEPS * sizeof piece);
        machine_add_timer(machine->domain, &machine->timer, DUMP_STEP_DELAY + laboratory_delay(machine->domain, TEST_DUMP),
                          on_dump_step);
        return 0;
}

static void dump(Operation *operation) {
        Machine *machine = operation->domain->run;
        machine->operation = operation;
        machine->dumped = 0;
        fcntl(dump_fd(operation), F_SETFL, O_NONBLOCK);
        job_progress(operation->job, 0, DUMP_STEPS * DUMP_STEP_BYTES);
        machine_add_timer(operation->domain, &machine->timer, DUMP_STEP_DELAY, on_dump_step);
}

static void cancel_dump(Operation *operation) {
        Machine *machine = operation->domain->run;
        g_autoptr(GError) error = NULL;
        machine->timer = sd_event_source_disable_unref(machine->timer);
        machine->operation = NULL;
        domain_fail(operation->domain, &error, VIRTBUS_ERROR_CANCELLED,
                    "the dump was cancelled; what was written of it is of no use");
        operation_finish(operation, error);
}

/* Save: as a dump, but that the machine stands still. */

static void stand_still(Operation *operation) {
        machine_set_running(operation->domain->run, false);
        if (operation->domain->resumes)
                domain_changed(operation->domain, DOMAIN_PAUSED, REASON_SAVING);
}

static void go_on(Operation *operation) {
        machine_set_running(operation->domain->run, operation->domain->resumes);
        if (operation->domain->resumes)
                domain_changed(operation->domain, DOMAIN_RUNNING, REASON_RESUMED);
}

static int on_save_step(sd_event_source *source, uint64_t usec, void *data) {
        static const uint8_t piece[DUMP_STEP_BYTES];
        Machine *machine = data;
        Operation *operation = machine->operation;
        g_autoptr(GError) error = laboratory_take_failure(machine->domain, TEST_SAVE);
        (void) source;
        (void) usec;
        if (!error && write(saving_fd(operation), piece, sizeof piece) < 0)
                virtbus_error_set_errno(&error, errno, "domain '%s': its state cannot be written", domain_name(machine->domain));
        if (error || ++machine->dumped == DUMP_STEPS) {
                machine->operation = NULL;
                if (error)
                        go_on(operation);
                saving_written(operation, error);
                return 0;
        }
        job_progress(operation->job, machine->dumped * sizeof piece, DUMP_STEPS * sizeof piece);
        machine_add_timer(machine->domain, &machine->timer, DUMP_STEP_DELAY + laboratory_delay(machine->domain, TEST_SAVE),
                          on_save_step);
        return 0;
}

static void save_memory(Operation *operation) {
        Machine *machine = operation->domain->run;
        machine->operation = operation;
        machine->dumped = 0;
        fcntl(saving_fd(operation), F_SETFL, O_NONBLOCK);
        stand_still(operation);
        job_progress(operation->job, 0, DUMP_STEPS * DUMP_STEP_BYTES);
        machine_add_timer(operation->domain, &machine->timer, DUMP_STEP_DELAY, on_save_step);
}

static void cancel_save(Operation *operation) {
        Machine *machine = operation->domain->run;
        g_autoptr(GError) error = NULL;
        if (!machine->operation)
                return; /* it is written already */
        machine->timer = sd_event_source_disable_unref(machine->timer);
        machine->operation = NULL;
        domain_fail(operation->domain, &error, VIRTBUS_ERROR_CANCELLED, "the save was cancelled");
        go_on(operation);
        saving_written(operation, error);
}

static void continue_saved(Operation *operation, const GError *error) {
        go_on(operation);
        saving_failed(operation, error);
}

const HypervisorDumping machine_dumping = {
        .dump = dump,
        .cancel_dump = cancel_dump,
};

const HypervisorSaving machine_saving = {
        .save_memory = save_memory,
        .cancel_save = cancel_save,
        .continue_saved = continue_saved,
};
