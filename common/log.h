/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One line on stderr. Where that is the journal's, as systemd sets up for services (JOURNAL_STREAM), with the priority of
 * sd-daemon(3) before it. */

#include <glib.h>
#include <stdbool.h>
#include <syslog.h>

/* True where stderr is the journal's. */
bool log_is_journal(void);

/* Lines above this level, such as LOG_DEBUG, are left out. It is LOG_INFO, unless the environment's SYSTEMD_LOG_LEVEL has
 * another, by name or number. */
void log_set_level(int level);
bool log_has_level(int level);

void log_write(int level, const char *format, ...) G_GNUC_PRINTF(2, 3);

#define log_error(...) log_write(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) (log_has_level(LOG_DEBUG) ? log_write(LOG_DEBUG, __VA_ARGS__) : (void) 0)
