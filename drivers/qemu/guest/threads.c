/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/threads.h"

#include "qemu/host/cpu-set.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "qemu/host/cgroup.h"

/* The kinds of threads, and where a document speaks of each: below <cputune>. */
typedef enum ThreadKind { THREAD_EMULATOR, THREAD_VCPU, THREAD_IO, THREAD_N_KINDS } ThreadKind;

static const struct {
        const char *what, *group;                    /* to a person; of its control group */
        const char *pin, *schedule, *quota, *period; /* elements */
        const char *pin_number, *schedule_numbers;   /* attributes; NULL: there is one */
} kinds[THREAD_N_KINDS] = {
        [THREAD_EMULATOR] = { "the emulator", "emulator", "emulatorpin", "emulatorsched", "emulator_quota", "emulator_period",
                              NULL, NULL },
        [THREAD_VCPU] = { "processor", "vcpu", "vcpupin", "vcpusched", "quota", "period", "vcpu", "vcpus" },
        [THREAD_IO] = { "I/O thread", "iothread", "iothreadpin", "iothreadsched", "iothread_quota", "iothread_period", "iothread",
                        "iothreads" },
};

/* What is being placed: guest->placing. */
typedef struct Placing {
        xmlDoc *document;
        GHashTable *numbers[THREAD_N_KINDS]; /* thread -> number */
        ThreadsPlaced placed;
} Placing;

/* What a document says of one thread */

static char *set_of(xmlNode *root, ThreadKind kind, int number) {
        for (xmlNode *pin = xml_child(xml_child(root, "cputune"), kinds[kind].pin); pin; pin = xml_next(pin, kinds[kind].pin)) {
                g_autofree char *which = kinds[kind].pin_number ? xml_attribute(pin, kinds[kind].pin_number) : NULL;
                if (!kinds[kind].pin_number || (which && atoi(which) == number))
                        return xml_attribute(pin, "cpuset");
        }
        return xml_attribute(xml_child(root, "vcpu"), "cpuset");
}

static const xmlNode *schedule_of(xmlNode *root, ThreadKind kind, int number) {
        const char *name = kinds[kind].schedule, *attribute = kinds[kind].schedule_numbers;
        for (xmlNode *schedule = xml_child(xml_child(root, "cputune"), name); schedule; schedule = xml_next(schedule, name)) {
                g_autofree char *which = attribute ? xml_attribute(schedule, attribute) : NULL;
                cpu_set_t set;
                if (!attribute ||
                    (which && cpu_set_read(which, &set) && number < CPU_SETSIZE && CPU_ISSET((size_t) number, &set)))
                        return schedule;
        }
        return NULL;
}

/* Doing it */

static bool set_affinity(const Guest *guest, const char *what, pid_t thread, const char *text, GError **error) {
        cpu_set_t set;
        if (!cpu_set_read(text, &set))
                return domain_fail(guest->domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                   "%s is bound to '%.64s', which is not a list of processors such as 0-3,8", what, text);
        if (sched_setaffinity(thread, sizeof set, &set) < 0 && errno != ESRCH)
                return domain_fail(guest->domain, error,
                                   errno == EINVAL ? VIRTBUS_ERROR_INVALID_ARGUMENT : VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                   "%s cannot be bound to the host's processors %.64s: %s", what, text,
                                   errno == EINVAL ? "it has none of them" : g_strerror(errno));
        return true;
}

static bool set_schedule(const Guest *guest, const char *what, pid_t thread, const xmlNode *schedule, GError **error) {
        static const struct {
                const char *name;
                int policy;
                bool is_real_time;
        } schedulers[] = {
                { "batch", SCHED_BATCH, false },
                { "idle", SCHED_IDLE, false },
                { "fifo", SCHED_FIFO, true },
                { "rr", SCHED_RR, true },
        };
        g_autofree char *name = xml_attribute(schedule, "scheduler"), *priority = xml_attribute(schedule, "priority");
        for (size_t i = 0; i < G_N_ELEMENTS(schedulers); i++) {
                const struct sched_param parameters = { .sched_priority = schedulers[i].is_real_time && priority ? atoi(priority)
                                                                                                                 : 0 };
                if (g_strcmp0(name, schedulers[i].name) == 0 &&
                    sched_setscheduler(thread, schedulers[i].policy, &parameters) < 0 && errno != ESRCH)
                        return domain_fail(guest->domain, error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                           "%s cannot be given to the host's scheduler %s: %s", what, name, g_strerror(errno));
        }
        return true;
}

