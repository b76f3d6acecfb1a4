/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/check/check-index.h"

#include <string.h>

/* Conditions, as hashes. Where a path knows an element and its parent by name, its place is "PARENT/NAME"; "*" stands for a name
 * that is not known. Then there are, of a place P:
 *   P                  there is such an element
 *   P[2], P[3]         one is the second, the third of its name
 *   P@A, P@A=V         one has an attribute A, of value V
 *   P@A#LIST, P@A#0    of a value that is not a word of the list, that is not digits
 *   P!A, P!/C          one lacks this attribute, this child
 *   P=V                one has this text */
typedef uint32_t Key;

#define BITS 65536
typedef struct Bits {
        uint64_t words[BITS / 64];
} Bits;

/* The number of a key's bit. */
static uint16_t bit_of(Key key) {
        return (uint16_t) (key ^ key >> 16);
}

static void set(Bits *bits, Key key) {
        bits->words[bit_of(key) / 64] |= UINT64_C(1) << (bit_of(key) % 64);
}

static bool has_bit(const Bits *bits, uint16_t bit) {
        return bits->words[bit / 64] >> (bit % 64) & 1;
}

static bool has(const Bits *bits, Key key) {
        return has_bit(bits, bit_of(key));
}

/* FNV-1a */
static Key mix(Key key, const char *text, size_t length) {
        for (size_t i = 0; i < length; i++)
                key = (key ^ (uint8_t) text[i]) * 16777619;
        return key;
}

/* Part of an expression. */
typedef struct Words {
        const char *text;
        size_t length;
} Words;

static const Words any_name = { "*", 1 };

static Words words_of(const char *text) {
        return (Words){ text, strlen(text) };
}

static Words skip(Words words, size_t n) {
        return (Words){ words.text + n, words.length - n };
}

static Words strip(Words words) {
        while (words.length > 0 && *words.text == ' ')
                words = skip(words, 1);
        while (words.length > 0 && words.text[words.length - 1] == ' ')
                words.length--;
        return words;
}

static bool begins(Words words, const char *with) {
        return words.length >= strlen(with) && memcmp(words.text, with, strlen(with)) == 0;
}

static bool equal(Words a, Words b) {
        return a.length == b.length && memcmp(a.text, b.text, a.length) == 0;
}

static Key place_of(Words parent, Words name) {
        return mix(mix(mix(2166136261, parent.text, parent.length), "/", 1), name.text, name.length);
}

static Key part_of(Key place, const char *sort, Words name) {
        return mix(mix(place, sort, strlen(sort)), name.text, name.length);
}

/* How long the name is that this begins with; 0 if it does not. */
static size_t name_length(Words words) {
        size_t n = 0;
        while (n < words.length && (g_ascii_isalnum(words.text[n]) || strchr("_-", words.text[n])))
                n++;
        return n > 0 && g_ascii_isdigit(words.text[0]) ? 0 : n;
}

/* How far it is to the first of some text that is outside of brackets, parentheses and quotes. */
static size_t find_outside(Words words, const char *sought) {
        char quote = 0;
        int depth = 0;
        for (size_t i = 0; i < words.length; i++) {
                char c = words.text[i];
                if (quote) {
                        quote = c == quote ? 0 : quote;
                        continue;
                }
                if (depth == 0 && begins(skip(words, i), sought))
                        return i;
                if (c == '\'' || c == '"')
                        quote = c;
                depth += (c == '[' || c == '(') - (c == ']' || c == ')');
        }
        return words.length;
}

/* What stands between a bracket or parenthesis, with which this begins, and its counterpart. */
static Words inside(Words words) {
        words = skip(words, 1);
        char counterpart[] = { words.text[-1] == '[' ? ']' : ')', '\0' };
        words.length = find_outside(words, counterpart);
        return words;
}

/* A condition that is looked at only because an expression asks for it: of an element, and the last ones of an attribute. */
typedef enum QuestionKind { LACKS_ATTRIBUTE, LACKS_CHILD, HAS_TEXT, IS_NOT_LISTED, IS_NOT_DIGITS } QuestionKind;

typedef struct Question {
        QuestionKind kind;
        Key key;
        char *words; /* the name, the text, the list */
} Question;

