/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Domains' documents: made and changed. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl.h"

char *ctl_define(Ctl *ctl, VirtbusConnection *connection, const char *xml, GError **error) {
        const char *option = ctl->transient ? (ctl->paused ? "paused" : NULL) : ctl->unsupported ? "unsupported" : NULL;
        g_autoptr(GUnixFDList) fds = NULL;
        g_autoptr(GVariant) options = ctl->transient ? ctl_with_fds(ctl, ctl_options(option, NULL), &fds, error)
                                                     : g_variant_ref_sink(ctl_options(option, NULL));
        if (!options)
                return NULL;
        g_autoptr(GVariant) answer = ctl_call(ctl, g_dbus_proxy_get_object_path(G_DBUS_PROXY(connection)),
                                              "org.virtbus1.Connection", ctl->transient ? "CreateDomain" : "DefineDomain",
                                              g_variant_new("(s@a{sv})", xml, options), fds, NULL, error);
        char *path = NULL;
        if (answer)
                g_variant_get(answer, "(o)", &path);
        else if (error && *error)
                ctl_strip_error(*error);
        return path;
}

static char *define(Ctl *ctl, const char *xml, GError **error) {
        g_autoptr(VirtbusConnection) connection = ctl_connection(ctl, error);
        return connection ? ctl_define(ctl, connection, xml, error) : NULL;
}

static int start_at(Ctl *ctl, const char *path) {
        return ctl_start(ctl, path, ctl_options(ctl->paused ? "paused" : NULL, NULL));
}

/* Adds what was defined, for a program to read. */
static void add_defined(Ctl *ctl, const char *path, JsonArray *array) {
        g_autoptr(GVariant) answer = ctl_call(ctl, path, "org.freedesktop.DBus.Properties", "GetAll",
                                              g_variant_new("(s)", "org.virtbus1.Domain"), NULL, NULL, NULL);
        g_autoptr(GVariant) properties = answer ? g_variant_get_child_value(answer, 0) : NULL;
        JsonObject *object = json_object_new();
        const char *name = "", *uuid = "";
        if (properties) {
                g_variant_lookup(properties, "Name", "&s", &name);
                g_variant_lookup(properties, "UUID", "&s", &uuid);
        }
        json_object_set_string_member(object, "name", name);
        json_object_set_string_member(object, "uuid", uuid);
        json_object_set_string_member(object, "path", path);
        json_array_add_object_element(array, object);
}

void ctl_print_defined(Ctl *ctl, const char *const *paths) {
        g_autoptr(JsonArray) array = json_array_new();
        g_autoptr(JsonNode) node = json_node_alloc();
        for (; *paths; paths++)
                add_defined(ctl, *paths, array);
        json_node_init_array(node, array);
        if (ctl->json)
                output_print_json(node);
}

/* What is defined, but could not be started or marked, is there all the same: a second try needs another name, or it to go. */
static void tell_is_there(Ctl *ctl, const char *path) {
        g_autoptr(GVariant) answer = ctl_call(ctl, path, "org.freedesktop.DBus.Properties", "Get",
                                              g_variant_new("(ss)", "org.virtbus1.Domain", "Name"), NULL, NULL, NULL);
        g_autoptr(GVariant) value = NULL;
        if (!answer)
                return;
        g_variant_get(answer, "(v)", &value);
        ctl_say("'%s' is defined all the same; virtbusctl undefine %s removes it", g_variant_get_string(value, NULL),
                g_variant_get_string(value, NULL));
}

int ctl_follow_up(Ctl *ctl, const char *path) {
        int status = ctl->autostart ? ctl_set_autostart(ctl, path, "org.virtbus1.Domain", true) : EXIT_DONE;
        if (status == EXIT_DONE && ctl->start && !ctl->transient)
                status = start_at(ctl, path);
        if (status != EXIT_DONE && !ctl->transient)
                tell_is_there(ctl, path);
        return status;
}

/* One file, and what is to follow; its status. */
static int define_file(Ctl *ctl, const char *file, GPtrArray *paths) {
        g_autofree char *text = NULL, *path = NULL;
        g_autoptr(GError) error = NULL;
        if (!ctl_read_file(file, &text, &error) || !(path = define(ctl, text, &error))) {
                g_prefix_error(&error, "%s: ", strcmp(file, "-") == 0 ? "standard input" : file);
                return ctl_fail(g_steal_pointer(&error));
        }
        int status = ctl_follow_up(ctl, path);
        g_ptr_array_add(paths, g_steal_pointer(&path));
        return status;
}

/* All of them, as every verb does that takes several: the first failure is the status. */
static int define_all(Ctl *ctl, char **files, GPtrArray *paths) {
        int status = EXIT_DONE;
        for (char **file = files; *file; file++) {
                int result = define_file(ctl, *file, paths);
                status = status == EXIT_DONE ? result : status;
        }
        return status;
}

