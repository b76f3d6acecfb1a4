/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "documents.h"

#include <libxml/parser.h>
#include <string.h>

#include "libvirt-errors.h"

xmlDoc *document_read(const char *text, GError **error) {
        xmlDoc *document = xmlReadMemory(text, (int) strlen(text), NULL, "UTF-8",
                                         XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
        /* Entities would make much of little. */
        if (document && !document->intSubset)
                return document;
        xmlFreeDoc(document);
        libvirt_error_set(error, LIBVIRT_XML_ERROR, "XML error: the document cannot be read, or has a document type");
        return NULL;
}

static xmlNode *child_of(xmlNode *node, const char *element) {
        xmlNode *child = node ? node->children : NULL;
        while (child && (child->type != XML_ELEMENT_NODE || strcmp((const char *) child->name, element) != 0))
                child = child->next;
        return child;
}

char *document_attribute(xmlNode *node, const char *element, const char *attribute) {
        xmlNode *found = element ? child_of(node, element) : node;
        xmlChar *value = found ? xmlGetNoNsProp(found, (const xmlChar *) attribute) : NULL;
        char *copy = g_strdup((const char *) value);
        xmlFree(value);
        return copy;
}

bool document_vcpus(const char *text, uint32_t *count, uint32_t *max, GError **error) {
        g_autoptr(xmlDoc) document = document_read(text, error);
        if (!document)
                return false;
        xmlNode *vcpu = child_of(xmlDocGetRootElement(document), "vcpu");
        g_autofree char *current = document_attribute(vcpu, NULL, "current");
        xmlChar *content = vcpu ? xmlNodeGetContent(vcpu) : NULL;
        *max = content ? (uint32_t) g_ascii_strtoull((const char *) content, NULL, 10) : 1;
        *count = current ? (uint32_t) g_ascii_strtoull(current, NULL, 10) : *max;
        xmlFree(content);
        return true;
}

static bool has_attributes(xmlNode *node, xmlNode *part) {
        bool has = true;
        for (xmlAttr *attribute = part->properties; has && attribute; attribute = attribute->next) {
                xmlChar *wanted = xmlGetNoNsProp(part, attribute->name), *found = xmlGetNoNsProp(node, attribute->name);
                has = found && xmlStrEqual(wanted, found);
                xmlFree(wanted);
                xmlFree(found);
        }
        return has;
}

/* The text of an element without elements. */
static bool has_text(xmlNode *node, xmlNode *part) {
        if (xmlFirstElementChild(part))
                return true;
        xmlChar *wanted = xmlNodeGetContent(part), *found = xmlNodeGetContent(node);
        bool has = g_strcmp0(g_strstrip((char *) wanted), "") == 0 || g_strcmp0((char *) wanted, g_strstrip((char *) found)) == 0;
        xmlFree(wanted);
        xmlFree(found);
        return has;
}

/* libxml2 bounds how deep a document is. */
bool document_has(xmlNode *node, xmlNode *part) { // NOLINT(misc-no-recursion)
        bool has = xmlStrEqual(node->name, part->name) && has_attributes(node, part) && has_text(node, part);
        for (xmlNode *child = xmlFirstElementChild(part); has && child; child = xmlNextElementSibling(child)) {
                xmlNode *candidate = xmlFirstElementChild(node);
                while (candidate && !document_has(candidate, child))
                        candidate = xmlNextElementSibling(candidate);
                has = candidate != NULL;
        }
        return has;
}

char *document_pin(xmlDoc *document, const char *element, uint32_t number) {
        xmlNode *root = xmlDocGetRootElement(document), *cputune = child_of(root, "cputune");
        char *cpus = NULL;
        for (xmlNode *pin = cputune ? xmlFirstElementChild(cputune) : NULL; pin && !cpus; pin = xmlNextElementSibling(pin)) {
                g_autofree char *of = document_attribute(pin, NULL, "vcpu");
                if (strcmp((const char *) pin->name, element) == 0 && (!of || g_ascii_strtoull(of, NULL, 10) == number))
                        cpus = document_attribute(pin, NULL, "cpuset");
        }
        return cpus ? cpus : document_attribute(root, "vcpu", "cpuset");
}

void document_cpu_map(const char *list, uint32_t n, uint8_t *map, size_t size) {
        g_autofree char *all = g_strdup_printf("0-%u", n > 0 ? n - 1 : 0);
        g_auto(GStrv) parts = g_strsplit(list ? list : all, ",", -1);
        memset(map, 0, size);
        for (char **part = parts; *part; part++) {
                bool takes = **part == '^';
                char *end;
                uint64_t first = g_ascii_strtoull(*part + takes, &end, 10),
                         last = *end == '-' ? g_ascii_strtoull(end + 1, NULL, 10) : first;
                for (uint64_t cpu = first; cpu <= last && cpu < 8 * size; cpu++) {
                        uint8_t bit = (uint8_t) (1 << cpu % 8);
                        map[cpu / 8] = takes ? map[cpu / 8] & (uint8_t) ~bit : map[cpu / 8] | bit;
                }
        }
}

xmlNode *document_find(xmlNode *node, const char *path) {
        g_auto(GStrv) parts = g_strsplit(path, "/", -1);
        for (char **part = parts; node && *part; part++)
                node = child_of(node, *part);
        return node;
}

char *document_value(xmlNode *node, const char *path) {
        const char *at = strchrnul(path, '@');
        g_autofree char *element = g_strndup(path, (size_t) (at - path));
        xmlNode *found = *element ? document_find(node, element) : node;
        xmlChar *value = !found ? NULL : *at ? xmlGetNoNsProp(found, (const xmlChar *) at + 1) : xmlNodeGetContent(found);
        char *copy = g_strdup((const char *) value);
        xmlFree(value);
        return copy;
}

/* Of libvirt's units of memory, in bytes: a letter alone, or with "iB", is of 1024; with "B" of 1000. */
static double bytes_of(const char *unit) {
        static const char letters[] = "kmgtpe";
        double base = strlen(unit) == 2 ? 1000 : 1024, bytes = 1;
        const char *letter = *unit ? strchr(letters, g_ascii_tolower(*unit)) : NULL;
        for (; letter && letter >= letters; letter--)
                bytes *= base;
        return bytes;
}

uint64_t document_kib(xmlNode *node, const char *path, uint64_t otherwise) {
        g_autofree char *unit_path = g_strconcat(path, "@unit", NULL), *text = document_value(node, path),
                        *unit = document_value(node, unit_path);
        return text ? (uint64_t) (g_ascii_strtod(text, NULL) * bytes_of(unit ? unit : "KiB") / 1024) : otherwise;
}

static xmlNs *outside(xmlNs *own, const xmlChar *namespace) {
        return own && xmlStrEqual(own->href, namespace) ? NULL : own;
}

static void strip(xmlNode *node, const xmlChar *namespace) { // NOLINT(misc-no-recursion)
        node->ns = outside(node->ns, namespace);
        for (xmlAttr *attribute = node->properties; attribute; attribute = attribute->next)
                attribute->ns = outside(attribute->ns, namespace);
        for (xmlNode *child = xmlFirstElementChild(node); child; child = xmlNextElementSibling(child))
                strip(child, namespace);
}

/* Nothing is in it any more. */
static void remove_declaration(xmlNode *root, const xmlChar *namespace) {
        xmlNs **place = &root->nsDef;
        while (*place && !xmlStrEqual((*place)->href, namespace))
                place = &(*place)->next;
        if (*place) {
                xmlNs *removed = *place;
                *place = removed->next;
                xmlFreeNs(removed);
        }
}

char *document_without_namespace(const char *text) {
        g_autoptr(xmlDoc) document = document_read(text, NULL);
        xmlNode *root = document ? xmlDocGetRootElement(document) : NULL;
        if (!root || !root->ns)
                return g_strdup(text);
        xmlChar *namespace = xmlStrdup(root->ns->href);
        strip(root, namespace);
        remove_declaration(root, namespace);
        xmlFree(namespace);
        xmlBuffer *buffer = xmlBufferCreate();
        xmlNodeDump(buffer, document, root, 0, 1);
        char *bare = g_strdup((const char *) xmlBufferContent(buffer));
        xmlBufferFree(buffer);
        return bare;
}
