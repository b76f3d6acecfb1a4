/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A guest's console, display and agent. */

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "ctl.h"

/* As machinectl has it: this key, so often, within so many microseconds. */
#define ESCAPE 0x1d
#define ESCAPES 3
#define ESCAPE_TIME 1000000

/* What the guest says, and what is typed, is passed on in pieces of this size. */
#define PIECE 4096

/* The first device of a kind, or the one of that alias; NULL where there is none. */
static char *find_device(Ctl *ctl, VirtbusDomain *domain, const char *alias, const char *interface, GError **error) {
        g_autoptr(GDBusObjectManager) devices = virtbus_client_get_devices_sync(ctl->client, domain, NULL, error);
        GList *objects = devices ? g_dbus_object_manager_get_objects(devices) : NULL;
        char *found = NULL;
        bool is_serial = false;
        for (GList *link = objects; link; link = link->next) {
                g_autoptr(GDBusInterface) wanted = g_dbus_object_get_interface(link->data, interface);
                g_autoptr(VirtbusDevice) device = virtbus_object_get_device(link->data);
                if (!wanted || !device)
                        continue;
                const char *kind = virtbus_device_get_kind(device);
                if (alias ? g_strcmp0(virtbus_device_get_alias(device), alias) != 0 : strcmp(kind, "channel") == 0)
                        continue;
                if (found && is_serial)
                        continue;
                g_free(found);
                found = g_strdup(g_dbus_object_get_object_path(link->data));
                is_serial = strcmp(kind, "serial") == 0;
        }
        g_list_free_full(objects, g_object_unref);
        if (!found && error && !*error)
                g_set_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_ARGUMENT, "domain '%s' has no %s%s%s",
                            virtbus_domain_get_name(domain), alias ? "such device: " : strrchr(interface, '.') + 1,
                            alias ? alias : "", "; see: virtbusctl status");
        return found;
}

static int take_fd(GVariant *answer, GUnixFDList *fds, GError **error) {
        g_autoptr(GVariant) handle = g_variant_get_child_value(answer, 0);
        return g_unix_fd_list_get(fds, g_variant_get_handle(handle), error);
}

static bool write_all(int fd, const char *data, ssize_t n) {
        while (n > 0) {
                ssize_t written = write(fd, data, (size_t) n);
                if (written < 0 && errno == EAGAIN) {
                        struct pollfd room = { .fd = fd, .events = POLLOUT };
                        poll(&room, 1, -1);
                        continue;
                }
                if (written <= 0)
                        return false;
                data += written;
                n -= written;
        }
        return true;
}

/* Passes on what is typed and what is said, until one of them ends. */
static void pass_on(int console) {
        struct pollfd ends[2] = { { .fd = console, .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };
        gint64 first = 0;
        unsigned escapes = 0;
        while (poll(ends, 2, -1) >= 0 || errno == EINTR) {
                char data[PIECE];
                if (ends[0].revents) {
                        ssize_t n = read(console, data, sizeof data);
                        if ((n <= 0 && errno != EAGAIN) || (n > 0 && !write_all(STDOUT_FILENO, data, n)))
                                return;
                }
                if (!ends[1].revents)
                        continue;
                ssize_t n = read(STDIN_FILENO, data, sizeof data);
                if (n <= 0) {
                        ends[1].fd = -1; /* nothing more will be typed; the guest may say more */
                        continue;
                }
                for (ssize_t i = 0; i < n; i++) {
                        gint64 now = g_get_monotonic_time();
                        if (data[i] != ESCAPE || now - first > ESCAPE_TIME)
                                escapes = 0;
                        if (data[i] == ESCAPE && escapes++ == 0)
                                first = now;
                        if (escapes >= ESCAPES)
                                return;
                }
                if (!write_all(console, data, n))
                        return;
        }
}

int verb_console(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        g_autoptr(GUnixFDList) fds = NULL;
        g_autoptr(GVariant) answer = NULL;
        struct termios saved, raw;
        if (!domain)
                return status;
        if (ctl->is_remote) {
                fprintf(stderr,
                        "virtbusctl: a console cannot be passed from another host; run it there: ssh -t HOST virtbusctl console "
                        "%s\n",
                        arguments[0]);
                return EXIT_FAILED;
        }
        g_autofree char *path = find_device(ctl, domain, arguments[1], "org.virtbus1.Device.Console", &error);
        if (path)
                answer = ctl_call(ctl, path, "org.virtbus1.Device.Console", "Open",
                                  g_variant_new("(@a{sv})", ctl_options(ctl->force ? "force" : NULL, NULL)), NULL, &fds, &error);
        int console = answer ? take_fd(answer, fds, &error) : -1;
        if (console < 0)
                return ctl_fail(g_steal_pointer(&error));
        bool is_terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &saved) == 0;
        if (is_terminal) {
                fprintf(stderr, "Connected to %s. Press ^] three times within 1s to disconnect.\n",
                        virtbus_domain_get_name(domain));
                raw = saved;
                cfmakeraw(&raw);
                tcsetattr(STDIN_FILENO, TCSANOW, &raw);
        }
        pass_on(console);
        if (is_terminal) {
                tcsetattr(STDIN_FILENO, TCSANOW, &saved);
                fprintf(stderr, "\nDisconnected from %s.\n", virtbus_domain_get_name(domain));
        }
        close(console);
        return EXIT_DONE;
}

