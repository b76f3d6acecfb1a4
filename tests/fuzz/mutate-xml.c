/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libFuzzer's mutations of an XML document, as a tree: elements go, come twice, move, and get what other elements have in the
 * seeds (the folder that the environment's VIRTBUS_FUZZ_SEEDS names). What is not a tree is mutated as bytes. */

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>

#include "fuzz.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *one, size_t one_size, const uint8_t *other, size_t other_size, uint8_t *out,
                                 size_t max, unsigned seed);

/* Mutations of one input at once, at most. */
#define MUTATIONS_MAX 4

/* What values are replaced by, besides those of the seeds. */
static const char *const values[] = { "",          "0",   "1",   "-1",     "4294967295", "18446744073709551616",
                                      "0x1f",      "yes", "no",  "on",     "off",        "none",
                                      "default",   "pci", "usb", "virtio", "a,b",        "../x",
                                      "/dev/null", "1.5", " ",   "ü",      "%s%n",       "65536" };

/* Of the seeds: whole documents, kept; their elements, attributes' names, and values of both. */
static GPtrArray *elements, *names, *texts;

typedef GPtrArray Nodes;

static void collect(xmlNode *node, Nodes *into) {
        for (; node; node = node->next)
                if (node->type == XML_ELEMENT_NODE) {
                        g_ptr_array_add(into, node);
                        collect(node->children, into);
                }
}

static void learn(xmlDoc *document) {
        Nodes *all = g_ptr_array_new();
        collect(xmlDocGetRootElement(document), all);
        for (guint i = 0; i < all->len; i++) {
                xmlNode *node = all->pdata[i];
                g_ptr_array_add(elements, node);
                for (xmlAttr *attribute = node->properties; attribute; attribute = attribute->next) {
                        g_ptr_array_add(names, (void *) attribute->name);
                        g_ptr_array_add(texts, xmlNodeListGetString(document, attribute->children, 1));
                }
        }
        g_ptr_array_unref(all);
}

static xmlDoc *parse(const uint8_t *data, size_t size) {
        return xmlReadMemory((const char *) data, (int) size, NULL, NULL,
                             XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NONET);
}

static void learn_seeds(void) {
        const char *folder = g_getenv("VIRTBUS_FUZZ_SEEDS");
        g_autoptr(GDir) listing = folder ? g_dir_open(folder, 0, NULL) : NULL;
        elements = g_ptr_array_new();
        names = g_ptr_array_new();
        texts = g_ptr_array_new();
        for (const char *name; listing && (name = g_dir_read_name(listing));) {
                g_autofree char *path = g_build_filename(folder, name, NULL), *text = NULL;
                gsize size;
                xmlDoc *document = g_file_get_contents(path, &text, &size, NULL) ? parse((const uint8_t *) text, size) : NULL;
                if (document && xmlDocGetRootElement(document))
                        learn(document);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(values); i++)
                g_ptr_array_add(texts, (void *) values[i]);
        if (elements->len == 0)
                learn(parse((const uint8_t *) "<domain type='qemu'/>", strlen("<domain type='qemu'/>")));
}

static void *any(GRand *random, const GPtrArray *array) {
        return array->pdata[g_rand_int_range(random, 0, (gint32) array->len)];
}

/* The document's elements but its root; NULL where there is none. */
static xmlNode *any_below(GRand *random, const Nodes *all) {
        return all->len > 1 ? all->pdata[g_rand_int_range(random, 1, (gint32) all->len)] : NULL;
}

static void drop(xmlNode *node) {
        xmlUnlinkNode(node);
        xmlFreeNode(node);
}

static xmlAttr *any_attribute(GRand *random, const xmlNode *node) {
        guint n = 0;
        for (xmlAttr *attribute = node->properties; attribute; attribute = attribute->next)
                n++;
        xmlAttr *attribute = node->properties;
        for (gint32 skip = n > 0 ? g_rand_int_range(random, 0, (gint32) n) : 0; skip > 0; skip--)
                attribute = attribute->next;
        return attribute;
}

