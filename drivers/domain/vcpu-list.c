/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/vcpu-list.h"

#include <glib.h>
#include <inttypes.h>

#include "base/xml.h"

static xmlNode *find(const xmlNode *list, uint32_t id) {
        for (xmlNode *one = list ? xml_child(list, "vcpu") : NULL; one; one = xml_next(one, "vcpu")) {
                uint64_t number = UINT64_MAX;
                if (xml_number_attribute(one, "id", 0, UINT32_MAX, &number, NULL) && number == id)
                        return one;
        }
        return NULL;
}

static bool is_enabled(const xmlNode *one) {
        return xml_attribute_is(one, "enabled", "yes");
}

static bool is_plugged(const xmlNode *one) {
        return is_enabled(one) && !xml_attribute_is(one, "hotpluggable", "no");
}

uint32_t vcpu_list_count(const xmlNode *root, uint32_t maximum, uint32_t current) {
        const xmlNode *list = xml_child(root, "vcpus");
        uint32_t n = 0;
        for (uint32_t id = 0; list && id < maximum; id++) {
                const xmlNode *one = find(list, id);
                n += one ? is_enabled(one) : id < current;
        }
        return list && n > 0 ? n : current;
}

uint32_t vcpu_list_first(const xmlNode *root, uint32_t n) {
        const xmlNode *list = xml_child(root, "vcpus");
        for (const xmlNode *one = list ? xml_child(list, "vcpu") : NULL; one; one = xml_next(one, "vcpu"))
                n -= is_plugged(one) && n > 1;
        return n;
}

bool vcpu_list_is_plugged(const xmlNode *root, uint32_t id) {
        const xmlNode *one = find(xml_child(root, "vcpus"), id);
        return one && is_plugged(one);
}

/* One that is taken away can be plugged again; ORDER 0: it has none. */
static void set(xmlNode *one, bool enabled, bool hotpluggable, uint32_t order) {
        xmlAttr *before = xmlHasProp(one, (const xmlChar *) "order");
        xml_set_attribute(one, "enabled", enabled ? "yes" : "no");
        xml_set_attribute(one, "hotpluggable", hotpluggable ? "yes" : "no");
        if (order > 0)
                xml_set_number(one, "order", order);
        else if (before)
                xmlRemoveProp(before);
}

static uint32_t last_order(const xmlNode *list) {
        uint64_t last = 0;
        for (const xmlNode *one = xml_child(list, "vcpu"); one; one = xml_next(one, "vcpu")) {
                uint64_t order = 0;
                xml_number_attribute(one, "order", 0, UINT32_MAX - 1, &order, NULL);
                last = MAX(last, order);
        }
        return (uint32_t) last;
}

/* Those that the list does not name are as <vcpu> says. */
static void complete(xmlNode *list, uint32_t maximum, uint32_t current) {
        bool has_order = xml_find(list, "vcpu") && last_order(list) > 0;
        for (uint32_t id = 0; id < maximum; id++) {
                if (find(list, id))
                        continue;
                xmlNode *one = xml_add(list, "vcpu", NULL);
                xml_set_number(one, "id", id);
                set(one, id < current, id >= current, id < current && has_order ? last_order(list) + 1 : 0);
        }
}

void vcpu_list_make(xmlNode *root, uint32_t maximum, uint32_t current) {
        xmlNode *list = xml_child(root, "vcpus");
        if (list)
                return;
        list = xmlAddNextSibling(xml_ensure_child(root, "vcpu"), xmlNewNode(NULL, (const xmlChar *) "vcpus"));
        xmlNode *first = xml_add(list, "vcpu", NULL);
        xml_set_number(first, "id", 0);
        set(first, true, false, 1);
        complete(list, maximum, current);
}

