/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Help, made of the tables. */

#include <string.h>

#include "verbs.h"

static void append_options(GString *text, const char *verb, bool common) {
        for (const OptionEntry *option = option_entries; option->name; option++) {
                if (common != !option->verbs || !option_is_of(option, verb))
                        continue;
                g_autofree char *letter = option->letter ? g_strdup_printf("-%c, ", option->letter) : g_strdup("    "),
                                *usage = g_strdup_printf("%s--%s%s%s", letter, option->name, option->value ? "=" : "",
                                                         option->value ? option->value : "");
                g_string_append_printf(text, "  %-30s %s\n", usage, option->description);
        }
}

static void append_verbs(GString *text) {
        for (const VerbEntry *verb = verb_entries; verb->name || verb->description; verb++)
                if (verb->name) {
                        g_autofree char *usage = g_strdup_printf("%s %s", verb->name, verb->arguments);
                        g_string_append_printf(text, "  %-34s %s\n", usage, verb->description);
                } else
                        g_string_append_printf(text, "\n%s:\n", verb->description);
}

void help_print(const Ctl *ctl, const VerbEntry *verb) {
        g_autoptr(GString) text = g_string_new(NULL);
        if (verb) {
                g_string_append_printf(text, "Usage: virtbusctl %s [OPTION...] %s\n\n%s.\n", verb->name, verb->arguments,
                                       verb->description);
                size_t before = text->len;
                g_string_append(text, "\nOptions:\n");
                size_t empty = text->len;
                append_options(text, verb->name, false);
                if (text->len == empty)
                        g_string_truncate(text, before);
                g_string_append(text, "\nOptions of every verb: see virtbusctl --help. More: virtbusctl(1).\n");
        } else {
                g_string_append(text, "Usage: virtbusctl [OPTION...] VERB [ARGUMENT...]\n\n"
                                      "Virtual machines on D-Bus. DOMAIN is the name or the UUID of one.\n");
                append_verbs(text);
                g_string_append(text, "\nOptions of every verb (virtbusctl help VERB shows those of one):\n");
                append_options(text, NULL, true);
                g_string_append(text, "\nSee virtbusctl(1).\n");
        }
        output_page(ctl, text->str);
}
