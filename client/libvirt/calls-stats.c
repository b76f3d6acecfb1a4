/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Statistics: of many domains in one call, and of one domain's processor, memory, disks and cards. */

#include <string.h>

#include "calls.h"
#include "domains.h"
#include "rows.h"
#include "states.h"
#include "traits.h"
#include "usage.h"

#define CONNECTION INTERFACE("Connection")
#define DOMAIN INTERFACE("Domain")
#define OBJECTS "(a{oa{sa{sv}}})"
#define STATS "(a{oa{sa{sv}}})"
#define KIB 1024

typedef enum StatsKind {
        STATS_STATE = 1,
        STATS_CPU = 2,
        STATS_BALLOON = 4,
        STATS_VCPU = 8,
        STATS_CARD = 16,
        STATS_BLOCK = 32,
        STATS_KNOWN = 63,
        STATS_ALL = 2047, /* of libvirt's; the others are not told */
} StatsKind;

#define STATS_ENFORCE 0x80000000u

static const struct {
        StatsKind kind;
        const char *group;
} groups[] = {
        { STATS_CPU, "cpu" },
        { STATS_VCPU, "vcpu" },
        { STATS_BALLOON, "balloon" },
        { STATS_BALLOON, "memory" },
        { STATS_BALLOON, "guest_memory" },
        { STATS_BLOCK, "block" },
        { STATS_BLOCK, "image" },
        { STATS_CARD, "interface" },
};

/* Which are selected beside those that are named: active and inactive ones; NOWAIT and BACKING change nothing. */
static const FlagOption stats_flags[] = { { SELECT_ACTIVE, NULL }, { SELECT_INACTIVE, NULL }, { 1u << 29, NULL },
                                          { 1u << 30, NULL },      { STATS_ENFORCE, NULL },   {} };

static const FlagOption parameters_flags[] = { FLAG_STRINGS_OKAY, {} };

/* What a call for many domains has collected. */
typedef struct Collection {
        uint32_t kinds;
        GPtrArray *paths;    /* of domains */
        GHashTable *objects; /* path of a domain: what its ObjectManager has answered */
        GHashTable *stats;   /* path of a domain: what is told of it */
        unsigned int n_pending;
        bool asks_objects;
} Collection;

static void collection_free(void *data) {
        Collection *collection = data;
        g_ptr_array_unref(collection->paths);
        g_hash_table_unref(collection->objects);
        g_clear_pointer(&collection->stats, g_hash_table_unref);
        g_free(collection);
}

static GVariant *groups_of(uint32_t kinds) {
        GVariantBuilder builder;
        g_variant_builder_init(&builder, G_VARIANT_TYPE_STRING_ARRAY);
        for (size_t i = 0; i < G_N_ELEMENTS(groups); i++)
                if (kinds & groups[i].kind)
                        g_variant_builder_add(&builder, "s", groups[i].group);
        g_variant_builder_add(&builder, "s", "state"); /* none would be all */
        return g_variant_builder_end(&builder);
}

static void add_vcpus(GVariantBuilder *parameters, GVariant *properties, GVariant *stats) {
        uint32_t count = 0, max = 0;
        g_variant_lookup(properties, "VCPUs", "u", &count);
        g_variant_lookup(properties, "MaxVCPUs", "u", &max);
        g_variant_builder_add(parameters, "(sv)", "vcpu.current", g_variant_new_uint32(count));
        g_variant_builder_add(parameters, "(sv)", "vcpu.maximum", g_variant_new_uint32(max));
        for (uint32_t i = 0; i < max; i++) {
                g_autofree char *number = g_strdup_printf("%u", i), *state = g_strdup_printf("vcpu.%u.state", i),
                                *time = g_strdup_printf("vcpu.%u.time", i);
                g_autoptr(GVariant) vcpu = usage_group(stats, "vcpu", number);
                if (!vcpu)
                        continue;
                g_variant_builder_add(parameters, "(sv)", state, g_variant_new_int32(1));
                g_variant_builder_add(parameters, "(sv)", time, g_variant_new_uint64(1000 * usage_number(vcpu, "time", 0)));
        }
}

