/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/json-grammar.h"
#include "base/json.h"
#include "errors.h"

static void refuse(const char *text, gssize length, const char *part) {
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonNode) node = json_parse(text, length, &error);
        if (node)
                g_error("'%.80s' was accepted", text);
        g_assert_nonnull(error);
        if (!strstr(error->message, part))
                g_error("'%s' is not in '%s'", part, error->message);
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
}

/* Some libraries take some of these, or reads another value than is written. */
static void test_what_is_not_json_is_refused(void) {
        static const char *const texts[] = {
                "/**/{}",
                "{}//",
                "{\"a\":1}/*",
                "/*\"*/{}",
                "{'a':1}",
                "'\"'{}",
                "{\"a\":'b'}",
                "var x={\"a\":1};",
                "{\"a\":1};",
                "{\"a\":0x10}",
                "{\"a\":$ff}",
                "{\"a\":01}",
                "{\"a\":- 1}",
                "{\"a\":+1}",
                "{\"a\":.5}",
                "{\"a\":1.}",
                "{\"a\":1e}",
                "{\"a\":1e999}",
                "{\"a\":18446744073709551616}",
                "{\"a\":-9223372036854775809}",
                "{\"a\":99999999999999999999999999999999999999999999999}",
                "{\"a\":\"\\x\"}",
                "{\"a\":\"\\u0000b\"}",
                "{\"a\":\"\\ud800\"}",
                "{\"a\":\"\\ud800\\u0041\"}",
                "{\"a\":\"\\udc00\"}",
                "{\"a\":\"\\u12g4\"}",
                "{\"a\":\"\t\"}",
                "{\"a\":\"\xff\"}",
                "{\"a\":\"\xc0\x80\"}",
                "{\"a\":1,}",
                "{\"a\":1 \"b\":2}",
                "{\"a\" 1}",
                "{a:1}",
                "{\"a\":NaN}",
                "{\"a\":nul}",
                "{\"a\":truth}",
                "{\"a\":[1,]}",
                "{\"a\":[,1]}",
                "{}{}",
                "{} x",
                "{\"a\":1,\"a\":2}",
                "{\"a\":1,\"\\u0061\":2}",
                "{\"o\":[{\"a\":1,\"b\":2,\"a\":3}]}",
                "\xef\xbb\xbf{}",
                "",
                " ",
                "{",
                "[1]",
                "1",
                "\"{}\"",
        };
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
                refuse(texts[i], -1, "JSON");
                refuse(texts[i], (gssize) strlen(texts[i]), "JSON");
        }
        refuse("{\0}", 3, "JSON");
        refuse("{}\0", 3, "JSON");
        refuse("{\"a\":\"\0\"}", 9, "JSON");
}

static void test_depth_is_bounded_whatever_the_brackets_hide_behind(void) {
        static const char *const starts[] = {
                "{\"a\":", "/*\"*/{\"a\":", "'\"'{\"a\":", "{\"a\\\"\":", "{'\"':", "//\"\n{\"a\":"
        };
        for (size_t i = 0; i < G_N_ELEMENTS(starts); i++) {
                g_autoptr(GString) deep = g_string_new(starts[i]);
                for (int j = 0; j < 200000; j++)
                        g_string_append(deep, j % 2 ? "[" : "{\"b\":");
                refuse(deep->str, -1, "JSON");
                refuse(deep->str, (gssize) deep->len, "JSON");
        }
        for (int depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
                g_autoptr(GString) text = g_string_new("{\"a\":");
                for (int j = 1; j < depth; j++)
                        g_string_append_c(text, '[');
                for (int j = 1; j < depth; j++)
                        g_string_append_c(text, ']');
                g_string_append_c(text, '}');
                g_autoptr(GError) error = NULL;
                g_autoptr(JsonNode) node = json_parse(text->str, -1, &error);
                g_assert_true((node != NULL) == (depth <= JSON_DEPTH_MAX));
        }
}

/* An object of N members, each named by a function of its number. */
static char *object_of(unsigned n, void (*name)(GString *text, unsigned number)) {
        GString *text = g_string_new("{\"return\":{");
        for (unsigned i = 0; i < n; i++) {
                g_string_append(text, i > 0 ? ",\"" : "\"");
                name(text, i);
                g_string_append(text, "\":0");
        }
        g_string_append(text, "}}");
        return g_string_free(text, FALSE);
}

static void plain_name(GString *text, unsigned number) {
        g_string_append_printf(text, "%x", number);
}

/* "Ez" and "FY" have one hash, and so has whatever is made of the same number of them: g_str_hash(). */
static void colliding_name(GString *text, unsigned number) {
        for (unsigned bit = 0; bit < 17; bit++)
                g_string_append(text, number >> bit & 1 ? "Ez" : "FY");
}

