/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The lines of LXC's configuration of a container (lxc.container.conf(5)): KEY = VALUE, in their order, which counts. */

#include <glib.h>
#include <stdbool.h>

#include "errors.h"

/* A stranger's file: more of it is refused. */
#define CONF_BYTES_MAX (256 * 1024)
#define CONF_LINES_MAX 8192

typedef struct ConfLine {
        unsigned number;
        char *key, *value;
} ConfLine;

/* ConfLine of a text, which is UTF-8; InvalidArgument names the line. */
GPtrArray *conf_file_parse(const char *text, GError **error);

/* Sets InvalidArgument, or Unsupported for what no document can say, with the line and its key; returns false. */
bool conf_file_fail(const ConfLine *line, GError **error, VirtbusError code, const char *format, ...) G_GNUC_PRINTF(4, 5);
bool conf_file_invalid(const ConfLine *line, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);
bool conf_file_unsupported(const ConfLine *line, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* The words of a text between blanks, none of them empty. */
char **conf_file_words(const char *text);

/* Whether a text is a decimal number of at most MAX; it is put into *NUMBER. */
bool conf_file_number(const char *text, guint64 max, guint64 *number);
