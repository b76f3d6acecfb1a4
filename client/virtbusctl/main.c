/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* virtbusctl: what machinectl is to systemd-machined, for virtbus. */

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "verbs.h"

static bool is_help(const VerbEntry *verb) {
        return !verb->verb && !verb->method;
}

static int show_help(Ctl *ctl, char **arguments) {
        const VerbEntry *verb = arguments[0] ? verb_find(arguments[0]) : NULL;
        if (arguments[0] && !verb) {
                g_autofree char *text = verb_explain_unknown(arguments[0]);
                ctl_say("%s", text);
                return EXIT_USAGE;
        }
        help_print(ctl, verb);
        return EXIT_DONE;
}

static int run_verb(Ctl *ctl, const VerbEntry *verb, char **arguments) {
        if (verb->verb)
                return verb->verb(ctl, arguments);
        return ctl_do_each(ctl, arguments, verb->method,
                           verb->takes_options ? g_variant_new("(@a{sv})", ctl_options(NULL, NULL)) : NULL);
}

static int run(Ctl *ctl, int argc, char *argv[]) {
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) arguments = NULL;
        const VerbEntry *verb = NULL;
        if (!options_parse(ctl, argc, argv, &verb, &arguments, &error)) {
                ctl_say("%s", error->message);
                return EXIT_USAGE;
        }
        int n = (int) g_strv_length(arguments);
        if (ctl->help) {
                help_print(ctl, is_help(verb) ? NULL : verb);
                return EXIT_DONE;
        }
        if (ctl->version) {
                puts("virtbusctl " VIRTBUS_VERSION);
                return EXIT_DONE;
        }
        for (char **argument = arguments; verb->verb != verb_agent && *argument; argument++)
                if (!**argument) {
                        ctl_say("an argument of %s is empty; usage: virtbusctl %s %s", verb->name, verb->name, verb->arguments);
                        return EXIT_USAGE;
                }
        const char *const texts[] = { ctl->host, ctl->machine, ctl->connection };
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
                if (texts[i] && !*texts[i]) {
                        ctl_say("--host, --machine and --connection name something; one of them is empty");
                        return EXIT_USAGE;
                }
        if (ctl->openmetrics && ctl->json) {
                ctl_say("--openmetrics and --json exclude each other");
                return EXIT_USAGE;
        }
        if (n < verb->min || (verb->max >= 0 && n > verb->max)) {
                fprintf(stderr, "usage: virtbusctl %s%s%s; see virtbusctl help %s\n", verb->name, *verb->arguments ? " " : "",
                        verb->arguments, verb->name);
                return EXIT_USAGE;
        }
        if (ctl->json && (ctl->full || ctl->columns)) {
                ctl_say("--full and --columns are of tables; --json has all columns");
                return EXIT_USAGE;
        }
        if (!!ctl->user + !!ctl->host + !!ctl->machine > 1) {
                ctl_say("--user, --host and --machine exclude each other");
                return EXIT_USAGE;
        }
        if (is_help(verb))
                return show_help(ctl, arguments);
        return ctl_connect(ctl, verb->verb != verb_list, &error) ? run_verb(ctl, verb, arguments)
                                                                 : ctl_fail(g_steal_pointer(&error));
}

int main(int argc, char *argv[]) {
        Ctl ctl = { 0 };
        setlocale(LC_ALL, "");
        int status = argc > 1 && strcmp(argv[1], "complete") == 0 ? complete(&ctl, argv + 2) : run(&ctl, argc, argv);
        ctl_disconnect(&ctl);
        options_clear(&ctl);
        int failure = output_close();
        if (failure != 0 && failure != EPIPE) /* who reads no further, as head(1), needs not be told */
                ctl_say("standard output cannot be written: %s", g_strerror(failure));
        return failure != 0 ? MAX(status, EXIT_FAILED) : status;
}
