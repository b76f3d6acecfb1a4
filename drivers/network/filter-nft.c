/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/filter-nft.h"

#include <string.h>

#include "network/filter-change.h"
#include "network/filter-match.h"

#define TABLE FILTER_TABLE

/* A rule with the values of its variables, and where it belongs. */
typedef struct Placed {
        const FilterRule *rule;
        GHashTable *variables;
        unsigned chain; /* in Writer.chains */
        unsigned order; /* in the documents */
} Placed;

typedef struct Chain {
        const char *name;
        int priority;
} Chain;

typedef struct Writer {
        const FilterSource *source;
        FilterCard *card;
        bool may_learn; /* the address of the guest, where nothing else says what it is */
        GArray *placed, *chains;
        GPtrArray *tables; /* of variables */
        bool has_above, compares_bytes;
        unsigned n_rules, n_steps;
        GPtrArray *rules; /* GString: of each chain from the guest, then of each to it */
} Writer;

#define ROOT 0

/* Collecting */

/* What strangers' documents cost is counted before it is spent. */
static bool spend(Writer *writer, unsigned steps, GError **error) {
        bool fine = steps <= FILTER_NFT_STEPS_MAX - writer->n_steps;
        writer->n_steps += fine ? steps : 0;
        return fine || virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                                         "the filter has more than %d rules, references and values of variables, as often as "
                                         "they are included",
                                         FILTER_NFT_STEPS_MAX);
}

/* Its place; -1 with an error where there are too many. */
static int find_chain(Writer *writer, const FilterDefinition *definition, GError **error) {
        for (guint i = 0; i < writer->chains->len; i++)
                if (strcmp(g_array_index(writer->chains, Chain, i).name, definition->chain) == 0)
                        return (int) i;
        const Chain chain = { definition->chain, definition->priority };
        if (writer->chains->len == FILTER_NFT_CHAINS_MAX) {
                virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "the filter has more than %d chains",
                                  FILTER_NFT_CHAINS_MAX);
                return -1;
        }
        g_array_append_val(writer->chains, chain);
        return (int) writer->chains->len - 1;
}

/* What is known outside is stronger than what the reference says. */
static GHashTable *variables_of(Writer *writer, const FilterItem *item, GHashTable *outer) {
        GHashTable *all = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) g_ptr_array_unref);
        GHashTableIter iterator;
        void *name, *values;
        g_ptr_array_add(writer->tables, all);
        for (guint i = 0; i < item->parameters->len; i++) {
                const FilterParameter *parameter = &g_array_index(item->parameters, FilterParameter, i);
                GPtrArray *list = g_hash_table_lookup(all, parameter->name);
                if (!list) {
                        list = g_ptr_array_new();
                        g_hash_table_insert(all, parameter->name, list);
                }
                g_ptr_array_add(list, parameter->value);
        }
        g_hash_table_iter_init(&iterator, outer);
        while (g_hash_table_iter_next(&iterator, &name, &values))
                g_hash_table_insert(all, name, g_ptr_array_ref(values));
        return all;
}

static bool collect(Writer *writer, const FilterDefinition *definition, GHashTable *variables, unsigned depth, GError **error);

static bool collect_reference(Writer *writer, const FilterItem *item, GHashTable *variables, unsigned depth, GError **error) {
        if (depth >= FILTER_DEPTH_MAX)
                return virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "filter '%s' is included more than %d deep",
                                         item->reference, FILTER_DEPTH_MAX);
        const FilterDefinition *other = filter_source_find(writer->source, item->reference, error);
        return other && spend(writer, item->parameters->len + g_hash_table_size(variables), error) &&
               collect(writer, other, variables_of(writer, item, variables), depth + 1, error);
}

static bool collect(Writer *writer, const FilterDefinition *definition, GHashTable *variables, unsigned depth, GError **error) {
        int chain = find_chain(writer, definition, error);
        if (chain < 0)
                return false;
        for (guint i = 0; i < definition->items->len; i++) {
                const FilterItem *item = definition->items->pdata[i];
                if (!spend(writer, 1, error))
                        return false;
                if (!item->rule) {
                        if (!collect_reference(writer, item, variables, depth, error))
                                return false;
                        continue;
                }
                const Placed placed = { item->rule, variables, (unsigned) chain, writer->placed->len };
                if (writer->placed->len >= FILTER_NFT_RULES_MAX)
                        return virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "the filter has more than %d rules",
                                                 FILTER_NFT_RULES_MAX);
                g_array_append_val(writer->placed, placed);
        }
        return true;
}