static void add_balloon(GVariantBuilder *parameters, GVariant *properties, GVariant *stats) {
        g_autoptr(GVariant) balloon = usage_group(stats, "balloon", NULL), memory = usage_group(stats, "memory", NULL);
        g_autoptr(GVariant) guest = usage_group(stats, "guest_memory", NULL);
        uint64_t current = 0, maximum = 0;
        g_variant_lookup(properties, "Memory", "t", &current);
        g_variant_lookup(properties, "MaxMemory", "t", &maximum);
        g_variant_builder_add(parameters, "(sv)", "balloon.current",
                              g_variant_new_uint64(usage_number(balloon, "current", current) / KIB));
        g_variant_builder_add(parameters, "(sv)", "balloon.maximum",
                              g_variant_new_uint64(usage_number(balloon, "maximum", maximum) / KIB));
        usage_append(parameters, "", guest, usage_guest_memory);
        usage_append(parameters, "", memory, usage_rss);
}

static void add_text(GVariantBuilder *parameters, const char *prefix, const char *name, const char *text) {
        g_autofree char *parameter = g_strconcat(prefix, name, NULL);
        if (*text)
                g_variant_builder_add(parameters, "(sv)", parameter, g_variant_new_string(text));
}

/* What is told of each device of a kind. */
typedef struct DeviceKind {
        const char *prefix; /* of its parameters */
        GPtrArray *(*list)(GVariant *objects);
        bool has_path;
        struct {
                const char *group;
                const UsageNumber *numbers;
        } groups[2];
} DeviceKind;

static const DeviceKind disks = { "block", usage_disks, true, { { "block", usage_block }, { "image", usage_image } } };
/* A card without an interface on the host has no numbers, and libvirt leaves its place empty. */
static const DeviceKind cards = { "net", usage_cards, false, { { "interface", usage_card } } };

static void add_devices(GVariantBuilder *parameters, const DeviceKind *kind, GVariant *objects, GVariant *stats) {
        g_autoptr(GPtrArray) devices = kind->list(objects);
        g_autofree char *count = g_strconcat(kind->prefix, ".count", NULL);
        g_variant_builder_add(parameters, "(sv)", count, g_variant_new_uint32(devices->len));
        for (unsigned int i = 0; i < devices->len; i++) {
                const UsageDevice *device = devices->pdata[i];
                g_autofree char *prefix = g_strdup_printf("%s.%u.", kind->prefix, i);
                add_text(parameters, prefix, "name", device->name);
                if (kind->has_path)
                        add_text(parameters, prefix, "path", device->source);
                for (size_t j = 0; j < G_N_ELEMENTS(kind->groups) && kind->groups[j].group; j++) {
                        g_autoptr(GVariant) group = usage_group(stats, kind->groups[j].group, device->alias);
                        usage_append(parameters, prefix, group, kind->groups[j].numbers);
                }
        }
}

static GVariant *objects_of(const Collection *collection, const char *path) {
        GVariant *objects = g_hash_table_lookup(collection->objects, path);
        return objects ? g_variant_ref(objects) : g_variant_ref_sink(g_variant_new("a{oa{sa{sv}}}", NULL));
}

static GVariant *record_of(const Collection *collection, const char *path, GVariant *properties) {
        GVariantBuilder parameters;
        int32_t reason;
        LibvirtState state = state_of(properties, &reason);
        GVariant *stats = collection->stats ? g_hash_table_lookup(collection->stats, path) : NULL;
        g_autoptr(GVariant) cpu = usage_group(stats, "cpu", NULL), objects = objects_of(collection, path);
        g_variant_builder_init(&parameters, G_VARIANT_TYPE("a(sv)"));
        if (collection->kinds & STATS_STATE) {
                g_variant_builder_add(&parameters, "(sv)", "state.state", g_variant_new_int32((int32_t) state));
                g_variant_builder_add(&parameters, "(sv)", "state.reason", g_variant_new_int32(reason));
        }
        if (collection->kinds & STATS_CPU)
                usage_append(&parameters, "", cpu, usage_cpu);
        if (collection->kinds & STATS_BALLOON)
                add_balloon(&parameters, properties, stats);
        if (collection->kinds & STATS_VCPU)
                add_vcpus(&parameters, properties, stats);
        if (collection->kinds & STATS_CARD)
                add_devices(&parameters, &cards, objects, stats);
        if (collection->kinds & STATS_BLOCK)
                add_devices(&parameters, &disks, objects, stats);
        return g_variant_new("(@(ssi)a(sv))", domains_name_of(properties), &parameters);
}

