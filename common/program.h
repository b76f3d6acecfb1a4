/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What virtbusd and the drivers have in common as programs. */

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

/* Reads the command line; there are no arguments beside options, and --version is added to them. Returns true to go on; else
 * *STATUS is the exit status. */
bool program_options(const GOptionEntry *options, const char *summary, int argc, char *argv[], int *status);

/* Has SIGTERM and SIGINT end the event loop. To be called before any thread begins. Returns 0 or a negative errno. */
int program_end_on_signals(sd_event *event);
