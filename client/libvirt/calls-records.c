/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Statistics of many domains in one call. Who watches asks for them each second: what is known of a domain is written as it is
 * sent. */

#include <string.h>

#include "calls.h"
#include "domains.h"
#include "parameters.h"
#include "rows.h"
#include "traits.h"
#include "usage.h"
#include "xdr.h"

#define CONNECTION INTERFACE("Connection")
#define OBJECTS "(a{oa{sa{sv}}})"
#define STATS "(a{oa{sa{sv}}})"
#define KIB 1024
#define NANOSECONDS 1000    /* in a microsecond */
#define RECORDS_MAX 16384   /* that an answer may have */
#define PARAMETERS_MAX 2048 /* that a record may have */
#define VCPU_RUNNING 1
#define DIRTY_RATE_MEASURED 2
#define MEBIBYTE (1024 * 1024)

#define STATS_ENFORCE 0x80000000u

/* Those of the flags that select domains, beside those that are named. */
#define STATS_SELECTED \
        (SELECT_ACTIVE | SELECT_INACTIVE | SELECT_PERSISTENT | SELECT_TRANSIENT | SELECT_RUNNING | SELECT_PAUSED | \
         SELECT_SHUTOFF | SELECT_OTHER)

/* NOWAIT and BACKING change nothing. */
static const FlagOption stats_flags[] = { { SELECT_ACTIVE, NULL },    { SELECT_INACTIVE, NULL }, { SELECT_PERSISTENT, NULL },
                                          { SELECT_TRANSIENT, NULL }, { SELECT_RUNNING, NULL },  { SELECT_PAUSED, NULL },
                                          { SELECT_SHUTOFF, NULL },   { SELECT_OTHER, NULL },    { 1u << 29, NULL },
                                          { 1u << 30, NULL },         { STATS_ENFORCE, NULL },   {} };

typedef struct Uuid {
        uint8_t bytes[XDR_UUID_BYTES];
} Uuid;

/* What a call for many domains has collected. */
typedef struct Collection {
        uint32_t kinds;
        GArray *domains;     /* Uuid */
        GHashTable *objects; /* path of a domain: what its ObjectManager has answered */
        GHashTable *stats;   /* path of a domain: what is told of it */
        unsigned int n_pending;
        bool asks_objects;
} Collection;

static void collection_free(void *data) {
        Collection *collection = data;
        g_array_unref(collection->domains);
        g_hash_table_unref(collection->objects);
        g_clear_pointer(&collection->stats, g_hash_table_unref);
        g_free(collection);
}

/* One that has gone meanwhile is not known. */
static const KnownDomain *domain_at(const Call *call, unsigned int i) {
        const Collection *collection = call->state;
        const Known *known = domains_known(call->client->domains);
        return known ? known_by_uuid(known, g_array_index(collection->domains, Uuid, i).bytes) : NULL;
}

static char *path_of(const Call *call, const KnownDomain *domain) {
        return call_domain_path(call->client, domain->uuid_text);
}

static bool is_active(const KnownDomain *domain) {
        return (domain->traits & SELECT_ACTIVE) != 0;
}

static void add_vcpus(Parameters *parameters, const KnownDomain *domain, GVariant *stats) {
        parameters_add_uint(parameters, "vcpu.", "current", domain->vcpus);
        parameters_add_uint(parameters, "vcpu.", "maximum", domain->max_vcpus);
        for (uint32_t i = 0; stats && i < domain->max_vcpus; i++) {
                g_autofree char *number = g_strdup_printf("%u", i), *prefix = g_strdup_printf("vcpu.%u.", i);
                g_autoptr(GVariant) vcpu = usage_group(stats, "vcpu", number);
                if (!vcpu)
                        continue;
                parameters_add_int(parameters, prefix, "state", VCPU_RUNNING);
                parameters_add_ulong(parameters, prefix, "time", NANOSECONDS * usage_number(vcpu, "time", 0));
                parameters_add_ulong(parameters, prefix, "delay", usage_number(vcpu, "delay_ns", 0));
        }
}