/* One that has gone meanwhile is left out. */
static void answer_collection(Call *call) {
        Collection *collection = call->state;
        GVariantBuilder records;
        g_variant_builder_init(&records, G_VARIANT_TYPE("a((ssi)a(sv))"));
        for (unsigned int i = 0; i < collection->paths->len; i++) {
                GVariant *properties = domains_properties(call->client->domains, collection->paths->pdata[i]);
                if (properties)
                        g_variant_builder_add_value(&records, record_of(collection, collection->paths->pdata[i], properties));
        }
        call_answer(call, g_variant_new("(a((ssi)a(sv)))", &records));
}

static void one_fewer(Call *call) {
        Collection *collection = call->state;
        if (--collection->n_pending == 0)
                answer_collection(call);
}

/* Each domain's objects are below it; one that has none is as one that has not answered. */
static void on_objects(Call *call, GVariant *reply) {
        Collection *collection = call->state;
        g_autoptr(GVariant) objects = g_variant_get_child_value(reply, 0);
        g_autoptr(GVariant) first = g_variant_n_children(objects) > 0 ? g_variant_get_child_value(objects, 0) : NULL;
        const char *object;
        if (first) {
                size_t prefix = strlen(call->client->connection) + strlen("/domain/");
                g_variant_get_child(first, 0, "&o", &object);
                g_hash_table_insert(collection->objects, g_strndup(object, prefix + strcspn(object + prefix, "/")),
                                    g_steal_pointer(&objects));
        }
        one_fewer(call);
}

/* A domain that has gone meanwhile has no objects; what keeps the others' numbers from being told is told. */
static bool on_no_objects(Call *call, const GError *error) {
        Collection *collection = call->state;
        (void) error;
        if (!collection->asks_objects)
                return false;
        one_fewer(call);
        return true;
}

static void ask_objects(Call *call) {
        Collection *collection = call->state;
        collection->n_pending = 1;
        collection->asks_objects = true;
        for (unsigned int i = 0; collection->kinds & (STATS_BLOCK | STATS_CARD) && i < collection->paths->len; i++) {
                collection->n_pending++;
                call_ask(call, collection->paths->pdata[i], "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL,
                         OBJECTS, on_objects);
        }
        one_fewer(call);
}

static void on_stats(Call *call, GVariant *reply) {
        Collection *collection = call->state;
        g_autoptr(GVariant) stats = g_variant_get_child_value(reply, 0);
        GVariantIter iterator;
        const char *path;
        GVariant *told;
        collection->stats = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
        g_variant_iter_init(&iterator, stats);
        while (g_variant_iter_loop(&iterator, "{&o@a{sa{sv}}}", &path, &told))
                g_hash_table_insert(collection->stats, g_strdup(path), g_variant_ref(told));
        ask_objects(call);
}

/* Of one that is off only its images have numbers. */
static bool has_numbers(const Collection *collection, const KnownDomain *domain) {
        return domain && (collection->kinds & STATS_BLOCK || domain->traits & SELECT_ACTIVE);
}

