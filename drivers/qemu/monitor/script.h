/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Commands for a monitor, one after the other. Where one fails, those before it are undone, the last first, and the error is
 * told: what was asked for was done whole, or not at all. */

#include "qemu/monitor/monitor.h"

typedef struct Script Script;

/* Called once, with the error of the command that failed or NULL. */
typedef void (*ScriptDone)(void *data, const GError *error);

/* A script lives until it has run, or with what owns it: it is a member of OWNERS meanwhile, which frees what is left. */
Script *script_new(Monitor *monitor, GHashTable *owners);
void script_free(Script *script);

/* Adds a command, which is taken. What undoes it is known by its name. */
void script_add(Script *script, MonitorRequest *request);
void script_add_command(Script *script, const char *name, JsonObject *arguments);

/* Says what undoes the last one. ARGUMENTS is taken. */
void script_undo_by(Script *script, const char *name, JsonObject *arguments);

/* The command that undoes one, or NULL. */
MonitorRequest *script_undo_of(const MonitorRequest *request);

/* What fails is passed over. */
void script_ignore_errors(Script *script);

/* Runs it. DONE is not called where the script is freed; where the monitor is closed it is called before this returns. */
void script_run(Script *script, ScriptDone done, void *data);