static int compare_placed(const void *one, const void *other) {
        const Placed *a = one, *b = other;
        return a->rule->priority != b->rule->priority ? (a->rule->priority < b->rule->priority ? -1 : 1)
                                                      : (a->order < b->order ? -1 : a->order > b->order);
}

/* Variables */

typedef struct Reference {
        char *name;
        int index;         /* of the list; -1: of the iterator's turn */
        unsigned iterator; /* its number */
} Reference;

/* Of a kept value: "$NAME", "$NAME[2]" or "$NAME[@1]". */
static Reference parse_reference(const char *value) {
        const char *bracket = strchr(value, '[');
        Reference reference = { .name = bracket ? g_strndup(value + 1, (size_t) (bracket - value - 1)) : g_strdup(value + 1),
                                .index = -1 };
        if (bracket && bracket[1] == '@')
                reference.iterator = (unsigned) g_ascii_strtoull(bracket + 2, NULL, 10);
        else if (bracket)
                reference.index = (int) g_ascii_strtoull(bracket + 1, NULL, 10);
        return reference;
}

/* How many iterators a rule may have. */
#define ITERATORS_MAX 8

/* A rule's iterators, and the turn of each. */
typedef struct RuleTurns {
        unsigned n, numbers[ITERATORS_MAX], lengths[ITERATORS_MAX], at[ITERATORS_MAX];
} RuleTurns;

static unsigned find_iterator(RuleTurns *turns, unsigned number) {
        unsigned i = 0;
        while (i < turns->n && turns->numbers[i] != number)
                i++;
        return i;
}

/* The name of the variable that is the guest's IPv4 address. */
#define LEARNED "IP"

static bool is_learned(const Writer *writer, const char *name, const GPtrArray *list, const FilterValue *kind) {
        return writer->may_learn && !list && strcmp(name, LEARNED) == 0 && kind == &filter_value_ipv4;
}

static bool note_variable(Writer *writer, RuleTurns *turns, const char *value, const FilterValue *kind, GHashTable *variables,
                          GError **error) {
        Reference reference = parse_reference(value);
        g_autofree char *name = reference.name;
        const GPtrArray *list = g_hash_table_lookup(variables, name);
        if (is_learned(writer, name, list, kind)) {
                writer->card->learns = true;
                return true;
        }
        if (!list || list->len == 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "the filter needs a value of %s: add <parameter name='%s' value='...'/>", name, name);
        if (reference.index >= (int) list->len)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s: %s has %u values only", value, name,
                                         list->len);
        if (reference.index >= 0)
                return true;
        unsigned i = find_iterator(turns, reference.iterator);
        if (i == ITERATORS_MAX)
                return virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "a rule has more than %d iterators", ITERATORS_MAX);
        if (i < turns->n && turns->lengths[i] != list->len)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "%s: its list has %u values, and another one of the same iterator has %u", value,
                                         list->len, turns->lengths[i]);
        turns->numbers[i] = reference.iterator;
        turns->lengths[i] = list->len;
        turns->n = MAX(turns->n, i + 1);
        return true;
}

static bool begin_turns(Writer *writer, RuleTurns *turns, const Placed *placed, GError **error) {
        *turns = (RuleTurns){ 0 };
        for (unsigned i = 0; i < FILTER_FIELDS_MAX; i++) {
                const char *value = placed->rule->values[i];
                const FilterValue *kind = value && value[0] == '$' ? filter_protocol_value(placed->rule->protocol, i) : NULL;
                if (kind && !kind->is_constant && !note_variable(writer, turns, value, kind, placed->variables, error))
                        return false;
        }
        return true;
}

/* False after the last one. */
static bool next_turn(RuleTurns *turns) {
        for (unsigned i = 0; i < turns->n; i++) {
                if (++turns->at[i] < turns->lengths[i])
                        return true;
                turns->at[i] = 0;
        }
        return false;
}

