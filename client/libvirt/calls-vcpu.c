/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Virtual processors: where they may run, and for how long they did; and which of them the guest uses, as its agent tells. */

#include <string.h>
#include <unistd.h>

#include "calls.h"
#include "documents.h"
#include "rows.h"

#define CONNECTION INTERFACE("Connection")
#define DOMAIN INTERFACE("Domain")

#define VCPU_RUNNING 1
#define IO_THREADS_MAX 16384 /* that an answer may have */
#define CPU_NOT_TOLD (-2)
#define NANOSECONDS 1000 /* in a microsecond */

/* A bit for each guest's processor that a client may name. */
#define GUEST_VCPUS_MAX 4096

static const FlagOption pin_flags[] = { { 1, NULL }, { AFFECT_CONFIG, "inactive" }, {} };

/* Where processors of a domain may run, by its document: maps of SIZE bytes, one after another. NUMBERS: of which processors;
 * NULL: of the first ones. */
static GByteArray *maps_of(const char *text, const uint32_t *numbers, uint32_t count, size_t size) {
        g_autoptr(xmlDoc) document = document_read(text, NULL);
        GByteArray *maps = g_byte_array_new();
        g_byte_array_set_size(maps, (unsigned int) (count * size));
        for (uint32_t i = 0; i < count; i++) {
                g_autofree char *cpus = document ? document_pin(document, "vcpupin", numbers ? numbers[i] : i) : NULL;
                document_cpu_map(cpus, (uint32_t) sysconf(_SC_NPROCESSORS_CONF), maps->data + i * size, size);
        }
        return maps;
}

static GVariant *bytes_of(GByteArray *bytes) {
        return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, bytes->data, bytes->len, 1);
}

/* What a client asks for: so many processors, each with a map of so many bytes. False, with the call refused, for what no
 * answer may hold. */
static bool read_room(Call *call, int32_t *count, int32_t *size) {
        g_variant_get_child(call->arguments, 1, "i", count);
        g_variant_get_child(call->arguments, 2, "i", size);
        if (*count >= 0 && *size >= 0 && *count <= 16384 && (int64_t) *count * *size <= 8388608)
                return true;
        call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: %d processors, maps of %d bytes", *count, *size);
        return false;
}

static void on_pins(Call *call, GVariant *reply) {
        const char *text;
        int32_t room, size;
        uint32_t count, max;
        GError *error = NULL;
        g_variant_get(reply, "(&s)", &text);
        if (!document_vcpus(text, &count, &max, &error)) {
                call_fail(call, error);
                return;
        }
        if (!read_room(call, &room, &size))
                return;
        int32_t n = MIN(room, (int32_t) MIN(max, 16384));
        g_autoptr(GByteArray) maps = maps_of(text, NULL, (uint32_t) n, (size_t) size);
        call_answer(call, g_variant_new("(@ayi)", bytes_of(maps), n));
}

static void get_pins(Call *call) {
        call_ask(call, call->domain, DOMAIN, "GetXML", g_variant_new("(@a{sv})", call_options(call)), "(s)", on_pins);
}

static void on_emulator_pin(Call *call, GVariant *reply) {
        const char *text;
        int32_t size;
        g_variant_get(reply, "(&s)", &text);
        g_variant_get_child(call->arguments, 1, "i", &size);
        if (size < 0 || size > 2048) {
                call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: a map of %d bytes", size);
                return;
        }
        g_autoptr(xmlDoc) document = document_read(text, NULL);
        g_autofree char *cpus = document ? document_pin(document, "emulatorpin", 0) : NULL;
        g_autoptr(GByteArray) map = g_byte_array_new();
        g_byte_array_set_size(map, (unsigned int) size);
        document_cpu_map(cpus, (uint32_t) sysconf(_SC_NPROCESSORS_CONF), map->data, (size_t) size);
        call_answer(call, g_variant_new("(@ayi)", bytes_of(map), 1));
}

static void get_emulator_pin(Call *call) {
        call_ask(call, call->domain, DOMAIN, "GetXML", g_variant_new("(@a{sv})", call_options(call)), "(s)", on_emulator_pin);
}

static GVariant *times_of(GVariant *stats, uint32_t vcpu) {
        g_autofree char *name = g_strdup_printf("vcpu.%u", vcpu);
        return stats ? g_variant_lookup_value(stats, name, G_VARIANT_TYPE_VARDICT) : NULL;
}

/* The numbers of N processors that are on: those of which something is told, where that is of so many, else the first ones. */
static uint32_t *numbers_of(GVariant *stats, uint32_t n, uint32_t max) {
        uint32_t *numbers = g_new(uint32_t, MAX(n, 1)), n_told = 0;
        for (uint32_t i = 0; i < max && n_told < n; i++) {
                g_autoptr(GVariant) times = times_of(stats, i);
                if (times)
                        numbers[n_told++] = i;
        }
        for (uint32_t i = 0; i < n && n_told < n; i++)
                numbers[i] = i;
        return numbers;
}

