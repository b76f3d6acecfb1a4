/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Secrets of the connection host: `virtbusctl secret COMMAND`. Values go through descriptors, never through arguments. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host-kind.h"

#define SECRET "org.virtbus1.Secret"

/* The largest value that the driver takes, in bytes; one more is read, which it refuses. */
#define VALUE_BYTES_MAX 65536

static const char *const usages[] = { "volume", "ceph", "iscsi", "tls", "vtpm", NULL };

static GVariant *no_options(void) {
        return ctl_options(NULL, NULL);
}

/* By UUID, or by what it is for: TYPE:ID. */
static char *find(Ctl *ctl, const HostKind *kind, const char *text, int *status) {
        const char *colon = strchr(text, ':');
        g_autofree char *type = colon ? g_strndup(text, (size_t) (colon - text)) : NULL;
        if (type && g_strv_contains(usages, type))
                return host_kind_ask(ctl, kind, "GetSecretByUsage", g_variant_new("(ss)", type, colon + 1), NULL, status);
        return host_kind_ask(ctl, kind, "GetSecretByUUID", g_variant_new("(s)", text), NULL, status);
}

/* list */

static void add_row(void *table, const char *path, GVariant *properties) {
        (void) path;
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
        cells[3] = host_kind_yes_or_no(properties, "Private");
        cells[4] = host_kind_yes_or_no(properties, "Ephemeral");
        cells[5] = g_strdup(description);
        table_add(table, cells);
}

static int list(Ctl *ctl, const HostKind *kind, char **arguments) {
        static const char *const headings[] = { "UUID", "~USAGE", "VALUE", "PRIVATE", "EPHEMERAL", "+DESCRIPTION", NULL };
        (void) arguments;
        return host_kind_list(ctl, kind, headings, add_row);
}

/* set-value */

/* A file in memory, which the driver reads; descriptors do not pass to other hosts. */
bool secret_send_value(Ctl *ctl, const char *path, const char *value, size_t size, GError **error) {
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

static int set_value(Ctl *ctl, const HostKind *kind, char **arguments) {
        int status = EXIT_FAILED;
        char value[VALUE_BYTES_MAX + 1];
        g_autoptr(GError) error = NULL;
        g_autofree char *path = find(ctl, kind, arguments[0], &status);
        if (!path)
                return status;
        ssize_t n = read_hidden(arguments[1], "Value", value, sizeof value, &error);
        if (n >= 0)
                secret_send_value(ctl, path, value, (size_t) n, &error);
        explicit_bzero(value, sizeof value);
        return error ? ctl_fail(g_steal_pointer(&error)) : EXIT_DONE;
}

/* get-value */

static GVariant *get_bytes(Ctl *ctl, const char *path, GError **error) {
        g_autoptr(GVariant) answer =
                        ctl_call(ctl, path, SECRET, "GetValue", g_variant_new("(@a{sv})", no_options()), NULL, NULL, error);
        return answer ? g_variant_get_child_value(answer, 0) : NULL;
}

static int get_value(Ctl *ctl, const HostKind *kind, char **arguments) {
        int status = EXIT_FAILED;
        g_autoptr(GError) error = NULL;
        g_autofree char *path = find(ctl, kind, arguments[0], &status);
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

static const HostCommand commands[] = {
        { "list", 0, 0, "", list },
        { "show", 1, 1, "SECRET", host_kind_show },
        { "define", 1, G_MAXUINT, "FILE...", host_kind_define },
        { "undefine", 1, G_MAXUINT, "SECRET...", host_kind_undefine },
        { "set-value", 1, 2, "SECRET [FILE]", set_value },
        { "get-value", 1, 1, "SECRET", get_value },
        { NULL },
};

const HostKind host_kind_secret = {
        .noun = "secret",
        .interface = SECRET,
        .collection = "org.virtbus1.Secrets",
        .define = "DefineSecret",
        .find = find,
        .commands = commands,
};

int verb_secret(Ctl *ctl, char **arguments) {
        return host_kind_run(ctl, &host_kind_secret, arguments);
}
