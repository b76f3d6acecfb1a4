/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "at-once.h"
#include "procedures.h"
#include "wire.h"

#define FIRST "00112233-4455-6677-8899-aabbccddeeff"
#define SECOND "00112233-4455-6677-8899-aabbccddee00"

static void put(Known *known, const char *path, const char *name, const char *uuid, const char *state, uint32_t id) {
        GVariantDict properties;
        g_variant_dict_init(&properties, NULL);
        g_variant_dict_insert(&properties, "VCPUs", "u", 2u); /* in another order than the service has */
        g_variant_dict_insert(&properties, "Name", "s", name);
        g_variant_dict_insert(&properties, "UUID", "s", uuid);
        g_variant_dict_insert(&properties, "Title", "s", "what nobody asks for");
        g_variant_dict_insert(&properties, "Active", "b", id > 0);
        g_variant_dict_insert(&properties, "State", "s", state);
        g_variant_dict_insert(&properties, "StateReason", "s", "user");
        g_variant_dict_insert(&properties, "MaxMemory", "t", (uint64_t) 2048);
        g_variant_dict_insert(&properties, "ID", "u", id);
        known_put(known, g_strdup(path), g_variant_ref_sink(g_variant_dict_end(&properties)));
}

/* The answer as text; NULL: there is none at once. */
static char *answer(const Known *known, ProcedureIndex procedure, const char *arguments, bool with_more) {
        g_autoptr(GByteArray) body = g_byte_array_new(), into = g_byte_array_new();
        g_autofree char *type = wire_variant_type(procedures[procedure].arguments);
        GVariant *value = g_variant_parse(G_VARIANT_TYPE(type), arguments, NULL, NULL, NULL);
        g_assert_nonnull(value);
        g_assert_true(wire_encode(procedures[procedure].arguments, value, body, NULL));
        g_variant_unref(value);
        if (with_more)
                g_byte_array_append(body, (const uint8_t *) "more", 4);
        if (!at_once_answer(known, &procedures[procedure], body->data, body->len, into)) {
                g_assert_cmpuint(into->len, ==, 0);
                return NULL;
        }
        g_autoptr(GVariant) reply = wire_decode(procedures[procedure].reply, into->data, into->len, NULL);
        g_assert_nonnull(reply);
        return g_variant_print(reply, FALSE);
}

static void check(const Known *known, ProcedureIndex procedure, const char *arguments, const char *wanted) {
        g_autofree char *found = answer(known, procedure, arguments, false), *more = answer(known, procedure, arguments, true);
        g_assert_cmpstr(found, ==, wanted);
        g_assert_null(more);
}

static void what_is_known_is_answered(void) {
        g_autoptr(Known) known = known_new();
        put(known, "/a", "web", FIRST, "running", 7);
        put(known, "/b", "db", SECOND, "shutoff", 0);
        check(known, REMOTE_DOMAIN_LOOKUP_BY_NAME, "('web',)", "(('web', '" FIRST "', 7),)");
        check(known, REMOTE_DOMAIN_LOOKUP_BY_UUID, "('" SECOND "',)", "(('db', '" SECOND "', -1),)");
        check(known, REMOTE_DOMAIN_GET_STATE, "(('', '" FIRST "', 7), 0)", "(1, 5)");
        check(known, REMOTE_DOMAIN_IS_ACTIVE, "(('web', '" FIRST "', 7),)", "(1,)");
        check(known, REMOTE_DOMAIN_IS_ACTIVE, "(('db', '" SECOND "', -1),)", "(0,)");
        check(known, REMOTE_DOMAIN_GET_INFO, "(('db', '" SECOND "', -1),)", "(5, 2, 0, 2, 0)");
}

static void what_has_to_be_asked_is_not(void) {
        g_autoptr(Known) known = known_new();
        put(known, "/a", "web", FIRST, "running", 7);
        check(known, REMOTE_DOMAIN_LOOKUP_BY_NAME, "('other',)", NULL);
        check(known, REMOTE_DOMAIN_LOOKUP_BY_UUID, "('" SECOND "',)", NULL);
        check(known, REMOTE_DOMAIN_GET_STATE, "(('web', '" FIRST "', 7), 1)", NULL);
        check(known, REMOTE_DOMAIN_GET_INFO, "(('web', '" FIRST "', 7),)", NULL);
        check(known, REMOTE_DOMAIN_GET_OS_TYPE, "(('web', '" FIRST "', 7),)", NULL);
        g_autoptr(GByteArray) into = g_byte_array_new();
        g_assert_false(at_once_answer(known, &procedures[REMOTE_DOMAIN_LOOKUP_BY_NAME], (const uint8_t *) "\xff\xff\xff\xff", 4,
                                      into));
        g_assert_false(at_once_answer(known, &procedures[REMOTE_DOMAIN_LOOKUP_BY_NAME], NULL, 0, into));
}