static void ask_collection(Call *call) {
        Collection *collection = call->state;
        g_autoptr(GPtrArray) asked = g_ptr_array_new();
        for (unsigned int i = 0; i < collection->paths->len; i++)
                if (has_numbers(collection, domains_known(call->client->domains, collection->paths->pdata[i])))
                        g_ptr_array_add(asked, collection->paths->pdata[i]);
        if (asked->len == 0) /* none would be all */
                ask_objects(call);
        else
                call_ask(call, call->client->connection, CONNECTION, "GetDomainStats",
                         g_variant_new("(@ao@asa{sv})",
                                       g_variant_new_objv((const char *const *) asked->pdata, (ssize_t) asked->len),
                                       groups_of(collection->kinds), NULL),
                         STATS, on_stats);
}

/* Selects by the flags, where no domains are named. */
typedef struct SelectedPaths {
        Call *call;
        GPtrArray *paths;
} SelectedPaths;

static void add_selected(void *data, const KnownDomain *domain) {
        SelectedPaths *selection = data;
        const char *uuid;
        g_variant_get(domain->name, "(&s&si)", NULL, &uuid, NULL);
        if (traits_are_selected(domain->traits, selection->call->flags & (SELECT_ACTIVE | SELECT_INACTIVE)))
                g_ptr_array_add(selection->paths, call_domain_path(selection->call->client, uuid));
}

static void on_filled(void *data, const GError *error) {
        Call *call = data;
        Collection *collection = call->state;
        g_autoptr(GVariant) named = g_variant_get_child_value(call->arguments, 0);
        SelectedPaths selection = { call, collection->paths };
        for (size_t i = 0; i < g_variant_n_children(named); i++) {
                const char *uuid;
                g_variant_get_child(named, i, "(&s&si)", NULL, &uuid, NULL);
                g_ptr_array_add(collection->paths, call_domain_path(call->client, uuid));
        }
        if (g_variant_n_children(named) == 0)
                domains_each(call->client->domains, add_selected, &selection);
        if (error)
                call_fail(call, g_error_copy(error));
        else
                ask_collection(call);
        call_unref(call);
}

static void get_all_stats(Call *call) {
        uint32_t kinds;
        g_variant_get_child(call->arguments, 1, "u", &kinds);
        if (call->flags & STATS_ENFORCE && kinds & ~(uint32_t) STATS_KNOWN) {
                call_refuse(call, LIBVIRT_ARGUMENT_UNSUPPORTED, "stats types bits 0x%x are not supported",
                            kinds & ~(uint32_t) STATS_KNOWN);
                return;
        }
        Collection *collection = g_new0(Collection, 1);
        collection->kinds = kinds ? kinds : STATS_ALL;
        collection->paths = g_ptr_array_new_with_free_func(g_free);
        collection->objects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
        call->state = collection;
        call->free_state = collection_free;
        call->on_error = on_no_objects;
        domains_fill(call->client->domains, on_filled, call_ref(call));
}

/* Asks for groups of the call's own domain. */
static void ask_stats(Call *call, uint32_t kinds, CallStep step) {
        const char *path = call->domain;
        call_ask(call, call->client->connection, CONNECTION, "GetDomainStats",
                 g_variant_new("(@ao@asa{sv})", g_variant_new_objv(&path, 1), groups_of(kinds), NULL), STATS, step);
}

/* The domain's own part of the answer; empty where it has none. */
static GVariant *own_stats(Call *call, GVariant *reply) {
        g_autoptr(GVariant) all = g_variant_get_child_value(reply, 0);
        GVariant *own = g_variant_lookup_value(all, call->domain, NULL);
        return own ? own : g_variant_ref_sink(g_variant_new("a{sa{sv}}", NULL));
}

static void on_info_stats(Call *call, GVariant *reply) {
        GVariant *properties = call->state;
        int32_t reason;
        uint64_t memory = 0, max_memory = 0;
        uint32_t vcpus = 0;
        g_autoptr(GVariant) stats = own_stats(call, reply), cpu = usage_group(stats, "cpu", NULL),
                            balloon = usage_group(stats, "balloon", NULL);
        g_variant_lookup(properties, "Memory", "t", &memory);
        g_variant_lookup(properties, "MaxMemory", "t", &max_memory);
        g_variant_lookup(properties, "VCPUs", "u", &vcpus);
        call_answer(call,
                    g_variant_new("(uttut)", (uint32_t) state_of(properties, &reason), max_memory / KIB,
                                  usage_number(balloon, "current", memory) / KIB, vcpus, 1000 * usage_number(cpu, "time", 0)));
}

