/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/resize.h"

#include <inttypes.h>
#include <string.h>

#include "domain/definition-edit.h"
#include "domain/device-elements.h"
#include "domain/vcpu-list.h"

/* The child of that name whose attribute has that value; NULL: there is none. */
static xmlNode *find_with(const xmlNode *parent, const char *name, const char *attribute, const char *value) {
        for (xmlNode *element = parent ? xml_child(parent, name) : NULL; element; element = xml_next(element, name))
                if (xml_attribute_is(element, attribute, value))
                        return element;
        return NULL;
}

static void pin(xmlNode *root, const DeviceChange *change) {
        static const struct {
                const char *element, *attribute;
        } pins[] = {
                [PINNED_VCPU] = { "vcpupin", "vcpu" },
                [PINNED_EMULATOR] = { "emulatorpin", NULL },
                [PINNED_IO_THREAD] = { "iothreadpin", "iothread" },
        };
        xmlNode *tune = xml_ensure_child(root, "cputune");
        const char *name = pins[change->pinned].element, *attribute = pins[change->pinned].attribute;
        g_autofree char *number = g_strdup_printf("%" PRIu32, change->thread);
        xmlNode *element = attribute ? find_with(tune, name, attribute, number) : xml_child(tune, name);
        if (!element) {
                element = xml_add(tune, name, NULL);
                if (attribute)
                        xml_set_attribute(element, attribute, number);
        }
        xml_set_attribute(element, "cpuset", change->cpus);
}

/* I/O threads */

/* Their numbers: those that the document lists, and as many of the lowest others as it lacks. A document that was defined as
 * it is, and cannot be started, may ask for any number of them. */
static GArray *list_io_threads(const xmlNode *root) {
        GArray *numbers = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        g_autofree char *count = xml_text(xml_child(root, "iothreads"));
        const xmlNode *listed = xml_child(root, "iothreadids");
        guint n = count ? (guint) MIN(g_ascii_strtoull(count, NULL, 10), IO_THREADS_MAX) : 0;
        for (xmlNode *thread = listed ? xml_child(listed, "iothread") : NULL; thread; thread = xml_next(thread, "iothread")) {
                g_autofree char *id = xml_attribute(thread, "id");
                uint32_t number = id ? (uint32_t) g_ascii_strtoull(id, NULL, 10) : 0;
                g_array_append_val(numbers, number);
        }
        for (uint32_t number = 1; numbers->len < n; number++) {
                bool is_taken = false;
                for (guint i = 0; i < numbers->len; i++)
                        is_taken |= g_array_index(numbers, uint32_t, i) == number;
                if (!is_taken)
                        g_array_append_val(numbers, number);
        }
        return numbers;
}

/* The device that a thread works for, or NULL. */
static const char *user_of_io_thread(const Definition *base, const xmlNode *root, const char *number) {
        guint i = 0;
        for (xmlNode *element = device_elements_first(root->doc); element; element = device_elements_next(element), i++) {
                const xmlNode *driver = xml_child(element, "driver");
                if (driver && xml_attribute_is(driver, "iothread", number))
                        return ((const DeviceDefinition *) base->devices->pdata[i])->alias;
        }
        return NULL;
}

