/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tables, colours, JSON and the pager. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ctl.h"

#define COLUMNS_DEFAULT 80
#define LINES_DEFAULT 24
#define GAP 2

/* What a size with a fraction is a multiple of: memory and disks are. */
#define SIZE_UNIT 1024

/* No column is made narrower than this to fit the terminal. */
#define COLUMN_MIN 8

struct Table {
        char **headings;
        GPtrArray *rows; /* char ** */
};

bool output_is_terminal(void) {
        return isatty(STDOUT_FILENO);
}

/* no-color.org */
bool output_has_colours(void) {
        const char *terminal = getenv("TERM"), *refused = getenv("NO_COLOR");
        return output_is_terminal() && !(refused && *refused) && g_strcmp0(terminal, "dumb") != 0;
}

static unsigned terminal_size(const char *variable, bool columns, unsigned otherwise) {
        struct winsize size;
        const char *text = getenv(variable);
        unsigned long given = text ? strtoul(text, NULL, 10) : 0;
        if (given > 0 && given < G_MAXUINT16)
                return (unsigned) given;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0)
                return columns ? size.ws_col : size.ws_row;
        return otherwise;
}

unsigned output_columns(void) {
        return terminal_size("COLUMNS", true, COLUMNS_DEFAULT);
}

unsigned output_lines(void) {
        return terminal_size("LINES", false, LINES_DEFAULT);
}