static void on_info(Call *call, GVariant *properties) {
        call->state = g_variant_ref(properties);
        call->free_state = (GDestroyNotify) g_variant_unref;
        ask_stats(call, STATS_CPU | STATS_BALLOON, on_info_stats);
}

static void get_info(Call *call) {
        call_read(call, call->domain, DOMAIN, on_info);
}

#define MEMORY_ACTUAL 6

/* Numbers of libvirt's values of memory. */
static const struct {
        const char *group, *name;
        int32_t tag;
        uint32_t divide;
} memory_values[] = {

        { "guest_memory", "swap_in", 0, KIB },         { "guest_memory", "swap_out", 1, KIB },
        { "guest_memory", "major_faults", 2, 1 },      { "guest_memory", "minor_faults", 3, 1 },
        { "guest_memory", "unused", 4, KIB },          { "guest_memory", "available", 5, KIB },
        { "guest_memory", "usable", 8, KIB },          { "guest_memory", "last_update", 9, 1000000 },
        { "guest_memory", "disk_caches", 10, KIB },    { "guest_memory", "hugetlb_allocations", 11, 1 },
        { "guest_memory", "hugetlb_failures", 12, 1 }, { "memory", "rss", 7, KIB },
};

static void on_memory(Call *call, GVariant *reply) {
        GVariantBuilder builder;
        uint32_t room;
        size_t n = 0;
        g_autoptr(GVariant) stats = own_stats(call, reply);
        g_autoptr(GVariant) balloon = usage_group(stats, "balloon", NULL);
        uint64_t memory = 0;
        g_variant_lookup(call->state, "Memory", "t", &memory);
        g_variant_get_child(call->arguments, 1, "u", &room);
        g_variant_builder_init(&builder, G_VARIANT_TYPE("a(it)"));
        if (n < room)
                g_variant_builder_add(&builder, "(it)", MEMORY_ACTUAL, usage_number(balloon, "current", memory) / KIB);
        n++;
        for (size_t i = 0; i < G_N_ELEMENTS(memory_values); i++) {
                g_autoptr(GVariant) group = usage_group(stats, memory_values[i].group, NULL);
                uint64_t value;
                if (n < room && group && g_variant_lookup(group, memory_values[i].name, "t", &value)) {
                        g_variant_builder_add(&builder, "(it)", memory_values[i].tag, value / memory_values[i].divide);
                        n++;
                }
        }
        call_answer(call, g_variant_new("(a(it))", &builder));
}

static void on_memory_domain(Call *call, GVariant *properties) {
        gboolean active = FALSE;
        g_variant_lookup(properties, "Active", "b", &active);
        call->state = g_variant_ref(properties);
        call->free_state = (GDestroyNotify) g_variant_unref;
        if (active)
                ask_stats(call, STATS_BALLOON, on_memory);
        else
                call_refuse(call, LIBVIRT_OPERATION_INVALID, "Requested operation is not valid: domain is not running");
}

static void get_memory(Call *call) {
        call_read(call, call->domain, DOMAIN, on_memory_domain);
}

static const UsageNumber block_parameters[] = {
        { "read_operations", "rd_operations" },
        { "read_bytes", "rd_bytes" },
        { "read_time_ns", "rd_total_times" },
        { "write_operations", "wr_operations" },
        { "write_bytes", "wr_bytes" },
        { "write_time_ns", "wr_total_times" },
        { "flush_operations", "flush_operations" },
        { "flush_time_ns", "flush_total_times" },
        {},
};

