/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/console.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/stream.h"
#include "bus.h"
#include "vtables.h"

/* A console that someone has open. */
typedef struct Console {
        Guest *guest;
        char *alias;
        Stream *stream;
} Console;

static void console_free(Console *console) {
        if (console->stream)
                stream_free(console->stream);
        g_free(console->alias);
        g_free(console);
}

static void on_stream_ended(void *data) {
        Console *console = data;
        g_hash_table_remove(console->guest->streams, console->alias);
}

void console_leave(Guest *guest, const char *alias) {
        Console *console = g_hash_table_lookup(guest->streams, alias);
        if (!console)
                return;
        stream_leave(g_steal_pointer(&console->stream), guest->domain->connection->left_streams);
        g_hash_table_remove(guest->streams, alias);
}

/* Whoever has them open is still given what the guest had said. */
static void on_forgotten(Guest *guest) {
        g_autoptr(GList) aliases = g_hash_table_get_keys(guest->streams);
        for (GList *link = aliases; link; link = link->next)
                console_leave(guest, link->data);
        g_hash_table_unref(guest->streams);
}

/* The first console of kind serial is the first serial port. */
static const DeviceDefinition *resolve_console(const Domain *domain, const DeviceDefinition *device) {
        const Definition *live = domain->live;
        for (guint i = 0; strcmp(device->kind, "console") == 0 && strcmp(device->target, "serial") == 0 && i < live->devices->len;
             i++) {
                const DeviceDefinition *other = live->devices->pdata[i];
                if (strcmp(other->kind, "serial") == 0)
                        return other;
        }
        return device;
}

/* A console that is being opened. */
typedef struct ConsoleRequest {
        Call *call;
        char *alias, *asked; /* the device's, and the one that was named */
        bool force;
} ConsoleRequest;

static void request_free(ConsoleRequest *request) {
        g_free(request->alias);
        g_free(request->asked);
        g_free(request);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConsoleRequest, request_free)

/* Fails where it is in use. */
static bool check_free(Guest *guest, const ConsoleRequest *request, GError **error) {
        if (g_strcmp0(guest->agent_alias, request->alias) == 0 && guest->object)
                return domain_fail(guest->domain, error, VIRTBUS_ERROR_RESOURCE_BUSY, "channel '%s' is the agent's: use %s/guest",
                                   request->asked, published_path(guest->domain->published));
        const Console *console = g_hash_table_lookup(guest->streams, request->alias);
        return request->force || !console || stream_is_deserted(console->stream) ||
               domain_fail(guest->domain, error, VIRTBUS_ERROR_RESOURCE_BUSY,
                           "someone has console '%s' open; pass the option force to take it over", request->asked);
}

/* FD: the guest's end, which is taken. */
static int add_stream(Guest *guest, const ConsoleRequest *request, int fd, GError **error) {
        int client = -1;
        g_autofd int end = fd;
        if (!check_free(guest, request, error))
                return -1;
        g_hash_table_remove(guest->streams, request->alias);
        Console *console = g_new0(Console, 1);
        *console = (Console){ .guest = guest, .alias = g_strdup(request->alias) };
        console->stream = stream_new(guest->domain->connection->event, steal_fd(&end), &client, on_stream_ended, console, error);
        if (console->stream) {
                g_hash_table_insert(guest->streams, console->alias, console);
                return client;
        }
        g_free(console->alias);
        g_free(console);
        return -1;
}

static void answer(Guest *guest, const ConsoleRequest *request, int fd) {
        g_autoptr(GError) error = NULL;
        g_autofd int client = add_stream(guest, request, fd, &error);
        if (error)
                call_fail(request->call, error);
        else
                reply_device_console_open(request->call, client);
}

static void on_socket_open(Guest *guest, int fd, void *data) {
        g_autoptr(ConsoleRequest) request = data;
        g_autoptr(GError) error = NULL;
        if (guest && fd >= 0) {
                answer(guest, request, fd);
                return;
        }
        autofd_close(&fd);
        if (!guest)
                virtbus_error_set(&error, VIRTBUS_ERROR_OPERATION_INVALID, "console '%s' has gone: its domain has ended",
                                  request->asked);
        else if (fd == -ENOTSOCK)
                domain_fail(guest->domain, &error, VIRTBUS_ERROR_OPERATION_INVALID,
                            "the socket of console '%s' is not one that QEMU listens at: connect to it yourself", request->asked);
        else
                domain_fail(guest->domain, &error, fd == -EAGAIN ? VIRTBUS_ERROR_RESOURCE_BUSY : VIRTBUS_ERROR_HYPERVISOR_FAILED,
                            "the socket of console '%s' cannot be opened: %s", request->asked,
                            fd == -ESTALE ? "somebody has put something else in its place" : g_strerror(-fd));
        call_fail(request->call, error);
}

