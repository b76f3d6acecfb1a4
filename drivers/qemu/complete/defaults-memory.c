/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/complete/defaults-memory.h"

#include <inttypes.h>

#include "qemu/complete/default.h"

/* More than any machine has: sums of sizes do not overflow. */
#define SIZE_BYTES_MAX (UINT64_C(1) << 62)

/* What libvirt writes for no limit, in KiB. */
#define MEMORY_UNLIMITED "9007199254740991"

/* NUMA cells that have distances; ACPI's distance of a cell from itself. */
#define CELLS_MAX 128
#define DISTANCE_SELF 10

/* A size with its unit, in bytes; false where it is not one, which is said elsewhere. */
static bool read_size(const char *text, const char *unit, uint64_t *bytes) {
        uint64_t factor = xml_unit(unit ? unit : "KiB"), number;
        g_autofree char *digits = text ? g_strstrip(g_strdup(text)) : NULL;
        if (!digits || factor == 0 || !g_ascii_string_to_unsigned(digits, 10, 0, SIZE_BYTES_MAX / factor, &number, NULL))
                return false;
        *bytes = number * factor;
        return true;
}

/* Sizes of memory are kept in KiB, as libvirt writes them. */
static char *format_kibibytes(uint64_t bytes) {
        return g_strdup_printf("%" PRIu64, bytes / 1024 + (bytes % 1024 > 0));
}

void defaults_memory_normalize_size(xmlNode *element) {
        g_autofree char *text = element ? xml_text(element) : NULL, *unit = xml_attribute(element, "unit");
        uint64_t bytes;
        if (read_size(text, unit, &bytes)) {
                g_autofree char *kibibytes = format_kibibytes(bytes);
                xmlNodeSetContent(element, (const xmlChar *) kibibytes);
                xml_set_attribute(element, "unit", "KiB");
        } else if (element)
                default_set(element, "unit", "KiB");
}

/* The greatest number that the kernel can count means no limit. */
static void complete_limits(xmlNode *tune) {
        static const char *const limits[] = { "hard_limit", "soft_limit", "swap_hard_limit", "min_guarantee" };
        for (size_t i = 0; i < G_N_ELEMENTS(limits); i++) {
                xmlNode *limit = xml_child(tune, limits[i]);
                defaults_memory_normalize_size(limit);
                g_autofree char *text = limit ? xml_text(limit) : NULL;
                if (g_strcmp0(text, MEMORY_UNLIMITED) == 0)
                        xml_remove(limit);
        }
}

/* A size that stands in an attribute: of a cell of NUMA, of huge pages. */
static void complete_size(xmlNode *element, const char *attribute) {
        g_autofree char *text = xml_attribute(element, attribute), *unit = xml_attribute(element, "unit");
        uint64_t bytes;
        if (read_size(text, unit, &bytes)) {
                g_autofree char *kibibytes = format_kibibytes(bytes);
                xml_set_attribute(element, attribute, kibibytes);
                xml_set_attribute(element, "unit", "KiB");
        } else
                default_set(element, "unit", "KiB");
}

static bool add_size(uint64_t *total, xmlNode *element, const char *text) {
        g_autofree char *unit = xml_attribute(element, "unit");
        uint64_t bytes;
        if (!read_size(text, unit, &bytes) || bytes > SIZE_BYTES_MAX - *total)
                return false;
        *total += bytes;
        return true;
}

/* What NUMA cells and modules have together; false where there are no cells, or one has no size, which is said elsewhere. */
static bool sum_cells(xmlNode *root, uint64_t *total) {
        xmlNode *cell = xml_child(xml_find(root, "cpu/numa"), "cell");
        bool is_known = cell != NULL;
        *total = 0;
        for (; cell && is_known; cell = xml_next(cell, "cell")) {
                g_autofree char *text = xml_attribute(cell, "memory");
                is_known = add_size(total, cell, text);
        }
        for (xmlNode *module = xml_child(xml_child(root, "devices"), "memory"); module && is_known;
             module = xml_next(module, "memory")) {
                xmlNode *size = xml_find(module, "target/size");
                g_autofree char *text = size ? xml_text(size) : NULL;
                is_known = add_size(total, size, text);
        }
        return is_known;
}

/* Where there are NUMA cells, memory is what they and the modules have, whatever is named. */
static xmlNode *sum_memory(xmlNode *root, xmlNode *memory) {
        xmlNode *name = xml_child(root, "name"), *uuid = xml_child(root, "uuid");
        g_autofree char *text = memory ? xml_text(memory) : NULL, *unit = xml_attribute(memory, "unit");
        uint64_t total, named;
        if (!name || !sum_cells(root, &total) || (memory && !read_size(text, unit, &named)))
                return memory;
        g_autofree char *kibibytes = format_kibibytes(total);
        if (!memory) {
                memory = xml_add(root, "memory", NULL);
                xmlAddNextSibling(uuid ? uuid : name, memory);
        }
        xmlNodeSetContent(memory, (const xmlChar *) kibibytes);
        xml_set_attribute(memory, "unit", "KiB");
        return memory;
}