static char *array_of(unsigned n, const char *element) {
        GString *text = g_string_new("{\"return\":[");
        for (unsigned i = 0; i < n; i++)
                g_string_append_printf(text, "%s%s", i > 0 ? "," : "", element);
        g_string_append(text, "]}");
        return g_string_free(text, FALSE);
}

static void test_what_would_cost_more_than_its_bytes_is_refused(void) {
        g_assert_cmpuint(g_str_hash("Ez"), ==, g_str_hash("FY"));
        void (*const names[])(GString *, unsigned) = { plain_name, colliding_name };
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *few = object_of(1024, names[i]), *many = object_of(100000, names[i]),
                                *each = object_of(500, names[i]), *all = array_of(200, each);
                g_autoptr(JsonNode) node = json_parse(few, -1, NULL);
                g_assert_nonnull(node);
                refuse(many, -1, "too many members");
                refuse(all, -1, "too many members");
        }
        static const char *const elements[] = { "0", "[]", "{}", "\"\"", "null", "[[]]", "{\"a\":{}}" };
        for (size_t i = 0; i < G_N_ELEMENTS(elements); i++) {
                g_autofree char *many = array_of(JSON_VALUES_MAX, elements[i]),
                                *fewer = array_of(JSON_VALUES_MAX / 4, elements[i]);
                g_autoptr(JsonNode) node = json_parse(fewer, -1, NULL);
                g_assert_nonnull(node);
                refuse(many, -1, "too many values");
        }
}

static void test_what_is_json_is_read(void) {
        const char *line = " {\"s\":\"[[[{{\\\"\\u20ac\\ud83d\\ude00/'\" , \"n\":7,\"m\":-9223372036854775808,\"d\":-0.5e+3,"
                           "\"o\":{\"s\":{}},\"a\":[ ],\"t\":true,\"z\":null,\"\":0}\r\n";
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonNode) node = json_parse(line, -1, &error);
        g_assert_no_error(error);
        JsonObject *object = json_node_get_object(node);
        g_assert_cmpstr(json_string(object, "s"), ==, "[[[{{\"\u20ac\U0001f600/'");
        g_assert_cmpint(json_int(object, "n", 0), ==, 7);
        g_assert_cmpint(json_int(object, "m", 0), ==, G_MININT64);
        g_assert_nonnull(json_member(object, "o"));
        g_assert_nonnull(json_array(object, "a"));
        /* Members that are missing or of another type are NULL. */
        g_assert_null(json_string(object, "n"));
        g_assert_null(json_string(object, "x"));
        g_assert_null(json_string(NULL, "x"));
        g_assert_cmpint(json_int(object, "s", -1), ==, -1);
        g_assert_null(json_member(object, "a"));
        g_assert_null(json_array(object, "o"));
}

static void test_arrays_are_read_where_they_are_expected(void) {
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonNode) node = json_parse_array("[{\"a\":1},{\"a\":1}]", -1, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(json_array_get_length(json_node_get_array(node)), ==, 2);
        g_assert_null(json_parse_array("{}", -1, NULL));
        g_assert_null(json_parse_array("[1]//", -1, NULL));
}

static void test_an_object_is_found_by_a_member(void) {
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonNode) node = json_parse(
                        "{\"list\": [1, {\"id\": 2}, null, {\"id\": \"a\", \"n\": 1}, {\"id\": \"a\", \"n\": 2}, {\"n\": 3}]}",
                        -1, &error);
        g_assert_no_error(error);
        JsonArray *list = json_array(json_node_get_object(node), "list");
        g_assert_cmpint(json_int(json_find(list, "id", "a"), "n", 0), ==, 1);
        g_assert_null(json_find(list, "id", "b"));
        g_assert_null(json_find(list, "id", NULL));
        g_assert_null(json_find(NULL, "id", "a"));
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/json/what-is-not-json-is-refused", test_what_is_not_json_is_refused);
        g_test_add_func("/json/depth-is-bounded-whatever-the-brackets-hide-behind",
                        test_depth_is_bounded_whatever_the_brackets_hide_behind);
        g_test_add_func("/json/what-would-cost-more-than-its-bytes-is-refused",
                        test_what_would_cost_more_than_its_bytes_is_refused);
        g_test_add_func("/json/what-is-json-is-read", test_what_is_json_is_read);
        g_test_add_func("/json/arrays-are-read-where-they-are-expected", test_arrays_are_read_where_they_are_expected);
        g_test_add_func("/json/an-object-is-found-by-a-member", test_an_object_is_found_by_a_member);
        return g_test_run();
}
