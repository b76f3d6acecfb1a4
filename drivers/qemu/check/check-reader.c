/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/check/check-reader.h"

/* The index while it is made. */
typedef struct Making {
        GArray *needs;     /* Need */
        GArray *questions; /* Question */
        GString *texts;    /* each ends with NUL */
        Bits *asked;
} Making;

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

/* Keys of which one must be there, while they are read. */
#define KEYS_MAX 24
typedef struct Group {
        Key keys[KEYS_MAX];
        size_t n;
} Group;

/* Where a predicate stands. */
typedef struct Step {
        Making *index;
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

static bool add_question(Making *index, Key subject, QuestionKind kind, Words words, Group *group) {
        static const char *const signs[] = {
                [LACKS_ATTRIBUTE] = "!", [LACKS_CHILD] = "!/", [HAS_TEXT] = "=", [IS_NOT_LISTED] = "#", [IS_NOT_DIGITS] = "#0"
        };
        Question question = { subject, part_of(subject, signs[kind], words), kind, (uint32_t) index->texts->len };
        g_string_append_len(index->texts, words.text, (gssize) words.length);
        g_string_append_c(index->texts, '\0');
        g_array_append_val(index->questions, question);
        set(index->asked, subject);
        return add_key(group, question.key);
}

/* A path from an element to a child, or an attribute of itself or of a child: its key, and how long it is; 0 where it is
 * something else. */
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

/* not(SUBJECT), not(SUBJECT = 'VALUE'), not(listed(SUBJECT, 'WORDS')): it is missing, or something else; not(matches(.,
 * '[0-9]+')). */
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

/* A function of a text that is missing, or is 0, where what it is told of is missing: it compares to nothing, or is not more
 * than a number. */
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

/* One path: adds its groups, and where it ends at an attribute, that this has another value than a word of CHOICES. Reading
 * ends where a path is not understood. */
static void read_alternative(Making *index, Words words, const char *choices, GArray *groups) {
        static const char any_depth[] = "descendant-or-self::*";
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
                if (begins(words, any_depth)) {
                        step.parent = any_name;
                        words = skip(words, strlen(any_depth) - any_name.length);
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

static void write_need(Making *index, size_t value) {
        Need need = (Need) value;
        g_array_append_val(index->needs, need);
}

static void write_needs(Making *index, const GArray *groups) {
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
static Need write_alternatives(Making *index, Words words, const char *choices) {
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
static uint32_t read_expression(Making *index, const char *text, const char *choices) {
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

/* By subject; those of one subject stay in their order. */
static int compare_questions(const void *one, const void *other) {
        const Question *a = one, *b = other;
        return a->subject < b->subject ? -1 : a->subject > b->subject ? 1 : a->words < b->words ? -1 : 1;
}

static TableIndex read_table(Making *index, const CheckTable *table) {
        uint32_t *rules = g_new(uint32_t, table->n_rules), *choices = g_new(uint32_t, table->n_choices);
        for (size_t i = 0; i < table->n_rules; i++)
                rules[i] = read_expression(index, table->rules[i].at, NULL);
        for (size_t i = 0; i < table->n_choices; i++)
                choices[i] = read_expression(index, table->choices[i].at, table->choices[i].choices);
        return (TableIndex){ rules, choices, table->n_rules, table->n_choices };
}

CheckIndex *check_index_read(const CheckTable *const *tables, size_t n_tables) {
        Making making = { .needs = g_array_new(FALSE, FALSE, sizeof(Need)),
                          .questions = g_array_new(FALSE, FALSE, sizeof(Question)),
                          .texts = g_string_new(NULL),
                          .asked = g_new0(Bits, 1) };
        TableIndex *read = g_new(TableIndex, n_tables);
        CheckIndex *index = g_new(CheckIndex, 1);
        for (size_t i = 0; i < n_tables; i++)
                read[i] = read_table(&making, tables[i]);
        g_array_sort(making.questions, compare_questions);
        *index = (CheckIndex){ .tables = read,
                               .n_tables = n_tables,
                               .n_needs = making.needs->len,
                               .n_questions = making.questions->len,
                               .n_texts = making.texts->len,
                               .asked = making.asked };
        index->needs = (const Need *) g_array_free(making.needs, FALSE);
        index->questions = (const Question *) g_array_free(making.questions, FALSE);
        index->texts = g_string_free(making.texts, FALSE);
        return index;
}

void check_index_free(CheckIndex *index) {
        for (size_t i = 0; i < index->n_tables; i++) {
                g_free((void *) index->tables[i].rules);
                g_free((void *) index->tables[i].choices);
        }
        g_free((void *) index->tables);
        g_free((void *) index->needs);
        g_free((void *) index->questions);
        g_free((void *) index->texts);
        g_free((void *) index->asked);
        g_free(index);
}