static bool place(const Guest *guest, ThreadKind kind, int number, pid_t thread, GError **error) {
        xmlNode *root = xmlDocGetRootElement(guest->placing->document);
        bool is_one = !kinds[kind].pin_number;
        uint64_t quota = 0, period = CONTROL_GROUP_PERIOD_DEFAULT;
        g_autofree char *set = set_of(root, kind, number),
                        *what = is_one ? g_strdup(kinds[kind].what) : g_strdup_printf("%s %d", kinds[kind].what, number),
                        *group = is_one ? g_strdup(kinds[kind].group) : g_strdup_printf("%s%d", kinds[kind].group, number),
                        *quota_path = g_strconcat("cputune/", kinds[kind].quota, NULL),
                        *period_path = g_strconcat("cputune/", kinds[kind].period, NULL);
        const xmlNode *schedule = schedule_of(root, kind, number);
        if (set && !set_affinity(guest, what, thread, set, error))
                return false;
        if (schedule && !set_schedule(guest, what, thread, schedule, error))
                return false;
        control_group_read_limit(root, period_path, false, &period);
        control_group_read_limit(root, quota_path, false, &quota);
        g_autoptr(GError) failure = NULL;
        if ((quota > 0 || guest->has_thread_groups) &&
            !cgroup_limit_thread(process_pid(guest->process), thread, group, (int64_t) MIN(quota, INT64_MAX), period, &failure))
                return domain_fail(guest->domain, error, virtbus_error_code(failure), "%s: %s", what, failure->message);
        return true;
}

bool threads_have_quotas(xmlDoc *document) {
        xmlNode *tune = xml_child(xmlDocGetRootElement(document), "cputune");
        for (size_t i = 0; i < THREAD_N_KINDS; i++)
                if (xml_child(tune, kinds[i].quota))
                        return true;
        return false;
}

bool threads_are_placed(xmlDoc *document) {
        xmlNode *root = xmlDocGetRootElement(document), *tune = xml_child(root, "cputune"), *vcpu = xml_child(root, "vcpu");
        for (size_t i = 0; i < THREAD_N_KINDS; i++)
                if (xml_child(tune, kinds[i].pin) || xml_child(tune, kinds[i].schedule))
                        return true;
        return threads_have_quotas(document) || (vcpu && xmlHasProp(vcpu, (const xmlChar *) "cpuset"));
}

/* All threads of the process: those that QEMU has not named are the emulator's. */
static bool place_all(const Guest *guest, GError **error) {
        const Placing *placing = guest->placing;
        g_autofree char *tasks = g_strdup_printf("/proc/%d/task", process_pid(guest->process));
        g_autoptr(GDir) listing = g_dir_open(tasks, 0, NULL);
        for (const char *name; listing && (name = g_dir_read_name(listing));) {
                void *thread = GINT_TO_POINTER(atoi(name)), *number = NULL;
                ThreadKind kind = THREAD_IO;
                while (kind != THREAD_EMULATOR && !g_hash_table_lookup_extended(placing->numbers[kind], thread, NULL, &number))
                        kind--;
                if (!place(guest, kind, GPOINTER_TO_INT(number), (pid_t) atoi(name), error))
                        return false;
        }
        return true;
}

void threads_forget(Guest *guest) {
        Placing *placing = g_steal_pointer(&guest->placing);
        if (!placing)
                return;
        for (size_t i = THREAD_VCPU; i < THREAD_N_KINDS; i++)
                g_hash_table_unref(placing->numbers[i]);
        xmlFreeDoc(placing->document);
        g_free(placing);
}

static void finish(Guest *guest, const GError *error) {
        ThreadsPlaced placed = guest->placing->placed;
        guest->has_thread_groups |= threads_have_quotas(guest->placing->document);
        threads_forget(guest);
        placed(guest, error);
}

/* What QEMU says is only used to tell its own threads apart. */
static void on_io_threads_known(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        JsonArray *threads = json_array(answer, "return");
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        for (guint i = 0; threads && i < json_array_get_length(threads); i++) {
                JsonObject *thread = json_object_at(threads, i);
                const char *id = json_string(thread, "id");
                if (id && g_str_has_prefix(id, "iothread"))
                        g_hash_table_insert(guest->placing->numbers[THREAD_IO],
                                            GINT_TO_POINTER((int) json_int(thread, "thread-id", 0)),
                                            GINT_TO_POINTER(atoi(id + strlen("iothread"))));
        }
        if (!failure)
                place_all(guest, &failure);
        finish(guest, failure);
}

static void on_processors_known(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        JsonArray *processors = json_array(answer, "return");
        if (error) {
                finish(guest, error);
                return;
        }
        for (guint i = 0; processors && i < json_array_get_length(processors); i++) {
                JsonObject *processor = json_object_at(processors, i);
                g_hash_table_insert(guest->placing->numbers[THREAD_VCPU],
                                    GINT_TO_POINTER((int) json_int(processor, "thread-id", 0)),
                                    GINT_TO_POINTER((int) json_int(processor, "cpu-index", 0)));
        }
        monitor_command(guest->monitor, "query-iothreads", NULL, -1, on_io_threads_known, guest);
}

void threads_place(Guest *guest, xmlDoc *document, ThreadsPlaced placed) {
        Placing *placing = g_new0(Placing, 1);
        *placing = (Placing){ .document = document, .placed = placed };
        for (size_t i = THREAD_VCPU; i < THREAD_N_KINDS; i++)
                placing->numbers[i] = g_hash_table_new(g_direct_hash, g_direct_equal);
        guest->placing = placing;
        monitor_command(guest->monitor, "query-cpus-fast", NULL, -1, on_processors_known, guest);
}