/* What an expression needs, in numbers of bits: how many alternatives it has, then these. An alternative is written as how many numbers
 * follow, then its groups; a group as how many bits it has, and these, of which one must be there. */
typedef uint16_t Need;
G_STATIC_ASSERT(BITS - 1 <= G_MAXUINT16);

typedef struct TableIndex {
        uint32_t *rules, *choices; /* where their needs begin */
} TableIndex;

struct CheckIndex {
        TableIndex *tables;
        size_t n_tables;
        GArray *needs;         /* Need */
        GHashTable *questions; /* GArray of Question, by place; by attribute from IS_NOT_LISTED on */
        Bits asked;            /* keys of questions */
};

/* Keys of which one must be there, while they are read. */
#define KEYS_MAX 24
typedef struct Group {
        Key keys[KEYS_MAX];
        size_t n;
} Group;

/* Where a predicate stands. */
typedef struct Step {
        CheckIndex *index;
        Words parent, name; /* of the element */
        Key place;
        bool is_attribute;
        Key attribute;
} Step;

static bool add_key(Group *group, Key key) {
        if (group->n == KEYS_MAX)
                return false;
        group->keys[group->n++] = key;
        return true;
}

static void clear_question(void *question) {
        g_free(((Question *) question)->words);
}

static bool add_question(CheckIndex *index, Key subject, QuestionKind kind, Words words, Group *group) {
        static const char *const signs[] = {
                [LACKS_ATTRIBUTE] = "!", [LACKS_CHILD] = "!/", [HAS_TEXT] = "=", [IS_NOT_LISTED] = "#", [IS_NOT_DIGITS] = "#0"
        };
        Question question = { kind, part_of(subject, signs[kind], words), g_strndup(words.text, words.length) };
        GArray *questions = g_hash_table_lookup(index->questions, GUINT_TO_POINTER(subject));
        if (!questions) {
                questions = g_array_new(FALSE, FALSE, sizeof(Question));
                g_array_set_clear_func(questions, clear_question);
                g_hash_table_insert(index->questions, GUINT_TO_POINTER(subject), questions);
        }
        g_array_append_val(questions, question);
        set(&index->asked, subject);
        return add_key(group, question.key);
}

/* A path from an element to a child, or an attribute of itself or of a child: its key, and how long it is; 0 where it is something else. */
static size_t read_path(const Step *step, Words words, Key *key) {
        Words parent = step->name, rest = words;
        Key place = step->place;
        while (rest.length > 0) {
                bool is_attribute = *rest.text == '@';
                Words name = is_attribute ? skip(rest, 1) : rest;
                name.length = name_length(name);
                if (name.length == 0 || (!is_attribute && step->is_attribute))
                        return 0;
                if (is_attribute) {
                        *key = part_of(place, "@", name);
                        return (size_t) (name.text + name.length - words.text);
                }
                place = place_of(parent, name);
                parent = name;
                *key = place;
                rest = skip(rest, name.length);
                if (begins(rest, "(") || begins(rest, "::"))
                        return 0; /* a function, an axis */
                if (begins(rest, "["))
                        return words.length; /* what it needs more is left out */
                if (!begins(rest, "/"))
                        break;
                rest = skip(rest, 1);
        }
        return (size_t) (rest.text - words.text);
}

/* A text in quotes. */
static bool read_literal(Words words, Words *text) {
        words = strip(words);
        if (words.length < 2 || *words.text != '\'' || memchr(words.text + 1, '\'', words.length - 2) ||
            words.text[words.length - 1] != '\'')
                return false;
        *text = (Words){ words.text + 1, words.length - 2 };
        return true;
}

static bool is_comparison(Words words, bool unequal) {
        static const char *const signs[] = { "=", "<", ">" };
        for (size_t i = 0; i < G_N_ELEMENTS(signs); i++)
                if (begins(words, signs[i]))
                        return true;
        return unequal && begins(words, "!=");
}

