/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/connection.h"
#include "domain/statistics.h"
#include "test/machine.h"

/* What it uses: a tenth of a processor since its start, and nothing of its disks. */

static int on_told(sd_event_source *source, uint64_t usec, void *data) {
        Domain *domain = ((Machine *) data)->domain;
        uint64_t now = (uint64_t) g_get_real_time();
        (void) source;
        (void) usec;
        statistics_begin(domain, "cpu");
        statistics_set(domain, "time", (now - MIN(domain->start_time, now)) / 10);
        for (guint i = 0; i < domain->live->devices->len; i++) {
                const DeviceDefinition *device = domain->live->devices->pdata[i];
                if (device->device_class != DEVICE_DISK)
                        continue;
                g_autofree char *group = g_strdup_printf("block.%s", device->alias);
                statistics_begin(domain, group);
                statistics_set(domain, "read_bytes", 0);
                statistics_set(domain, "write_bytes", 0);
        }
        for (guint i = 0; i < domain->live->devices->len; i++)
                if (((const DeviceDefinition *) domain->live->devices->pdata[i])->period > 0) {
                        statistics_begin(domain, "guest_memory");
                        statistics_set(domain, "last_update", now);
                        statistics_set(domain, "available", domain->live->memory);
                        statistics_set(domain, "unused", domain->live->memory / 2);
                }
        statistics_collected(domain);
        return 0;
}

static void collect(Domain *domain) {
        Machine *machine = domain->run;
        machine_add_timer(domain, &machine->telling, laboratory_delay(domain, TEST_STATISTICS), on_told);
}

const HypervisorStatistics machine_statistics = {
        .collect = collect,
};
