/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A guest's displays: shown in a viewer, passed on, photographed; and its keyboard. */

#include <errno.h>
#include <gio/gunixinputstream.h>
#include <gio/gunixoutputstream.h>
#include <gio/gunixsocketaddress.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

#define GRAPHICS "org.virtbus1.Device.Graphics"

/* Programs that show a display which listens on a Unix socket; the first of its protocol that is installed counts. */
static const struct {
        const char *type, *program, *before; /* what comes before the socket's path, as an argument */
} viewers[] = {
        { "spice", "remote-viewer", "spice+unix://" },
        { "vnc", "vncviewer", "" }, /* TigerVNC's: others do not know Unix sockets */
};

/* A display that is being looked at: each connection of the viewer is passed on to one of the guest's. */
typedef struct Viewing {
        Ctl *ctl;
        const char *path, *alias, *domain;
        GIOStream *first; /* opened before the viewer was: what is wrong is told by then */
        GSubprocess *viewer;
        bool is_told; /* to end */
        GMainLoop *loop;
        GError *error;
} Viewing;

static GIOStream *open_display(Ctl *ctl, const char *path, GError **error) {
        int fd = ctl_call_for_fd(ctl, path, GRAPHICS, "Open", g_variant_new("(@a{sv})", ctl_options(NULL, NULL)), error);
        g_autoptr(GSocket) socket = fd >= 0 ? g_socket_new_from_fd(fd, error) : NULL;
        return socket ? G_IO_STREAM(g_socket_connection_factory_create_connection(socket)) : NULL;
}

/* On another host, where descriptors cannot be passed, virtbusctl itself passes on what is said. */
static bool open_over_there(const Viewing *viewing, int fd, GError **error) {
        g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
        const char *arguments[] = { "display", "--stdio", viewing->domain, viewing->alias, NULL };
        g_auto(GStrv) command = ctl_over_there(viewing->ctl, false, arguments);
        g_subprocess_launcher_take_stdin_fd(launcher, dup(fd));
        g_subprocess_launcher_take_stdout_fd(launcher, dup(fd));
        g_autoptr(GSubprocess) program = g_subprocess_launcher_spawnv(launcher, (const char *const *) command, error);
        return program != NULL;
}

static gboolean on_incoming(GSocketService *service, GSocketConnection *connection, GObject *source, gpointer data) {
        Viewing *viewing = data;
        g_autoptr(GError) error = NULL;
        (void) service;
        (void) source;
        if (viewing->ctl->host) {
                if (!open_over_there(viewing, g_socket_get_fd(g_socket_connection_get_socket(connection)), &error))
                        (void) ctl_fail(g_steal_pointer(&error));
                return TRUE;
        }
        g_autoptr(GIOStream) display = g_steal_pointer(&viewing->first);
        if (!display)
                display = open_display(viewing->ctl, viewing->path, &error);
        if (display)
                g_io_stream_splice_async(G_IO_STREAM(connection), display,
                                         G_IO_STREAM_SPLICE_CLOSE_STREAM1 | G_IO_STREAM_SPLICE_CLOSE_STREAM2, G_PRIORITY_DEFAULT,
                                         NULL, NULL, NULL);
        else
                (void) ctl_fail(g_steal_pointer(&error));
        return TRUE;
}

static void on_viewer_ended(GObject *source, GAsyncResult *result, gpointer data) {
        Viewing *viewing = data;
        g_subprocess_wait_check_finish(G_SUBPROCESS(source), result, viewing->is_told ? NULL : &viewing->error);
        g_main_loop_quit(viewing->loop);
}

static gboolean on_told(gpointer data) {
        Viewing *viewing = data;
        viewing->is_told = true;
        g_subprocess_send_signal(viewing->viewer, SIGTERM);
        return G_SOURCE_CONTINUE;
}

/* The command that shows what listens on a socket; NULL where there is none. */
static char **viewer_command(const char *type, const char *socket, GError **error) {
        const char *own = g_getenv("VIRTBUS_VIEWER");
        g_autoptr(GString) known = g_string_new(NULL);
        if (own && *own) {
                g_autofree char *quoted = g_shell_quote(socket), *line = g_strdup_printf("%s %s", own, quoted);
                char **command = NULL;
                g_shell_parse_argv(line, NULL, &command, error);
                return command;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(viewers); i++) {
                if (strcmp(viewers[i].type, type) != 0)
                        continue;
                g_autofree char *program = g_find_program_in_path(viewers[i].program);
                if (program) {
                        char *command[] = { program, g_strconcat(viewers[i].before, socket, NULL), NULL };
                        char **copy = g_strdupv(command);
                        g_free(command[1]);
                        return copy;
                }
                g_string_append_printf(known, "%s%s", known->len > 0 ? " or " : "", viewers[i].program);
        }
        if (known->len > 0)
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                            "there is no viewer for a display of type %s: install %s, or name another in $VIRTBUS_VIEWER", type,
                            known->str);
        else
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                            "no viewer is known for a display of type %s: name one in $VIRTBUS_VIEWER", type);
        return NULL;
}