/* Memory now: all of it where the document does not say, or says more. */
static void complete_memory(xmlNode *root, xmlNode *memory) {
        xmlNode *current = xml_child(root, "currentMemory");
        defaults_memory_normalize_size(xml_child(root, "maxMemory"));
        defaults_memory_normalize_size(memory);
        defaults_memory_normalize_size(current);
        g_autofree char *size = xml_text(memory), *unit = xml_attribute(memory, "unit"),
                        *now = current ? xml_text(current) : NULL, *now_unit = xml_attribute(current, "unit");
        uint64_t all, bytes;
        if (!current) {
                current = xml_add(root, "currentMemory", size);
                xmlAddNextSibling(memory, current);
                xml_set_attribute(current, "unit", unit);
        } else if (read_size(size, unit, &all) && read_size(now, now_unit, &bytes) && (bytes > all || bytes == 0))
                xmlNodeSetContent(current, (const xmlChar *) size);
}

void defaults_memory_complete(xmlNode *root) {
        xmlNode *memory = sum_memory(root, xml_child(root, "memory"));
        for (xmlNode *page = xml_child(xml_find(root, "memoryBacking/hugepages"), "page"); page; page = xml_next(page, "page"))
                complete_size(page, "size");
        complete_limits(xml_child(root, "memtune"));
        if (memory)
                complete_memory(root, memory);
}

/* Distances between cells hold both ways, and each cell's own is ACPI's. */
static void complete_distances(xmlNode *numa) {
        unsigned values[CELLS_MAX][CELLS_MAX] = { 0 }, n = 0;
        xmlNode *cells[CELLS_MAX] = { NULL };
        for (xmlNode *cell = xml_child(numa, "cell"); cell; cell = xml_next(cell, "cell")) {
                g_autofree char *id = xml_attribute(cell, "id");
                guint64 number = CELLS_MAX;
                if (!id || !g_ascii_string_to_unsigned(id, 10, 0, CELLS_MAX - 1, &number, NULL) || cells[number])
                        return;
                cells[number] = cell;
                n = MAX(n, (unsigned) number + 1);
        }
        bool any = false;
        for (unsigned i = 0; i < n; i++) {
                if (xml_child(cells[i], "distances") && !xml_find(cells[i], "distances/sibling"))
                        return;
                for (xmlNode *one = xml_child(xml_child(cells[i], "distances"), "sibling"); one; one = xml_next(one, "sibling")) {
                        g_autofree char *id = xml_attribute(one, "id"), *value = xml_attribute(one, "value");
                        guint64 other, distance;
                        if (!id || !value || !g_ascii_string_to_unsigned(id, 10, 0, CELLS_MAX - 1, &other, NULL) ||
                            !g_ascii_string_to_unsigned(value, 10, DISTANCE_SELF, UINT8_MAX, &distance, NULL))
                                return;
                        if (other >= n || (other == i && distance != DISTANCE_SELF))
                                return; /* wrong, which is said elsewhere */
                        values[i][other] = (unsigned) distance;
                        any = true;
                }
        }
        for (unsigned i = 0; any && i < n; i++) {
                if (!cells[i])
                        return;
                xmlNode *distances = NULL;
                bool is_told = false;
                for (unsigned k = 0; k < n; k++)
                        is_told |= values[i][k] || values[k][i];
                for (unsigned j = 0; j < n; j++) {
                        unsigned value = values[i][j] ? values[i][j] : values[j][i];
                        if (i == j && is_told)
                                value = DISTANCE_SELF;
                        if (value == 0)
                                continue;
                        if (!distances) {
                                if (xml_child(cells[i], "distances"))
                                        xml_remove(xml_child(cells[i], "distances"));
                                distances = xml_add(cells[i], "distances", NULL);
                        }
                        xmlNode *sibling = xml_add(distances, "sibling", NULL);
                        xml_set_number(sibling, "id", j);
                        xml_set_number(sibling, "value", value);
                }
        }
}

void defaults_memory_complete_cells(xmlNode *numa) {
        unsigned n = 0;
        for (xmlNode *cell = xml_child(numa, "cell"); cell; cell = xml_next(cell, "cell"), n++) {
                if (!xmlHasProp(cell, (const xmlChar *) "id"))
                        xml_set_number(cell, "id", n);
                complete_size(cell, "memory");
        }
        if (n > 0)
                complete_distances(numa);
}