/* A sibling of the same name, on an axis with which this begins. */
static bool is_same_sibling(const Step *step, Words words) {
        static const char *const axes[] = { "preceding-sibling::", "following-sibling::" };
        for (size_t i = 0; i < G_N_ELEMENTS(axes); i++)
                if (begins(words, axes[i])) {
                        Words name = skip(words, strlen(axes[i]));
                        name.length = name_length(name);
                        return !step->is_attribute && equal(name, step->name);
                }
        return false;
}

static bool add_second(const Step *step, Group *group) {
        return add_key(group, part_of(step->place, "[2]", (Words){ "", 0 }));
}

static bool is_self(const Step *step, Words words) {
        return step->is_attribute && begins(words, ".") && !begins(words, "..");
}

/* listed(SOMETHING, 'WORDS'): one of them. */
static bool add_listed(const Step *step, Words arguments, Group *group) {
        size_t comma = find_outside(arguments, ",");
        Words list, subject = strip((Words){ arguments.text, comma });
        Key key = 0;
        if (comma == arguments.length || !read_literal(skip(arguments, comma + 1), &list))
                return false;
        bool of_name = equal(subject, words_of("name()")) && !step->is_attribute;
        bool of_self = is_self(step, subject) && subject.length == 1;
        if (of_self)
                key = step->attribute;
        else if (!of_name && (read_path(step, subject, &key) != subject.length || !memchr(subject.text, '@', subject.length)))
                return false;
        while (list.length > 0) {
                Words word = { list.text, find_outside(list, " ") };
                if (!add_key(group, of_name ? place_of(step->parent, word) : part_of(key, "=", word)))
                        return false;
                list = skip(list, MIN(word.length + 1, list.length));
        }
        return true;
}

/* FUNCTION(ARGUMENTS) that is all of a predicate: its arguments. */
static bool is_call(Words words, const char *function, Words *arguments) {
        size_t length = strlen(function);
        if (!begins(words, function) || words.length <= length || words.text[length] != '(')
                return false;
        *arguments = inside(skip(words, length));
        return arguments->text + arguments->length + 1 == words.text + words.length;
}

/* A value that is another one than this. */
static bool add_unequal(const Step *step, Key attribute, Words literal, Group *group) {
        return !memchr(literal.text, ' ', literal.length) && add_question(step->index, attribute, IS_NOT_LISTED, literal, group);
}

/* not(SUBJECT), not(SUBJECT = 'VALUE'), not(listed(SUBJECT, 'WORDS')): it is missing, or something else; not(matches(., '[0-9]+')). */
static bool read_not(const Step *step, Words words, Group *group) {
        Words arguments, list, subject = words;
        if (step->is_attribute && equal(words, words_of("matches(., '[0-9]+')")))
                return add_question(step->index, step->attribute, IS_NOT_DIGITS, words_of(""), group);
        bool is_listed = is_call(words, "listed", &arguments);
        size_t length = is_listed ? find_outside(arguments, ",") : find_outside(words, "=");
        bool has_value = is_listed || length < words.length;
        if (has_value) {
                Words whole = is_listed ? arguments : words;
                if (length == whole.length || !read_literal(skip(whole, length + 1), &list))
                        return false;
                subject = strip((Words){ whole.text, length });
        }
        if (step->is_attribute)
                return has_value && equal(subject, words_of(".")) &&
                       (is_listed ? add_question(step->index, step->attribute, IS_NOT_LISTED, list, group)
                                  : add_unequal(step, step->attribute, list, group));
        bool is_attribute = begins(subject, "@");
        Words name = skip(subject, is_attribute);
        if (name.length == 0 || name_length(name) != name.length || (has_value && !is_attribute))
                return false;
        Key attribute = part_of(step->place, "@", name);
        return add_question(step->index, step->place, is_attribute ? LACKS_ATTRIBUTE : LACKS_CHILD, name, group) &&
               (!has_value || (is_listed ? add_question(step->index, attribute, IS_NOT_LISTED, list, group)
                                         : add_unequal(step, attribute, list, group)));
}

/* A function of a text that is missing, or is 0, where what it is told of is missing: it compares to nothing, or is not more than a
 * number. */