const char *output_state_colour(const char *state) {
        static const char *const colours[][2] = {
                { "running", "\033[32m" }, { "paused", "\033[33m" }, { "pmsuspended", "\033[33m" },
                { "crashed", "\033[31m" }, { "shutoff", "\033[2m" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(colours); i++)
                if (strcmp(state, colours[i][0]) == 0)
                        return colours[i][1];
        return "";
}

Table *table_new(const char *const *headings) {
        Table *table = g_new0(Table, 1);
        table->headings = g_strdupv((char **) headings);
        table->rows = g_ptr_array_new_with_free_func((GDestroyNotify) g_strfreev);
        return table;
}

void table_add(Table *table, char **cells) {
        g_ptr_array_add(table->rows, cells);
}

static size_t width_of(const char *text) {
        return (size_t) g_utf8_strlen(text, -1);
}

/* How long the sign of a colour is (ECMA-48's SGR), where the text begins with one. */
static size_t colour_length(const char *text) {
        size_t n = g_str_has_prefix(text, "\033[") ? strspn(text + 2, "0123456789;") + 2 : 0;
        return n > 0 && text[n] == 'm' ? n + 1 : 0;
}

char *output_printable(const char *text) {
        g_autofree char *valid = g_utf8_make_valid(text, -1);
        GString *printable = g_string_sized_new(strlen(valid));
        for (const char *c = valid; *c;) {
                gunichar character = g_utf8_get_char(c);
                size_t colour = colour_length(c);
                const char *next = colour > 0 ? c + colour : g_utf8_next_char(c);
                if (colour > 0 || character == '\n' || character == '\t' || !g_unichar_iscntrl(character))
                        g_string_append_len(printable, c, next - c);
                else
                        g_string_append_c(printable, '?');
                c = next;
        }
        return g_string_free(printable, FALSE);
}

/* The same for one cell, which is of one line. */
static char *printable_cell(const char *text) {
        char *copy = output_printable(text);
        for (char *c = copy; *c; c++)
                if ((unsigned char) *c < 0x20)
                        *c = '?';
        return copy;
}

static void append_cell(GString *line, const char *raw, size_t width, bool right, bool last, const char *colour) {
        g_autofree char *text = printable_cell(raw);
        size_t length = width_of(text);
        if (length > width) {
                g_autofree char *start = g_utf8_substring(text, 0, (glong) width - 1);
                g_free(text);
                text = g_strconcat(start, "…", NULL);
                length = width;
        }
        if (right)
                g_string_append_printf(line, "%*s", (int) (width - length), "");
        g_string_append_printf(line, "%s%s%s", colour, text, *colour ? "\033[0m" : "");
        if (!last)
                g_string_append_printf(line, "%*s", (int) (GAP + (right ? 0 : width - length)), "");
}

/* Makes the widest columns narrower until all fit. */
static void fit(size_t *widths, size_t n) {
        size_t total = 0, available = output_columns();
        for (size_t i = 0; i < n; i++)
                total += widths[i] + (i > 0 ? GAP : 0);
        while (total > available) {
                size_t widest = 0;
                for (size_t i = 1; i < n; i++)
                        if (widths[i] > widths[widest])
                                widest = i;
                if (widths[widest] <= COLUMN_MIN)
                        break;
                widths[widest]--;
                total--;
        }
}

static void print_json_table(const Table *table) {
        g_autoptr(JsonArray) array = json_array_new();
        for (guint i = 0; i < table->rows->len; i++) {
                JsonObject *object = json_object_new();
                char **cells = table->rows->pdata[i];
                for (size_t k = 0; table->headings[k]; k++) {
                        bool is_number = table->headings[k][0] == '>';
                        g_autofree char *name = g_ascii_strdown(table->headings[k] + is_number, -1);
                        g_strdelimit(name, " ", '_');
                        guint64 number;
                        if (is_number && g_ascii_string_to_unsigned(cells[k], 10, 0, G_MAXINT64, &number, NULL))
                                json_object_set_int_member(object, name, (gint64) number);
                        else
                                json_object_set_string_member(object, name, cells[k]);
                }
                json_array_add_object_element(array, object);
        }
        g_autoptr(JsonNode) node = json_node_init_array(json_node_alloc(), array);
        output_print_json(node);
}

void table_print(Ctl *ctl, Table *table, const char *what) {
        size_t n = g_strv_length(table->headings);
        g_autofree size_t *widths = g_new0(size_t, n);
        g_autoptr(GString) text = g_string_new(NULL);
        bool colours = output_has_colours();
        if (ctl->json)
                print_json_table(table);
        for (size_t k = 0; k < n; k++) {
                if (!ctl->no_legend)
                        widths[k] = width_of(table->headings[k]) - (table->headings[k][0] == '>');
                for (guint i = 0; i < table->rows->len; i++)
                        widths[k] = MAX(widths[k], width_of(((char **) table->rows->pdata[i])[k]));
        }
        if (output_is_terminal())
                fit(widths, n);
        for (size_t k = 0; !ctl->no_legend && k < n; k++) {
                bool right = table->headings[k][0] == '>';
                append_cell(text, table->headings[k] + right, widths[k], right, k + 1 == n, colours ? "\033[4m" : "");
        }
        if (!ctl->no_legend)
                g_string_append_c(text, '\n');
        for (guint i = 0; i < table->rows->len; i++) {
                char **cells = table->rows->pdata[i];
                for (size_t k = 0; k < n; k++) {
                        bool right = table->headings[k][0] == '>';
                        const char *colour =
                                        colours && strcmp(table->headings[k], "STATE") == 0 ? output_state_colour(cells[k]) : "";
                        append_cell(text, cells[k], widths[k], right, k + 1 == n, colour);
                }
                g_string_append_c(text, '\n');
        }
        if (!ctl->no_legend)
                g_string_append_printf(text, "\n%u %s%s listed.\n", table->rows->len, what,
                                       table->rows->len == 1         ? ""
                                       : g_str_has_suffix(what, "s") ? "es"
                                                                     : "s");
        if (!ctl->json)
                output_page(ctl, text->str);
}

void table_free(Table *table) {
        g_strfreev(table->headings);
        g_ptr_array_unref(table->rows);
        g_free(table);
}

static int write_failure; /* an errno, or 0 */

static void note_failure(bool has_failed) {
        if (has_failed && write_failure == 0)
                write_failure = errno > 0 ? errno : EIO;
}

void output_text(const char *text) {
        errno = 0;
        bool has_failed = fputs(text, stdout) == EOF;
        note_failure(fflush(stdout) != 0 || has_failed);
}

void output_bytes(const void *data, size_t n) {
        errno = 0;
        bool has_failed = fwrite(data, 1, n, stdout) < n;
        note_failure(fflush(stdout) != 0 || has_failed);
}

int output_close(void) {
        bool is_open = fcntl(STDOUT_FILENO, F_GETFD) >= 0; /* one that was closed by who has started us is no failure */
        errno = 0;
        note_failure(ferror(stdout) != 0);
        note_failure(fclose(stdout) != 0);
        return is_open ? write_failure : 0;
}

void output_print_json(JsonNode *node) {
        g_autoptr(JsonGenerator) generator = json_generator_new();
        json_generator_set_root(generator, node);
        json_generator_set_pretty(generator, output_is_terminal());
        g_autofree char *raw = json_generator_to_data(generator, NULL),
                        *text = output_is_terminal() ? output_printable(raw) : g_strdup(raw);
        output_text(text);
        output_text("\n");
}

JsonNode *output_json_of(GVariant *value) {
        return json_gvariant_serialize(value);
}

void output_page(const Ctl *ctl, const char *raw) {
        g_autofree char *text = output_is_terminal() ? output_printable(raw) : g_strdup(raw);
        unsigned lines = 0;
        for (const char *c = text; *c; c++)
                lines += *c == '\n';
        const char *pager = getenv("PAGER");
        if (!ctl->no_pager && output_is_terminal() && lines >= output_lines()) {
                /* As systemd's programs call it: it ends by itself, and leaves what it has shown. */
                setenv("LESS", "FRSXMK", 0);
                FILE *pipe = popen(pager && *pager ? pager : "less", "w");
                if (pipe) {
                        fputs(text, pipe);
                        if (pclose(pipe) == 0)
                                return;
                }
        }
        output_text(text);
}

char *output_size(uint64_t bytes) {
        static const char units[] = "BKMGTPE";
        double value = (double) bytes;
        size_t unit = 0;
        for (; value >= 1024 && unit + 1 < sizeof units - 1; unit++)
                value /= 1024;
        if (bytes == 0)
                return g_strdup("-");
        return value < 10 && unit > 0 ? g_strdup_printf("%.1f%c", value, units[unit])
                                      : g_strdup_printf("%.0f%c", value, units[unit]);
}

bool ctl_read_size(const char *text, guint64 *bytes) {
        static const char units[] = "KMGT";
        char *end;
        guint64 value = g_ascii_strtoull(text, &end, 10);
        double part = *end == '.' && g_ascii_isdigit(end[1]) ? g_ascii_strtod(end, &end) : 0;
        const char *unit = *end ? strchr(units, g_ascii_toupper(*end)) : NULL;
        unsigned shift = unit ? 10 * (unsigned) (unit - units + 1) : 0;
        if (!g_ascii_isdigit(*text) || value > G_MAXUINT64 >> shift || (*end && !unit) || (part > 0 && !unit) ||
            (*end && end[1] && strcmp(end + 1, "iB") != 0 && strcmp(end + 1, "B") != 0))
                return false;
        /* A part of a unit in whole sectors, such as 0.3G, which no disk or memory has in bytes. */
        guint64 rest = (guint64) (part * (double) (UINT64_C(1) << shift)) & ~(guint64) (SIZE_UNIT - 1);
        *bytes = (value << shift) + rest;
        return *bytes >= rest;
}
