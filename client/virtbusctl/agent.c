/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The agent in a guest. Its commands are the methods of org.virtbus1.Domain.Guest, read from the interface itself. */

#include <stdio.h>
#include <string.h>

#include "ctl.h"

#define GUEST "org.virtbus1.Domain.Guest"

/* How long between two questions whether a program in a guest has ended, in microseconds. */
#define EXEC_PAUSE_MIN 5000
#define EXEC_PAUSE_MAX 500000

static GVariant *ask(Ctl *ctl, const char *path, const char *method, GVariant *arguments, GError **error) {
        GError *failure = NULL;
        GVariant *answer = ctl_call(ctl, path, GUEST, method, arguments, NULL, NULL, &failure);
        if (g_error_matches(failure, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT)) {
                g_clear_error(&failure);
                g_set_error(&failure, VIRTBUS_ERROR, VIRTBUS_ERROR_AGENT_UNAVAILABLE,
                            "the domain has no channel for an agent: attach one of type unix with the target name "
                            "org.qemu.guest_agent.0");
        }
        if (failure)
                g_propagate_error(error, failure);
        return answer;
}

/* What is answered, without the tuple around a single value. */
static JsonNode *json_of_answer(GVariant *answer) {
        g_autoptr(GVariant) value =
                        g_variant_n_children(answer) == 1 ? g_variant_get_child_value(answer, 0) : g_variant_ref(answer);
        return output_json_of(value);
}

static int agent_info(Ctl *ctl, const char *path) {
        static const char *const methods[] = { "GetHostName",   "GetOSInfo", "GetTimeZone",
                                               "GetInterfaces", "GetUsers",  "GetFileSystems" };
        g_autoptr(JsonObject) object = json_object_new();
        for (size_t i = 0; i < G_N_ELEMENTS(methods); i++) {
                g_autoptr(GError) error = NULL;
                g_autoptr(GVariant) answer = ask(ctl, path, methods[i], NULL, &error);
                if (!answer && i == 0)
                        return ctl_fail(g_steal_pointer(&error));
                if (answer) /* an agent need not know everything */
                        json_object_set_member(object, methods[i] + strlen("Get"), json_of_answer(answer));
        }
        g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), object);
        output_print_json(node);
        return EXIT_DONE;
}

/* Runs a program in the guest, and ends as it has. */
static int agent_exec(Ctl *ctl, const char *path, char **command) {
        g_autoptr(GError) error = NULL;
        GVariantBuilder none, bytes;
        gint64 pid;
        g_variant_builder_init(&none, G_VARIANT_TYPE("as"));
        g_variant_builder_init(&bytes, G_VARIANT_TYPE("ay"));
        g_autoptr(GVariant) begun = ask(ctl, path, "Exec",
                                        g_variant_new("(s^asasayb)", command[0], command + 1, &none, &bytes, TRUE), &error);
        if (!begun)
                return ctl_fail(g_steal_pointer(&error));
        g_variant_get(begun, "(x)", &pid);
        /* The agent's protocol tells of no end: it is asked, less and less often. */
        for (gulong pause = EXEC_PAUSE_MIN;; pause = MIN(pause * 2, EXEC_PAUSE_MAX)) {
                g_autoptr(GVariant) state = ask(ctl, path, "GetExecStatus", g_variant_new("(x)", pid), &error);
                g_autoptr(GVariant) output = NULL, errors = NULL;
                gboolean has_ended;
                gint32 code, signal;
                gsize n;
                if (!state)
                        return ctl_fail(g_steal_pointer(&error));
                g_variant_get(state, "(bii@ay@ay)", &has_ended, &code, &signal, &output, &errors);
                if (!has_ended) {
                        g_usleep(pause);
                        continue;
                }
                const char *data = g_variant_get_fixed_array(output, &n, 1);
                fwrite(data, 1, n, stdout);
                fflush(stdout);
                data = g_variant_get_fixed_array(errors, &n, 1);
                fwrite(data, 1, n, stderr);
                return code >= 0 ? code : EXIT_OF_SIGNAL + signal;
        }
}

/* "GetOSInfo" is get-os-info, or os-info. */
static bool is_named(const char *method, const char *name) {
        for (; *method && *name; name++)
                if (*name == '-')
                        continue;
                else if (g_ascii_tolower(*method++) != *name)
                        return false;
        return !*method && !*name;
}

static const GDBusMethodInfo *find_method(const char *name) {
        GDBusMethodInfo **methods = virtbus_domain_guest_interface_info()->methods;
        for (; *methods; methods++)
                if (is_named((*methods)->name, name) ||
                    (g_str_has_prefix((*methods)->name, "Get") && is_named((*methods)->name + strlen("Get"), name)))
                        return *methods;
        return NULL;
}

/* The names of all commands: a '-' before each word. */
char *agent_command_names(void) {
        GDBusMethodInfo **methods = virtbus_domain_guest_interface_info()->methods;
        g_autoptr(GString) names = g_string_new("info, exec PROGRAM [ARGUMENT...]");
        for (; *methods; methods++) {
                const char *name = (*methods)->name;
                if (strcmp(name, "Exec") == 0 || strcmp(name, "GetExecStatus") == 0)
                        continue;
                g_string_append(names, ", ");
                for (const char *c = name; *c; c++) {
                        /* Within "SSHKeys" the last capital begins a word. */
                        bool begins = g_ascii_isupper(*c) && c > name &&
                                      (g_ascii_islower(c[-1]) ||
                                       (g_ascii_isupper(c[-1]) && g_ascii_islower(c[1]) && c[1] != 's'));
                        if (begins)
                                g_string_append_c(names, '-');
                        g_string_append_c(names, g_ascii_tolower(*c));
                }
        }
        return g_string_free(g_steal_pointer(&names), FALSE);
}