static void add_balloon(Parameters *parameters, const KnownDomain *domain, GVariant *stats) {
        g_autoptr(GVariant) balloon = usage_group(stats, "balloon", NULL), memory = usage_group(stats, "memory", NULL);
        g_autoptr(GVariant) guest = usage_group(stats, "guest_memory", NULL);
        parameters_add_ulong(parameters, "balloon.", "current", usage_number(balloon, "current", domain->memory) / KIB);
        parameters_add_ulong(parameters, "balloon.", "maximum", usage_number(balloon, "maximum", domain->max_memory) / KIB);
        usage_append(parameters, "", guest, usage_guest_memory);
        usage_append(parameters, "", memory, usage_rss);
}

static int compare_numbers(const void *one, const void *other) {
        uint32_t a = *(const uint32_t *) one, b = *(const uint32_t *) other;
        return (a > b) - (a < b);
}

/* By the numbers of the threads, which need not follow each other. */
static void add_io_threads(Parameters *parameters, GVariant *stats) {
        g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        GVariantIter iterator;
        const char *name;
        uint64_t number;
        g_variant_iter_init(&iterator, stats);
        while (g_variant_iter_next(&iterator, "{&s@a{sv}}", &name, NULL))
                if (g_str_has_prefix(name, "iothread.") &&
                    g_ascii_string_to_unsigned(name + strlen("iothread."), 10, 1, UINT32_MAX, &number, NULL)) {
                        uint32_t one = (uint32_t) number;
                        g_array_append_val(numbers, one);
                }
        g_array_sort(numbers, compare_numbers);
        if (numbers->len > 0)
                parameters_add_uint(parameters, "iothread.", "count", numbers->len);
        for (unsigned int i = 0; i < numbers->len; i++) {
                g_autofree char *alias = g_strdup_printf("%u", g_array_index(numbers, uint32_t, i)),
                                *prefix = g_strdup_printf("iothread.%s.", alias);
                g_autoptr(GVariant) thread = usage_group(stats, "iothread", alias);
                parameters_add_ulong(parameters, prefix, "poll-max-ns", usage_number(thread, "poll_max_ns", 0));
                parameters_add_uint(parameters, prefix, "poll-grow", (uint32_t) usage_number(thread, "poll_grow", 0));
                parameters_add_uint(parameters, prefix, "poll-shrink", (uint32_t) usage_number(thread, "poll_shrink", 0));
        }
}