/* Runs a viewer on a socket in the user's own folder, until it ends. */
static bool run_viewer(Viewing *viewing, const char *type, GError **error) {
        g_autofree char *folder = g_build_filename(g_get_user_runtime_dir(), "virtbusctl.XXXXXX", NULL);
        g_mkdir_with_parents(g_get_user_runtime_dir(), 0700); /* where there is no session, that is a folder in the user's home */
        if (!g_mkdtemp(folder)) {
                g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s cannot be made: %s", folder, g_strerror(errno));
                return false;
        }
        g_autofree char *path = g_build_filename(folder, "display", NULL);
        g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
        g_autoptr(GSocketService) service = g_socket_service_new();
        g_auto(GStrv) command = viewer_command(type, path, error);
        g_autoptr(GSubprocess) viewer = NULL;
        if (command && g_socket_listener_add_address(G_SOCKET_LISTENER(service), address, G_SOCKET_TYPE_STREAM,
                                                     G_SOCKET_PROTOCOL_DEFAULT, NULL, NULL, error)) {
                g_signal_connect(service, "incoming", G_CALLBACK(on_incoming), viewing);
                viewer = g_subprocess_newv((const char *const *) command, G_SUBPROCESS_FLAGS_NONE, error);
        }
        if (viewer) {
                static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
                guint sources[G_N_ELEMENTS(ends)];
                viewing->viewer = viewer;
                for (size_t i = 0; i < G_N_ELEMENTS(ends); i++)
                        sources[i] = g_unix_signal_add(ends[i], on_told, viewing);
                g_subprocess_wait_check_async(viewer, NULL, on_viewer_ended, viewing);
                g_main_loop_run(viewing->loop);
                for (size_t i = 0; i < G_N_ELEMENTS(ends); i++)
                        g_source_remove(sources[i]);
        }
        g_socket_service_stop(service);
        g_socket_listener_close(G_SOCKET_LISTENER(service));
        g_unlink(path);
        g_rmdir(folder);
        if (viewing->error) {
                g_propagate_error(error, g_steal_pointer(&viewing->error));
                g_prefix_error(error, "%s: ", command[0]);
                return false;
        }
        return viewer != NULL;
}

static void on_passed_on(GObject *source, GAsyncResult *result, gpointer data) {
        (void) source;
        (void) result;
        g_main_loop_quit(data);
}

/* Passes standard input and output on, until one side ends. */
static bool pass_on(GIOStream *display) {
        g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
        g_autoptr(GInputStream) input = g_unix_input_stream_new(STDIN_FILENO, FALSE);
        g_autoptr(GOutputStream) output = g_unix_output_stream_new(STDOUT_FILENO, FALSE);
        g_autoptr(GIOStream) ours = g_simple_io_stream_new(input, output);
        g_io_stream_splice_async(ours, display, G_IO_STREAM_SPLICE_CLOSE_STREAM2, G_PRIORITY_DEFAULT, NULL, on_passed_on, loop);
        g_main_loop_run(loop);
        return true;
}

static int list_displays(Ctl *ctl, VirtbusDomain *domain) {
        static const char *const headings[] = { "DEVICE", "TYPE", "~SOCKET", NULL };
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) devices = ctl_devices(ctl, domain, &error);
        if (!devices)
                return ctl_fail(g_steal_pointer(&error));
        g_autoptr(Table) table = table_new(headings);
        for (guint i = 0; i < devices->len; i++) {
                g_autoptr(VirtbusDeviceGraphics) graphics = virtbus_object_get_device_graphics(devices->pdata[i]);
                g_autoptr(VirtbusDevice) device = virtbus_object_get_device(devices->pdata[i]);
                if (!graphics || !device)
                        continue;
                const char *socket = virtbus_device_graphics_get_socket(graphics);
                char *cells[] = { (char *) virtbus_device_get_alias(device), (char *) virtbus_device_graphics_get_type_(graphics),
                                  (char *) (socket && *socket ? socket : "-"), NULL };
                table_add(table, g_strdupv(cells));
        }
        return table_print(ctl, table, "display");
}