/* One argument: a text as it is, everything else in GVariant's text form. */
static GVariant *read_argument(const char *signature, const char *text, GError **error) {
        if (strcmp(signature, "s") == 0)
                return g_variant_ref_sink(g_variant_new_string(text));
        if (strcmp(signature, "ay") == 0)
                return g_variant_ref_sink(g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, text, strlen(text), 1));
        return g_variant_parse(G_VARIANT_TYPE(signature), text, NULL, NULL, error);
}

/* The arguments of a method; a list of texts at its end takes what is left. NULL with the error. */
static GVariant *read_arguments(const GDBusMethodInfo *method, char **arguments, GError **error) {
        GVariantBuilder builder;
        g_autoptr(GError) failure = NULL;
        g_variant_builder_init(&builder, G_VARIANT_TYPE_TUPLE);
        for (GDBusArgInfo **argument = method->in_args; argument && *argument && !failure; argument++) {
                const char *signature = (*argument)->signature;
                g_autoptr(GVariant) value = NULL;
                if (strcmp(signature, "as") == 0 && !argument[1]) {
                        value = g_variant_ref_sink(g_variant_new_strv((const char *const *) arguments, -1));
                        arguments += g_strv_length(arguments);
                } else if (*arguments)
                        value = read_argument(signature, *arguments++, &failure);
                else
                        g_set_error(&failure, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "it is missing");
                if (value)
                        g_variant_builder_add_value(&builder, value);
                else
                        g_prefix_error(&failure, "%s of %s (%s): ", (*argument)->name, method->name, signature);
        }
        if (!failure && *arguments)
                g_set_error(&failure, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s: '%s' is too much", method->name, *arguments);
        if (!failure)
                return g_variant_builder_end(&builder);
        g_variant_builder_clear(&builder);
        g_propagate_error(error, g_steal_pointer(&failure));
        return NULL;
}

static int agent_call(Ctl *ctl, const char *path, const GDBusMethodInfo *method, char **arguments) {
        g_autoptr(GError) error = NULL;
        GVariant *given = read_arguments(method, arguments, &error);
        if (!given) {
                ctl_say("%s", error->message);
                return EXIT_USAGE;
        }
        g_autoptr(GVariant) answer = ask(ctl, path, method->name, given, &error);
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        if (g_variant_n_children(answer) == 0)
                return EXIT_DONE;
        /* The agent's own JSON stays as it is. */
        if (strcmp(method->name, "Command") == 0) {
                const char *text;
                g_variant_get(answer, "(&s)", &text);
                g_autofree char *shown = output_is_terminal() ? output_printable(text) : g_strdup(text);
                puts(shown);
                return EXIT_DONE;
        }
        g_autoptr(JsonNode) node = json_of_answer(answer);
        output_print_json(node);
        return EXIT_DONE;
}

/* The command that begins so, if it is one alone, or that is spelt nearly so. */
static char *suggest_command(const char *word, const char *const *known) {
        const char *found = NULL;
        unsigned n = 0;
        for (const char *const *name = known; *name; name++)
                if (g_str_has_prefix(*name, word)) {
                        found = *name;
                        n++;
                }
        return n == 1 ? g_strdup_printf("; did you mean '%s'?", found) : suggestion(word, known);
}

int verb_agent(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        const char *what = arguments[1] ? arguments[1] : "info";
        bool is_info = strcmp(what, "info") == 0, is_exec = strcmp(what, "exec") == 0;
        const GDBusMethodInfo *method = find_method(what);
        if (!domain)
                return status;
        if (is_exec && !arguments[2]) {
                fprintf(stderr, "usage: virtbusctl agent DOMAIN exec PROGRAM [ARGUMENT...]\n");
                return EXIT_USAGE;
        }
        if (!is_info && !is_exec && !method) {
                g_autofree char *names = agent_command_names();
                g_auto(GStrv) known = g_strsplit(names, ", ", -1);
                g_autofree char *hint = suggest_command(what, (const char *const *) known);
                if (what[0] == '{')
                        ctl_say("'%.64s' is not a command of the agent; say its name, such as ping, or: virtbusctl agent DOMAIN "
                                "command TEXT",
                                what);
                else
                        ctl_say("'%s' is not a command of the agent%s%s", what,
                                *hint ? hint : "; there are: ", *hint ? "" : names);
                return EXIT_USAGE;
        }
        g_autofree char *path = g_strdup_printf("%s/guest", ctl_path(domain));
        if (!virtbus_domain_get_active(domain)) {
                ctl_say("domain '%s' is %s: there is no agent to ask until it is started", virtbus_domain_get_name(domain),
                        virtbus_domain_get_state(domain));
                return EXIT_FAILED;
        }
        return is_info   ? agent_info(ctl, path)
               : is_exec ? agent_exec(ctl, path, arguments + 2)
                         : agent_call(ctl, path, method, arguments + 2);
}