static void names_that_change_hands_are_found(void) {
        g_autoptr(Known) known = known_new();
        put(known, "/a", "one", FIRST, "shutoff", 0);
        put(known, "/b", "two", SECOND, "shutoff", 0);
        put(known, "/a", "free", FIRST, "shutoff", 0);
        put(known, "/b", "one", SECOND, "shutoff", 0);
        put(known, "/a", "two", FIRST, "shutoff", 0);
        g_assert_cmpstr(known_by_name(known, "one")->name, ==, "one");
        g_assert_true(known_by_name(known, "one") == known_by_path(known, "/b"));
        g_assert_true(known_by_name(known, "two") == known_by_path(known, "/a"));
        g_assert_null(known_by_name(known, "free"));
        /* The other one has it before this one is told to have lost it. */
        put(known, "/b", "two", SECOND, "shutoff", 0);
        put(known, "/a", "one", FIRST, "shutoff", 0);
        g_assert_true(known_by_name(known, "two") == known_by_path(known, "/b"));
        g_autoptr(GVariant) last = known_take(known, "/b");
        g_assert_nonnull(last);
        g_assert_null(known_by_name(known, "two"));
        g_assert_null(known_take(known, "/b"));
}

static GVariant *parse(const char *type, const char *text) {
        GVariant *value = g_variant_parse(G_VARIANT_TYPE(type), text, NULL, NULL, NULL);
        g_assert_nonnull(value);
        return g_variant_ref_sink(value);
}

/* What a table says of a domain is what its properties would; columns that are too short, of other types or not there say
 * nothing. */
static void a_table_has_many(void) {
        g_autoptr(Known) known = known_new();
        g_autoptr(GVariant) paths = parse("ao", "['/a', '/b']"),
                            columns = parse("a{sv}", "{'Name': <['web', 'db']>, 'UUID': <['" FIRST "', '" SECOND "']>, "
                                                     "'ID': <[uint32 7, 0]>, 'State': <['running', 'shutoff']>, "
                                                     "'StateReason': <['user']>, 'Active': <[true, false]>, "
                                                     "'MaxMemory': <['large', 'small']>, 'VCPUs': <uint32 2>, "
                                                     "'Title': <['', 'what nobody asks for']>}");
        put(known, "/a", "old", FIRST, "shutoff", 0);
        known_put_table(known, paths, columns);
        check(known, REMOTE_DOMAIN_LOOKUP_BY_NAME, "('web',)", "(('web', '" FIRST "', 7),)");
        check(known, REMOTE_DOMAIN_LOOKUP_BY_UUID, "('" SECOND "',)", "(('db', '" SECOND "', -1),)");
        check(known, REMOTE_DOMAIN_GET_STATE, "(('', '" FIRST "', 7), 0)", "(1, 5)");
        check(known, REMOTE_DOMAIN_GET_INFO, "(('db', '" SECOND "', -1),)", "(5, 0, 0, 0, 0)");
        g_assert_null(known_by_name(known, "old"));
        const char *title;
        GVariant *properties = known_properties(known_by_path(known, "/b"));
        g_assert_true(g_variant_lookup(properties, "Title", "&s", &title));
        g_assert_cmpstr(title, ==, "what nobody asks for");
        g_assert_false(g_variant_lookup(properties, "StateReason", "&s", &title));
        g_assert_true(known_properties(known_by_path(known, "/b")) == properties);
        /* As it is when its properties are sent on: their container keeps its bytes alone then. */
        g_assert_nonnull(g_variant_get_data(properties));
        g_assert_nonnull(g_variant_get_data(columns));
        g_assert_cmpstr(known_by_path(known, "/b")->name, ==, "db");
        check(known, REMOTE_DOMAIN_LOOKUP_BY_NAME, "('db',)", "(('db', '" SECOND "', -1),)");
        g_autoptr(GVariant) last = known_take(known, "/a");
        put(known, "/b", "db", SECOND, "running", 8); /* the table has no domain any more */
        g_assert_true(g_variant_lookup(last, "Name", "&s", &title));
        g_assert_cmpstr(title, ==, "web");
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/at-once/what is known is answered", what_is_known_is_answered);
        g_test_add_func("/at-once/what has to be asked is not", what_has_to_be_asked_is_not);
        g_test_add_func("/at-once/names that change hands are found", names_that_change_hands_are_found);
        g_test_add_func("/at-once/a table has many", a_table_has_many);
        return g_test_run();
}
