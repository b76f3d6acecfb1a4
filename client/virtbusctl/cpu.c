/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Processors: one compared with what this machine has, and what several have in common. */

#include <string.h>

#include "ctl.h"
#include "verbs.h"

const char *const cpu_commands[] = { "baseline", "compare", NULL };

/* What is said of a processor's guests, and what may be yes. */
static const char *const texts[] = { "emulator", "arch", "machine", "type", NULL }, *const switches[] = { "host", "expand",
                                                                                                          "migratable", NULL };

const char *const *cpu_settings(void) {
        static const char *const names[] = { "arch=",    "emulator=",      "expand=yes", "host=yes",
                                             "machine=", "migratable=yes", "type=",      NULL };
        return names;
}

/* "type=kvm": whether it is a setting, and not a file's name. */
static bool read_setting(const char *word, GVariantDict *options, bool *wrong) {
        const char *equals = strchr(word, '=');
        g_autofree char *name = equals ? g_strndup(word, (size_t) (equals - word)) : NULL;
        if (!name || strchr(name, '/'))
                return false;
        if (g_strv_contains(texts, name))
                g_variant_dict_insert(options, name, "s", equals + 1);
        else if (g_strv_contains(switches, name) && (strcmp(equals + 1, "yes") == 0 || strcmp(equals + 1, "no") == 0))
                g_variant_dict_insert(options, name, "b", strcmp(equals + 1, "yes") == 0);
        else {
                ctl_say("%s: settings of cpu are emulator, arch, machine, type, and host, expand and migratable, which are yes "
                        "or no",
                        word);
                *wrong = true;
        }
        return true;
}

static int ask(Ctl *ctl, bool compares, const GPtrArray *documents, GVariant *options) {
        g_autoptr(GVariant) taken = g_variant_ref_sink(options);
        g_autoptr(GError) error = NULL;
        g_autoptr(VirtbusConnection) connection = ctl_connection(ctl, &error);
        GVariant *given = compares ? g_variant_new("(s@a{sv})", documents->pdata[0], taken)
                                   : g_variant_new("(^as@a{sv})", documents->pdata, taken);
        g_autoptr(GVariant) arguments = g_variant_ref_sink(given);
        g_autoptr(GVariant) answer = connection ? ctl_call(ctl, g_dbus_proxy_get_object_path(G_DBUS_PROXY(connection)),
                                                           "org.virtbus1.Connection", compares ? "CompareCPU" : "BaselineCPU",
                                                           arguments, NULL, NULL, &error)
                                                : NULL;
        const char *text;
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        g_variant_get(answer, "(&s)", &text);
        g_autofree char *page = g_str_has_suffix(text, "\n") ? g_strdup(text) : g_strconcat(text, "\n", NULL);
        output_page(ctl, page);
        return compares && strcmp(text, "incompatible") == 0 ? EXIT_FAILED : EXIT_DONE;
}

int verb_cpu(Ctl *ctl, char **arguments) {
        g_autoptr(GPtrArray) documents = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GError) error = NULL;
        g_auto(GVariantDict) options;
        bool compares = strcmp(arguments[0], "compare") == 0, wrong = false;
        g_variant_dict_init(&options, NULL);
        if (!g_strv_contains(cpu_commands, arguments[0])) {
                ctl_say("cpu has the commands compare FILE and baseline FILE...");
                return EXIT_USAGE;
        }
        for (char **word = arguments + 1; *word && !wrong; word++) {
                char *text = NULL;
                if (read_setting(*word, &options, &wrong))
                        continue;
                if (!ctl_read_file(*word, &text, &error))
                        return ctl_fail(g_steal_pointer(&error));
                g_ptr_array_add(documents, text);
        }
        if (!wrong && (documents->len == 0 || (compares && documents->len > 1))) {
                ctl_say(compares ? "cpu compare takes one FILE with a <cpu>" : "cpu baseline takes FILEs, each with a <cpu>");
                wrong = true;
        }
        if (wrong)
                return EXIT_USAGE;
        g_ptr_array_add(documents, NULL);
        return ask(ctl, compares, documents, g_variant_dict_end(&options));
}