static bool change_io_threads(const Domain *domain, const DeviceChange *change, const Definition *base, xmlNode *root,
                              GError **error) {
        g_autoptr(GArray) numbers = list_io_threads(root);
        g_autofree char *text = g_strdup_printf("%" PRIu32, change->thread);
        guint found = 0;
        while (found < numbers->len && g_array_index(numbers, uint32_t, found) != change->thread)
                found++;
        bool is_there = found < numbers->len, adds = change->io_thread == IO_THREAD_ADDED;
        if (is_there == adds)
                return domain_fail(domain, error, adds ? VIRTBUS_ERROR_ALREADY_EXISTS : VIRTBUS_ERROR_INVALID_ARGUMENT,
                                   adds ? "it has an I/O thread %s already" : "it has no I/O thread %s", text);
        if (adds && numbers->len >= IO_THREADS_MAX)
                return domain_fail(domain, error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                                   "it has %u I/O threads; more than %d are not possible", numbers->len, IO_THREADS_MAX);
        const char *user = adds ? NULL : user_of_io_thread(base, root, text);
        if (user)
                return domain_fail(domain, error, VIRTBUS_ERROR_RESOURCE_BUSY,
                                   "I/O thread %s works for device '%s'; detach that first", text, user);
        xmlNode *listed = xml_ensure_child(root, "iothreadids");
        for (guint i = 0; i < numbers->len; i++) {
                g_autofree char *id = g_strdup_printf("%" PRIu32, g_array_index(numbers, uint32_t, i));
                if (!find_with(listed, "iothread", "id", id))
                        xml_set_attribute(xml_add(listed, "iothread", NULL), "id", id);
        }
        if (adds)
                xml_set_attribute(xml_add(listed, "iothread", NULL), "id", text);
        else {
                xmlNode *place = find_with(xml_child(root, "cputune"), "iothreadpin", "iothread", text);
                xml_remove(find_with(listed, "iothread", "id", text));
                if (place)
                        xml_remove(place);
        }
        g_autofree char *count = g_strdup_printf("%u", adds ? numbers->len + 1 : numbers->len - 1);
        xmlNodeSetContent(xml_ensure_child(root, "iothreads"), (const xmlChar *) count);
        return true;
}

/* What the document says of a thread: its number if nothing else. */
static bool tune_io_thread(const Domain *domain, const DeviceChange *change, xmlNode *root, GError **error) {
        static const struct {
                const char *element, *attribute;
        } places[IO_THREAD_N_VALUES] = {
                [IO_THREAD_POLL_MAX] = { "poll", "max" },           [IO_THREAD_POLL_GROW] = { "poll", "grow" },
                [IO_THREAD_POLL_SHRINK] = { "poll", "shrink" },     [IO_THREAD_POOL_MIN] = { NULL, "thread_pool_min" },
                [IO_THREAD_POOL_MAX] = { NULL, "thread_pool_max" },
        };
        g_autoptr(GArray) numbers = list_io_threads(root);
        g_autofree char *text = g_strdup_printf("%" PRIu32, change->thread);
        bool is_there = false;
        for (guint i = 0; i < numbers->len; i++)
                is_there |= g_array_index(numbers, uint32_t, i) == change->thread;
        if (!is_there)
                return domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT, "it has no I/O thread %s", text);
        xmlNode *listed = xml_ensure_child(root, "iothreadids"), *thread = find_with(listed, "iothread", "id", text);
        if (!thread) {
                thread = xml_add(listed, "iothread", NULL);
                xml_set_attribute(thread, "id", text);
        }
        for (size_t i = 0; i < IO_THREAD_N_VALUES; i++)
                if (change->io_thread_given[i]) {
                        g_autofree char *value = g_strdup_printf("%" PRIu64, change->io_thread_values[i]);
                        xml_set_attribute(places[i].element ? xml_ensure_child(thread, places[i].element) : thread,
                                          places[i].attribute, value);
                }
        return true;
}

static bool list_vcpus(const Domain *domain, const DeviceChange *change, const Definition *base, xmlNode *root, GError **error) {
        const GArray *numbers = change->listed_vcpus;
        uint32_t last = g_array_index(numbers, uint32_t, numbers->len - 1);
        if (last >= base->max_vcpus)
                return domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                   "it has no virtual processor %" PRIu32 ": the last that it can have is %" PRIu32, last,
                                   base->max_vcpus - 1);
        vcpu_list_enable(root, base->max_vcpus, base->vcpus, numbers, change->enables_listed);
        return true;
}

/* Memory of the host */