/* A QEMU that lies names a terminal of somebody else's: it can only open its own user's. */
static int open_terminal(const Guest *guest, const char *path, GError **error) {
        struct stat info;
        const Domain *domain = guest->domain;
        g_autofd int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &info) < 0) {
                virtbus_error_set_errno(error, errno, "domain '%s': terminal %s cannot be opened", domain_name(domain), path);
                return -1;
        }
        if (!S_ISCHR(info.st_mode) || info.st_uid != guest->uid) {
                domain_fail(domain, error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "QEMU names the terminal %s, which is not its own",
                            path);
                return -1;
        }
        return steal_fd(&fd);
}

void console_open(Domain *domain, const DeviceDefinition *asked, bool force, Call *call) {
        Guest *guest = domain->run;
        const DeviceDefinition *device = resolve_console(domain, asked);
        const char *terminal = g_hash_table_lookup(guest->terminals, device->alias);
        g_autoptr(GError) error = NULL;
        g_autoptr(ConsoleRequest) request = g_new0(ConsoleRequest, 1);
        int fd = -1;
        *request = (ConsoleRequest){ call, g_strdup(device->alias), g_strdup(asked->alias), force };
        if (check_free(guest, request, &error) && terminal)
                fd = open_terminal(guest, terminal, &error);
        else if (!error && strcmp(device->type, "unix") == 0) {
                if (force || g_hash_table_contains(guest->streams, device->alias)) /* QEMU takes one client at a time */
                        g_hash_table_remove(guest->streams, device->alias);
                guest_connect(guest, device->source, on_socket_open, g_steal_pointer(&request));
                return;
        } else if (!error)
                domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID,
                            "console '%s' is of type %s%s%s, which nothing can open: use a console of type pty or unix",
                            asked->alias, device->type, device->source[0] ? ", at " : "", device->source);
        if (error)
                call_fail(call, error);
        else
                answer(guest, request, fd);
}

/* A display's client that QEMU is being handed. */
typedef struct Viewer {
        Call *call;
        int fd;
} Viewer;

static void on_client_added(void *data, JsonObject *answer, const GError *error) {
        Viewer *viewer = data;
        (void) answer;
        if (error)
                call_fail(viewer->call, error);
        else
                reply_device_graphics_open(viewer->call, viewer->fd);
        close(viewer->fd);
        g_free(viewer);
}

/* What add_client calls each kind of display. */
static const char *const protocols[][2] = { { "vnc", "vnc" }, { "spice", "spice" }, { "dbus", "@dbus-display" } };

void console_open_graphics(Domain *domain, const DeviceDefinition *device, Call *call) {
        Guest *guest = domain->run;
        g_autoptr(GError) error = NULL;
        int pair[2] = { -1, -1 };
        const char *protocol = NULL;
        for (size_t i = 0; i < G_N_ELEMENTS(protocols); i++)
                if (strcmp(device->type, protocols[i][0]) == 0)
                        protocol = protocols[i][1];
        if (guest_check_monitor(domain, &error) && !protocol)
                domain_fail(domain, &error, VIRTBUS_ERROR_UNSUPPORTED, "display '%s' of type %s takes no connections",
                            device->alias, device->type);
        if (!error && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                virtbus_error_set_errno(&error, errno, "domain '%s': its display cannot be connected to", domain_name(domain));
        if (error) {
                call_fail(call, error);
                return;
        }
        Viewer *viewer = g_new0(Viewer, 1);
        *viewer = (Viewer){ .call = call, .fd = pair[1] };
        g_autofree char *name = guest_pass_fd(guest, pair[0]);
        close(pair[0]);
        monitor_command(guest->monitor, "add_client",
                        json_make("protocol", 's', protocol, "fdname", 's', name, "skipauth", 'b', TRUE, NULL), -1,
                        on_client_added, viewer);
}

static void on_begun(Guest *guest) {
        guest->streams = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) console_free);
}

const GuestModule console_module = {
        .begin = on_begun,
        .forget = on_forgotten,
};
