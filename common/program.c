/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "program.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"

bool program_options(const GOptionEntry *options, const char *summary, int argc, char *argv[], char **file, int *status) {
        gboolean version = false, debug = false;
        const GOptionEntry common[] = { { "version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version", NULL },
                                        { "debug", 0, 0, G_OPTION_ARG_NONE, &debug, "Say also what helps to find faults", NULL },
                                        G_OPTION_ENTRY_NULL };
        g_autoptr(GError) error = NULL;
        g_autoptr(GOptionContext) context = g_option_context_new(summary);
        g_option_context_add_main_entries(context, options, NULL);
        g_option_context_add_main_entries(context, common, NULL);
        setlocale(LC_CTYPE, ""); /* characters alone: nothing is translated, and each category is a file to read */
        *status = EXIT_FAILURE;
        if (!g_option_context_parse(context, &argc, &argv, &error))
                log_error("%s; see --help", error->message);
        else if (version) {
                puts(VIRTBUS_VERSION);
                *status = EXIT_SUCCESS;
        } else if (argc != (file ? 2 : 1))
                log_error("%s; see --help", file ? "one file is needed" : "there are no arguments, only options");
        else {
                if (debug)
                        log_set_level(LOG_DEBUG);
                if (file)
                        *file = argv[1];
                return true;
        }
        return false;
}

void program_hold_signals(const int *signals) {
        sigset_t mask;
        sigemptyset(&mask);
        for (size_t i = 0; signals[i]; i++)
                sigaddset(&mask, signals[i]);
        sigprocmask(SIG_BLOCK, &mask, NULL);
}

int program_on_signals(sd_event *event, const int *signals, sd_event_signal_handler_t handler, void *data) {
        int r = 0;
        program_hold_signals(signals);
        signal(SIGPIPE, SIG_IGN);
        for (size_t i = 0; r >= 0 && signals[i]; i++)
                r = sd_event_add_signal(event, NULL, signals[i], handler, data);
        return r;
}

int program_on_standstill(sd_event *event) {
        int r = sd_event_set_watchdog(event, true);
        return MIN(r, 0);
}