static bool bind_memory(const Domain *domain, const DeviceChange *change, xmlNode *root, GError **error) {
        xmlNode *memory = xml_ensure_child(xml_ensure_child(root, "numatune"), "memory");
        g_autofree char *mode = xml_attribute(memory, "mode");
        if (mode && strcmp(mode, "strict") != 0 && strcmp(mode, "restrictive") != 0)
                return domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                                   "its memory is of mode %.32s; only strict and restrictive memory can be bound elsewhere",
                                   mode);
        if (!mode)
                xml_set_attribute(memory, "mode", "restrictive");
        xml_set_attribute(memory, "nodeset", change->nodes);
        return true;
}

/* The most that it can be given: what it has stays. */
static bool change_maxima(const Domain *domain, const DeviceChange *change, const Definition *base, xmlNode *root,
                          GError **error) {
        const xmlNode *cpu = xml_child(root, "cpu");
        if (change->max_memory > 0 && cpu && xml_child(cpu, "numa"))
                return domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                                   "its document says the memory of each NUMA node; define it again with another");
        if (change->max_vcpus > 0 && xml_child(root, "vcpus"))
                return domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                                   "its document names each processor in <vcpus>; define it again with others");
        if (change->max_memory > 0) {
                definition_edit_max_memory(root, change->max_memory);
                definition_edit_memory(root, MIN(base->memory, change->max_memory));
        }
        if (change->max_vcpus > 0) {
                g_autofree char *maximum = g_strdup_printf("%" PRIu32, change->max_vcpus),
                                *current = g_strdup_printf("%" PRIu32, MIN(base->vcpus, change->max_vcpus));
                xmlNode *element = xml_ensure_child(root, "vcpu");
                xmlNodeSetContent(element, (const xmlChar *) maximum);
                xml_set_attribute(element, "current", current);
        }
        return true;
}

bool resize_apply(const Domain *domain, const DeviceChange *change, const Definition *base, xmlNode *root, GError **error) {
        if (change->memory > base->max_memory)
                return domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                   "%" PRIu64 " bytes are more than the %" PRIu64 " MiB that it may have at most (%" PRIu64
                                   " bytes); SetMaxMemory allows more from the next start on",
                                   change->memory, base->max_memory >> 20, base->max_memory);
        if (change->vcpus > base->max_vcpus)
                return domain_fail(
                                domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                "%u processors are more than the %u that it may have at most; SetMaxVCPUs allows more from the "
                                "next start on",
                                change->vcpus, base->max_vcpus);
        if (change->memory > 0)
                definition_edit_memory(root, change->memory);
        if (change->vcpus > 0) {
                if (base == domain->live) /* which of them were plugged: it is restored with the same */
                        vcpu_list_make(root, base->max_vcpus, base->vcpus);
                vcpu_list_set(root, change->vcpus);
        }
        if (change->cpus && change->pinned == PINNED_VCPU && change->thread >= base->max_vcpus)
                return domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT, "it has no virtual processor %" PRIu32,
                                   change->thread);
        if (change->cpus && change->pinned == PINNED_IO_THREAD) {
                g_autoptr(GArray) numbers = list_io_threads(root);
                bool is_there = false;
                for (guint i = 0; i < numbers->len; i++)
                        is_there |= g_array_index(numbers, uint32_t, i) == change->thread;
                if (!is_there)
                        return domain_fail(domain, error, VIRTBUS_ERROR_INVALID_ARGUMENT, "it has no I/O thread %" PRIu32,
                                           change->thread);
        }
        if (change->cpus)
                pin(root, change);
        if (change->io_thread == IO_THREAD_TUNED
                            ? !tune_io_thread(domain, change, root, error)
                            : change->io_thread != IO_THREAD_SAME && !change_io_threads(domain, change, base, root, error))
                return false;
        if (change->listed_vcpus && !list_vcpus(domain, change, base, root, error))
                return false;
        if (change->nodes && !bind_memory(domain, change, root, error))
                return false;
        if (!change_maxima(domain, change, base, root, error))
                return false;
        if (change->metadata_uri)
                definition_edit_metadata(root, change->metadata_uri, change->metadata);
        device_change_apply_edits(change, root);
        return true;
}