static char *learned_value(const Writer *writer) {
        g_autoptr(GString) text = g_string_new("@");
        filter_card_name_set(writer->card, text);
        return g_strdup(text->str);
}

static char *value_at(const Writer *writer, RuleTurns *turns, const Placed *placed, unsigned i, GError **error) {
        const char *value = placed->rule->values[i];
        const FilterValue *kind = placed->rule->protocol ? filter_protocol_value(placed->rule->protocol, i) : NULL;
        if (value[0] != '$' || kind->is_constant)
                return g_strdup(value);
        Reference reference = parse_reference(value);
        g_autofree char *name = reference.name;
        const GPtrArray *list = g_hash_table_lookup(placed->variables, name);
        if (is_learned(writer, name, list, kind))
                return learned_value(writer);
        unsigned at = reference.index >= 0 ? (unsigned) reference.index : turns->at[find_iterator(turns, reference.iterator)];
        const char *given = list->pdata[at];
        char *kept = given[0] == '$' ? NULL : filter_value_read(kind, given);
        if (!kept)
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s is '%.64s'; it must be %s", name, given, kind->what);
        return kept;
}

/* Writing */

static void name_chain(const Writer *writer, FilterWay way, unsigned chain, GString *into) {
        filter_card_name_chain(writer->card, way, chain, into);
}

/* The one above IP is behind all others. */
static unsigned above(const Writer *writer) {
        return writer->chains->len;
}

static GString *rules_at(const Writer *writer, FilterWay way, unsigned chain) {
        return writer->rules->pdata[way * writer->card->n_chains + chain];
}

static bool add_rule(Writer *writer, FilterWay way, unsigned chain, const char *expressions, const char *verdict,
                     GError **error) {
        if (++writer->n_rules > FILTER_NFT_RULES_MAX)
                return virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "the filter has more than %d rules for a card",
                                         FILTER_NFT_RULES_MAX);
        GString *rules = rules_at(writer, way, chain);
        g_string_append(rules, "add rule " TABLE " ");
        name_chain(writer, way, chain, rules);
        g_string_append_printf(rules, " %s%s\n", expressions, verdict);
        return true;
}

/* What is let pass below IP is judged above it. */
static char *pass(const Writer *writer, FilterWay way) {
        if (!writer->has_above)
                return g_strdup("accept");
        g_autoptr(GString) text = g_string_new("goto ");
        name_chain(writer, way, above(writer), text);
        return g_strdup(text->str);
}

/* Below IP nobody can be told of a rejection. */
static char *verdict_of(const Writer *writer, const Placed *placed, FilterWay way, bool is_above) {
        switch (placed->rule->action) {
        case FILTER_ACCEPT:
                return is_above ? g_strdup("accept") : pass(writer, way);
        case FILTER_RETURN:
                return is_above ? g_strdup("accept") : placed->chain == ROOT ? pass(writer, way) : g_strdup("return");
        case FILTER_REJECT:
                return g_strdup(is_above ? "reject" : "drop");
        case FILTER_CONTINUE:
                return NULL;
        default:
                return g_strdup("drop");
        }
}

static bool has_way(const FilterRule *rule, FilterWay way) {
        return rule->direction == FILTER_INOUT || (rule->direction == FILTER_OUT) == (way == FILTER_WAY_FROM);
}

static bool write_below(Writer *writer, const Placed *placed, char *const *values, FilterWay way, GError **error) {
        const FilterRule *rule = placed->rule;
        bool swapped = rule->direction == FILTER_INOUT && way == FILTER_WAY_FROM;
        g_autofree char *expressions = filter_match_text(rule, values, swapped, error),
                        *verdict = verdict_of(writer, placed, way, false);
        return expressions && (!verdict || add_rule(writer, way, placed->chain, expressions, verdict, error));
}

