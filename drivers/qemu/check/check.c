/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/check/check.h"

#include <errno.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>
#include <math.h>
#include <string.h>

#include "base/xml.h"
#include "qemu/check/check-index.h"
#include "qemu/check/check-rules.h"

#define SHOWN_BYTES_MAX 128 /* of a document's own text in a message */

static const CheckTable *const tables[] = CHECK_TABLES;

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlXPathObject, xmlXPathFreeObject)

/* Functions: arguments are popped last first. The context's user data is a tree of what twice() was asked of by the rule at
 * work: a parent, and a text. */

static void function_num(xmlXPathParserContext *ctxt, int nargs) {
        CHECK_ARITY(1);
        xmlChar *text = xmlXPathPopString(ctxt);
        const char *digits = text ? (const char *) text : "";
        char *end = NULL;
        bool hexadecimal = g_str_has_prefix(digits, "0x");
        double value = (double) g_ascii_strtoll(digits, &end, hexadecimal ? 16 : 10);
        xmlXPathReturnNumber(ctxt, *digits && end && !*end ? value : NAN);
        xmlFree(text);
}

static void function_bytes(xmlXPathParserContext *ctxt, int nargs) {
        CHECK_ARITY(2);
        xmlChar *unit = xmlXPathPopString(ctxt);
        double value = xmlXPathPopNumber(ctxt);
        uint64_t factor = xml_unit(unit && *unit ? (const char *) unit : "KiB");
        xmlXPathReturnNumber(ctxt, factor > 0 ? value * (double) factor : NAN);
        xmlFree(unit);
}

static void function_octets(xmlXPathParserContext *ctxt, int nargs) {
        CHECK_ARITY(1);
        xmlChar *text = xmlXPathPopString(ctxt);
        xmlXPathReturnNumber(ctxt, xmlStrlen(text));
        xmlFree(text);
}

static void function_power(xmlXPathParserContext *ctxt, int nargs) {
        CHECK_ARITY(1);
        double value = xmlXPathPopNumber(ctxt);
        int exponent;
        xmlXPathReturnBoolean(ctxt, isfinite(value) && value >= 1 && frexp(value, &exponent) == 0.5);
}

static void function_matches(xmlXPathParserContext *ctxt, int nargs) {
        CHECK_ARITY(2);
        xmlChar *form = xmlXPathPopString(ctxt), *text = xmlXPathPopString(ctxt);
        g_autofree char *whole = g_strdup_printf("^(?:%s)$", form ? (const char *) form : "");
        xmlXPathReturnBoolean(ctxt, text && g_regex_match_simple(whole, (const char *) text, G_REGEX_DOLLAR_ENDONLY, 0));
        xmlFree(form);
        xmlFree(text);
}

static void function_listed(xmlXPathParserContext *ctxt, int nargs) {
        CHECK_ARITY(2);
        xmlChar *list = xmlXPathPopString(ctxt), *text = xmlXPathPopString(ctxt);
        xmlXPathReturnBoolean(ctxt, list && text && check_is_listed((const char *) text, (const char *) list));
        xmlFree(list);
        xmlFree(text);
}

/* A tree, as the texts are a stranger's: they may all have one hash. */
static void function_twice(xmlXPathParserContext *ctxt, int nargs) {
        CHECK_ARITY(1);
        GTree *seen = ctxt->context->userData;
        bool is_there = ctxt->value && (ctxt->value->type != XPATH_NODESET || !xmlXPathNodeSetIsEmpty(ctxt->value->nodesetval));
        xmlChar *text = xmlXPathPopString(ctxt);
        g_autofree char *key = g_strdup_printf("%p %s", (void *) ctxt->context->node->parent, text ? (const char *) text : "");
        bool is_known = is_there && g_tree_lookup(seen, key);
        if (is_there && !is_known)
                g_tree_insert(seen, g_steal_pointer(&key), GINT_TO_POINTER(1));
        xmlXPathReturnBoolean(ctxt, is_known);
        xmlFree(text);
}

static void add_functions(xmlXPathContext *context) {
        static const struct {
                const char *name;
                xmlXPathFunction function;
        } functions[] = {
                { "num", function_num },     { "bytes", function_bytes },     { "octets", function_octets },
                { "power", function_power }, { "matches", function_matches }, { "listed", function_listed },
                { "twice", function_twice },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(functions); i++)
                xmlXPathRegisterFunc(context, (const xmlChar *) functions[i].name, functions[i].function);
}

/* Expressions are compiled once, and live as long as the driver. */
static xmlXPathCompExpr *compiled(const char *expression) {
        static GMutex lock;
        static GHashTable *expressions;
        g_mutex_lock(&lock);
        if (!expressions)
                expressions = g_hash_table_new(g_direct_hash, g_direct_equal);
        xmlXPathCompExpr *result = g_hash_table_lookup(expressions, expression);
        if (!result) {
                result = xmlXPathCompile((const xmlChar *) expression);
                g_assert(result); /* our own words */
                g_hash_table_insert(expressions, (gpointer) expression, result);
        }
        g_mutex_unlock(&lock);
        return result;
}

static xmlNode *find(xmlXPathContext *context, const char *expression, int n, xmlXPathObject **found) {
        if (!*found) {
                g_tree_remove_all(context->userData);
                *found = xmlXPathCompiledEval(compiled(expression), context);
        }
        xmlNodeSet *nodes = *found ? (*found)->nodesetval : NULL;
        return nodes && n < nodes->nodeNr ? nodes->nodeTab[n] : NULL;
}

