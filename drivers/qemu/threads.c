/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pinning.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

/* Reads a list like 0-3,^2,8; false where it is none, or names processors that cannot be. */
static bool read_set(const char *text, cpu_set_t *set) {
        g_auto(GStrv) parts = g_strsplit(text, ",", -1);
        CPU_ZERO(set);
        for (char **part = parts; *part; part++) {
                const char *word = g_strstrip(*part);
                bool without = *word == '^';
                char *end;
                if (!g_ascii_isdigit(*(word += without)))
                        return false;
                guint64 first = g_ascii_strtoull(word, &end, 10), last = first;
                if (*end == '-' && g_ascii_isdigit(end[1]) && !without)
                        last = g_ascii_strtoull(end + 1, &end, 10);
                if (*end || last < first || last >= CPU_SETSIZE)
                        return false;
                for (guint64 i = first; i <= last; i++)
                        if (without)
                                CPU_CLR(i, set);
                        else
                                CPU_SET(i, set);
        }
        return CPU_COUNT(set) > 0;
}

static bool set_affinity(const Guest *guest, const char *what, pid_t thread, const char *text, GError **error) {
        cpu_set_t set;
        if (!read_set(text, &set))
                return domain_fail(guest->domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                   "%s is bound to '%.64s', which is no list of processors such as 0-3,8", what, text);
        if (sched_setaffinity(thread, sizeof set, &set) < 0 && errno != ESRCH)
                return domain_fail(guest->domain, error,
                                   errno == EINVAL ? VIRTBUS_ERROR_INVALID_ARGUMENT : VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                   "%s cannot be bound to the host's processors %.64s: %s", what, text,
                                   errno == EINVAL ? "it has none of them" : g_strerror(errno));
        return true;
}

bool pinning_is_wanted(xmlDoc *document) {
        xmlNode *root = xmlDocGetRootElement(document);
        return xml_find(root, "cputune/vcpupin") || xml_find(root, "cputune/emulatorpin") ||
               (xml_child(root, "vcpu") && xmlHasProp(xml_child(root, "vcpu"), (const xmlChar *) "cpuset"));
}

/* The set of a virtual processor: its own, or that of all. */
static char *vcpu_set(xmlNode *root, gint64 index) {
        for (xmlNode *pin = xml_find(root, "cputune/vcpupin"); pin; pin = xml_next(pin, "vcpupin")) {
                g_autofree char *number = xml_attribute(pin, "vcpu");
                if (number && g_ascii_strtoll(number, NULL, 10) == index)
                        return xml_attribute(pin, "cpuset");
        }
        return xml_attribute(xml_child(root, "vcpu"), "cpuset");
}

bool pinning_apply(const Guest *guest, xmlDoc *document, JsonObject *processors, GError **error) {
        xmlNode *root = xmlDocGetRootElement(document), *pin = xml_find(root, "cputune/emulatorpin");
        g_autofree char *emulator = pin ? xml_attribute(pin, "cpuset") : xml_attribute(xml_child(root, "vcpu"), "cpuset");
        g_autofree char *tasks = g_strdup_printf("/proc/%d/task", process_pid(guest->process));
        g_autoptr(GDir) listing = emulator ? g_dir_open(tasks, 0, NULL) : NULL;
        JsonArray *array = json_array(processors, "return");
        /* All threads first, then the processors' again, whose numbers QEMU tells. */
        for (const char *name; listing && (name = g_dir_read_name(listing));)
                if (!set_affinity(guest, "the emulator", (pid_t) atoi(name), emulator, error))
                        return false;
        for (guint i = 0; array && i < json_array_get_length(array); i++) {
                JsonObject *processor = json_object_at(array, i);
                gint64 index = json_int(processor, "cpu-index", -1), thread = json_int(processor, "thread-id", 0);
                g_autofree char *set = vcpu_set(root, index), *what = g_strdup_printf("processor %d", (int) index),
                                *task = g_strdup_printf("%s/%d", tasks, (int) thread);
                /* The number comes from QEMU: it must be one of its own threads. */
                if (set && thread > 0 && g_file_test(task, G_FILE_TEST_IS_DIR) &&
                    !set_affinity(guest, what, (pid_t) thread, set, error))
                        return false;
        }
        return true;
}
