/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Command line and signals: virtbusd and the drivers read and handle them alike. */

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

/* Reads the command line; --version and --debug are added to the options. FILE is where the one argument goes, NULL for a
 * program without arguments. Returns true to go on; else *STATUS is the exit status. */
bool program_options(const GOptionEntry *options, const char *summary, int argc, char *argv[], char **file, int *status);

/* Has signals, 0 at the end of them, wait for program_on_signals. The first that a program does, so that it ends as it should
 * however early it is told to. */
void program_hold_signals(const int *signals);

/* Has signals, 0 at the end of them, call a handler; without one they end the event loop. SIGPIPE is ignored. To be called
 * before any thread begins. Returns 0 or a negative errno. */
int program_on_signals(sd_event *event, const int *signals, sd_event_signal_handler_t handler, void *data);

/* Has systemd end this program, and start it anew, when its event loop stands still for as long as the unit says (WatchdogSec=).
 * Nothing here waits in the loop, but for the kernel: closing a file of a user's own file system (FUSE), as sd-bus does with the
 * descriptors of a message, takes as long as that user likes. Returns 0 or a negative errno. */
int program_on_standstill(sd_event *event);