static void on_times(Call *call, GVariant *reply) {
        const char *text = call->state;
        int32_t room, size;
        uint32_t count = 0, max = 0;
        GVariantBuilder infos;
        GError *error = NULL;
        if (!document_vcpus(text, &count, &max, &error)) {
                call_fail(call, error);
                return;
        }
        if (!read_room(call, &room, &size))
                return;
        g_autoptr(GVariant) all = g_variant_get_child_value(reply, 0), own = g_variant_lookup_value(all, call->domain, NULL);
        uint32_t n = MIN((uint32_t) room, MIN(count, max));
        g_autofree uint32_t *numbers = numbers_of(own, n, max);
        g_variant_builder_init(&infos, G_VARIANT_TYPE("a(uiti)"));
        for (uint32_t i = 0; i < n; i++) {
                g_autoptr(GVariant) group = times_of(own, numbers[i]);
                uint64_t time = 0, processor;
                if (group)
                        g_variant_lookup(group, "time", "t", &time);
                bool told = group && g_variant_lookup(group, "processor", "t", &processor) && processor <= INT32_MAX;
                g_variant_builder_add(&infos, "(uiti)", numbers[i], VCPU_RUNNING, time * NANOSECONDS,
                                      told ? (int32_t) processor : CPU_NOT_TOLD);
        }
        g_autoptr(GByteArray) maps = maps_of(text, numbers, n, (size_t) size);
        call_answer(call, g_variant_new("(a(uiti)@ay)", &infos, bytes_of(maps)));
}

static void on_document(Call *call, GVariant *reply) {
        const char *groups[] = { "vcpu", NULL }, *path = call->domain;
        g_variant_get(reply, "(s)", &call->state);
        call->free_state = g_free;
        call_ask(call, call->client->connection, CONNECTION, "GetDomainStats",
                 g_variant_new("(@ao^asa{sv})", g_variant_new_objv(&path, 1), groups, NULL), "(a{oa{sa{sv}}})", on_times);
}

static void on_domain(Call *call, GVariant *properties) {
        gboolean active = FALSE;
        g_variant_lookup(properties, "Active", "b", &active);
        if (active)
                call_ask(call, call->domain, DOMAIN, "GetXML", g_variant_new("(a{sv})", NULL), "(s)", on_document);
        else
                call_refuse(call, LIBVIRT_OPERATION_INVALID,
                            "Requested operation is not valid: cannot retrieve vcpu information for inactive domain");
}

static void get_vcpus(Call *call) {
        call_read(call, call->domain, DOMAIN, on_domain);
}

/* The number of an I/O thread: of the list of their numbers, or of the count of them. */
static uint32_t thread_number(xmlNode *ids, uint32_t place) {
        xmlNode *thread = ids ? xmlFirstElementChild(ids) : NULL;
        for (uint32_t i = 0; thread && i < place; i++)
                thread = xmlNextElementSibling(thread);
        g_autofree char *id = thread ? document_value(thread, "@id") : NULL;
        return id ? (uint32_t) g_ascii_strtoull(id, NULL, 10) : place + 1;
}

/* Where an I/O thread may run; to be freed. */
static char *thread_cpus(xmlNode *root, uint32_t number) {
        xmlNode *tune = document_find(root, "cputune");
        char *cpus = NULL;
        for (xmlNode *pin = tune ? xmlFirstElementChild(tune) : NULL; pin && !cpus; pin = xmlNextElementSibling(pin)) {
                g_autofree char *of = document_value(pin, "@iothread");
                if (g_str_equal(pin->name, "iothreadpin") && of && g_ascii_strtoull(of, NULL, 10) == number)
                        cpus = document_value(pin, "@cpuset");
        }
        return cpus ? cpus : document_value(root, "vcpu@cpuset");
}

static void on_threads(Call *call, GVariant *reply) {
        g_autoptr(xmlDoc) document = NULL;
        xmlNode *root = row_root(call, reply, &document);
        uint32_t n_cpus = (uint32_t) sysconf(_SC_NPROCESSORS_CONF);
        GVariantBuilder threads;
        if (!root)
                return;
        g_autofree char *count = document_value(root, "iothreads");
        uint32_t n = count ? (uint32_t) MIN(g_ascii_strtoull(count, NULL, 10), IO_THREADS_MAX) : 0;
        g_variant_builder_init(&threads, G_VARIANT_TYPE("a(uay)"));
        for (uint32_t i = 0; i < n; i++) {
                uint32_t number = thread_number(document_find(root, "iothreadids"), i);
                g_autofree char *cpus = thread_cpus(root, number);
                g_autoptr(GByteArray) map = g_byte_array_new();
                g_byte_array_set_size(map, (n_cpus + 7) / 8);
                document_cpu_map(cpus, n_cpus, map->data, map->len);
                g_variant_builder_add(&threads, "(u@ay)", number, bytes_of(map));
        }
        call_answer(call, g_variant_new("(a(uay)u)", &threads, n));
}

