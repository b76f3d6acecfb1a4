/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/guest-cpu.h"

#include "domain/domain-status.h"
#include "domain/operations/start.h"
#include "qemu/host/cpu-choice.h"
#include "qemu/host/host.h"
#include "qemu/monitor/cpu-tables.h"

/* A guest that waits for what its QEMU's models have. */
struct GuestCpu {
        GPtrArray *files;
        FilesOpened done;
};

static void forget(Guest *guest) {
        struct GuestCpu *cpu = g_steal_pointer(&guest->cpu);
        if (!cpu)
                return;
        cpu_tables_forget(host_of(guest->domain->connection)->cpus, guest);
        g_ptr_array_unref(cpu->files);
        g_free(cpu);
}

static void choose(Guest *guest, GPtrArray *files, FilesOpened done) {
        g_autoptr(GError) error = NULL, failure = NULL;
        if (guest->domain->connection->closing) /* nothing starts any more */
                domain_fail(guest->domain, &failure, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        else if (!cpu_choice_make(guest->domain->connection, guest->capabilities, guest->document, &error))
                domain_fail(guest->domain, &failure, virtbus_error_code(error), "%s", error->message);
        done(guest, files, failure);
}

static void on_learned(void *data) {
        Guest *guest = data;
        struct GuestCpu *cpu = g_steal_pointer(&guest->cpu);
        if (!guest->has_ended)
                choose(guest, cpu->files, cpu->done);
        g_ptr_array_unref(cpu->files);
        g_free(cpu);
}

void guest_cpu_choose(Guest *guest, GPtrArray *files, FilesOpened done) {
        bool is_loaded = start_restoring_fd(guest->operation) >= 0 || start_snapshot(guest->operation);
        if (is_loaded || !guest->capabilities || !cpu_choice_is_left(guest->document)) {
                done(guest, files, NULL);
                return;
        }
        guest->cpu = g_new0(struct GuestCpu, 1);
        *guest->cpu = (struct GuestCpu){ g_ptr_array_ref(files), done };
        if (cpu_choice_learn(guest->domain->connection, guest->capabilities, on_learned, guest))
                on_learned(guest);
}

const GuestModule guest_cpu_module = { .forget = forget };