int verb_display(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        if (!domain)
                return status;
        if (ctl->list || ctl->json)
                return list_displays(ctl, domain);
        g_autoptr(VirtbusObject) object = ctl_find_device(ctl, domain, arguments[1], GRAPHICS, &error);
        if (!object)
                return ctl_fail(g_steal_pointer(&error));
        g_autoptr(VirtbusDevice) device = virtbus_object_get_device(object);
        g_autoptr(VirtbusDeviceGraphics) graphics = virtbus_object_get_device_graphics(object);
        g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
        Viewing viewing = { .ctl = ctl,
                            .path = g_dbus_object_get_object_path(G_DBUS_OBJECT(object)),
                            .alias = virtbus_device_get_alias(device),
                            .domain = virtbus_domain_get_uuid(domain),
                            .loop = loop };
        if (ctl->host && ctl->stdio) {
                const char *there[] = { "display", "--stdio", viewing.domain, viewing.alias, NULL };
                return ctl_go_there(ctl, false, there);
        }
        if (!ctl->host && !(viewing.first = open_display(ctl, viewing.path, &error)))
                return ctl_fail(g_steal_pointer(&error));
        bool is_done = ctl->stdio ? pass_on(viewing.first)
                                  : run_viewer(&viewing, virtbus_device_graphics_get_type_(graphics), &error);
        g_clear_object(&viewing.first);
        return is_done ? EXIT_DONE : ctl_fail(g_steal_pointer(&error));
}

/* On another host: what virtbusctl writes there comes here. */
static GBytes *photograph_over_there(const Ctl *ctl, VirtbusDomain *domain, GError **error) {
        const char *arguments[] = { "screenshot", virtbus_domain_get_uuid(domain), "-", NULL };
        g_auto(GStrv) command = ctl_over_there(ctl, false, arguments);
        g_autoptr(GBytes) picture = NULL;
        g_autoptr(GSubprocess) program = g_subprocess_newv((const char *const *) command, G_SUBPROCESS_FLAGS_STDOUT_PIPE, error);
        if (!program || !g_subprocess_communicate(program, NULL, NULL, &picture, NULL, error) ||
            !g_subprocess_wait_check(program, NULL, error))
                return NULL;
        return g_steal_pointer(&picture);
}

static GBytes *photograph(Ctl *ctl, VirtbusDomain *domain, GError **error) {
        int fd = ctl_call_for_fd(ctl, ctl_path(domain), "org.virtbus1.Domain", "Screenshot",
                                 g_variant_new("(u@a{sv})", 0, ctl_options(NULL, NULL)), error);
        if (fd < 0)
                return NULL;
        g_autoptr(GInputStream) input = g_unix_input_stream_new(fd, TRUE);
        g_autoptr(GOutputStream) memory = g_memory_output_stream_new_resizable();
        if (g_output_stream_splice(memory, input, G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET, NULL, error) < 0)
                return NULL;
        return g_memory_output_stream_steal_as_bytes(G_MEMORY_OUTPUT_STREAM(memory));
}

int verb_screenshot(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        if (!domain)
                return status;
        if (g_file_test(arguments[1], G_FILE_TEST_IS_DIR)) {
                ctl_say("%s is a folder; name a file in it", arguments[1]);
                return EXIT_FAILED;
        }
        g_autoptr(GBytes) picture = ctl->host ? photograph_over_there(ctl, domain, &error) : photograph(ctl, domain, &error);
        if (!picture)
                return ctl_fail(g_steal_pointer(&error));
        gsize size;
        const char *data = g_bytes_get_data(picture, &size);
        bool is_done = strcmp(arguments[1], "-") == 0 ? ctl_write_all(STDOUT_FILENO, data, (ssize_t) size)
                                                      : g_file_set_contents_full(arguments[1], data, (gssize) size,
                                                                                 G_FILE_SET_CONTENTS_CONSISTENT, 0666, &error);
        return is_done ? EXIT_DONE : ctl_fail(g_steal_pointer(&error));
}

int verb_press(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        return domain ? ctl_do(ctl, ctl_path(domain), "org.virtbus1.Domain", "SendKeys",
                               g_variant_new("(^as@a{sv})", arguments + 1, ctl_options(NULL, NULL)))
                      : status;
}
