/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Consoles and displays: streams between a guest and its clients. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "bus.h"
#include "guest.h"
#include "stream.h"
#include "unix-socket.h"
#include "vtables.h"

/* A console that someone has open. */
struct Console {
        Guest *guest;
        char *alias;
        Stream *stream;
};

void console_free(Console *console) {
        stream_free(console->stream);
        g_free(console->alias);
        g_free(console);
}

static void on_stream_ended(void *data) {
        Console *console = data;
        g_hash_table_remove(console->guest->streams, console->alias);
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

static int open_terminal(const Domain *domain, const DeviceDefinition *device, const char *path, GError **error) {
        int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                virtbus_error_set_errno(error, errno, "domain '%s': console '%s' at %s cannot be opened", domain_name(domain),
                                        device->alias, path);
        return fd;
}

static int open_socket(const Domain *domain, const DeviceDefinition *device, GError **error) {
        int fd = unix_connect(device->source);
        if (fd < 0)
                domain_fail(domain, error, fd == -EAGAIN ? VIRTBUS_ERROR_RESOURCE_BUSY : VIRTBUS_ERROR_HYPERVISOR_FAILED,
                            "console '%s' at %s cannot be opened: %s", device->alias, device->source, g_strerror(-fd));
        return fd;
}

static int open_guest_end(const Domain *domain, const DeviceDefinition *device, GError **error) {
        const Guest *guest = domain->run;
        const char *terminal = g_hash_table_lookup(guest->terminals, device->alias);
        if (terminal)
                return open_terminal(domain, device, terminal, error);
        if (strcmp(device->type, "unix") == 0)
                return open_socket(domain, device, error);
        domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID, "console '%s' is of type %s%s%s, which cannot be opened",
                    device->alias, device->type, device->source[0] ? ", at " : "", device->source);
        return -1;
}

void open_console(Domain *domain, const DeviceDefinition *asked, bool force, Call *call) {
        Guest *guest = domain->run;
        const DeviceDefinition *device = resolve_console(domain, asked);
        g_autoptr(GError) error = NULL;
        g_autofd int client = -1;
        if (g_strcmp0(guest->agent_alias, device->alias) == 0 && guest->object)
                domain_fail(domain, &error, VIRTBUS_ERROR_RESOURCE_BUSY, "channel '%s' is the agent's: use %s/guest",
                            asked->alias, published_path(domain->published));
        else if (g_hash_table_contains(guest->streams, device->alias) && !force)
                domain_fail(domain, &error, VIRTBUS_ERROR_RESOURCE_BUSY,
                            "someone has console '%s' open; pass the option force to take it over", asked->alias);
        else {
                g_hash_table_remove(guest->streams, device->alias);
                int fd = open_guest_end(domain, device, &error);
                if (fd >= 0) {
                        Console *console = g_new0(Console, 1);
                        *console = (Console){ .guest = guest, .alias = g_strdup(device->alias) };
                        console->stream = stream_new(domain->connection->event, fd, &client, on_stream_ended, console, &error);
                        if (console->stream)
                                g_hash_table_insert(guest->streams, console->alias, console);
                        else {
                                g_free(console->alias);
                                g_free(console);
                        }
                }
        }
        if (error)
                call_fail(call, error);
        else
                reply_device_console_open(call, client);
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

void open_graphics(Domain *domain, const DeviceDefinition *device, Call *call) {
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
