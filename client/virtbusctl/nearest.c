/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a person may have meant. */

#include <string.h>

#include "ctl.h"

/* A word is near another if so many of its letters, one in so many, are wrong, missing, too much or swapped. */
#define LETTERS_PER_MISTAKE 3

/* Longer words are not compared. */
#define WORD_BYTES_MAX 64

/* How many mistakes make one word of the other (Damerau and Levenshtein; what was swapped stays as it is). */
static size_t distance(const char *a, const char *b) {
        size_t rows[3][WORD_BYTES_MAX + 1], n = strlen(a), m = strlen(b);
        for (size_t j = 0; j <= m; j++)
                rows[0][j] = j;
        for (size_t i = 1; i <= n; i++) {
                size_t *now = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];
                now[0] = i;
                for (size_t j = 1; j <= m; j++) {
                        now[j] = MIN(MIN(before[j], now[j - 1]) + 1, before[j - 1] + (a[i - 1] != b[j - 1]));
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                                now[j] = MIN(now[j], earlier[j - 2] + 1);
                }
        }
        return rows[n % 3][m];
}

/* The dashes of options make them no nearer to each other. */
static const char *letters_of(const char *word) {
        return word + strspn(word, "-");
}

const char *nearest(const char *word, const char *const *known) {
        const char *best = NULL;
        word = letters_of(word);
        g_autofree char *wanted = g_ascii_strdown(word, -1);
        size_t least = strlen(word) / LETTERS_PER_MISTAKE + 1;
        if (strlen(word) > WORD_BYTES_MAX)
                return NULL;
        for (; *known; known++) {
                g_autofree char *lower = g_ascii_strdown(letters_of(*known), -1);
                size_t mistakes = strlen(lower) > WORD_BYTES_MAX ? least + 1 : distance(wanted, lower);
                if (mistakes < least || (mistakes == least && !best && mistakes < strlen(word))) {
                        best = *known;
                        least = mistakes;
                }
        }
        return best;
}

char *suggestion(const char *word, const char *const *known) {
        const char *near = nearest(word, known);
        return near ? g_strdup_printf("; did you mean '%s'?", near) : g_strdup("");
}