/* The one to be changed next: the lowest that is not there, or the highest that is, plugged ones first. */
static xmlNode *next_to_change(const xmlNode *list, bool grows) {
        xmlNode *found = NULL;
        uint64_t number = 0;
        for (xmlNode *one = xml_child(list, "vcpu"); one; one = xml_next(one, "vcpu")) {
                uint64_t id = 0;
                xml_number_attribute(one, "id", 0, UINT32_MAX, &id, NULL);
                if (is_enabled(one) == grows || (!grows && id == 0))
                        continue;
                bool is_better = grows ? id < number : is_plugged(one) == is_plugged(found) ? id > number : is_plugged(one);
                if (found && !is_better)
                        continue;
                found = one;
                number = id;
        }
        return found;
}

void vcpu_list_set(xmlNode *root, uint32_t n) {
        xmlNode *list = xml_child(root, "vcpus"), *vcpu = xml_ensure_child(root, "vcpu"), *one = NULL;
        g_autofree char *text = xml_text(vcpu);
        uint64_t maximum = g_ascii_strtoull(text, NULL, 10), current = maximum;
        uint32_t has = 0;
        xml_number_attribute(vcpu, "current", 1, maximum, &current, NULL);
        if (list)
                complete(list, (uint32_t) maximum, (uint32_t) current);
        for (const xmlNode *each = list ? xml_child(list, "vcpu") : NULL; each; each = xml_next(each, "vcpu"))
                has += is_enabled(each);
        bool grows = n > has;
        for (; list && has != n && (one = next_to_change(list, grows)); has += grows ? 1 : (uint32_t) -1)
                set(one, grows, true, grows && last_order(list) > 0 ? last_order(list) + 1 : 0);
        xml_set_number(vcpu, "current", n);
}

static bool mark(uint8_t *marks, uint32_t count, const char *word) {
        bool without = *word == '^';
        guint64 first, last;
        g_auto(GStrv) ends = g_strsplit(word + without, "-", 2);
        if (!ends[0] || !g_ascii_string_to_unsigned(g_strstrip(ends[0]), 10, 0, UINT32_MAX, &first, NULL))
                return false;
        last = first;
        if (ends[1] && (without || !g_ascii_string_to_unsigned(g_strstrip(ends[1]), 10, 0, UINT32_MAX, &last, NULL)))
                return false;
        if (last < first || last >= count)
                return false;
        for (guint64 i = first; i <= last; i++)
                marks[i] = !without;
        return true;
}

GArray *vcpu_list_read(const char *text, uint32_t count) {
        g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        g_autofree uint8_t *marks = g_new0(uint8_t, (gsize) count + 1);
        g_auto(GStrv) words = g_strsplit(text, ",", -1);
        for (char **word = words; *word; word++)
                if (!mark(marks, count, g_strstrip(*word)))
                        return NULL;
        for (uint32_t i = 0; i < count; i++)
                if (marks[i])
                        g_array_append_val(numbers, i);
        return numbers->len > 0 ? g_steal_pointer(&numbers) : NULL;
}

void vcpu_list_enable(xmlNode *root, uint32_t maximum, uint32_t current, const GArray *numbers, bool enabled) {
        uint32_t n = 0;
        bool has_gap = false;
        vcpu_list_make(root, maximum, current);
        xmlNode *list = xml_child(root, "vcpus");
        complete(list, maximum, current);
        bool has_order = last_order(list) > 0;
        for (guint i = 0; i < numbers->len; i++) {
                xmlNode *one = find(list, g_array_index(numbers, uint32_t, i));
                if (one && is_enabled(one) != enabled)
                        set(one, enabled, true, enabled && has_order ? last_order(list) + 1 : 0);
        }
        for (uint32_t id = 0; id < maximum; id++) {
                xmlNode *one = find(list, id);
                bool is_there = one && is_enabled(one);
                if (is_there && has_gap)
                        xml_set_attribute(one, "hotpluggable", "yes");
                has_gap |= !is_there;
                n += is_there;
        }
        xml_set_number(xml_ensure_child(root, "vcpu"), "current", n);
}
