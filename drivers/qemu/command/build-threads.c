/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/build-threads.h"

#include <inttypes.h>
#include <string.h>

#include "qemu/command/builder-device.h"
#include "qemu/command/builder-read.h"
#include "qemu/command/builder-write.h"
#include "qemu/host/cpu-set.h"

/* Quotas of processor time in microseconds, of each period: the kernel's ranges. */
#define QUOTA_MIN 1000
#define QUOTA_MAX (UINT64_MAX / 1000000)
#define PERIOD_MIN 1000
#define PERIOD_MAX 1000000

/* sched(7) */
#define PRIORITY_MAX 99

/* How threads are scheduled: threads.c does it. */
void build_thread_tuning_check(Builder *builder) {
        static const char *const owners[] = { "", "emulator_", "iothread_" };
        static const struct {
                const char *path, *numbers;
        } schedules[] = { { "vcpusched", "vcpus" }, { "iothreadsched", "iothreads" }, { "emulatorsched", NULL } };
        xmlNode *tune = builder_element(builder, builder->root, "cputune");
        for (size_t i = 0; i < G_N_ELEMENTS(owners); i++) {
                const char *quota = builder_format(builder, "%squota", owners[i]),
                           *period = builder_format(builder, "%speriod", owners[i]), *text = builder_get(builder, tune, quota);
                if (text && text[0] != '-') /* less than 0: no limit */
                        builder_number(builder, tune, quota, QUOTA_MIN, QUOTA_MAX, 0);
                builder_number(builder, tune, period, PERIOD_MIN, PERIOD_MAX, 0);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(schedules); i++)
                for_each (builder, schedule, tune, schedules[i].path) {
                        const char *scheduler = builder_choose(builder, schedule, "@scheduler", "batch idle fifo rr");
                        bool is_real_time = scheduler && (strcmp(scheduler, "fifo") == 0 || strcmp(scheduler, "rr") == 0);
                        cpu_set_t set;
                        if (!scheduler)
                                builder_require(builder, schedule, "@scheduler");
                        if (is_real_time && !builder_get(builder, schedule, "@priority"))
                                builder_invalid(builder, schedule, "scheduler %s needs a priority from 1 to %d", scheduler,
                                                PRIORITY_MAX);
                        builder_number(builder, schedule, "@priority", 1, PRIORITY_MAX, 1);
                        if (schedules[i].numbers &&
                            !cpu_set_read(builder_require(builder, schedule,
                                                          builder_format(builder, "@%s", schedules[i].numbers)),
                                          &set))
                                builder_invalid(builder, schedule, "its %s are not a list such as 0-3,8", schedules[i].numbers);
                }
}

static void add_io_thread(Builder *builder, xmlNode *thread, uint64_t id) {
        static const Property properties[] = {
                { "@thread_pool_min", "thread-pool-min", PROPERTY_NUMBER },
                { "@thread_pool_max", "thread-pool-max", PROPERTY_NUMBER },
                { "poll/@max", "poll-max-ns", PROPERTY_NUMBER },
                { "poll/@grow", "poll-grow", PROPERTY_NUMBER },
                { "poll/@shrink", "poll-shrink", PROPERTY_NUMBER },
        };
        JsonObject *object =
                        json_make("qom-type", 's', "iothread", "id", 's', builder_format(builder, "iothread%" PRIu64, id), NULL);
        if (thread)
                builder_copy_properties(builder, thread, object, properties, G_N_ELEMENTS(properties));
        builder_add_json(builder, "-object", object);
}

/* Which threads are bound to which processors of the host: threads.c does it. */
void build_pins_check(Builder *builder) {
        xmlNode *tune = builder_element(builder, builder->root, "cputune");
        static const char *const kinds[] = { "vcpupin", "iothreadpin", "emulatorpin" };
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
                for_each (builder, pin, tune, kinds[i]) {
                        cpu_set_t set;
                        const char *text = builder_require(builder, pin, "@cpuset");
                        if (*text && !cpu_set_read(text, &set))
                                builder_invalid(builder, pin, "cpuset is '%.64s'; it must be a list such as 0-3,8", text);
                        if (i == 0 && *builder_require(builder, pin, "@vcpu") &&
                            builder_number(builder, pin, "@vcpu", 0, UINT32_MAX, 0) >= builder->definition->max_vcpus)
                                builder_invalid(builder, pin, "there is no processor %s: the last is %u",
                                                builder_get(builder, pin, "@vcpu"), builder->definition->max_vcpus - 1);
                        else if (i == 1 && *builder_require(builder, pin, "@iothread"))
                                builder_io_thread(builder, pin, "@iothread");
                }
}

void build_io_threads(Builder *builder) {
        uint64_t n = builder_number(builder, builder->root, "iothreads", 0, IO_THREADS_MAX, 0), made = 0;
        g_autoptr(GHashTable) ids = g_hash_table_new(g_direct_hash, g_direct_equal);
        for_each (builder, thread, builder->root, "iothreadids/iothread") {
                uint64_t id = builder_number(builder, thread, "@id", 1, UINT32_MAX, 0);
                if (id == 0 || !g_hash_table_add(ids, GUINT_TO_POINTER((guint) id)))
                        builder_invalid(builder, thread, "its id must be a number above 0 that no other has");
                add_io_thread(builder, thread, id);
                made++;
        }
        for (uint64_t id = 1; made < n; id++)
                if (!g_hash_table_contains(ids, GUINT_TO_POINTER((guint) id))) {
                        add_io_thread(builder, NULL, id);
                        made++;
                }
        xmlNode *main_loop = builder_element(builder, builder->root, "defaultiothread");
        if (main_loop) {
                JsonObject *object = json_make("qom-type", 's', "main-loop", "id", 's', "main-loop", NULL);
                json_add(object, "thread-pool-min", 'i',
                         (gint64) builder_number(builder, main_loop, "@thread_pool_min", 0, 4096, 0), "thread-pool-max", 'i',
                         (gint64) builder_number(builder, main_loop, "@thread_pool_max", 1, 4096, 64), NULL);
                builder_add_json(builder, "-object", object);
        }
}
