/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/xml.h"

#include <inttypes.h>
#include <libxml/chvalid.h>
#include <libxml/parser.h>
#include <string.h>

#include "base/xml-layout.h"

/* The alias of the device that an element is, or is a part of; NULL where there is none. */
static char *device_of(const xmlNode *element) {
        for (; element && element->type == XML_ELEMENT_NODE; element = element->parent)
                if (xml_child(element, "alias"))
                        return xml_attribute(xml_child(element, "alias"), "name");
        return NULL;
}

bool xml_fail(GError **error, VirtbusError code, const xmlNode *element, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        g_autofree char *fault = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        if (!element) /* what is at fault is missing: the words say where */
                return virtbus_error_set(error, code, "%s", fault);
        long line = xmlGetLineNo((xmlNode *) element);
        const char *name = (const char *) element->name;
        if (line > 0)
                return virtbus_error_set(error, code, "line %ld, element <%s>: %s", line, name, fault);
        g_autofree char *device = device_of(element);
        return virtbus_error_set(error, code, "element <%s>%s%s%s: %s", name, device ? " of device '" : "", device ? device : "",
                                 device ? "'" : "", fault);
}

typedef struct Limits {
        size_t bytes;
        unsigned depth, elements;
} Limits;

static const Limits strangers = { XML_BYTES_MAX, XML_DEPTH_MAX, XML_ELEMENTS_MAX };

/* A file of ours wraps a document, and adds what the driver knows: it may be that much larger. */
static const Limits ours = { XML_OWN_BYTES_MAX, XML_DEPTH_MAX + 8, 2 * XML_ELEMENTS_MAX };

static bool check_tree(const xmlNode *element, const Limits *limits, unsigned depth, unsigned *n_elements, GError **error) {
        if (depth > limits->depth)
                return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, element, "elements nest deeper than %u", limits->depth);
        if (++*n_elements > limits->elements)
                return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, element, "there are more than %u elements",
                                limits->elements);
        for (const xmlNode *child = element->children; child; child = child->next) {
                if (child->type == XML_ENTITY_REF_NODE)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                        "entities are not allowed: write the text itself");
                if (child->type == XML_ELEMENT_NODE && !check_tree(child, limits, depth + 1, n_elements, error))
                        return false;
                /* Whoever looks for an element steps over them. */
                if ((child->type == XML_COMMENT_NODE || child->type == XML_PI_NODE) && ++*n_elements > limits->elements)
                        return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, element,
                                        "there are more than %u elements, comments and instructions", limits->elements);
        }
        return true;
}

static bool check_size(size_t length, const Limits *limits, GError **error) {
        return length <= limits->bytes ||
               virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "the document has %zu bytes; at most %zu are read", length,
                                 limits->bytes);
}

/* Behind what ENDING says, or at the end of the text. */
static const char *skip_past(const char *text, const char *ending) {
        const char *found = strstr(text, ending);
        return found ? found + strlen(ending) : text + strlen(text);
}

/* The tag that begins here: behind its end. Where it is not well-formed, libxml2 will say so. */
static const char *skip_tag(const char *c, unsigned *n_attributes) {
        for (char quote = 0; *c && (quote || *c != '>'); c++) {
                if (quote)
                        quote = *c == quote ? 0 : quote;
                else if (*c == '"' || *c == '\'')
                        quote = *c;
                else if (*c == '=')
                        ++*n_attributes;
        }
        return c;
}

/* Whether what begins here, up to the next "<", is long enough for too many attributes, such as a="". The parser ends at a "<"
 * in a value. */
static bool may_have_many(const char *c) {
        const char *next = strchr(c + 1, '<');
        return (next ? (size_t) (next - c) : strlen(c)) > XML_ATTRIBUTES_MAX * strlen("a=\"\"");
}