static bool read_measured(const Step *step, Words words, const char *sign, Group *group) {
        Words call = skip(words, find_outside(words, "("));
        Words arguments = inside(call);
        Words rest = strip(skip(call, MIN(arguments.length + 2, call.length)));
        Key key;
        return (sign ? begins(rest, sign) && !begins(rest, "> -") : is_comparison(rest, false)) &&
               read_path(step, arguments, &key) == arguments.length && add_key(group, key);
}

/* A part of a text, which is not "". */
static bool read_text_call(const Step *step, Words arguments, Group *group) {
        size_t length = find_outside(arguments, ",");
        Words literal;
        Key key;
        return length < arguments.length && read_literal(skip(arguments, length + 1), &literal) && literal.length > 0 &&
               read_path(step, (Words){ arguments.text, length }, &key) == length && add_key(group, key);
}

/* SUBJECT, or SUBJECT = VALUE and the like. */
static bool read_comparison(const Step *step, Words words, Group *group) {
        bool of_self = is_self(step, words);
        Words literal;
        Key key = step->attribute;
        size_t length = of_self ? 1 : read_path(step, words, &key);
        Words rest = strip(skip(words, length));
        bool of_attribute = of_self || memchr(words.text, '@', length);
        if (length == 0 || (rest.length > 0 && !is_comparison(rest, true)))
                return false;
        if (of_attribute && begins(rest, "!=") && read_literal(skip(rest, 2), &literal))
                return add_unequal(step, key, literal, group);
        if (begins(rest, "=") && is_same_sibling(step, strip(skip(rest, 1))))
                return add_second(step, group);
        if (begins(rest, "=") && of_attribute && read_literal(skip(rest, 1), &literal))
                key = part_of(key, "=", literal);
        return add_key(group, key);
}

/* . = 'TEXT' of an element */
static bool read_text(const Step *step, Words words, Group *group) {
        Words rest = strip(skip(words, 1)), literal;
        return begins(rest, "=") && read_literal(skip(rest, 1), &literal) &&
               add_question(step->index, step->place, HAS_TEXT, literal, group);
}

/* Adds keys, of which one must be there for this to be true. False: it says nothing that is understood. */
static bool read_operand(const Step *step, Words words, bool is_first, Group *group) {
        Words arguments;
        words = strip(words);
        if (is_first && !step->is_attribute && (equal(words, words_of("2")) || equal(words, words_of("3"))))
                return add_key(group, part_of(step->place, *words.text == '2' ? "[2]" : "[3]", words_of("")));
        if (is_same_sibling(step, words))
                return add_second(step, group);
        if (is_call(words, "not", &arguments))
                return read_not(step, strip(arguments), group);
        if (is_call(words, "listed", &arguments))
                return add_listed(step, arguments, group);
        if (is_call(words, "twice", &arguments))
                return !step->is_attribute && !equal(step->name, any_name) && add_second(step, group);
        if (is_call(words, "starts-with", &arguments) || is_call(words, "contains", &arguments))
                return read_text_call(step, arguments, group);
        if (begins(words, "self::") && !step->is_attribute) {
                Words name = skip(words, strlen("self::"));
                return name_length(name) == name.length && add_key(group, place_of(step->parent, name));
        }
        if (begins(words, "num("))
                return read_measured(step, words, NULL, group);
        if (begins(words, "count(") || begins(words, "string-length("))
                return read_measured(step, words, "> ", group);
        bool of_text = begins(words, ".") && !begins(words, "..") && !step->is_attribute;
        return of_text ? read_text(step, words, group) : read_comparison(step, words, group);
}

/* Splits by an operator; each part that says something is a group, or all parts are one. */
static void read_predicate(const Step *step, Words words, bool is_first, GArray *groups) {
        bool either = find_outside(words, " or ") < words.length;
        const char *operator= either ? " or " : " and ";
        Group group = { .n = 0 };
        bool understood = true;
        while (words.length > 0) {
                size_t length = find_outside(words, operator);
                /* Of "a and b or c", a part may have both: then it must not be read as one. */
                Words part = { words.text, length };
                bool is_plain = !either || find_outside(part, " and ") == part.length;
                understood = is_plain && read_operand(step, part, is_first, &group) && understood;
                if (!either) {
                        if (understood)
                                g_array_append_val(groups, group);
                        group.n = 0;
                        understood = true;
                }
                words = skip(words, MIN(length + strlen(operator), words.length));
        }
        if (either && understood)
                g_array_append_val(groups, group);
}

