/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The service's messages name options and methods as programs know them; these are a person's names for them. */

#include <string.h>

#include "ctl.h"

/* Replaces what a pattern finds by what EVALUATE makes of it. */
static char *replace(const char *text, const char *pattern, GRegexEvalCallback evaluate) {
        g_autoptr(GRegex) regex = g_regex_new(pattern, G_REGEX_OPTIMIZE, 0, NULL);
        return g_regex_replace_eval(regex, text, -1, 0, 0, evaluate, NULL, NULL);
}

/* "the option managed_save" */
static gboolean write_option(const GMatchInfo *match, GString *result, gpointer data) {
        static const char *const names[][2] = {
                { "shrink", "force" }, { "inactive", "config" }, { "force_boot", "force" }, { "fds", "fd" }
        };
        g_autofree char *name = g_match_info_fetch(match, 1);
        (void) data;
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                if (strcmp(name, names[i][0]) == 0) {
                        g_free(name);
                        name = g_strdup(names[i][1]);
                }
        g_string_append_printf(result, "--%s", g_strdelimit(name, "_", '-'));
        return FALSE;
}

/* "for Start it must be", "; Destroy ends it" */
static gboolean write_method(const GMatchInfo *match, GString *result, gpointer data) {
        static const char *const verbs[][2] = {
                { "InjectNMI", "nmi" },
                { "PeekMemory", "peek" },
                { "SendKeys", "press" },
                { "WakeUp", "wakeup" },
        };
        g_autofree char *before = g_match_info_fetch(match, 1), *name = g_match_info_fetch(match, 2),
                        *verb = g_ascii_strdown(name, -1);
        (void) data;
        for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
                if (strcmp(name, verbs[i][0]) == 0) {
                        g_free(verb);
                        verb = g_strdup(verbs[i][1]);
                }
        g_string_append_printf(result, "%s'%s'", before, verb);
        return FALSE;
}

/* "SetMaxMemory allows" */
static gboolean write_setting(const GMatchInfo *match, GString *result, gpointer data) {
        g_autofree char *what = g_match_info_fetch(match, 1);
        (void) data;
        g_string_append(result, strcmp(what, "Memory") == 0 ? "max_memory=SIZE" : "max_vcpus=N");
        return FALSE;
}

static gboolean write_terminal(const GMatchInfo *match, GString *result, gpointer data) {
        (void) match;
        (void) data;
        g_string_append(result, "run it on a terminal to be asked for one");
        return FALSE;
}

static gboolean write_capabilities(const GMatchInfo *match, GString *result, gpointer data) {
        (void) match;
        (void) data;
        g_string_append(result, "; virtbusctl capabilities host lists all");
        return FALSE;
}

char *ctl_words(const char *message) {
        static const struct {
                const char *pattern;
                GRegexEvalCallback evaluate;
        } rules[] = {
                { "the option (fds|shrink|inactive|force_boot|force|live|config|nvram|managed_save|tpm|snapshots|checkpoints)\\b",
                  write_option },
                { "(\\b[Ff]or )([A-Z][A-Za-z]+)(?= it must be)", write_method },
                { "(; )([A-Z][a-z]+)(?= ends it)", write_method },
                { "\\bSetMax(Memory|VCPUs)\\b", write_setting },
                { "; see GetCapabilities|, GetCapabilities lists all", write_capabilities },
                { "call again with interactive authorization allowed", write_terminal },
        };
        g_autofree char *text = g_utf8_make_valid(message, -1);
        for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
                char *next = replace(text, rules[i].pattern, rules[i].evaluate);
                if (next) {
                        g_free(text);
                        text = next;
                }
        }
        return g_steal_pointer(&text);
}
