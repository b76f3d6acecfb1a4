/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/check/check-index.h"

#include "qemu/check/check-keys.h"

struct CheckTraits {
        const CheckIndex *index;
        Bits bits, siblings; /* conditions; names that a parent has had */
        uint32_t n_parents;
};

static bool has_bit(const Bits *bits, uint16_t bit) {
        return bits->words[bit / 64] >> (bit % 64) & 1;
}

static bool has(const Bits *bits, Key key) {
        return has_bit(bits, bit_of(key));
}

bool check_is_listed(const char *value, const char *list) {
        size_t length = strlen(value);
        for (const char *word = list; *word;) {
                size_t n = strcspn(word, " ");
                if (n == length && memcmp(word, value, n) == 0)
                        return true;
                word += n + (word[n] == ' ');
        }
        return false;
}

static bool lacks_child(const xmlNode *element, const char *name) {
        for (const xmlNode *child = element->children; child; child = child->next)
                if (child->type == XML_ELEMENT_NODE && !child->ns && strcmp((const char *) child->name, name) == 0)
                        return false;
        return true;
}

/* VALUE: an attribute's. */
static bool is_so(const CheckTraits *traits, const Question *question, const xmlNode *element, const char *value) {
        const char *words = traits->index->texts + question->words;
        if (question->kind == IS_NOT_LISTED)
                return !check_is_listed(value, words);
        if (question->kind == IS_NOT_DIGITS)
                return !*value || value[strspn(value, "0123456789")];
        if (question->kind == LACKS_ATTRIBUTE)
                return !xmlHasNsProp((xmlNode *) element, (const xmlChar *) words, NULL);
        if (question->kind == LACKS_CHILD)
                return lacks_child(element, words);
        xmlChar *text = xmlNodeGetContent(element);
        bool is_same = text && strcmp((const char *) text, words) == 0;
        xmlFree(text);
        return is_same;
}

/* The first of a subject's questions, or where it would be. */
static const Question *first_question(const CheckIndex *index, Key subject) {
        size_t first = 0, end = index->n_questions;
        while (first < end) {
                size_t middle = (first + end) / 2;
                if (index->questions[middle].subject < subject)
                        first = middle + 1;
                else
                        end = middle;
        }
        return index->questions + first;
}

static void answer_questions(CheckTraits *traits, Key subject, const xmlNode *element, const char *value) {
        const Question *end = traits->index->questions + traits->index->n_questions;
        if (!has(traits->index->asked, subject))
                return;
        for (const Question *next = first_question(traits->index, subject); next < end && next->subject == subject; next++)
                if ((next->kind >= IS_NOT_LISTED) == (value != NULL) && is_so(traits, next, element, value))
                        set(&traits->bits, next->key);
}

#define PLACES 4 /* each of parent and name is known or not */

static void collect_attribute(CheckTraits *traits, const Key *places, xmlAttr *attribute) {
        const xmlNode *text = attribute->children;
        bool plain = text && text->type == XML_TEXT_NODE && !text->next && text->content;
        xmlChar *whole = plain || !text ? NULL : xmlNodeListGetString(attribute->doc, attribute->children, 1);
        Words value = words_of(plain ? (const char *) text->content : whole ? (const char *) whole : "");
        for (size_t i = 0; i < PLACES; i++) {
                Key key = part_of(places[i], "@", words_of((const char *) attribute->name));
                set(&traits->bits, key);
                set(&traits->bits, part_of(key, "=", value));
                answer_questions(traits, key, NULL, value.text);
        }
        xmlFree(whole);
}

/* Whether this is the second or third of its name below a parent. */
static void collect_siblings(CheckTraits *traits, uint32_t parent, Words name, const Key *places) {
        static const char *const counts[] = { "[1]", "[2]", "[3]" };
        Key key = mix(mix(0, (const char *) &parent, sizeof parent), name.text, name.length);
        for (size_t n = 0; n < G_N_ELEMENTS(counts); n++) {
                bool before = has(&traits->siblings, part_of(key, counts[n], words_of("")));
                set(&traits->siblings, part_of(key, counts[n], words_of("")));
                for (size_t i = 0; i < PLACES; i++)
                        set(&traits->bits, part_of(places[i], counts[n], words_of("")));
                if (!before)
                        break;
        }
}

static void collect_element(CheckTraits *traits, const xmlNode *element, Words parent, uint32_t n_parent) {
        Words name = words_of((const char *) element->name);
        Key places[PLACES] = { place_of(parent, name), place_of(any_name, name), place_of(parent, any_name),
                               place_of(any_name, any_name) };
        for (size_t i = 0; i < PLACES; i++) {
                set(&traits->bits, places[i]);
                answer_questions(traits, places[i], element, NULL);
        }
        collect_siblings(traits, n_parent, name, places);
        for (xmlAttr *attribute = element->properties; attribute; attribute = attribute->next)
                collect_attribute(traits, places, attribute);
        uint32_t number = ++traits->n_parents;
        for (const xmlNode *child = element->children; child; child = child->next)
                if (child->type == XML_ELEMENT_NODE)
                        collect_element(traits, child, name, number);
}

CheckTraits *check_traits_new(const CheckIndex *index, const xmlNode *root) {
        CheckTraits *traits = g_new0(CheckTraits, 1);
        traits->index = index;
        collect_element(traits, root, words_of(""), 0);
        return traits;
}

void check_traits_free(CheckTraits *traits) {
        g_free(traits);
}

static bool has_groups(const Bits *bits, const Need *need, const Need *end) {
        bool found = true;
        while (found && need < end) {
                const Need *next = need + 1 + *need;
                for (found = false, need++; !found && need < next; need++)
                        found = has_bit(bits, *need);
                need = next;
        }
        return found;
}

static bool may_find(const CheckTraits *traits, uint32_t begin) {
        const Need *need = traits->index->needs + begin;
        bool found = false;
        for (Need n = *need++; n > 0 && !found; n--) {
                const Need *next = need + 1 + *need;
                found = has_groups(&traits->bits, need + 1, next);
                need = next;
        }
        return found;
}

bool check_may_break_rule(const CheckTraits *traits, size_t table, size_t rule) {
        return may_find(traits, traits->index->tables[table].rules[rule]);
}

bool check_may_break_choice(const CheckTraits *traits, size_t table, size_t number) {
        return may_find(traits, traits->index->tables[table].choices[number]);
}