/* Which packets of connections an accepting rule is about; of answers, ANSWERS. Empty: of any; NULL: of none that go this way. */
static char *connection_of(const FilterRule *rule, bool answers) {
        const char *state = filter_rule_value(rule, "state"), *protocol = filter_protocol_name(rule->protocol);
        bool is_icmp = strcmp(protocol, "icmp") == 0 || strcmp(protocol, "icmpv6") == 0;
        bool is_typed = is_icmp && filter_rule_value(rule, "type");
        if (state || filter_match_limits_connections(rule) || (answers && is_typed)) {
                g_autofree char *lower = state ? g_ascii_strdown(state, -1) : NULL;
                if (answers && rule->direction != FILTER_INOUT)
                        return NULL;
                return state && strcmp(state, "NONE") != 0 ? g_strdup_printf("ct state %s ", lower) : g_strdup("");
        }
        if (rule->action != FILTER_ACCEPT || !rule->statematch || rule->direction == FILTER_INOUT)
                return g_strdup("");
        if (answers)
                return g_strdup("ct state established ct direction reply ");
        return g_strdup(is_typed ? "ct state new,established " : "ct state new,established ct direction original ");
}

static bool write_above(Writer *writer, const Placed *placed, char *const *values, FilterWay way, GError **error) {
        const FilterRule *rule = placed->rule;
        bool is_to = rule->direction != FILTER_OUT, swapped = is_to != (way == FILTER_WAY_TO);
        g_autofree char *connection = connection_of(rule, swapped);
        if (!connection || (swapped && !filter_match_knows_answers(rule)))
                return true;
        g_autofree char *expressions = filter_match_text(rule, values, swapped, error),
                        *verdict = verdict_of(writer, placed, way, true),
                        *all = expressions ? g_strconcat(expressions, connection, NULL) : NULL;
        return all && (!verdict || add_rule(writer, way, above(writer), all, verdict, error));
}

static bool write_turn(Writer *writer, const Placed *placed, RuleTurns *turns, FilterWay way, GError **error) {
        char *values[FILTER_FIELDS_MAX] = { NULL };
        bool fine = spend(writer, 1, error);
        for (unsigned i = 0; i < FILTER_FIELDS_MAX && fine; i++)
                if (placed->rule->values[i])
                        fine = (values[i] = value_at(writer, turns, placed, i, error));
        if (fine)
                fine = filter_match_is_above_ip(placed->rule) ? write_above(writer, placed, values, way, error)
                                                              : write_below(writer, placed, values, way, error);
        for (unsigned i = 0; i < FILTER_FIELDS_MAX; i++)
                g_free(values[i]);
        return fine;
}

static bool write_placed(Writer *writer, const Placed *placed, FilterWay way, GError **error) {
        RuleTurns turns;
        if (!filter_match_is_above_ip(placed->rule) && !has_way(placed->rule, way))
                return true;
        if (!begin_turns(writer, &turns, placed, error))
                return false;
        bool fine;
        do
                fine = write_turn(writer, placed, &turns, way, error);
        while (fine && next_turn(&turns));
        return fine;
}

/* What a packet has that is for a chain of a protocol. */
static const char *gate_of(const char *chain) {
        static const struct {
                const char *prefix, *expression;
        } gates[] = { { "vlan", "ether type 8021q " }, { "stp", "ether daddr 01:80:c2:00:00:00 " },
                      { "arp", "ether type arp " },    { "rarp", "ether type 0x8035 " },
                      { "ipv4", "ether type ip " },    { "ipv6", "ether type ip6 " } };
        for (size_t i = 0; i < G_N_ELEMENTS(gates); i++)
                if (g_str_has_prefix(chain, gates[i].prefix))
                        return gates[i].expression;
        return "";
}

static bool has_rules(const Writer *writer, unsigned chain, FilterWay way) {
        for (guint i = 0; i < writer->placed->len; i++) {
                const Placed *placed = &g_array_index(writer->placed, Placed, i);
                if (placed->chain == chain && !filter_match_is_above_ip(placed->rule) && has_way(placed->rule, way))
                        return true;
        }
        return false;
}

static bool write_jump(Writer *writer, unsigned chain, FilterWay way, GError **error) {
        g_autoptr(GString) jump = g_string_new("jump ");
        name_chain(writer, way, chain, jump);
        return !has_rules(writer, chain, way) ||
               add_rule(writer, way, ROOT, gate_of(g_array_index(writer->chains, Chain, chain).name), jump->str, error);
}