int verb_display(Ctl *ctl, char **arguments) {
        static const char *const headings[] = { "DEVICE", "TYPE", "SOCKET", NULL };
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        if (!domain)
                return status;
        g_autoptr(GDBusObjectManager) devices = virtbus_client_get_devices_sync(ctl->client, domain, NULL, &error);
        if (!devices)
                return ctl_fail(g_steal_pointer(&error));
        g_autoptr(Table) table = table_new(headings);
        GList *objects = g_dbus_object_manager_get_objects(devices);
        for (GList *link = objects; link; link = link->next) {
                g_autoptr(VirtbusDeviceGraphics) graphics = virtbus_object_get_device_graphics(link->data);
                g_autoptr(VirtbusDevice) device = virtbus_object_get_device(link->data);
                if (!graphics || !device)
                        continue;
                const char *socket = virtbus_device_graphics_get_socket(graphics);
                char **cells = g_new0(char *, 4);
                cells[0] = g_strdup(virtbus_device_get_alias(device));
                cells[1] = g_strdup(virtbus_device_graphics_get_type_(graphics));
                cells[2] = g_strdup(socket && *socket ? socket : "-");
                table_add(table, cells);
        }
        g_list_free_full(objects, g_object_unref);
        table_print(ctl, table, "display");
        return EXIT_DONE;
}

int verb_screenshot(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        g_autoptr(GUnixFDList) fds = NULL;
        if (!domain)
                return status;
        g_autoptr(GVariant) answer = ctl_call(ctl, ctl_path(domain), "org.virtbus1.Domain", "Screenshot",
                                              g_variant_new("(u@a{sv})", 0, ctl_options(NULL, NULL)), NULL, &fds, &error);
        int picture = answer ? take_fd(answer, fds, &error) : -1;
        if (picture < 0)
                return ctl_fail(g_steal_pointer(&error));
        int file = open(arguments[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        char data[PIECE];
        ssize_t n = -1;
        while (file >= 0 && (n = read(picture, data, sizeof data)) > 0 && write_all(file, data, n))
                ;
        if (file < 0 || n != 0)
                fprintf(stderr, "virtbusctl: %s cannot be written: %s\n", arguments[1], g_strerror(errno));
        close(picture);
        if (file >= 0)
                close(file);
        return n == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* The agent */

static GVariant *ask(Ctl *ctl, const char *path, const char *method, GVariant *arguments, GError **error) {
        return ctl_call(ctl, path, "org.virtbus1.Domain.Guest", method, arguments, NULL, NULL, error);
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
                if (!answer)
                        continue; /* an agent need not know everything */
                g_autoptr(GVariant) value =
                                g_variant_n_children(answer) == 1 ? g_variant_get_child_value(answer, 0) : g_variant_ref(answer);
                json_object_set_member(object, methods[i] + strlen("Get"), output_json_of(value));
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
        /* The agent tells of no end: it is asked, each time when it has answered. */
        for (;;) {
                g_autoptr(GVariant) state = ask(ctl, path, "GetExecStatus", g_variant_new("(x)", pid), &error);
                gboolean has_ended = FALSE;
                if (!state)
                        return ctl_fail(g_steal_pointer(&error));
                g_variant_get_child(state, 0, "b", &has_ended);
                if (!has_ended)
                        continue;
                int status = EXIT_DONE;
                for (gsize i = 1; i < g_variant_n_children(state); i++) {
                        g_autoptr(GVariant) child = g_variant_get_child_value(state, i);
                        gsize n = 0;
                        if (g_variant_is_of_type(child, G_VARIANT_TYPE_BYTESTRING)) {
                                const char *data = g_variant_get_fixed_array(child, &n, 1);
                                fwrite(data, 1, n, i + 1 < g_variant_n_children(state) && i < 4 ? stdout : stderr);
                        } else if (i == 1 && g_variant_is_of_type(child, G_VARIANT_TYPE_INT32))
                                status = g_variant_get_int32(child);
                        else if (i == 1 && g_variant_is_of_type(child, G_VARIANT_TYPE_INT64))
                                status = (int) g_variant_get_int64(child);
                }
                fflush(stdout);
                return status;
        }
}

int verb_agent(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        const char *what = arguments[1] ? arguments[1] : "info";
        if (!domain)
                return status;
        g_autofree char *path = g_strdup_printf("%s/guest", ctl_path(domain));
        if (strcmp(what, "info") == 0)
                return agent_info(ctl, path);
        if (strcmp(what, "exec") == 0 && arguments[2])
                return agent_exec(ctl, path, arguments + 2);
        if (strcmp(what, "ping") != 0) {
                fprintf(stderr, "virtbusctl: agent knows ping, info, and exec PROGRAM [ARGUMENT...]\n");
                return EXIT_USAGE;
        }
        g_autoptr(GVariant) answer = ask(ctl, path, "Ping", NULL, &error);
        return answer ? EXIT_DONE : ctl_fail(g_steal_pointer(&error));
}