/* libxml2 compares each attribute of an element with all before it: a megabyte of them takes it half a minute. */
static bool check_attributes(const char *text, GError **error) {
        static const struct { const char *begin, *end; } others[] = { { "<!--", "-->" }, { "<![CDATA[", "]]>" }, { "<?", "?>" } };
        for (const char *c = strchr(text, '<'), *next; c; c = strchr(next, '<')) {
                unsigned n_attributes = 0;
                next = NULL;
                for (size_t i = 0; i < G_N_ELEMENTS(others) && strchr("!?", c[1]) && !next; i++)
                        if (g_str_has_prefix(c, others[i].begin))
                                next = skip_past(c + strlen(others[i].begin), others[i].end);
                if (!next)
                        next = may_have_many(c) ? skip_tag(c + 1, &n_attributes) : c + 1;
                if (n_attributes > XML_ATTRIBUTES_MAX)
                        return virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "an element has more than %d attributes",
                                                 XML_ATTRIBUTES_MAX);
        }
        return true;
}

/* What a parser has met: kept at once, as its tree is gone when it returns. */
typedef struct ParseState {
        bool has_document_type;
        int line; /* of the first error */
        char *element, *message;
} ParseState;

static void keep_error(void *context, xmlErrorPtr fault) {
        xmlParserCtxt *parser = context;
        ParseState *state = parser->_private;
        if (state->message || fault->level < XML_ERR_ERROR)
                return;
        state->line = fault->line;
        state->element = parser->node ? g_strdup((const char *) parser->node->name) : NULL;
        state->message = g_strchomp(g_strdup(fault->message ? fault->message : "unreadable"));
}

/* A document type could define entities that multiply or read files: the parser stops at the first sight of one. */
static void refuse_document_type(void *context, const xmlChar *name, const xmlChar *external, const xmlChar *system) {
        xmlParserCtxt *parser = context;
        (void) name;
        (void) external;
        (void) system;
        ((ParseState *) parser->_private)->has_document_type = true;
        xmlStopParser(parser);
}

static bool is_blank(const char *text) {
        return text[strspn(text, " \t\r\n")] == '\0';
}

static xmlDoc *parse(const char *text, const char *root, const Limits *limits, GError **error) {
        size_t length = strlen(text);
        if (!check_size(length, limits, error) || !check_attributes(text, error))
                return NULL;
        ParseState state = { 0 };
        xmlParserCtxt *context = xmlNewParserCtxt();
        context->_private = &state;
        context->sax->serror = keep_error;
        context->sax->internalSubset = refuse_document_type;
        /* The text is UTF-8, whatever encoding it declares: it has come over D-Bus, or was written by xml_document_text. */
        g_autoptr(xmlDoc) document = xmlCtxtReadMemory(context, text, (int) length, NULL, "UTF-8",
                                                       XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                                                       XML_PARSE_BIG_LINES | XML_PARSE_IGNORE_ENC);
        if (state.has_document_type)
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_XML,
                                  "line %d, element <!DOCTYPE>: document types and entities are not allowed: leave it out",
                                  context->input ? context->input->line : 1);
        else if (!document && !state.element && is_blank(text))
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_XML, "the document is empty");
        else if (!document)
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_XML, "line %d%s%s%s: %s", state.line,
                                  state.element ? ", element <" : "", state.element ? state.element : "",
                                  state.element ? ">" : "", state.message ? state.message : "it is not XML");
        xmlFreeParserCtxt(context);
        g_free(state.element);
        g_free(state.message);
        if (!document || state.has_document_type)
                return NULL;
        xmlNode *element = xmlDocGetRootElement(document);
        unsigned n_elements = 0;
        if (root && !xml_is(element, root)) {
                xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "the document's element must be <%s>", root);
                return NULL;
        }
        if (!check_tree(element, limits, 0, &n_elements, error))
                return NULL;
        xml_layout_mark(element);
        return g_steal_pointer(&document);
}

xmlDoc *xml_parse(const char *text, const char *root, GError **error) {
        return parse(text, root, &strangers, error);
}

static void forget_lines(xmlNode *element) {
        element->line = 0;
        for (xmlNode *child = xml_child(element, NULL); child; child = xml_next(child, NULL))
                forget_lines(child);
}

xmlDoc *xml_parse_own(const char *text, const char *root, GError **error) {
        xmlDoc *document = parse(text, root, &ours, error);
        if (document)
                forget_lines(xmlDocGetRootElement(document));
        return document;
}