/* The jumps from root that come before a rule of this priority: those that are not written yet. */
static bool write_jumps(Writer *writer, FilterWay way, int below, bool *written, GError **error) {
        for (;;) {
                unsigned best = 0;
                for (guint i = 1; i < writer->chains->len; i++) {
                        const Chain *chain = &g_array_index(writer->chains, Chain, i);
                        if (!written[i] && chain->priority <= below &&
                            (best == 0 || chain->priority < g_array_index(writer->chains, Chain, best).priority))
                                best = i;
                }
                if (best == 0)
                        return true;
                written[best] = true;
                if (!write_jump(writer, best, way, error))
                        return false;
        }
}

static bool write_way(Writer *writer, FilterWay way, GError **error) {
        g_autofree bool *written = g_new0(bool, writer->chains->len + 1);
        for (guint i = 0; i < writer->placed->len; i++) {
                const Placed *placed = &g_array_index(writer->placed, Placed, i);
                bool is_root = placed->chain == ROOT && !filter_match_is_above_ip(placed->rule);
                if ((is_root && !write_jumps(writer, way, placed->rule->priority, written, error)) ||
                    !write_placed(writer, placed, way, error))
                        return false;
        }
        if (!write_jumps(writer, way, FILTER_PRIORITY_MAX, written, error))
                return false;
        g_autofree char *last = pass(writer, way);
        return add_rule(writer, way, ROOT, "", last, error);
}

/* Whether anything is judged above IP, and compares bytes of a packet with others of it. */
static void look_through(Writer *writer) {
        for (guint i = 0; i < writer->placed->len; i++) {
                const FilterRule *rule = g_array_index(writer->placed, Placed, i).rule;
                writer->has_above = writer->has_above || filter_match_is_above_ip(rule);
                writer->compares_bytes = writer->compares_bytes || filter_match_compares_bytes(rule);
        }
}

/* How libvirt's documents say where an address is learned from: "any" packet of the guest's, which is usual, or "none". */
#define LEARNING "CTRL_IP_LEARNING"

static const char *first_value(GHashTable *variables, const char *name) {
        const GPtrArray *list = g_hash_table_lookup(variables, name);
        return list && list->len > 0 ? list->pdata[0] : NULL;
}

static bool may_learn(GHashTable *variables) {
        const char *how = first_value(variables, LEARNING);
        return !how || g_ascii_strcasecmp(how, "any") == 0;
}

/* What the guest's address is learned by is in the first chain from it. */
static void write_learning(const Writer *writer, GHashTable *variables) {
        const char *mac = first_value(variables, "MAC");
        g_autofree char *kept = mac ? filter_value_read(&filter_value_mac, mac) : NULL;
        filter_card_learn(writer->card, kept, rules_at(writer, FILTER_WAY_FROM, 0));
}

static void free_rules(void *data) {
        g_string_free(data, TRUE);
}

bool filter_nft_write(const FilterSource *source, const FilterDefinition *definition, GHashTable *variables, FilterCard *card,
                      GString *text, GError **error) {
        const Chain root = { "root", 0 };
        g_autoptr(GArray) placed = g_array_new(FALSE, FALSE, sizeof(Placed)), chains = g_array_new(FALSE, FALSE, sizeof(Chain));
        g_autoptr(GPtrArray) tables = g_ptr_array_new_with_free_func((GDestroyNotify) g_hash_table_unref),
                             rules = g_ptr_array_new_with_free_func(free_rules);
        g_autoptr(GBytes) digests = card->digests; /* of BEFORE */
        const FilterCard before = *card;
        Writer writer = { .source = source,
                          .card = card,
                          .may_learn = may_learn(variables),
                          .placed = placed,
                          .chains = chains,
                          .tables = tables,
                          .rules = rules };
        card->digests = NULL;
        g_array_append_val(chains, root);
        if (!collect(&writer, definition, variables, 0, error))
                return false;
        g_array_sort(placed, compare_placed);
        look_through(&writer);
        card->n_chains = chains->len + writer.has_above;
        card->learns = false;
        while (rules->len < FILTER_N_WAYS * card->n_chains)
                g_ptr_array_add(rules, g_string_new(NULL));
        for (FilterWay way = 0; way < FILTER_N_WAYS; way++)
                if (!write_way(&writer, way, error))
                        return false;
        if (card->learns) {
                write_learning(&writer, variables);
                filter_card_declare_set(card, text);
        }
        if (writer.compares_bytes)
                filter_card_declare_same_bytes(text);
        filter_change_write(card, &before, rules, text);
        return true;
}
