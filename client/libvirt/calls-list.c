/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Finding domains: lists of them, and one by its name, UUID or number. */

#include "calls.h"
#include "domains.h"
#include "rows.h"
#include "traits.h"

#define CONNECTION INTERFACE("Connection")
#define DOMAIN INTERFACE("Domain")
#define DOMAINS_MAX 16384 /* that an answer may have */

static const FlagOption list_flags[] = { { 0xffff, NULL }, {} };

/* What is collected of the domains that are selected. */
typedef struct Selected {
        uint32_t selection, n;
        void (*add)(const KnownDomain *domain, GVariantBuilder *builder); /* NULL: they are counted alone */
        GVariantBuilder *builder;
} Selected;

static void visit(void *data, const KnownDomain *domain) {
        Selected *selected = data;
        if (!traits_are_selected(domain->traits, selected->selection))
                return;
        selected->n++;
        if (selected->add)
                selected->add(domain, selected->builder);
}

static uint32_t select_domains(Call *call, uint32_t selection, void (*add)(const KnownDomain *domain, GVariantBuilder *builder),
                               GVariantBuilder *builder) {
        Selected selected = { selection, 0, add, builder };
        known_each(domains_known(call->client->domains), visit, &selected);
        return selected.n;
}

static void on_filled(void *data, const GError *error) {
        Call *call = data;
        CallStep step = call->step;
        call->step = NULL;
        if (error)
                call_fail(call, g_error_copy(error));
        else
                step(call, NULL);
        call_unref(call);
}

static void list(Call *call, CallStep step) {
        call->step = step;
        domains_fill(call->client->domains, on_filled, call_ref(call));
}

static void add_name(const KnownDomain *domain, GVariantBuilder *builder) {
        g_variant_builder_add(builder, "s", domain->name);
}

static void add_id(const KnownDomain *domain, GVariantBuilder *builder) {
        g_variant_builder_add(builder, "i", domain->id);
}

/* The answer to a call for all domains that are selected, as it is sent. */
typedef struct Whole {
        GByteArray *body;
        uint32_t selection, n;
        bool has_results;
} Whole;

static void append_domain(void *data, const KnownDomain *domain) {
        Whole *whole = data;
        if (!traits_are_selected(domain->traits, whole->selection))
                return;
        whole->n++;
        if (whole->has_results)
                g_byte_array_append(whole->body, g_bytes_get_data(domain->encoded_name, NULL),
                                    (unsigned int) g_bytes_get_size(domain->encoded_name));
}

static void on_all_domains(Call *call, GVariant *reply) {
        (void) reply;
        int32_t need_results;
        g_autoptr(GByteArray) body = g_byte_array_new();
        g_variant_get_child(call->arguments, 0, "i", &need_results);
        Whole whole = { body, call->flags, 0, need_results != 0 };
        xdr_put_word(body, 0);
        known_each(domains_known(call->client->domains), append_domain, &whole);
        xdr_set_word(body, 0, whole.has_results ? whole.n : 0);
        xdr_put_word(body, whole.n);
        if (whole.n > DOMAINS_MAX)
                call_refuse(call, LIBVIRT_RPC, "too many domains for libvirt's protocol: %u; it may have %d", whole.n,
                            DOMAINS_MAX);
        else
                call_answer_encoded(call, body);
}

static void list_all_domains(Call *call) {
        list(call, on_all_domains);
}

/* At most as many as the client has room for. */
static GVariant *cut(Call *call, GVariantBuilder *builder) {
        int32_t room;
        g_variant_get_child(call->arguments, 0, "i", &room);
        g_autoptr(GVariant) all = g_variant_ref_sink(g_variant_builder_end(builder));
        GVariantBuilder some;
        g_variant_builder_init(&some, g_variant_get_type(all));
        for (size_t i = 0; i < g_variant_n_children(all) && (int64_t) i < room; i++) {
                g_autoptr(GVariant) child = g_variant_get_child_value(all, i);
                g_variant_builder_add_value(&some, child);
        }
        return g_variant_builder_end(&some);
}

static void on_defined_names(Call *call, GVariant *reply) {
        (void) reply;
        GVariantBuilder builder;
        g_variant_builder_init(&builder, G_VARIANT_TYPE_STRING_ARRAY);
        select_domains(call, SELECT_INACTIVE, add_name, &builder);
        call_answer(call, g_variant_new("(@as)", cut(call, &builder)));
}

static void list_defined_domains(Call *call) {
        list(call, on_defined_names);
}

static void on_ids(Call *call, GVariant *reply) {
        (void) reply;
        GVariantBuilder builder;
        g_variant_builder_init(&builder, G_VARIANT_TYPE("ai"));
        select_domains(call, SELECT_ACTIVE, add_id, &builder);
        call_answer(call, g_variant_new("(@ai)", cut(call, &builder)));
}

static void list_domains(Call *call) {
        list(call, on_ids);
}

static void on_count(Call *call, GVariant *reply) {
        (void) reply;
        uint32_t selection = call->row->procedure == REMOTE_CONNECT_NUM_OF_DOMAINS ? SELECT_ACTIVE : SELECT_INACTIVE;
        call_answer(call, g_variant_new("(i)", (int32_t) select_domains(call, selection, NULL, NULL)));
}

static void count(Call *call) {
        list(call, on_count);
}

static void on_found(Call *call, GVariant *properties) {
        call_answer(call, g_variant_new("(@(ssi))", known_name_of(properties)));
}

static void on_path(Call *call, GVariant *reply) {
        const char *path;
        g_variant_get(reply, "(&o)", &path);
        call_read(call, path, DOMAIN, on_found);
}

static void find_by_name(Call *call) {
        call_ask(call, call->client->connection, CONNECTION, "GetDomainByName", g_variant_new("(s)", call_string(call, 0)), "(o)",
                 on_path);
}

static void find_by_uuid(Call *call) {
        g_autofree char *path = call_domain_path(call->client, call_string(call, 0));
        call_read(call, path, DOMAIN, on_found);
}

static void find_by_id(Call *call) {
        int32_t id;
        g_variant_get_child(call->arguments, 0, "i", &id);
        if (id > 0)
                call_ask(call, call->client->connection, CONNECTION, "GetDomainByID", g_variant_new("(u)", (uint32_t) id), "(o)",
                         on_path);
        else
                call_refuse(call, LIBVIRT_NO_DOMAIN, "Domain not found: no domain with matching id %d", id);
}

const CallRow list_calls[] = {
        { REMOTE_CONNECT_LIST_ALL_DOMAINS, list_all_domains, NULL, READS, list_flags },
        { REMOTE_CONNECT_LIST_DEFINED_DOMAINS, list_defined_domains },
        { REMOTE_CONNECT_LIST_DOMAINS, list_domains },
        { REMOTE_CONNECT_NUM_OF_DEFINED_DOMAINS, count },
        { REMOTE_CONNECT_NUM_OF_DOMAINS, count },
        { REMOTE_DOMAIN_LOOKUP_BY_ID, find_by_id },
        { REMOTE_DOMAIN_LOOKUP_BY_NAME, find_by_name },
        { REMOTE_DOMAIN_LOOKUP_BY_UUID, find_by_uuid },
        {},
};