/* A seed's element of the same name has the attributes that could be here; else any. */
static const xmlNode *any_like(GRand *random, const xmlNode *node) {
        for (int tries = 0; tries < 64; tries++) {
                const xmlNode *other = any(random, elements);
                if (xmlStrEqual(other->name, node->name))
                        return other;
        }
        return any(random, elements);
}

static void mutate_once(GRand *random, xmlDoc *document) {
        g_autoptr(GPtrArray) all = g_ptr_array_new();
        collect(xmlDocGetRootElement(document), all);
        xmlNode *target = any(random, all), *below = any_below(random, all), *like = (xmlNode *) any_like(random, target);
        xmlAttr *attribute = any_attribute(random, target), *theirs = any_attribute(random, like);
        switch (g_rand_int_range(random, 0, 10)) {
        case 0:
                if (below)
                        drop(below);
                break;
        case 1:
                if (below)
                        xmlAddNextSibling(below, xmlDocCopyNode(below, document, 1));
                break;
        case 2: /* a seed's element, beside those of its kind or anywhere */
                xmlAddChild(target, xmlDocCopyNode(any(random, elements), document, 1));
                break;
        case 3: /* a child of a seed's element of this name */
                if (xmlFirstElementChild(like))
                        xmlAddChild(target, xmlDocCopyNode(xmlFirstElementChild(like), document, 1));
                break;
        case 4:
                if (theirs) {
                        xmlChar *value = xmlGetProp(like, theirs->name);
                        xmlSetProp(target, theirs->name, value);
                        xmlFree(value);
                }
                break;
        case 5:
                if (attribute)
                        xmlSetProp(target, attribute->name, any(random, texts));
                break;
        case 6:
                if (attribute)
                        xmlRemoveProp(attribute);
                break;
        case 7:
                xmlSetProp(target, any(random, names), any(random, texts));
                break;
        case 8:
                if (below && !xmlFirstElementChild(below)) {
                        xmlNodeSetContent(below, NULL);
                        xmlNodeAddContent(below, any(random, texts));
                }
                break;
        default:
                if (below && like != below) {
                        xmlReplaceNode(below, xmlDocCopyNode(like, document, 1));
                        xmlFreeNode(below);
                }
        }
}

static size_t print(xmlDoc *document, uint8_t *out, size_t max) {
        xmlChar *text;
        int length;
        xmlDocDumpMemory(document, &text, &length);
        size_t size = text && (size_t) length <= max ? (size_t) length : 0;
        memcpy(out, text, size);
        xmlFree(text);
        return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed) {
        g_autoptr(GRand) random = g_rand_new_with_seed(seed);
        if (!elements)
                learn_seeds();
        xmlDoc *document = g_rand_int_range(random, 0, 10) == 0 ? NULL : parse(data, size);
        size_t result = 0;
        if (document && xmlDocGetRootElement(document)) {
                for (gint32 n = g_rand_int_range(random, 1, MUTATIONS_MAX + 1); n > 0; n--)
                        mutate_once(random, document);
                result = print(document, data, max);
        }
        xmlFreeDoc(document);
        return result > 0 ? result : LLVMFuzzerMutate(data, size, max);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *one, size_t one_size, const uint8_t *other, size_t other_size, uint8_t *out,
                                 size_t max, unsigned seed) {
        g_autoptr(GRand) random = g_rand_new_with_seed(seed);
        g_autoptr(GPtrArray) ours = g_ptr_array_new(), theirs = g_ptr_array_new();
        xmlDoc *document = parse(one, one_size), *source = parse(other, other_size);
        size_t result = 0;
        collect(document ? xmlDocGetRootElement(document) : NULL, ours);
        collect(source ? xmlDocGetRootElement(source) : NULL, theirs);
        if (ours->len > 0 && theirs->len > 1) {
                xmlAddChild(any(random, ours), xmlDocCopyNode(any_below(random, theirs), document, 1));
                result = print(document, out, max);
        }
        xmlFreeDoc(document);
        xmlFreeDoc(source);
        return result;
}
