/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Secrets of the connection host: `virtbusctl secret COMMAND`. Values go through descriptors, never through arguments. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ctl.h"

#define HOST "/org/virtbus1/host"
#define SECRETS "org.virtbus1.Secrets"
#define SECRET "org.virtbus1.Secret"

/* The largest value that the driver takes, in bytes; one more is read, which it refuses. */
#define VALUE_BYTES_MAX 65536

static const char *const usages[] = { "volume", "ceph", "iscsi", "tls", "vtpm", NULL };

static GVariant *no_options(void) {
        return ctl_options(NULL, NULL);
}

/* The path that a call of the connection answers; NULL when it has been said why not, with *STATUS. */
static char *ask_for_path(Ctl *ctl, const char *method, GVariant *arguments, const char *file, int *status) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) answer = ctl_call(ctl, HOST, SECRETS, method, arguments, NULL, NULL, &error);
        char *path = NULL;
        if (answer)
                g_variant_get(answer, "(o)", &path);
        else {
                ctl_strip_error(error);
                if (file)
                        g_prefix_error(&error, "%s: ", strcmp(file, "-") == 0 ? "standard input" : file);
                *status = ctl_fail(g_steal_pointer(&error));
        }
        return path;
}

/* By UUID, or by what it is for: TYPE:ID. */
static char *find(Ctl *ctl, const char *text, int *status) {
        const char *colon = strchr(text, ':');
        g_autofree char *type = colon ? g_strndup(text, (size_t) (colon - text)) : NULL;
        if (type && g_strv_contains(usages, type))
                return ask_for_path(ctl, "GetSecretByUsage", g_variant_new("(ss)", type, colon + 1), NULL, status);
        return ask_for_path(ctl, "GetSecretByUUID", g_variant_new("(s)", text), NULL, status);
}

/* list */

static char *yes_or_no(GVariant *properties, const char *name) {
        gboolean value = FALSE;
        g_variant_lookup(properties, name, "b", &value);
        return g_strdup(value ? "yes" : "no");
}

static void add_row(Table *table, GVariant *properties) {
        const char *uuid = "", *type = "none", *id = "", *storage = "", *description = "";
        char **cells = g_new0(char *, 7);
        g_variant_lookup(properties, "UUID", "&s", &uuid);
        g_variant_lookup(properties, "UsageType", "&s", &type);
        g_variant_lookup(properties, "UsageID", "&s", &id);
        g_variant_lookup(properties, "ValueStorage", "&s", &storage);
        g_variant_lookup(properties, "Description", "&s", &description);
        cells[0] = g_strdup(uuid);
        cells[1] = strcmp(type, "none") == 0 ? g_strdup("-") : g_strdup_printf("%s:%s", type, id);
        cells[2] = g_strdup(storage);
        cells[3] = yes_or_no(properties, "Private");
        cells[4] = yes_or_no(properties, "Ephemeral");
        cells[5] = g_strdup(description);
        table_add(table, cells);
}

/* Each secret that may be read: calls EACH with its properties. */
static bool each_secret(Ctl *ctl, CtlEachObject each, void *data, GError **error) {
        return ctl_each_object(ctl, HOST, SECRET, NULL, each, data, error);
}

static void add_to_table(void *data, const char *path, GVariant *properties) {
        (void) path;
        add_row(data, properties);
}

static int list(Ctl *ctl, char **arguments) {
        static const char *const headings[] = { "UUID", "~USAGE", "VALUE", "PRIVATE", "EPHEMERAL", "+DESCRIPTION", NULL };
        g_autoptr(Table) table = table_new(headings);
        g_autoptr(GError) error = NULL;
        (void) arguments;
        return each_secret(ctl, add_to_table, table, &error) ? table_print(ctl, table, "secret")
                                                             : ctl_fail(g_steal_pointer(&error));
}

static void add_uuid(void *data, const char *path, GVariant *properties) {
        const char *uuid;
        (void) path;
        if (g_variant_lookup(properties, "UUID", "&s", &uuid))
                g_ptr_array_add(data, g_strdup(uuid));
}

char **secret_uuids(Ctl *ctl) {
        g_autoptr(GPtrArray) uuids = g_ptr_array_new();
        each_secret(ctl, add_uuid, uuids, NULL);
        g_ptr_array_add(uuids, NULL);
        return (char **) g_ptr_array_steal(uuids, NULL);
}

/* show, define, undefine */

static int show(Ctl *ctl, char **arguments) {
        int status = EXIT_FAILED;
        g_autoptr(GError) error = NULL;
        g_autofree char *path = find(ctl, arguments[0], &status);
        if (!path)
                return status;
        g_autoptr(GVariant) answer =
                        ctl_call(ctl, path, SECRET, "GetXML", g_variant_new("(@a{sv})", no_options()), NULL, NULL, &error);
        const char *xml;
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        g_variant_get(answer, "(&s)", &xml);
        g_autofree char *text = output_printable(xml);
        output_page(ctl, text);
        return EXIT_DONE;
}