xmlDoc *xml_copy(xmlDoc *document) {
        xmlDoc *copy = xmlCopyDoc(document, 1);
        xml_layout_mark(xmlDocGetRootElement(copy));
        return copy;
}

char *xml_document_text(xmlDoc *document) {
        xmlChar *text;
        int length;
        xml_layout(document);
        xmlDocDumpFormatMemoryEnc(document, &text, &length, "UTF-8", 1);
        char *copy = g_strndup((const char *) text, (gsize) length);
        xmlFree(text);
        return copy;
}

char *xml_checked_text(xmlDoc *document, GError **error) {
        unsigned n_elements = 0;
        if (!check_tree(xmlDocGetRootElement(document), &strangers, 0, &n_elements, error))
                return NULL;
        g_autofree char *text = xml_document_text(document);
        return check_size(strlen(text), &strangers, error) && check_attributes(text, error) ? g_steal_pointer(&text) : NULL;
}

char *xml_element_text(xmlNode *element) {
        xmlBuffer *buffer = xmlBufferCreate();
        xmlNodeDump(buffer, element->doc, element, 0, 0);
        char *copy = g_strdup((const char *) xmlBufferContent(buffer));
        xmlBufferFree(buffer);
        return copy;
}

char *xml_element_alone(xmlNode *element) {
        xmlNode *copy = xmlDocCopyNode(element, element->doc, 1);
        xml_layout_alone(copy, element);
        char *text = xml_element_text(copy);
        xmlFreeNode(copy);
        return text;
}

bool xml_is(const xmlNode *element, const char *name) {
        return strcmp((const char *) element->name, name) == 0;
}

/* Elements of other namespaces (qemu:commandline, ...) are never meant by a plain name. */
static xmlNode *first_element(xmlNode *node, const char *name) {
        for (; node; node = node->next)
                if (node->type == XML_ELEMENT_NODE && (!name || (xml_is(node, name) && !node->ns)))
                        return node;
        return NULL;
}

xmlNode *xml_child(const xmlNode *element, const char *name) {
        return element ? first_element(element->children, name) : NULL;
}

xmlNode *xml_next(const xmlNode *element, const char *name) {
        return first_element(element->next, name);
}

/* Whether a node is an element of no namespace with the name that LENGTH bytes are. */
static bool is_named(const xmlNode *node, const char *name, size_t length) {
        return node->type == XML_ELEMENT_NODE && !node->ns && strncmp((const char *) node->name, name, length) == 0 &&
               node->name[length] == '\0';
}

xmlNode *xml_find(const xmlNode *element, const char *path) {
        while (element && *path) {
                size_t length = strcspn(path, "/");
                element = element->children;
                while (element && !is_named(element, path, length))
                        element = element->next;
                path += length + (path[length] == '/');
        }
        return (xmlNode *) element;
}

/* What is in an attribute or an element, where that is one text, as nearly always; NULL: it is something else. */
static const char *plain_content(const xmlNode *children) {
        if (!children)
                return "";
        return children->type == XML_TEXT_NODE && !children->next ? (const char *) children->content : NULL;
}

static const xmlAttr *find_attribute(const xmlNode *element, const char *name) {
        return element ? xmlHasNsProp((xmlNode *) element, (const xmlChar *) name, NULL) : NULL;
}

char *xml_attribute(const xmlNode *element, const char *name) {
        const xmlAttr *attribute = find_attribute(element, name);
        const char *plain = attribute ? plain_content(attribute->children) : NULL;
        if (!attribute || plain)
                return g_strdup(plain);
        xmlChar *value = xmlGetNoNsProp((xmlNode *) element, (const xmlChar *) name);
        char *copy = g_strdup((const char *) value);
        xmlFree(value);
        return copy;
}

char *xml_text(const xmlNode *element) {
        const char *plain = element ? plain_content(element->children) : NULL;
        if (!element || plain)
                return plain ? g_strstrip(g_strdup(plain)) : NULL;
        xmlChar *value = xmlNodeGetContent((xmlNode *) element);
        char *copy = value ? g_strstrip(g_strdup((const char *) value)) : NULL;
        xmlFree(value);
        return copy;
}