/* Of one that runs, also where nothing was measured: all is 0 then. */
static void add_dirty_rate(Parameters *parameters, const KnownDomain *domain, GVariant *stats) {
        static const char *const modes[] = { "page-sampling", "dirty-bitmap", "dirty-ring" };
        g_autoptr(GVariant) rate = usage_group(stats, "dirty_rate", NULL);
        uint64_t mode = usage_number(rate, "mode", 0);
        parameters_add_int(parameters, "dirtyrate.", "calc_status", (int32_t) usage_number(rate, "status", 0));
        parameters_add_long(parameters, "dirtyrate.", "calc_start_time",
                            (int64_t) (usage_number(rate, "start_time", 0) / G_USEC_PER_SEC));
        parameters_add_int(parameters, "dirtyrate.", "calc_period", (int32_t) (usage_number(rate, "period", 0) / G_USEC_PER_SEC));
        parameters_add_text(parameters, "dirtyrate.", "calc_mode", modes[MIN(mode, G_N_ELEMENTS(modes) - 1)]);
        if (usage_number(rate, "status", 0) == DIRTY_RATE_MEASURED)
                parameters_add_long(parameters, "dirtyrate.", "megabytes_per_second",
                                    (int64_t) (usage_number(rate, "bytes_per_second", 0) / MEBIBYTE));
        for (uint32_t i = 0; rate && i < domain->max_vcpus; i++) {
                g_autofree char *number = g_strdup_printf("%u", i), *prefix = g_strdup_printf("dirtyrate.vcpu.%u.", i);
                g_autoptr(GVariant) own = usage_group(stats, "dirty_rate", number);
                if (own)
                        parameters_add_long(parameters, prefix, "megabytes_per_second",
                                            (int64_t) (usage_number(own, "bytes_per_second", 0) / MEBIBYTE));
        }
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

static const DeviceKind disks = { "block.", usage_disks, true, { { "block", usage_block }, { "image", usage_image } } };
/* A card without an interface on the host has no numbers, and libvirt leaves its place empty. */
static const DeviceKind cards = { "net.", usage_cards, false, { { "interface", usage_card } } };

static void add_devices(Parameters *parameters, const DeviceKind *kind, GVariant *objects, GVariant *stats) {
        g_autoptr(GPtrArray) devices = kind->list(objects);
        parameters_add_uint(parameters, kind->prefix, "count", devices->len);
        for (unsigned int i = 0; i < devices->len; i++) {
                const UsageDevice *device = devices->pdata[i];
                g_autofree char *prefix = g_strdup_printf("%s%u.", kind->prefix, i);
                if (*device->name)
                        parameters_add_text(parameters, prefix, "name", device->name);
                if (kind->has_path && *device->source)
                        parameters_add_text(parameters, prefix, "path", device->source);
                for (size_t j = 0; j < G_N_ELEMENTS(kind->groups) && kind->groups[j].group; j++) {
                        g_autoptr(GVariant) group = usage_group(stats, kind->groups[j].group, device->alias);
                        usage_append(parameters, prefix, group, kind->groups[j].numbers);
                }
        }
}

static void add_all_devices(Parameters *parameters, const Collection *collection, const KnownDomain *domain, const char *path,
                            GVariant *stats) {
        GVariant *answered = path ? g_hash_table_lookup(collection->objects, path) : NULL;
        g_autoptr(GVariant) objects =
                        answered ? g_variant_ref(answered) : g_variant_ref_sink(g_variant_new("a{oa{sa{sv}}}", NULL));
        if (collection->kinds & STATS_CARD && is_active(domain))
                add_devices(parameters, &cards, objects, stats);
        if (collection->kinds & STATS_BLOCK)
                add_devices(parameters, &disks, objects, stats);
}

/* Whether more is told of a domain than what is known of it: of one that is off, its disks. */
static bool has_more(const Collection *collection, const KnownDomain *domain) {
        return collection->kinds & STATS_BLOCK || is_active(domain);
}

/* False where its devices are more than libvirt's protocol can tell of one domain. */
static bool append_record(const Call *call, const KnownDomain *domain, GByteArray *into) {
        const Collection *collection = call->state;
        g_autofree char *path = has_more(collection, domain) ? path_of(call, domain) : NULL;
        GVariant *stats = path && collection->stats ? g_hash_table_lookup(collection->stats, path) : NULL;
        g_byte_array_append(into, g_bytes_get_data(domain->encoded_name, NULL),
                            (unsigned int) g_bytes_get_size(domain->encoded_name));
        Parameters parameters = parameters_begin(into);
        if (collection->kinds & STATS_STATE) {
                parameters_add_int(&parameters, "state.", "state", domain->state);
                parameters_add_int(&parameters, "state.", "reason", domain->reason);
        }
        if (collection->kinds & STATS_CPU && stats) {
                g_autoptr(GVariant) cpu = usage_group(stats, "cpu", NULL);
                usage_append(&parameters, "", cpu, usage_cpu);
        }
        if (collection->kinds & STATS_BALLOON)
                add_balloon(&parameters, domain, stats);
        if (collection->kinds & STATS_VCPU)
                add_vcpus(&parameters, domain, stats);
        if (collection->kinds & (STATS_CARD | STATS_BLOCK))
                add_all_devices(&parameters, collection, domain, path, stats);
        if (collection->kinds & STATS_IO_THREAD && stats)
                add_io_threads(&parameters, stats);
        if (collection->kinds & STATS_DIRTY_RATE && is_active(domain))
                add_dirty_rate(&parameters, domain, stats);
        parameters_end(&parameters);
        return parameters.n <= PARAMETERS_MAX;
}

static void answer_collection(Call *call) {
        const Collection *collection = call->state;
        g_autoptr(GByteArray) body = g_byte_array_new();
        uint32_t n = 0;
        bool fits = true;
        xdr_put_word(body, 0);
        for (unsigned int i = 0; fits && i < collection->domains->len; i++) {
                const KnownDomain *domain = domain_at(call, i);
                fits = !domain || (append_record(call, domain, body) && n < RECORDS_MAX);
                n += domain != NULL;
        }
        xdr_set_word(body, 0, n);
        if (fits)
                call_answer_encoded(call, body);
        else
                call_refuse(call, LIBVIRT_RPC, "the answer is too long for libvirt's protocol: ask for fewer domains or kinds");
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
        for (unsigned int i = 0; collection->kinds & (STATS_BLOCK | STATS_CARD) && i < collection->domains->len; i++) {
                const KnownDomain *domain = domain_at(call, i);
                if (!domain || !has_more(collection, domain))
                        continue;
                g_autofree char *path = path_of(call, domain);
                collection->n_pending++;
                call_ask(call, path, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, OBJECTS, on_objects);
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

static void ask_collection(Call *call) {
        Collection *collection = call->state;
        g_autoptr(GPtrArray) asked = g_ptr_array_new_with_free_func(g_free);
        for (unsigned int i = 0; collection->kinds & ~(uint32_t) STATS_STATE && i < collection->domains->len; i++) {
                const KnownDomain *domain = domain_at(call, i);
                if (domain && has_more(collection, domain))
                        g_ptr_array_add(asked, path_of(call, domain));
        }
        if (asked->len == 0) /* none would be all */
                ask_objects(call);
        else
                call_ask(call, call->client->connection, CONNECTION, "GetDomainStats",
                         g_variant_new("(@ao@asa{sv})",
                                       g_variant_new_objv((const char *const *) asked->pdata, (ssize_t) asked->len),
                                       usage_groups(collection->kinds), NULL),
                         STATS, on_stats);
}

/* Selects by the flags, where no domains are named. */
typedef struct SelectedDomains {
        Collection *collection;
        uint32_t flags;
} SelectedDomains;

static void add_selected(void *data, const KnownDomain *domain) {
        SelectedDomains *selection = data;
        if (traits_are_selected(domain->traits, selection->flags))
                g_array_append_vals(selection->collection->domains, domain->uuid, 1);
}

static void add_named(Collection *collection, GVariant *named) {
        for (size_t i = 0; i < g_variant_n_children(named); i++) {
                const char *text;
                Uuid uuid;
                g_variant_get_child(named, i, "(&s&si)", NULL, &text, NULL);
                if (xdr_read_uuid(text, uuid.bytes))
                        g_array_append_val(collection->domains, uuid);
        }
}

static void on_filled(void *data, const GError *error) {
        Call *call = data;
        Collection *collection = call->state;
        g_autoptr(GVariant) named = g_variant_get_child_value(call->arguments, 0);
        SelectedDomains selection = { collection, call->flags & STATS_SELECTED };
        if (error)
                call_fail(call, g_error_copy(error));
        else {
                add_named(collection, named);
                if (g_variant_n_children(named) == 0)
                        known_each(domains_known(call->client->domains), add_selected, &selection);
                ask_collection(call);
        }
        call_unref(call);
}

static void get_all_stats(Call *call) {
        uint32_t kinds;
        g_variant_get_child(call->arguments, 1, "u", &kinds);
        if (call->flags & STATS_ENFORCE && kinds & ~(uint32_t) STATS_ALL) {
                call_refuse(call, LIBVIRT_ARGUMENT_UNSUPPORTED, "stats types bits 0x%x are not supported",
                            kinds & ~(uint32_t) STATS_ALL);
                return;
        }
        Collection *collection = g_new0(Collection, 1);
        collection->kinds = kinds ? kinds : STATS_ALL;
        collection->domains = g_array_new(FALSE, FALSE, sizeof(Uuid));
        collection->objects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
        call->state = collection;
        call->free_state = collection_free;
        call->on_error = on_no_objects;
        domains_fill(call->client->domains, on_filled, call_ref(call));
}

const CallRow record_calls[] = {
        { REMOTE_CONNECT_GET_ALL_DOMAIN_STATS, get_all_stats, NULL, READS, stats_flags },
        {},
};
