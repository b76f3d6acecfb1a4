/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-kind.h"

#include <string.h>

static GVariant *no_options(void) {
        return ctl_options(NULL, NULL);
}

char *host_kind_ask(Ctl *ctl, const HostKind *kind, const char *method, GVariant *arguments, const char *file, int *status) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) answer = ctl_call(ctl, HOST_PATH, kind->collection, method, arguments, NULL, NULL, &error);
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

/* list */

int host_kind_list(Ctl *ctl, const HostKind *kind, const char *const *headings, CtlEachObject add_row) {
        g_autoptr(Table) table = table_new(headings);
        g_autoptr(GError) error = NULL;
        return ctl_each_object(ctl, HOST_PATH, kind->interface, NULL, add_row, table, &error)
                               ? table_print(ctl, table, kind->noun)
                               : ctl_fail(g_steal_pointer(&error));
}

typedef struct Names {
        const char *property;
        GPtrArray *found;
} Names;

static void add_name(void *data, const char *path, GVariant *properties) {
        const Names *names = data;
        const char *name;
        (void) path;
        if (g_variant_lookup(properties, names->property, "&s", &name))
                g_ptr_array_add(names->found, g_strdup(name));
}

GVariant *host_kind_ask_of_file(Ctl *ctl, const HostKind *kind, const char *method, const char *path, GVariant *rest,
                                GError **error) {
        g_autoptr(GVariant) others = g_variant_ref_sink(rest);
        g_autofree char *text = NULL;
        GVariantBuilder arguments;
        GVariant *answer = NULL;
        if (ctl_read_file(path, &text, error)) {
                g_variant_builder_init(&arguments, G_VARIANT_TYPE_TUPLE);
                g_variant_builder_add(&arguments, "s", text);
                for (gsize i = 0; i < g_variant_n_children(others); i++) {
                        g_autoptr(GVariant) other = g_variant_get_child_value(others, i);
                        g_variant_builder_add_value(&arguments, other);
                }
                answer = ctl_call(ctl, HOST_PATH, kind->collection, method, g_variant_builder_end(&arguments), NULL, NULL, error);
        }
        if (!answer)
                ctl_prefix(error, path);
        return answer;
}

char **host_kind_names(Ctl *ctl, const HostKind *kind, const char *property) {
        g_autoptr(GPtrArray) found = g_ptr_array_new();
        ctl_each_object(ctl, HOST_PATH, kind->interface, NULL, add_name, &(Names){ property, found }, NULL);
        g_ptr_array_add(found, NULL);
        return (char **) g_ptr_array_steal(found, NULL);
}

char *host_kind_yes_or_no(GVariant *properties, const char *name) {
        gboolean value = FALSE;
        g_variant_lookup(properties, name, "b", &value);
        return g_strdup(value ? "yes" : "no");
}

/* show, define, undefine */

int host_kind_show(Ctl *ctl, const HostKind *kind, char **arguments) {
        int status = EXIT_FAILED;
        g_autoptr(GError) error = NULL;
        g_autofree char *path = kind->find(ctl, kind, arguments[0], &status);
        if (!path)
                return status;
        g_autoptr(GVariant) answer = ctl_call(ctl, path, kind->interface, "GetXML", g_variant_new("(@a{sv})", no_options()), NULL,
                                              NULL, &error);
        const char *xml;
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        g_variant_get(answer, "(&s)", &xml);
        g_autofree char *text = output_printable(xml);
        output_page(ctl, text);
        return EXIT_DONE;
}

static int define_file(Ctl *ctl, const HostKind *kind, const char *file) {
        int status = EXIT_DONE;
        g_autofree char *text = NULL;
        g_autoptr(GError) error = NULL;
        if (!ctl_read_file(file, &text, &error))
                return ctl_fail(g_steal_pointer(&error));
        g_autofree char *path =
                        host_kind_ask(ctl, kind, kind->define, g_variant_new("(s@a{sv})", text, no_options()), file, &status);
        if (path) {
                g_autofree char *uuid = g_strdelimit(g_path_get_basename(path), "_", '-'), *line = g_strconcat(uuid, "\n", NULL);
                output_text(line);
        }
        return status;
}

int host_kind_define(Ctl *ctl, const HostKind *kind, char **arguments) {
        int result = EXIT_DONE;
        for (char **file = arguments; *file; file++) {
                int status = define_file(ctl, kind, *file);
                result = result == EXIT_DONE ? status : result;
        }
        return result;
}

int host_kind_each(Ctl *ctl, const HostKind *kind, const char *method, char **arguments) {
        int result = EXIT_DONE;
        for (; *arguments; arguments++) {
                int status = EXIT_DONE;
                g_autofree char *path = kind->find(ctl, kind, *arguments, &status);
                if (path)
                        status = ctl_do(ctl, path, kind->interface, method, g_variant_new("(@a{sv})", no_options()));
                result = result == EXIT_DONE ? status : result;
        }
        return result;
}

int host_kind_undefine(Ctl *ctl, const HostKind *kind, char **arguments) {
        return host_kind_each(ctl, kind, "Undefine", arguments);
}

/* Commands */

char **host_kind_commands(const HostKind *kind) {
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        for (const HostCommand *command = kind->commands; command->name; command++)
                g_ptr_array_add(names, g_strdup(command->name));
        g_ptr_array_add(names, NULL);
        return (char **) g_ptr_array_steal(names, NULL);
}

int host_kind_run(Ctl *ctl, const HostKind *kind, char **arguments) {
        const char *name = arguments[0] ? arguments[0] : "list";
        guint n = arguments[0] ? g_strv_length(arguments) - 1 : 0;
        for (const HostCommand *command = kind->commands; command->name; command++) {
                if (strcmp(command->name, name) != 0)
                        continue;
                if (n >= command->min && n <= command->max)
                        return command->run(ctl, kind, arguments + (arguments[0] != NULL));
                ctl_say("usage: virtbusctl %s %s %s", kind->noun, name, command->arguments);
                return EXIT_USAGE;
        }
        g_auto(GStrv) names = host_kind_commands(kind);
        g_autofree char *hint = suggestion(name, (const char *const *) names), *known = g_strjoinv(", ", names);
        ctl_say("%s has no command '%s'%s; it has: %s", kind->noun, name, hint, known);
        return EXIT_USAGE;
}