static void get_threads(Call *call) {
        row_document(call, on_threads);
}

/* Of the guest */

/* Appends a processor to a list such as "0-2,4", whose last one is LAST, in a run that began at FIRST. */
static void list_append(GString *list, int64_t *first, int64_t *last, int64_t cpu) {
        if (list->len > 0 && cpu == *last + 1) {
                if (*last > *first)
                        g_string_truncate(list, (size_t) (strrchr(list->str, '-') - list->str));
                g_string_append_printf(list, "-%" G_GINT64_FORMAT, cpu);
        } else {
                g_string_append_printf(list, "%s%" G_GINT64_FORMAT, list->len > 0 ? "," : "", cpu);
                *first = cpu;
        }
        *last = cpu;
}

/* The guest's processors that a member of theirs says yes to, or all of them: a list. */
static GVariant *vcpus_with(GVariant *vcpus, const char *member) {
        g_autoptr(GString) list = g_string_new(NULL);
        int64_t first = 0, last = 0;
        for (size_t i = 0; i < g_variant_n_children(vcpus); i++) {
                g_autoptr(GVariant) vcpu = g_variant_get_child_value(vcpus, i);
                gboolean has = !member;
                if (member)
                        g_variant_lookup(vcpu, member, "b", &has);
                if (has)
                        list_append(list, &first, &last, member_number(vcpu, "logical-id"));
        }
        return g_variant_new_string(list->str);
}

static void on_guest_vcpus(Call *call, GVariant *reply) {
        g_autoptr(GVariant) vcpus = g_variant_get_child_value(reply, 0);
        GVariantBuilder parameters;
        g_variant_builder_init(&parameters, G_VARIANT_TYPE("a(sv)"));
        g_variant_builder_add(&parameters, "(sv)", "vcpus", vcpus_with(vcpus, NULL));
        g_variant_builder_add(&parameters, "(sv)", "online", vcpus_with(vcpus, "online"));
        g_variant_builder_add(&parameters, "(sv)", "offlinable", vcpus_with(vcpus, "can-offline"));
        call_answer(call, g_variant_new("(a(sv))", &parameters));
}

static void get_guest_vcpus(Call *call) {
        row_ask_guest(call, "GetVCPUs", NULL, "(aa{sv})", on_guest_vcpus);
}

static void on_vcpus_set(Call *call, GVariant *reply) {
        (void) reply;
        call_answer_nothing(call);
}

static void set_guest_vcpus(Call *call) {
        uint8_t map[GUEST_VCPUS_MAX / 8];
        GVariantBuilder vcpus;
        int32_t state, n = 0;
        g_variant_get_child(call->arguments, 2, "i", &state);
        document_cpu_map(call_string(call, 1), 0, map, sizeof map);
        g_variant_builder_init(&vcpus, G_VARIANT_TYPE("a(xb)"));
        for (int64_t i = 0; i < GUEST_VCPUS_MAX; i++)
                if (map[i / 8] & 1 << i % 8) {
                        g_variant_builder_add(&vcpus, "(xb)", i, state != 0);
                        n++;
                }
        g_autoptr(GVariant) kept = g_variant_ref_sink(g_variant_builder_end(&vcpus));
        if (n == 0 || state < 0 || state > 1)
                call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: processors '%s' with state %d", call_string(call, 1),
                            state);
        else
                row_ask_guest(call, "SetVCPUs", g_variant_new("(@a(xb))", kept), "(x)", on_vcpus_set);
}

const CallRow vcpu_calls[] = {
        { REMOTE_DOMAIN_GET_IOTHREAD_INFO, get_threads, NULL, READS, pin_flags },
        { REMOTE_DOMAIN_GET_VCPUS, get_vcpus },
        { REMOTE_DOMAIN_GET_VCPU_PIN_INFO, get_pins, NULL, READS, pin_flags },
        { REMOTE_DOMAIN_GET_EMULATOR_PIN_INFO, get_emulator_pin, NULL, READS, pin_flags },
        { REMOTE_DOMAIN_GET_GUEST_VCPUS, get_guest_vcpus, NULL, CHANGES },
        { REMOTE_DOMAIN_SET_GUEST_VCPUS, set_guest_vcpus, NULL, CHANGES },
        {},
};
