/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tables, colours, JSON and the pager. */

#include <errno.h>
#include <fcntl.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ctl.h"

#define COLUMNS_DEFAULT 80
#define LINES_DEFAULT 24

/* What a size with a fraction is a multiple of: memory and disks are. */
#define SIZE_UNIT 1024

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

/* How long the sign of a colour is (ECMA-48's SGR), where the text begins with one of ours: others hide text. */
static size_t colour_length(const char *text) {
        static const char *const ours[] = { "\033[0m", "\033[2m", "\033[4m", "\033[31m", "\033[32m", "\033[33m" };
        for (size_t i = 0; i < G_N_ELEMENTS(ours); i++)
                if (g_str_has_prefix(text, ours[i]))
                        return strlen(ours[i]);
        return 0;
}

/* A terminal shows it where it stands: it neither does something else, nor shows what follows in another order. */
static bool is_shown(gunichar character) {
        GUnicodeType type = g_unichar_type(character);
        return character == '\n' || character == '\t' || (type != G_UNICODE_CONTROL && type != G_UNICODE_FORMAT);
}

char *output_printable(const char *text) {
        g_autofree char *valid = g_utf8_make_valid(text, -1);
        GString *printable = g_string_sized_new(strlen(valid));
        for (const char *c = valid; *c;) {
                gunichar character = g_utf8_get_char(c);
                size_t colour = colour_length(c);
                const char *next = colour > 0 ? c + colour : g_utf8_next_char(c);
                if (colour > 0 || is_shown(character))
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

char *output_line(const char *text) {
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        g_autofree char *all = g_strjoinv("; ", lines);
        return printable_cell(all);
}

void ctl_say(const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        g_autofree char *text = g_strdup_vprintf(format, arguments), *line = output_line(text);
        va_end(arguments);
        fprintf(stderr, "virtbusctl: %s\n", line);
}

/* A heading without what is said of its column. */
static const char *heading_name(const char *heading) {
        return heading + strspn(heading, ">~+");
}

static bool heading_has(const char *heading, char mark) {
        return memchr(heading, mark, strspn(heading, ">~+")) != NULL;
}

/* The name that programs know it by: "cpu_time". */
static char *column_name(const char *heading) {
        return g_strdelimit(g_ascii_strdown(heading_name(heading), -1), " ", '_');
}

static char **column_names(const Table *table) {
        g_autoptr(GStrvBuilder) names = g_strv_builder_new();
        for (char **heading = table->headings; *heading; heading++) {
                g_autofree char *name = column_name(*heading);
                g_strv_builder_add(names, name);
        }
        return g_strv_builder_end(names);
}

/* The number of a column; -1 where it is not there, which is said. */
static int find_column(const char *wanted, char **names) {
        g_autofree char *lower = column_name(wanted);
        for (int k = 0; names[k]; k++)
                if (strcmp(names[k], lower) == 0)
                        return k;
        g_autofree char *known = g_strjoinv(", ", names), *hint = suggestion(lower, (const char *const *) names);
        ctl_say("--columns: there is no column '%s'%s; there are: %s", wanted, hint, known);
        return -1;
}

/* Which columns are shown, in their order: their numbers; NULL where one of --columns is not there, which was said. */
static GArray *choose_columns(const Ctl *ctl, const Table *table) {
        g_autoptr(GArray) chosen = g_array_new(FALSE, FALSE, sizeof(int));
        g_auto(GStrv) names = column_names(table);
        const char *text = ctl->columns;
        for (int k = 0; !text && names[k]; k++)
                if (ctl->full || !heading_has(table->headings[k], '+'))
                        g_array_append_val(chosen, k);
        while (text) {
                const char *comma = strchr(text, ',');
                g_autofree char *wanted = comma ? g_strndup(text, (size_t) (comma - text)) : g_strdup(text);
                int k = find_column(wanted, names);
                if (k < 0)
                        return NULL;
                g_array_append_val(chosen, k);
                text = comma ? comma + 1 : NULL;
        }
        return g_steal_pointer(&chosen);
}

static struct libscols_column *add_column(const Ctl *ctl, struct libscols_table *drawn, const char *heading) {
        int flags = (heading_has(heading, '>') ? SCOLS_FL_RIGHT : 0) |
                    (heading_has(heading, '~') && !ctl->full ? SCOLS_FL_TRUNC : 0);
        struct libscols_column *column = scols_table_new_column(drawn, heading_name(heading), 0, flags);
        scols_cell_set_color(scols_column_get_header(column), "\033[4m");
        return column;
}

static void add_row(struct libscols_table *drawn, const Table *table, const GArray *chosen, char **cells) {
        struct libscols_line *line = scols_table_new_line(drawn, NULL);
        for (guint i = 0; i < chosen->len; i++) {
                int k = g_array_index(chosen, int, i);
                g_autofree char *text = printable_cell(cells[k]);
                const char *colour = strcmp(table->headings[k], "STATE") == 0 ? output_state_colour(cells[k]) : "";
                scols_line_set_data(line, i, text);
                if (*colour)
                        scols_cell_set_color(scols_line_get_cell(line, i), colour);
        }
}

/* As wide as the terminal is; into a pipe, as wide as it needs. */
static char *draw(const Ctl *ctl, const Table *table, const GArray *chosen) {
        struct libscols_table *drawn = scols_new_table();
        char *text = NULL;
        scols_table_set_column_separator(drawn, "  ");
        scols_table_enable_noencoding(drawn, 1);
        scols_table_enable_noheadings(drawn, ctl->no_legend);
        scols_table_enable_colors(drawn, output_has_colours());
        scols_table_set_termforce(drawn, output_is_terminal() ? SCOLS_TERMFORCE_ALWAYS : SCOLS_TERMFORCE_NEVER);
        scols_table_set_termwidth(drawn, output_columns());
        for (guint i = 0; i < chosen->len; i++)
                add_column(ctl, drawn, table->headings[g_array_index(chosen, int, i)]);
        for (guint i = 0; i < table->rows->len; i++)
                add_row(drawn, table, chosen, table->rows->pdata[i]);
        scols_print_table_to_string(drawn, &text);
        scols_unref_table(drawn);
        return text;
}

static void print_json_table(const Table *table) {
        g_autoptr(JsonArray) array = json_array_new();
        for (guint i = 0; i < table->rows->len; i++) {
                JsonObject *object = json_object_new();
                char **cells = table->rows->pdata[i];
                for (size_t k = 0; table->headings[k]; k++) {
                        bool is_number = heading_has(table->headings[k], '>');
                        g_autofree char *name = column_name(table->headings[k]);
                        guint64 number;
                        if (is_number && g_ascii_string_to_unsigned(cells[k], 10, 0, G_MAXINT64, &number, NULL))
                                json_object_set_int_member(object, name, (gint64) number);
                        else if (is_number)
                                json_object_set_null_member(object, name);
                        else
                                json_object_set_string_member(object, name, cells[k]);
                }
                json_array_add_object_element(array, object);
        }
        g_autoptr(JsonNode) node = json_node_init_array(json_node_alloc(), array);
        output_print_json(node);
}

int table_print(Ctl *ctl, Table *table, const char *what) {
        if (ctl->json) {
                print_json_table(table);
                return EXIT_DONE;
        }
        g_autoptr(GArray) chosen = choose_columns(ctl, table);
        if (!chosen)
                return EXIT_USAGE;
        char *drawn = draw(ctl, table, chosen);
        g_autoptr(GString) text = g_string_new(drawn);
        free(drawn);
        if (text->len > 0 && text->str[text->len - 1] != '\n')
                g_string_append_c(text, '\n');
        if (!ctl->no_legend)
                g_string_append_printf(text, "%s%u %s%s listed.\n", text->len > 0 ? "\n" : "", table->rows->len, what,
                                       table->rows->len == 1         ? ""
                                       : g_str_has_suffix(what, "s") ? "es"
                                                                     : "s");
        output_page(ctl, text->str);
        return EXIT_DONE;
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
        bool has_failed = n > 0 && fwrite(data, 1, n, stdout) < n; /* of nothing there may be no address */
        note_failure(fflush(stdout) != 0 || has_failed);
}

int output_close(void) {
        bool is_open = fcntl(STDOUT_FILENO, F_GETFD) >= 0; /* one that our parent has closed is not a failure */
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
