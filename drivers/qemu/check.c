/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <errno.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>
#include <math.h>
#include <string.h>

#include "xml.h"

static const CheckTable *const tables[] = { &check_machine_table, &check_storage_table, &check_device_table,
                                            &check_network_table };

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlXPathContext, xmlXPathFreeContext)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlXPathObject, xmlXPathFreeObject)

/* Functions: arguments are popped last first. */

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

static bool is_listed(const char *word, const char *list) {
        g_auto(GStrv) words = g_strsplit(list, " ", -1);
        return g_strv_contains((const char *const *) words, word);
}

static void function_listed(xmlXPathParserContext *ctxt, int nargs) {
        CHECK_ARITY(2);
        xmlChar *list = xmlXPathPopString(ctxt), *text = xmlXPathPopString(ctxt);
        xmlXPathReturnBoolean(ctxt, list && text && is_listed((const char *) text, (const char *) list));
        xmlFree(list);
        xmlFree(text);
}

static void add_functions(xmlXPathContext *context) {
        static const struct {
                const char *name;
                xmlXPathFunction function;
        } functions[] = {
                { "num", function_num },         { "bytes", function_bytes },   { "power", function_power },
                { "matches", function_matches }, { "listed", function_listed },
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

/* The names of all elements of a document. */
static void collect_names(const xmlNode *element, GHashTable *names) {
        for (; element; element = element->next)
                if (element->type == XML_ELEMENT_NODE) {
                        g_hash_table_add(names, (gpointer) element->name);
                        collect_names(element->children, names);
                }
}

/* Most rules are of elements that a document does not have: their paths, which begin with names, need not be followed. */
static bool may_find(const xmlXPathContext *context, const char *expression) {
        GHashTable *names = context->userData;
        if (strchr(expression, '|'))
                return true; /* one of several */
        for (const char *part = expression;; part++) {
                size_t length = strspn(part, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "_-");
                char end = part[length], name[64];
                if (length == 0 || length >= sizeof name || !(end == '/' || end == '[' || end == '\0'))
                        return true; /* no plain name */
                memcpy(name, part, length);
                name[length] = '\0';
                if (!g_hash_table_contains(names, name))
                        return false;
                part += length;
                if (end != '/')
                        return true;
        }
}

static xmlNode *find(xmlXPathContext *context, const char *expression, int n, xmlXPathObject **found) {
        if (!*found && !may_find(context, expression))
                return NULL;
        if (!*found)
                *found = xmlXPathCompiledEval(compiled(expression), context);
        xmlNodeSet *nodes = *found ? (*found)->nodesetval : NULL;
        return nodes && n < nodes->nodeNr ? nodes->nodeTab[n] : NULL;
}

static char *evaluate(xmlXPathContext *context, xmlNode *node, const char *expression) {
        xmlNode *before = context->node;
        context->node = node;
        g_autoptr(xmlXPathObject) value = xmlXPathCompiledEval(compiled(expression), context);
        context->node = before;
        xmlChar *text = value ? xmlXPathCastToString(value) : NULL;
        char *copy = g_strdup_printf("%.64s", text ? (const char *) text : "");
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
                if (!is_listed(value, choice->choices))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element_of(node),
                                        "invalid value for %s '%s': it is '%s'; it must be one of: %s",
                                        node->type == XML_ATTRIBUTE_NODE ? "attribute" : "element", (const char *) node->name,
                                        value, choice->choices);
        }
        return true;
}

bool check_document(xmlDoc *document, GError **error) {
        xmlNode *root = xmlDocGetRootElement(document);
        g_autoptr(xmlXPathContext) context = xmlXPathNewContext(document);
        g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
        collect_names(root, names);
        context->node = root;
        context->userData = names;
        xmlXPathContextSetCache(context, 1, -1, 0);
        add_functions(context);
        for (size_t i = 0; i < G_N_ELEMENTS(tables); i++) {
                for (size_t n = 0; n < tables[i]->n_choices; n++)
                        if (!try_choice(context, tables[i]->choices + n, error))
                                return false;
                for (size_t n = 0; n < tables[i]->n_rules; n++)
                        if (!try_rule(context, tables[i]->rules + n, error))
                                return false;
        }
        return check_sets(root, error);
}