static char *evaluate(xmlXPathContext *context, xmlNode *node, const char *expression) {
        xmlNode *before = context->node;
        context->node = node;
        g_autoptr(xmlXPathObject) value = xmlXPathCompiledEval(compiled(expression), context);
        context->node = before;
        xmlChar *text = value ? xmlXPathCastToString(value) : NULL;
        char *copy = g_strdup_printf("%.*s", SHOWN_BYTES_MAX, text ? (const char *) text : "");
        xmlFree(text);
        return copy;
}

/* The element that an error is told of. */
static const xmlNode *element_of(const xmlNode *node) {
        while (node->type != XML_ELEMENT_NODE && node->parent)
                node = node->parent;
        return node;
}

static bool try_rule(xmlXPathContext *context, const CheckRule *rule, GError **error) {
        g_autoptr(xmlXPathObject) found = NULL;
        xmlNode *fault = find(context, rule->at, 0, &found);
        if (!fault)
                return true;
        g_autofree char *value = rule->value ? evaluate(context, fault, rule->value) : g_strdup("");
        g_auto(GStrv) parts = g_strsplit(rule->message, "{}", 2);
        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element_of(fault), "%s%s%s", parts[0], value, parts[1] ? parts[1] : "");
}

static bool try_choice(xmlXPathContext *context, const CheckChoice *choice, GError **error) {
        g_autoptr(xmlXPathObject) found = NULL;
        xmlNode *node;
        for (int n = 0; (node = find(context, choice->at, n, &found)); n++) {
                g_autofree char *value = evaluate(context, node, ".");
                if (!check_is_listed(value, choice->choices))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element_of(node),
                                        "invalid value for %s '%s': it is '%s'; it must be one of: %s",
                                        node->type == XML_ATTRIBUTE_NODE ? "attribute" : "element", (const char *) node->name,
                                        value, choice->choices);
        }
        return true;
}

static int compare_texts(const void *one, const void *other, void *data) {
        (void) data;
        return strcmp(one, other);
}

/* libxml2 would tell standard error. */
static void keep_quiet(void *data, xmlErrorPtr fault) {
        (void) data;
        (void) fault;
}

static void context_free(void *data) {
        xmlXPathContext *context = data;
        g_tree_unref(context->userData);
        xmlXPathFreeContext(context);
}

/* One for each thread, as its functions take a while to register. */
static xmlXPathContext *context_for(xmlDoc *document) {
        static GPrivate known = G_PRIVATE_INIT(context_free);
        xmlXPathContext *context = g_private_get(&known);
        if (!context) {
                context = xmlXPathNewContext(NULL);
                xmlXPathContextSetCache(context, 1, -1, 0);
                add_functions(context);
                context->userData = g_tree_new_full(compare_texts, NULL, g_free, NULL);
                context->error = keep_quiet;
                context->opLimit = CHECK_STEPS_MAX;
                g_private_set(&known, context);
        }
        context->doc = document;
        context->node = xmlDocGetRootElement(document);
        context->opCount = 0;
        xmlResetError(&context->lastError);
        return context;
}

static bool try_table(size_t number, const CheckTraits *traits, xmlXPathContext *context, GError **error) {
        const CheckTable *table = tables[number];
        for (size_t n = 0; n < table->n_choices; n++)
                if (check_may_break_choice(traits, number, n) && !try_choice(context, table->choices + n, error))
                        return false;
        for (size_t n = 0; n < table->n_rules; n++)
                if (check_may_break_rule(traits, number, n) && !try_rule(context, table->rules + n, error))
                        return false;
        return true;
}

static bool try_tables(xmlDoc *document, size_t first, size_t end, GError **error) {
        xmlNode *root = xmlDocGetRootElement(document);
        g_autoptr(CheckTraits) traits = check_traits_new(&check_index, root);
        xmlXPathContext *context = context_for(document);
        for (size_t i = first; i < end; i++)
                if (!try_table(i, traits, context, error))
                        return false;
        /* A rule that was given up has found nothing. */
        return context->lastError.code == XML_ERR_OK ||
               xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, root,
                        "there are too many elements of one kind beside each other to be checked");
}

bool check_given(xmlDoc *document, GError **error) {
        return check_once(xmlDocGetRootElement(document), error) && try_tables(document, 0, 1, error);
}

bool check_document(xmlDoc *document, GError **error) {
        return try_tables(document, 1, G_N_ELEMENTS(tables), error) && check_sets(xmlDocGetRootElement(document), error);
}

const char *check_overlooked(xmlDoc *document) {
        g_autoptr(CheckTraits) traits = check_traits_new(&check_index, xmlDocGetRootElement(document));
        xmlXPathContext *context = context_for(document);
        const char *overlooked = NULL;
        for (size_t i = 0; i < G_N_ELEMENTS(tables); i++) {
                for (size_t n = 0; n < tables[i]->n_choices; n++)
                        if (!check_may_break_choice(traits, i, n) && !try_choice(context, tables[i]->choices + n, NULL))
                                overlooked = tables[i]->choices[n].at;
                for (size_t n = 0; n < tables[i]->n_rules; n++)
                        if (!check_may_break_rule(traits, i, n) && !try_rule(context, tables[i]->rules + n, NULL))
                                overlooked = tables[i]->rules[n].at;
        }
        return overlooked;
}