static void need(GArray *groups, Key key) {
        Group group = { .keys = { key }, .n = 1 };
        g_array_append_val(groups, group);
}

/* The predicates with which this begins; returns what is behind them. */
static Words read_predicates(const Step *step, Words words, GArray *groups) {
        for (bool is_first = true; begins(words, "["); is_first = false) {
                Words predicate = inside(words);
                read_predicate(step, predicate, is_first, groups);
                words = skip(words, predicate.length + 2);
        }
        return words;
}

/* One path: adds its groups, and where it ends at an attribute, that this has another value than a word of CHOICES. Reading ends where
 * a path is not understood. */
static void read_alternative(CheckIndex *index, Words words, const char *choices, GArray *groups) {
        Step step = { .index = index, .name = words_of("domain") };
        for (words = strip(words); words.length > 0;) {
                step.parent = step.name;
                if (begins(words, "/")) { /* from the root, or at any depth */
                        step.name = any_name;
                        words = skip(words, 1);
                        continue;
                }
                if (begins(words, "../")) {
                        step.name = any_name;
                        words = skip(words, 3);
                        continue;
                }
                step.is_attribute = begins(words, "@");
                words = skip(words, step.is_attribute);
                Words name = { words.text, begins(words, "*") && !step.is_attribute ? 1 : name_length(words) };
                Words rest = skip(words, name.length);
                if (name.length == 0 || !(rest.length == 0 || begins(rest, "/") || begins(rest, "[")))
                        return;
                if (step.is_attribute) {
                        step.attribute = part_of(step.place, "@", name);
                } else {
                        step.name = name;
                        step.place = place_of(step.parent, name);
                }
                need(groups, step.is_attribute ? step.attribute : step.place);
                words = read_predicates(&step, rest, groups);
                words = skip(words, begins(words, "/"));
        }
        if (step.is_attribute && choices) {
                Group group = { .n = 0 };
                add_question(index, step.attribute, IS_NOT_LISTED, words_of(choices), &group);
                g_array_append_val(groups, group);
        }
}

static void write_need(CheckIndex *index, size_t value) {
        Need need = (Need) value;
        g_array_append_val(index->needs, need);
}

static void write_needs(CheckIndex *index, const GArray *groups) {
        size_t length = groups->len;
        for (guint i = 0; i < groups->len; i++)
                length += g_array_index(groups, Group, i).n;
        write_need(index, length);
        for (guint i = 0; i < groups->len; i++) {
                const Group *group = &g_array_index(groups, Group, i);
                write_need(index, group->n);
                for (size_t n = 0; n < group->n; n++)
                        write_need(index, bit_of(group->keys[n]));
        }
}

/* The names that a predicate with which this begins allows: [listed(name(), 'WORDS')], [self::NAME or self::NAME ...]. */
static GPtrArray *names_of(Words words) {
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
        Words arguments, list, predicate = begins(words, "[") ? inside(words) : (Words){ "", 0 };
        bool is_list = is_call(predicate, "listed", &arguments) && begins(arguments, "name(), ") &&
                       read_literal(skip(arguments, strlen("name(), ")), &list);
        const char *separator = is_list ? " " : " or ";
        for (Words rest = is_list ? list : predicate; rest.length > 0;) {
                Words part = { rest.text, find_outside(rest, separator) };
                Words name = skip(part, !is_list && begins(part, "self::") ? strlen("self::") : 0);
                if (name_length(name) != name.length || (!is_list && name.text == part.text))
                        return NULL;
                g_ptr_array_add(names, g_strndup(name.text, name.length));
                rest = skip(rest, MIN(part.length + strlen(separator), rest.length));
        }
        return names->len > 0 ? g_steal_pointer(&names) : NULL;
}