static int define(Ctl *ctl, char **arguments) {
        int result = EXIT_DONE;
        for (char **file = arguments; *file; file++) {
                g_autofree char *text = NULL, *path = NULL;
                g_autoptr(GError) error = NULL;
                int status = EXIT_DONE;
                if (!ctl_read_file(*file, &text, &error))
                        status = ctl_fail(g_steal_pointer(&error));
                else
                        path = ask_for_path(ctl, "DefineSecret", g_variant_new("(s@a{sv})", text, no_options()), *file, &status);
                if (path) {
                        g_autofree char *uuid = g_strdelimit(g_path_get_basename(path), "_", '-');
                        g_autofree char *line = g_strconcat(uuid, "\n", NULL);
                        output_text(line);
                }
                result = result == EXIT_DONE ? status : result;
        }
        return result;
}

static int undefine(Ctl *ctl, char **arguments) {
        int result = EXIT_DONE;
        for (; *arguments; arguments++) {
                int status = EXIT_DONE;
                g_autofree char *path = find(ctl, *arguments, &status);
                if (path)
                        status = ctl_do(ctl, path, SECRET, "Undefine", g_variant_new("(@a{sv})", no_options()));
                result = result == EXIT_DONE ? status : result;
        }
        return result;
}

/* set-value */

/* A file in memory, which the driver reads; descriptors do not pass to other hosts. */
static bool send_value(Ctl *ctl, const char *path, const char *value, size_t size, GError **error) {
        g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
        if (ctl->host || ctl->machine) {
                GVariant *bytes = g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, value, size, 1);
                g_autoptr(GVariant) answer = ctl_call(ctl, path, SECRET, "SetValue",
                                                      g_variant_new("(@ay@a{sv})", bytes, no_options()), NULL, NULL, error);
                return answer != NULL;
        }
        int fd = memfd_create("value", MFD_CLOEXEC);
        bool ready = fd >= 0 && ctl_write_all(fd, value, (ssize_t) size) && lseek(fd, 0, SEEK_SET) == 0;
        if (!ready)
                g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "the value cannot be handed over: %s",
                            g_strerror(errno));
        ready = ready && g_unix_fd_list_append(fds, fd, error) == 0;
        if (fd >= 0)
                close(fd);
        g_autoptr(GVariant) answer = ready ? ctl_call(ctl, path, SECRET, "SetValueFromFD",
                                                      g_variant_new("(h@a{sv})", 0, no_options()), fds, NULL, error)
                                           : NULL;
        return answer != NULL;
}

static int set_value(Ctl *ctl, char **arguments) {
        int status = EXIT_FAILED;
        char value[VALUE_BYTES_MAX + 1];
        g_autoptr(GError) error = NULL;
        g_autofree char *path = find(ctl, arguments[0], &status);
        if (!path)
                return status;
        ssize_t n = read_hidden(arguments[1], "Value", value, sizeof value, &error);
        if (n >= 0)
                send_value(ctl, path, value, (size_t) n, &error);
        explicit_bzero(value, sizeof value);
        return error ? ctl_fail(g_steal_pointer(&error)) : EXIT_DONE;
}

/* get-value */

static GVariant *get_bytes(Ctl *ctl, const char *path, GError **error) {
        g_autoptr(GVariant) answer =
                        ctl_call(ctl, path, SECRET, "GetValue", g_variant_new("(@a{sv})", no_options()), NULL, NULL, error);
        return answer ? g_variant_get_child_value(answer, 0) : NULL;
}

static int get_value(Ctl *ctl, char **arguments) {
        int status = EXIT_FAILED;
        g_autoptr(GError) error = NULL;
        g_autofree char *path = find(ctl, arguments[0], &status);
        g_autoptr(GVariant) value = path ? get_bytes(ctl, path, &error) : NULL;
        if (!value)
                return path ? ctl_fail(g_steal_pointer(&error)) : status;
        gsize size;
        const void *bytes = g_variant_get_fixed_array(value, &size, 1);
        if (isatty(STDOUT_FILENO)) { /* which obeys nothing of it */
                g_autofree char *text = g_strndup(bytes, size), *shown = output_printable(text),
                                *line = g_strconcat(shown, "\n", NULL);
                output_text(line);
        } else
                output_bytes(bytes, size);
        return EXIT_DONE;
}

static const struct {
        const char *name;
        unsigned min, max; /* arguments */
        const char *arguments;
        Verb run;
} commands[] = {
        { "list", 0, 0, "", list },
        { "show", 1, 1, "SECRET", show },
        { "define", 1, G_MAXUINT, "FILE...", define },
        { "undefine", 1, G_MAXUINT, "SECRET...", undefine },
        { "set-value", 1, 2, "SECRET [FILE]", set_value },
        { "get-value", 1, 1, "SECRET", get_value },
};

const char *const secret_commands[] = { "list", "show", "define", "undefine", "set-value", "get-value", NULL };

int verb_secret(Ctl *ctl, char **arguments) {
        const char *name = arguments[0] ? arguments[0] : "list";
        guint n = arguments[0] ? g_strv_length(arguments) - 1 : 0;
        for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
                if (strcmp(commands[i].name, name) != 0)
                        continue;
                if (n >= commands[i].min && n <= commands[i].max)
                        return commands[i].run(ctl, arguments + (arguments[0] != NULL));
                ctl_say("usage: virtbusctl secret %s %s", name, commands[i].arguments);
                return EXIT_USAGE;
        }
        g_autofree char *hint = suggestion(name, secret_commands), *known = g_strjoinv(", ", (char **) secret_commands);
        ctl_say("secret has no command '%s'%s; it has: %s", name, hint, known);
        return EXIT_USAGE;
}
