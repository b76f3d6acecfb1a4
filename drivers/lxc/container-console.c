/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Opening a container's consoles: its watcher passes bytes on between the terminal and a socket, also when this driver is
 * gone. */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus.h"
#include "lxc/container-socket.h"
#include "lxc/container.h"
#include "vtables.h"

/* How many may wait for its watcher to answer. */
#define CONSOLES_WAITING_MAX 64

/* One that is being opened. */
typedef struct Console {
        Call *call;
        char *alias;
        int client; /* the caller's end */
} Console;

static void console_free(Console *console) {
        autofd_close(&console->client);
        g_free(console->alias);
        g_free(console);
}

/* Which of the container's terminals it is: they are in the order of the document. */
static unsigned number_of(const Domain *domain, const DeviceDefinition *device) {
        unsigned number = 0;
        for (guint i = 0; i < domain->live->devices->len; i++) {
                const DeviceDefinition *other = domain->live->devices->pdata[i];
                if (strcmp(other->alias, device->alias) == 0)
                        break;
                number += other->device_class == DEVICE_CONSOLE;
        }
        return number;
}

/* The watcher gets END. */
static bool ask(const Container *container, unsigned number, bool force, int end) {
        g_autofree char *text = g_strdup_printf("console %u %s", number, force ? "force" : "polite");
        return container_socket_send(container->connection, text, end);
}

void container_console_open(Domain *domain, const DeviceDefinition *device, bool force, Call *call) {
        Container *container = domain->run;
        g_autoptr(GError) error = NULL;
        int pair[2];
        /* One that is being found again answers too, in turn. */
        if (container->connection < 0 || container->ended) {
                domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID, CONTAINER_STARTS_AGAIN);
                call_fail(call, error);
                return;
        }
        if (container->consoles.length >= CONSOLES_WAITING_MAX) {
                domain_fail(domain, &error, VIRTBUS_ERROR_RESOURCE_BUSY, "too many of its consoles are being opened; try again");
                call_fail(call, error);
                return;
        }
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
                call_fail_errno(call, -errno);
                return;
        }
        bool asked = ask(container, number_of(domain, device), force, pair[1]);
        int number = errno;
        close(pair[1]);
        if (!asked) {
                close(pair[0]);
                virtbus_error_set_errno(&error, number, "console '%s' of domain '%s' cannot be opened", device->alias,
                                        domain_name(domain));
                call_fail(call, error);
                return;
        }
        Console *console = g_new0(Console, 1);
        *console = (Console){ call, g_strdup(device->alias), pair[0] };
        g_queue_push_tail(&container->consoles, console);
}

void container_console_answered(Container *container, const char *answer) {
        Console *console = g_queue_pop_head(&container->consoles);
        g_autoptr(GError) error = NULL;
        if (!console)
                return;
        if (strcmp(answer, "busy") == 0)
                domain_fail(container->domain, &error, VIRTBUS_ERROR_RESOURCE_BUSY,
                            "someone has console '%s' open; pass the option force to take it over", console->alias);
        else if (strcmp(answer, "ok") != 0)
                domain_fail(container->domain, &error, VIRTBUS_ERROR_OPERATION_INVALID,
                            "console '%s' is not one that it started with", console->alias);
        if (error)
                call_fail(console->call, error);
        else
                reply_device_console_open(console->call, console->client);
        console_free(console);
}

void container_console_fail(Container *container, const GError *error) {
        for (Console *console; (console = g_queue_pop_head(&container->consoles));) {
                call_fail(console->call, error);
                console_free(console);
        }
}
