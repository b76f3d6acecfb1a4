/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esx/quick-stats.h"

#include <string.h>

#include "base/xml.h"
#include "domain/connection-table.h"
#include "domain/statistics.h"
#include "esx/inventory.h"

#define MIB (UINT64_C(1) << 20)
#define MHZ UINT64_C(1000000)

/* Beyond that a number is none: in megabytes, or megahertz. */
#define NUMBER_MAX (UINT64_C(1) << 40)

#define QUICK_STATS "summary.quickStats"

/* A question that is asked: of these domains. */
typedef struct Batch {
        Esx *esx;
        GPtrArray *domains; /* Domain, held */
} Batch;

/* What is told */

static bool number_at(const xmlNode *value, const char *name, uint64_t *number) {
        g_autofree char *text = xml_text_at(value, name);
        return *text && g_ascii_string_to_unsigned(text, 10, 0, NUMBER_MAX, number, NULL);
}

static void tell(Domain *domain, const xmlNode *value) {
        uint64_t speed = 0, used = 0, ballooned = 0;
        if (number_at(value, "overallCpuUsage", &speed)) {
                statistics_begin(domain, "cpu");
                statistics_set(domain, "usage_hz", speed * MHZ);
        }
        if (number_at(value, "hostMemoryUsage", &used)) {
                statistics_begin(domain, "memory");
                statistics_set(domain, "rss", used * MIB);
        }
        number_at(value, "balloonedMemory", &ballooned);
        statistics_begin(domain, "balloon");
        statistics_set(domain, "current", domain->live->memory - MIN(ballooned * MIB, domain->live->memory));
        statistics_set(domain, "maximum", domain->live->max_memory);
}

bool quick_stats_take(void *data, xmlNode *element, GError **error) {
        const Esx *esx = data;
        g_auto(VimReference) reference = { 0 };
        (void) error;
        if (!xml_is(element, "objects") || !vim_reference_read(&reference, xml_child(element, "obj")))
                return true;
        const EsxMachine *machine = g_hash_table_lookup(esx->machines, reference.value);
        Domain *domain = machine && machine->uuid ? connection_find(esx->connection, machine->uuid) : NULL;
        if (!domain || !domain_is_active(domain) || !domain->run || !domain->live)
                return true;
        for (xmlNode *property = xml_child(element, "propSet"); property; property = xml_next(property, "propSet")) {
                g_autofree char *name = xml_text_at(property, "name");
                const xmlNode *value = xml_child(property, "val");
                if (value && strcmp(name, QUICK_STATS) == 0)
                        tell(domain, value);
        }
        return true;
}

/* Asking */

/* What was known before counts where there is no answer. */
static void batch_end(Batch *batch) {
        g_autoptr(GPtrArray) domains = g_steal_pointer(&batch->domains);
        g_hash_table_remove(batch->esx->stats_batches, batch);
        g_free(batch);
        for (guint i = 0; i < domains->len; i++)
                statistics_collected(domains->pdata[i]);
}

static void on_told(void *data, const GError *error) {
        (void) error;
        batch_end(data);
}

static bool on_element(void *data, xmlNode *element, GError **error) {
        return quick_stats_take(((const Batch *) data)->esx, element, error);
}

static bool put_machine(GString *arguments, const Domain *domain) {
        const EsxMachine *machine = inventory_of(domain);
        if (!machine)
                return false;
        g_string_append(arguments, "<objectSet>");
        vim_put_reference(arguments, "obj", &machine->reference);
        g_string_append(arguments, "</objectSet>");
        return true;
}

static void ask(Batch *batch) {
        static const char *const opened[] = { "returnval", NULL };
        Esx *esx = batch->esx;
        g_autoptr(GString) arguments =
                        g_string_new("<specSet><propSet><type>VirtualMachine</type><pathSet>" QUICK_STATS "</pathSet></propSet>");
        bool has_any = false;
        for (guint i = 0; i < batch->domains->len; i++)
                has_any |= put_machine(arguments, batch->domains->pdata[i]);
        g_string_append(arguments, "</specSet><options/>");
        if (!has_any || !esx->vim) {
                batch_end(batch);
                return;
        }
        vim_call(esx->vim,
                 &(VimQuestion){ .method = "RetrievePropertiesEx",
                                 .object = &esx->content.property_collector,
                                 .arguments = arguments->str,
                                 .each = on_element,
                                 .opened = opened,
                                 .bytes_max = VIM_UPDATE_BYTES_MAX },
                 on_told, batch);
}

/* All that are asked for have been by now. */
static int on_asked(sd_event_source *source, void *data) {
        Esx *esx = data;
        (void) source;
        esx->stats_asker = sd_event_source_disable_unref(esx->stats_asker);
        g_autoptr(GPtrArray) all = g_steal_pointer(&esx->stats_asked);
        for (guint begin = 0; begin < all->len; begin += QUICK_STATS_MACHINES_MAX) {
                Batch *batch = g_new0(Batch, 1);
                *batch = (Batch){ .esx = esx, .domains = g_ptr_array_new_with_free_func((GDestroyNotify) domain_unref) };
                for (guint i = begin; i < MIN(all->len, begin + QUICK_STATS_MACHINES_MAX); i++)
                        g_ptr_array_add(batch->domains, domain_ref(all->pdata[i]));
                g_hash_table_add(esx->stats_batches, batch);
                ask(batch);
        }
        return 0;
}

static void collect(Domain *domain) {
        Esx *esx = domain->connection->data;
        if (!esx->stats_asked)
                esx->stats_asked = g_ptr_array_new_with_free_func((GDestroyNotify) domain_unref);
        g_ptr_array_add(esx->stats_asked, domain_ref(domain));
        if (!esx->stats_asker)
                sd_event_add_defer(domain->connection->event, &esx->stats_asker, on_asked, esx);
}

const HypervisorStatistics quick_stats_functions = {
        .collect = collect,
};

/* The whole */

void quick_stats_open(Esx *esx) {
        esx->stats_batches = g_hash_table_new(NULL, NULL);
}

void quick_stats_end(Esx *esx) {
        g_autoptr(GPtrArray) asked = g_steal_pointer(&esx->stats_asked);
        esx->stats_asker = sd_event_source_disable_unref(esx->stats_asker);
        for (guint i = 0; asked && i < asked->len; i++)
                statistics_collected(asked->pdata[i]);
        g_autoptr(GList) batches = g_hash_table_get_keys(esx->stats_batches);
        for (GList *link = batches; link; link = link->next)
                if (g_hash_table_contains(esx->stats_batches, link->data))
                        batch_end(link->data);
}

void quick_stats_close(Esx *esx) {
        g_autoptr(GList) batches = g_hash_table_get_keys(esx->stats_batches);
        esx->stats_asker = sd_event_source_disable_unref(esx->stats_asker);
        g_clear_pointer(&esx->stats_asked, g_ptr_array_unref);
        for (GList *link = batches; link; link = link->next) {
                g_ptr_array_unref(((Batch *) link->data)->domains);
                g_free(link->data);
        }
        g_hash_table_unref(esx->stats_batches);
}
