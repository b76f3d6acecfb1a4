/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libFuzzer's mutations of lines, each of them JSON or a call (stage.h): lines go, come twice, change places, come from the seeds
 * (the folder that the environment's VIRTBUS_FUZZ_SEEDS names); what JSON holds gets another value, or goes. */

#include <string.h>

#include "base/json.h"
#include "fuzz.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

/* Mutations of one input at once, at most; lines of one. */
#define MUTATIONS_MAX 4
#define LINES_MAX 256

/* JSON values in place of others. */
static const char *const values[] = { "null",
                                      "true",
                                      "false",
                                      "0",
                                      "-1",
                                      "9223372036854775807",
                                      "1e300",
                                      "\"\"",
                                      "\"running\"",
                                      "\"a\"",
                                      "[]",
                                      "{}",
                                      "[{}]",
                                      "[null]",
                                      "[[[[1]]]]",
                                      "{\"a\":{\"b\":[]}}",
                                      "\"/dev/pts/0\"",
                                      "18446744073709551615" };

static GPtrArray *lines_of_seeds, *names_of_seeds;

/* NULL, which is null, where a text is not a value. */
static JsonNode *read_value(const char *text) {
        g_autofree char *array = g_strdup_printf("[%s]", text);
        g_autoptr(JsonNode) node = json_parse_array(array, -1, NULL);
        return json_node_copy(json_array_get_element(json_node_get_array(node), 0));
}

static void learn_names(JsonNode *node) {
        if (json_node_type(node) == JSON_OBJECT) {
                g_autoptr(GList) names = json_object_get_members(json_node_get_object(node));
                for (GList *link = names; link; link = link->next) {
                        g_ptr_array_add(names_of_seeds, g_strdup(link->data));
                        learn_names(json_object_get_member(json_node_get_object(node), link->data));
                }
        } else if (json_node_type(node) == JSON_ARRAY)
                for (guint i = 0; i < json_array_get_length(json_node_get_array(node)); i++)
                        learn_names(json_array_get_element(json_node_get_array(node), i));
}

static void learn_seeds(void) {
        const char *folder = g_getenv("VIRTBUS_FUZZ_SEEDS");
        g_autoptr(GDir) listing = folder ? g_dir_open(folder, 0, NULL) : NULL;
        lines_of_seeds = g_ptr_array_new();
        names_of_seeds = g_ptr_array_new();
        for (const char *name; listing && (name = g_dir_read_name(listing));) {
                g_autofree char *path = g_build_filename(folder, name, NULL), *text = NULL;
                if (!g_file_get_contents(path, &text, NULL, NULL))
                        continue;
                g_auto(GStrv) lines = g_strsplit(text, "\n", LINES_MAX);
                for (char **line = lines; *line; line++) {
                        g_autoptr(JsonNode) node = read_value(*line);
                        g_ptr_array_add(lines_of_seeds, g_strdup(*line));
                        if (node)
                                learn_names(node);
                }
        }
        g_ptr_array_add(lines_of_seeds, (void *) "{}");
        g_ptr_array_add(names_of_seeds, (void *) "a");
}

static const char *any(GRand *random, const GPtrArray *array) {
        return array->pdata[g_rand_int_range(random, 0, (gint32) array->len)];
}

static JsonNode *any_value(GRand *random) {
        return read_value(values[g_rand_int_range(random, 0, G_N_ELEMENTS(values))]);
}

/* A copy of a tree with one change somewhere, going down by chance. */
static JsonNode *mutate_tree(GRand *random, JsonNode *node) {
        bool here = g_rand_int_range(random, 0, 3) == 0;
        if (json_node_type(node) == JSON_OBJECT && json_object_get_size(json_node_get_object(node)) > 0) {
                JsonObject *from = json_node_get_object(node), *object = json_object_new();
                g_autoptr(GList) names = json_object_get_members(from);
                gint32 which = g_rand_int_range(random, 0, (gint32) g_list_length(names)), i = 0;
                int change = here ? g_rand_int_range(random, 0, 3) : 3;
                for (GList *link = names; link; link = link->next, i++) {
                        JsonNode *value = json_object_get_member(from, link->data);
                        if (i != which)
                                json_object_set_member(object, link->data, json_node_copy(value));
                        else if (change == 1)
                                json_object_set_member(object, any(random, names_of_seeds), json_node_copy(value));
                        else if (change >= 2)
                                json_object_set_member(object, link->data, mutate_tree(random, value));
                }
                return json_node_of_object(object);
        }
        if (json_node_type(node) == JSON_ARRAY && json_array_get_length(json_node_get_array(node)) > 0 && !here) {
                JsonArray *from = json_node_get_array(node), *array = json_array_new();
                gint32 which = g_rand_int_range(random, 0, (gint32) json_array_get_length(from));
                bool twice = g_rand_boolean(random);
                for (guint i = 0; i < json_array_get_length(from); i++) {
                        JsonNode *element = json_array_get_element(from, i);
                        bool chosen = (gint32) i == which;
                        json_array_add_element(array, chosen ? mutate_tree(random, element) : json_node_copy(element));
                        if (chosen && twice)
                                json_array_add_element(array, json_node_copy(element));
                }
                return json_node_of_array(array);
        }
        return any_value(random);
}

static char *mutate_line(GRand *random, const char *line) {
        g_autoptr(JsonNode) node = line[0] == '{' ? read_value(line) : NULL;
        if (node) {
                g_autoptr(JsonNode) other = mutate_tree(random, node);
                return json_node_text(other);
        }
        uint8_t bytes[4096];
        size_t size = MIN(strlen(line), sizeof bytes / 2);
        memcpy(bytes, line, size);
        size = LLVMFuzzerMutate(bytes, size, sizeof bytes);
        return g_strndup((const char *) bytes, size);
}

static void mutate_once(GRand *random, GPtrArray *lines) {
        gint32 at = g_rand_int_range(random, 0, (gint32) lines->len), to = g_rand_int_range(random, 0, (gint32) lines->len);
        switch (g_rand_int_range(random, 0, 6)) {
        case 0:
                if (lines->len > 1)
                        g_ptr_array_remove_index(lines, (guint) at);
                break;
        case 1:
                if (lines->len < LINES_MAX)
                        g_ptr_array_insert(lines, to, g_strdup(lines->pdata[at]));
                break;
        case 2:
                if (lines->len < LINES_MAX)
                        g_ptr_array_insert(lines, to, g_strdup(any(random, lines_of_seeds)));
                break;
        case 3:
                g_ptr_array_insert(lines, to, g_ptr_array_steal_index(lines, (guint) at));
                break;
        default: {
                char *line = mutate_line(random, lines->pdata[at]);
                g_free(lines->pdata[at]);
                lines->pdata[at] = line;
        }
        }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed) {
        g_autoptr(GRand) random = g_rand_new_with_seed(seed);
        g_autofree char *text = g_strndup((const char *) data, size);
        g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
        if (!lines_of_seeds)
                learn_seeds();
        if (g_rand_int_range(random, 0, 10) == 0)
                return LLVMFuzzerMutate(data, size, max);
        g_auto(GStrv) parts = g_strsplit(text, "\n", LINES_MAX);
        for (char **part = parts; *part; part++)
                g_ptr_array_add(lines, g_strdup(*part));
        if (lines->len == 0)
                g_ptr_array_add(lines, g_strdup("{}"));
        for (gint32 n = g_rand_int_range(random, 1, MUTATIONS_MAX + 1); n > 0; n--)
                mutate_once(random, lines);
        g_ptr_array_add(lines, NULL);
        g_autofree char *joined = g_strjoinv("\n", (char **) lines->pdata);
        size_t length = MIN(strlen(joined), max);
        memcpy(data, joined, length);
        return length;
}