char *xml_attribute_at(const xmlNode *element, const char *path, const char *name) {
        char *value = xml_attribute(path[0] ? xml_find(element, path) : element, name);
        return value ? value : g_strdup("");
}

char *xml_text_at(const xmlNode *element, const char *path) {
        char *value = xml_text(xml_find(element, path));
        return value ? value : g_strdup("");
}

bool xml_attribute_is(const xmlNode *element, const char *name, const char *value) {
        const xmlAttr *attribute = find_attribute(element, name);
        const char *plain = attribute ? plain_content(attribute->children) : NULL;
        g_autofree char *whole = attribute && !plain ? xml_attribute(element, name) : NULL;
        return g_strcmp0(plain ? plain : whole, value) == 0;
}

bool xml_number(const xmlNode *element, const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *value,
                GError **error) {
        guint64 number;
        if (g_ascii_string_to_unsigned(text, 10, min, max, &number, NULL)) {
                *value = number;
                return true;
        }
        bool digits = *text && strspn(text, "0123456789") == strlen(text);
        return xml_fail(error, digits ? VIRTBUS_ERROR_LIMIT_EXCEEDED : VIRTBUS_ERROR_INVALID_XML, element,
                        "%s is '%.64s'; it must be a number from %" PRIu64 " to %" PRIu64, what, text, min, max);
}

bool xml_number_attribute(const xmlNode *element, const char *name, uint64_t min, uint64_t max, uint64_t *value, GError **error) {
        g_autofree char *text = xml_attribute(element, name);
        return !text || xml_number(element, name, text, min, max, value, error);
}

bool xml_one_of(const xmlNode *element, const char *name, const char *const *values, GError **error) {
        g_autofree char *value = xml_attribute(element, name);
        if (!value || g_strv_contains(values, value))
                return true;
        g_autofree char *known = g_strjoinv(", ", (char **) values);
        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "%s is '%.64s'; it must be one of: %s", name, value, known);
}

bool xml_is_text(const char *text) {
        bool is = true;
        for (const char *c = text; *c && is; c = g_utf8_next_char(c))
                is = xmlIsCharQ(g_utf8_get_char(c));
        return is;
}

void xml_set_attribute(xmlNode *element, const char *name, const char *value) {
        xmlSetProp(element, (const xmlChar *) name, (const xmlChar *) value);
}

void xml_set_number(xmlNode *element, const char *name, int64_t number) {
        char text[24];
        g_snprintf(text, sizeof text, "%" PRId64, number);
        xml_set_attribute(element, name, text);
}

xmlNode *xml_add(xmlNode *element, const char *name, const char *text) {
        return xmlNewTextChild(element, NULL, (const xmlChar *) name, (const xmlChar *) text);
}

xmlNode *xml_ensure_child(xmlNode *element, const char *name) {
        xmlNode *child = xml_child(element, name);
        return child ? child : xml_add(element, name, NULL);
}

uint64_t xml_unit(const char *name) {
        /* libvirt's domain format, "Memory Allocation": in any case; a letter alone, or with iB, is of 1024, with B of 1000. */
        static const char letters[] = "KMGTPE";
        static const char *const bytes[] = { "b", "byte", "bytes" };
        for (size_t i = 0; i < G_N_ELEMENTS(bytes); i++)
                if (g_ascii_strcasecmp(name, bytes[i]) == 0)
                        return 1;
        const char *letter = *name ? strchr(letters, g_ascii_toupper(*name)) : NULL, *rest = name + 1;
        if (!letter || (*rest && g_ascii_strcasecmp(rest, "iB") != 0 && g_ascii_strcasecmp(rest, "B") != 0))
                return 0;
        uint64_t base = g_ascii_toupper(*rest) == 'B' ? 1000 : 1024, unit = base;
        for (; letter > letters; letter--)
                unit *= base;
        return unit;
}

void xml_remove(xmlNode *element) {
        xml_layout_close_up(element);
        xmlUnlinkNode(element);
        xmlFreeNode(element);
}
