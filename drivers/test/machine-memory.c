/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>

#include "domain/domain-run.h"
#include "domain/operations/dump.h"
#include "domain/operations/save.h"
#include "test/machine.h"

/* What is dumped or saved is the machine's memory in these pieces, each after a while, all zero. */
#define STEPS 10
#define STEP_BYTES 4096
#define STEP_DELAY 20000 /* microseconds */

/* Which of the two is at work. */
typedef struct Writing {
        TestOperation kind;
        int (*fd)(const Operation *operation);
        void (*end)(Operation *operation, const GError *error);
        const char *failure, *cancelled;
} Writing;

/* A machine that is saved stands still. */
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

static void end_save(Operation *operation, const GError *error) {
        if (error)
                go_on(operation);
        saving_written(operation, error);
}

static const Writing dumping = {
        .kind = TEST_DUMP,
        .fd = dump_fd,
        .end = operation_finish,
        .failure = "the dump cannot be written",
        .cancelled = "the dump was cancelled; what was written of it is of no use",
};

static const Writing saving = {
        .kind = TEST_SAVE,
        .fd = saving_fd,
        .end = end_save,
        .failure = "its state cannot be written",
        .cancelled = "the save was cancelled",
};

static void end_writing(Machine *machine, const Writing *writing, const GError *error) {
        machine->timer = sd_event_source_disable_unref(machine->timer);
        writing->end(g_steal_pointer(&machine->operation), error);
}

static int on_step(sd_event_source *source, uint64_t usec, void *data) {
        static const uint8_t piece[STEP_BYTES];
        Machine *machine = data;
        const Writing *writing = machine->kind == TEST_DUMP ? &dumping : &saving;
        g_autoptr(GError) error = laboratory_take_failure(machine->domain, writing->kind);
        (void) source;
        (void) usec;
        if (!error && write(writing->fd(machine->operation), piece, sizeof piece) < 0)
                virtbus_error_set_errno(&error, errno, "domain '%s': %s", domain_name(machine->domain), writing->failure);
        if (error || ++machine->steps == STEPS) {
                end_writing(machine, writing, error);
                return 0;
        }
        job_progress(machine->operation->job, machine->steps * sizeof piece, STEPS * sizeof piece);
        machine_add_timer(machine->domain, &machine->timer, STEP_DELAY + laboratory_delay(machine->domain, writing->kind),
                          on_step);
        return 0;
}

static void write_memory(Operation *operation, const Writing *writing) {
        Machine *machine = operation->domain->run;
        machine->operation = operation;
        machine->kind = writing->kind;
        machine->steps = 0;
        fcntl(writing->fd(operation), F_SETFL, O_NONBLOCK);
        job_progress(operation->job, 0, STEPS * STEP_BYTES);
        machine_add_timer(operation->domain, &machine->timer, STEP_DELAY, on_step);
}

static void cancel(Operation *operation, const Writing *writing) {
        g_autoptr(GError) error = NULL;
        domain_fail(operation->domain, &error, VIRTBUS_ERROR_CANCELLED, "%s", writing->cancelled);
        end_writing(operation->domain->run, writing, error);
}

static void dump(Operation *operation) {
        write_memory(operation, &dumping);
}

static void cancel_dump(Operation *operation) {
        cancel(operation, &dumping);
}

static void save_memory(Operation *operation) {
        stand_still(operation);
        write_memory(operation, &saving);
}

static void cancel_save(Operation *operation) {
        const Machine *machine = operation->domain->run;
        if (machine->operation) /* else it is written already */
                cancel(operation, &saving);
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