int verb_define(Ctl *ctl, char **arguments) {
        g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
        int status = define_all(ctl, arguments, paths);
        g_ptr_array_add(paths, NULL);
        ctl_print_defined(ctl, (const char *const *) paths->pdata);
        return status;
}

int verb_autostart(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        guint n = g_strv_length(arguments) - 1;
        bool on;
        if (!ctl_on_or_off(arguments[n], &on))
                return EXIT_USAGE;
        for (guint i = 0; i < n; i++) {
                int result = EXIT_DONE;
                g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[i], &result);
                if (domain)
                        result = ctl_set_autostart(ctl, ctl_path(domain), "org.virtbus1.Domain", on);
                status = status == EXIT_DONE ? result : status;
        }
        return status;
}

int verb_share(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        if (!domain)
                return status;
        if (!arguments[1]) {
                for (const char *const *share = virtbus_domain_get_shares(domain); share && *share; share++)
                        printf("%s\n", *share);
                return EXIT_DONE;
        }
        return ctl_do(ctl, ctl_path(domain), "org.virtbus1.Domain", "Share",
                      g_variant_new("(s^as@a{sv})", arguments[1], arguments + 2, ctl_options(NULL, NULL)));
}

int verb_rename(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        return domain ? ctl_do(ctl, ctl_path(domain), "org.virtbus1.Domain", "Rename",
                               g_variant_new("(s@a{sv})", arguments[1], ctl_options(NULL, NULL)))
                      : status;
}

int verb_undefine(Ctl *ctl, char **arguments) {
        const struct {
                const char *name;
                gboolean given;
        } with[] = { { "nvram", ctl->nvram },
                     { "managed_save", ctl->managed_save },
                     { "tpm", ctl->tpm },
                     { "snapshots", ctl->snapshots },
                     { "checkpoints", ctl->checkpoints } };
        GVariantDict options;
        g_variant_dict_init(&options, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(with); i++)
                if (with[i].given)
                        g_variant_dict_insert(&options, with[i].name, "b", TRUE);
        return ctl_do_each(ctl, arguments, "Undefine", g_variant_new("(@a{sv})", g_variant_dict_end(&options)));
}

/* Editing */

static bool run_editor(const char *path, GError **error) {
        static const char *const variables[] = { "VIRTBUS_EDITOR", "VISUAL", "EDITOR" };
        const char *editor = NULL;
        for (size_t i = 0; i < G_N_ELEMENTS(variables) && !(editor && *editor); i++)
                editor = getenv(variables[i]);
        g_autofree char *quoted = g_shell_quote(path),
                        *command = g_strdup_printf("%s %s", editor && *editor ? editor : "editor", quoted);
        int status = system(command); /* its value may have arguments, as everywhere */
        if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return true;
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "the editor '%s' has failed; choose another by $EDITOR",
                    editor && *editor ? editor : "editor");
        return false;
}

static bool ask_again(void) {
        char line[16] = "";
        if (!isatty(STDIN_FILENO))
                return false;
        fprintf(stderr, "Edit it again [Y/n]? ");
        return fgets(line, sizeof line, stdin) && line[0] != 'n' && line[0] != 'N';
}

int verb_edit(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        if (!domain)
                return status;
        g_autoptr(GVariant) answer = ctl_call(ctl, ctl_path(domain), "org.virtbus1.Domain", "GetXMLWithSecrets",
                                              g_variant_new("(@a{sv})", ctl_options("inactive", NULL)), NULL, NULL, &error);
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        const char *before;
        g_variant_get(answer, "(&s)", &before);
        g_autofree char *path = NULL;
        bool has_told = false;
        int fd = g_file_open_tmp("virtbus-XXXXXX.xml", &path, &error);
        if (fd < 0)
                return ctl_fail(g_steal_pointer(&error));
        close(fd);
        if (!g_file_set_contents_full(path, before, -1, G_FILE_SET_CONTENTS_NONE, 0600, &error))
                return ctl_fail(g_steal_pointer(&error));
        for (;;) {
                g_autofree char *text = NULL, *defined = NULL;
                g_clear_error(&error);
                has_told = false;
                if (!run_editor(path, &error) || !g_file_get_contents(path, &text, NULL, &error))
                        break;
                if (strcmp(text, before) == 0) {
                        fprintf(stderr, "Nothing has changed.\n");
                        unlink(path);
                        return EXIT_DONE;
                }
                defined = ctl_define(ctl, virtbus_client_get_connection_of(ctl->client, domain), text, &error);
                if (defined) {
                        unlink(path);
                        if (virtbus_domain_get_active(domain))
                                fprintf(stderr, "It counts from the next start on.\n");
                        return EXIT_DONE;
                }
                ctl_say("%s", error->message);
                has_told = true;
                if (!ask_again())
                        break;
        }
        if (!has_told)
                ctl_fail(g_steal_pointer(&error));
        fprintf(stderr, "Your text is kept in %s\n", path);
        return EXIT_FAILED;
}
