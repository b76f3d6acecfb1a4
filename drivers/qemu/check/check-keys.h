/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The form of an index, which check-reader.c makes when virtbus is built and check-index.c looks things up in.
 *
 * Conditions are hashes. Where a path knows an element and its parent by name, its place is "PARENT/NAME"; "*" stands for a name
 * that is not known. Then there are, of a place P:
 *   P                  there is such an element
 *   P[2], P[3]         one is the second, the third of its name
 *   P@A, P@A=V         one has an attribute A, of value V
 *   P@A#LIST, P@A#0    of a value that is not a word of the list, that is not digits
 *   P!A, P!/C          one lacks this attribute, this child
 *   P=V                one has this text */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef uint32_t Key;

#define BITS 65536
typedef struct Bits {
        uint64_t words[BITS / 64];
} Bits;

/* The number of a key's bit. */
static inline uint16_t bit_of(Key key) {
        return (uint16_t) (key ^ key >> 16);
}

static inline void set(Bits *bits, Key key) {
        bits->words[bit_of(key) / 64] |= UINT64_C(1) << (bit_of(key) % 64);
}

/* FNV-1a */
static inline Key mix(Key key, const char *text, size_t length) {
        for (size_t i = 0; i < length; i++)
                key = (key ^ (uint8_t) text[i]) * 16777619;
        return key;
}

/* Part of an expression, or a name. */
typedef struct Words {
        const char *text;
        size_t length;
} Words;

static const Words any_name = { "*", 1 };

static inline Words words_of(const char *text) {
        return (Words){ text, strlen(text) };
}

static inline Key place_of(Words parent, Words name) {
        return mix(mix(mix(2166136261, parent.text, parent.length), "/", 1), name.text, name.length);
}

static inline Key part_of(Key place, const char *sort, Words name) {
        return mix(mix(place, sort, strlen(sort)), name.text, name.length);
}

/* A condition that is looked at only because an expression asks for it: of an element, and the last ones of an attribute. */
typedef enum QuestionKind { LACKS_ATTRIBUTE, LACKS_CHILD, HAS_TEXT, IS_NOT_LISTED, IS_NOT_DIGITS } QuestionKind;

typedef struct Question {
        Key subject; /* the place, or the attribute */
        Key key;
        QuestionKind kind;
        uint32_t words; /* where in the texts they begin: the name, the text, the list */
} Question;

/* What an expression needs, in numbers of bits: how many alternatives it has, then these. An alternative is written as how
 * many numbers follow, then its groups; a group as how many bits it has, and these, of which one must be there. */
typedef uint16_t Need;
G_STATIC_ASSERT(BITS - 1 <= G_MAXUINT16);

typedef struct TableIndex {
        const uint32_t *rules, *choices; /* where their needs begin */
        size_t n_rules, n_choices;
} TableIndex;

typedef struct CheckIndex {
        const TableIndex *tables;
        size_t n_tables;
        const Need *needs; /* of all tables */
        size_t n_needs;
        const Question *questions; /* by subject */
        size_t n_questions;
        const char *texts; /* each ends with NUL */
        size_t n_texts;    /* bytes */
        const Bits *asked; /* subjects of questions */
} CheckIndex;

/* Of all rules. */
extern const CheckIndex check_index;