static void answer_block_parameters(Call *call, GVariant *block) {
        GVariantBuilder builder;
        int32_t room, n = 0;
        g_variant_get_child(call->arguments, 2, "i", &room);
        g_variant_builder_init(&builder, G_VARIANT_TYPE("a(sv)"));
        for (const UsageNumber *number = block_parameters; number->name; number++, n++)
                if (n < room)
                        g_variant_builder_add(&builder, "(sv)", number->parameter,
                                              g_variant_new_int64((int64_t) usage_number(block, number->name, 0)));
        call_answer(call, g_variant_new("(a(sv)i)", &builder, n));
}

static void on_device_stats(Call *call, GVariant *reply) {
        const char *alias = call->state;
        g_autoptr(GVariant) stats = own_stats(call, reply), block = usage_group(stats, "block", alias);
        g_autoptr(GVariant) image = usage_group(stats, "image", alias), card = usage_group(stats, "interface", alias);
#define N(group, name) usage_number(group, name, 0)
        switch (call->row->procedure) {
        case REMOTE_DOMAIN_BLOCK_STATS:
                call_answer(call, g_variant_new("(xxxxx)", N(block, "read_operations"), N(block, "read_bytes"),
                                                N(block, "write_operations"), N(block, "write_bytes"), (int64_t) -1));
                break;
        case REMOTE_DOMAIN_BLOCK_STATS_FLAGS:
                answer_block_parameters(call, block);
                break;
        case REMOTE_DOMAIN_GET_BLOCK_INFO:
                if (image)
                        call_answer(call,
                                    g_variant_new("(ttt)", N(image, "allocation"), N(image, "capacity"), N(image, "physical")));
                else
                        call_refuse(call, LIBVIRT_OPERATION_INVALID,
                                    "the size of this disk's image is not known: it is asked for while the domain runs");
                break;
        default:
                call_answer(call, g_variant_new("(xxxxxxxx)", N(card, "rx_bytes"), N(card, "rx_packets"), N(card, "rx_errors"),
                                                N(card, "rx_drops"), N(card, "tx_bytes"), N(card, "tx_packets"),
                                                N(card, "tx_errors"), N(card, "tx_drops")));
        }
#undef N
}

static void on_device_objects(Call *call, GVariant *reply) {
        bool is_card = call->row->procedure == REMOTE_DOMAIN_INTERFACE_STATS;
        g_autoptr(GVariant) objects = g_variant_get_child_value(reply, 0);
        g_autoptr(GPtrArray) devices = is_card ? usage_cards(objects) : usage_disks(objects);
        const char *name = call_string(call, 1);
        const UsageDevice *device = usage_find(devices, name);
        if (!device) {
                call_refuse(call, LIBVIRT_INVALID_ARG,
                            is_card ? "invalid argument: '%s' is not a known interface"
                                    : "invalid argument: invalid path %s not assigned to domain",
                            name);
                return;
        }
        call->state = g_strdup(device->alias);
        call->free_state = g_free;
        ask_stats(call, is_card ? STATS_CARD : STATS_BLOCK, on_device_stats);
}

static void on_device_domain(Call *call, GVariant *properties) {
        (void) properties;
        row_objects(call, on_device_objects);
}

static void get_device_stats(Call *call) {
        if (call->row->procedure == REMOTE_DOMAIN_GET_BLOCK_INFO)
                row_objects(call, on_device_objects);
        else
                row_if_active(call, on_device_domain);
}

const CallRow stats_calls[] = {
        { REMOTE_CONNECT_GET_ALL_DOMAIN_STATS, get_all_stats, NULL, READS, stats_flags },
        { REMOTE_DOMAIN_GET_INFO, get_info },
        { REMOTE_DOMAIN_MEMORY_STATS, get_memory },
        { REMOTE_DOMAIN_BLOCK_STATS, get_device_stats },
        { REMOTE_DOMAIN_BLOCK_STATS_FLAGS, get_device_stats, NULL, READS, parameters_flags },
        { REMOTE_DOMAIN_GET_BLOCK_INFO, get_device_stats },
        { REMOTE_DOMAIN_INTERFACE_STATS, get_device_stats },
        {},
};
