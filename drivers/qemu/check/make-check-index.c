/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* make-check-index FILE: writes the index of all rules as C. A part of virtbus's build. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "qemu/check/check-reader.h"

#define A_LINE 20 /* numbers */

static char end_of(size_t number) {
        return number % A_LINE == A_LINE - 1 ? '\n' : ' ';
}

static void write_numbers(FILE *file, const char *name, size_t table, const uint32_t *numbers, size_t n) {
        fprintf(file, "static const uint32_t %s_%zu[] = {\n", name, table);
        for (size_t i = 0; i < n; i++)
                fprintf(file, "%" PRIu32 ",%c", numbers[i], end_of(i));
        fputs("};\n", file);
}

static void write_needs(FILE *file, const CheckIndex *index) {
        fputs("static const Need needs[] = {\n", file);
        for (size_t i = 0; i < index->n_needs; i++)
                fprintf(file, "%u,%c", index->needs[i], end_of(i));
        fputs("};\n", file);
}

static void write_questions(FILE *file, const CheckIndex *index) {
        fputs("static const Question questions[] = {\n", file);
        for (size_t i = 0; i < index->n_questions; i++) {
                const Question *question = index->questions + i;
                fprintf(file, "{ 0x%" PRIx32 ", 0x%" PRIx32 ", %d, %" PRIu32 " },\n", question->subject, question->key,
                        (int) question->kind, question->words);
        }
        fputs("};\n", file);
}

static void write_texts(FILE *file, const CheckIndex *index) {
        fputs("static const char texts[] =\n", file);
        for (const char *text = index->texts; text < index->texts + index->n_texts; text += strlen(text) + 1) {
                g_autofree char *escaped = g_strescape(text, NULL);
                fprintf(file, "\"%s\\0\"\n", escaped);
        }
        fputs("\"\";\n", file);
}

static void write_bits(FILE *file, const Bits *bits) {
        fputs("static const Bits asked = { {\n", file);
        for (size_t i = 0; i < G_N_ELEMENTS(bits->words); i++)
                if (bits->words[i])
                        fprintf(file, "[%zu] = UINT64_C(0x%" PRIx64 "),\n", i, bits->words[i]);
        fputs("} };\n", file);
}

static void write_index(FILE *file, const CheckIndex *index) {
        fputs("/* Made by make-check-index.c. */\n#include \"qemu/check/check-keys.h\"\n", file);
        for (size_t i = 0; i < index->n_tables; i++) {
                write_numbers(file, "rules", i, index->tables[i].rules, index->tables[i].n_rules);
                write_numbers(file, "choices", i, index->tables[i].choices, index->tables[i].n_choices);
        }
        write_needs(file, index);
        write_questions(file, index);
        write_texts(file, index);
        write_bits(file, index->asked);
        fputs("static const TableIndex tables[] = {\n", file);
        for (size_t i = 0; i < index->n_tables; i++)
                fprintf(file, "{ rules_%zu, choices_%zu, %zu, %zu },\n", i, i, index->tables[i].n_rules,
                        index->tables[i].n_choices);
        fprintf(file, "};\nconst CheckIndex check_index = { tables, %zu, needs, %zu, questions, %zu, texts, %zu, &asked };\n",
                index->n_tables, index->n_needs, index->n_questions, index->n_texts);
}

int main(int argc, char *argv[]) {
        static const CheckTable *const tables[] = CHECK_TABLES;
        FILE *file = argc == 2 ? fopen(argv[1], "w") : NULL;
        if (!file) {
                perror(argc == 2 ? argv[1] : "make-check-index: no file is named");
                return EXIT_FAILURE;
        }
        CheckIndex *index = check_index_read(tables, G_N_ELEMENTS(tables));
        write_index(file, index);
        check_index_free(index);
        bool failed = ferror(file);
        if (fclose(file) != 0 || failed) {
                perror(argv[1]);
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}