/* Any element whose name is one of several is as many alternatives; returns how many. CHOICES: NULL for a rule. */
static Need write_alternatives(CheckIndex *index, Words words, const char *choices) {
        g_autoptr(GArray) groups = g_array_new(FALSE, FALSE, sizeof(Group));
        size_t star = find_outside(words, "*[");
        g_autoptr(GPtrArray) names = star < words.length ? names_of(skip(words, star + 1)) : NULL;
        if (!names) {
                read_alternative(index, words, choices, groups);
                write_needs(index, groups);
                return 1;
        }
        Words rest = skip(words, star + 1 + inside(skip(words, star + 1)).length + 2);
        Need n = 0;
        for (guint i = 0; i < names->len; i++) { /* [.]: what follows is not the first predicate */
                g_autofree char *text = g_strdup_printf("%.*s%s[.]%.*s", (int) star, words.text, (const char *) names->pdata[i],
                                                        (int) rest.length, rest.text);
                n += write_alternatives(index, words_of(text), choices);
        }
        return n;
}

/* Returns where its needs begin. */
static uint32_t read_expression(CheckIndex *index, const char *text, const char *choices) {
        uint32_t begin = index->needs->len;
        Need n = 0;
        write_need(index, n); /* how many there are is known at the end */
        for (Words words = words_of(text); words.length > 0;) {
                size_t length = find_outside(words, "|");
                n += write_alternatives(index, (Words){ words.text, length }, choices);
                words = skip(words, MIN(length + 1, words.length));
        }
        g_array_index(index->needs, Need, begin) = n;
        return begin;
}

CheckIndex *check_index_new(const CheckTable *const *tables, size_t n_tables) {
        CheckIndex *index = g_new0(CheckIndex, 1);
        index->tables = g_new0(TableIndex, n_tables);
        index->needs = g_array_new(FALSE, FALSE, sizeof(Need));
        index->questions = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify) g_array_unref);
        index->n_tables = n_tables;
        for (size_t i = 0; i < n_tables; i++) {
                index->tables[i] = (TableIndex){ g_new(uint32_t, tables[i]->n_rules), g_new(uint32_t, tables[i]->n_choices) };
                for (size_t n = 0; n < tables[i]->n_rules; n++)
                        index->tables[i].rules[n] = read_expression(index, tables[i]->rules[n].at, NULL);
                for (size_t n = 0; n < tables[i]->n_choices; n++)
                        index->tables[i].choices[n] =
                                        read_expression(index, tables[i]->choices[n].at, tables[i]->choices[n].choices);
        }
        return index;
}

void check_index_free(CheckIndex *index) {
        for (size_t i = 0; i < index->n_tables; i++) {
                g_free(index->tables[i].rules);
                g_free(index->tables[i].choices);
        }
        g_free(index->tables);
        g_array_unref(index->needs);
        g_hash_table_unref(index->questions);
        g_free(index);
}

/* Traits */

struct CheckTraits {
        const CheckIndex *index;
        Bits bits, siblings; /* conditions; names that a parent has had */
        uint32_t n_parents;
};

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
static bool is_so(const Question *question, const xmlNode *element, const char *value) {
        if (question->kind == IS_NOT_LISTED)
                return !check_is_listed(value, question->words);
        if (question->kind == IS_NOT_DIGITS)
                return !*value || value[strspn(value, "0123456789")];
        if (question->kind == LACKS_ATTRIBUTE)
                return !xmlHasNsProp((xmlNode *) element, (const xmlChar *) question->words, NULL);
        if (question->kind == LACKS_CHILD)
                return lacks_child(element, question->words);
        xmlChar *text = xmlNodeGetContent(element);
        bool is_same = text && strcmp((const char *) text, question->words) == 0;
        xmlFree(text);
        return is_same;
}

static void answer_questions(CheckTraits *traits, Key subject, const xmlNode *element, const char *value) {
        const GArray *questions = has(&traits->index->asked, subject)
                                                  ? g_hash_table_lookup(traits->index->questions, GUINT_TO_POINTER(subject))
                                                  : NULL;
        for (guint i = 0; questions && i < questions->len; i++) {
                const Question *question = &g_array_index(questions, Question, i);
                if ((question->kind >= IS_NOT_LISTED) == (value != NULL) && is_so(question, element, value))
                        set(&traits->bits, question->key);
        }
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
        const Need *need = &g_array_index(traits->index->needs, Need, begin);
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
