/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "bus.h"
#include "domain/connection.h"
#include "domain/domain-event.h"
#include "test/machine.h"
#include "vtables.h"

/* Console and display */

/* The machine says what is said to it. */
static int on_console(sd_event_source *source, int fd, uint32_t events, void *data) {
        uint8_t buffer[4096];
        ssize_t n = read(fd, buffer, sizeof buffer);
        (void) events;
        (void) data;
        if (n > 0 && write(fd, buffer, (size_t) n) < 0 && errno != EAGAIN)
                n = 0;
        if (n == 0)
                sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return 0;
}

static void close_console(void *data) {
        machine_close_console(data);
}

static int make_console(Machine *machine, GError **error) {
        g_autofree char *greeting = g_strdup_printf("TEST-UP %s\r\n", domain_name(machine->domain));
        int pair[2], client = -1;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
                virtbus_error_set_errno(error, errno, "domain '%s': its console cannot be made", domain_name(machine->domain));
                return -1;
        }
        machine->console = stream_new(machine->domain->connection->event, pair[0], &client, close_console, machine, error);
        int r = machine->console ? sd_event_add_io(machine->domain->connection->event, &machine->echo, pair[1], EPOLLIN,
                                                   on_console, NULL)
                                 : -ECANCELED;
        if (r < 0 || write(pair[1], greeting, strlen(greeting)) < 0)
                close(pair[1]); /* the client sees a console that has ended */
        else
                sd_event_source_set_io_fd_own(machine->echo, true);
        return client;
}

static void open_console(Domain *domain, const DeviceDefinition *device, bool force, Call *call) {
        Machine *machine = domain->run;
        g_autoptr(GError) error = laboratory_take_failure(domain, TEST_OPEN_CONSOLE);
        g_autofd int client = -1;
        if (!error && strcmp(device->type, "file") == 0)
                domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID, "console '%s' writes to the file %s; read that",
                            device->alias, device->source);
        else if (!error && machine->console && !stream_is_deserted(machine->console) && !force)
                domain_fail(domain, &error, VIRTBUS_ERROR_RESOURCE_BUSY,
                            "someone has console '%s' open; pass the option force to take it over", device->alias);
        if (!error) {
                machine_close_console(machine);
                client = make_console(machine, &error);
        }
        if (error)
                call_fail(call, error);
        else
                reply_device_console_open(call, client);
}

static void open_graphics(Domain *domain, const DeviceDefinition *device, Call *call) {
        g_autoptr(GError) error = laboratory_take_failure(domain, TEST_OPEN_GRAPHICS);
        int pair[2];
        (void) device;
        /* RFC 6143, 7.1.1: the first a VNC server says. It says no more. */
        static const char version[] = "RFB 003.008\n";
        if (!error && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                virtbus_error_set_errno(&error, errno, "domain '%s': its display cannot be made", domain_name(domain));
        if (error) {
                call_fail(call, error);
                return;
        }
        g_autofd int ours = pair[0], theirs = pair[1];
        if (write(ours, version, sizeof version - 1) < 0)
                call_fail_errno(call, -errno);
        else
                reply_device_graphics_open(call, theirs);
}

/* At the machine */

static void screenshot(Domain *domain, uint32_t screen, Call *call) {
        /* The smallest PNG: one grey point. */
        static const uint8_t picture[] = {
                0x89, 'P',  'N',  'G',  0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 'I',  'H',  'D',  'R',  0x00,
                0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x00, 0x00, 0x00, 0x3a, 0x7e, 0x9b, 0x55, 0x00,
                0x00, 0x00, 0x0a, 'I',  'D',  'A',  'T',  0x78, 0x9c, 0x63, 0x68, 0x00, 0x00, 0x00, 0x82, 0x00, 0x81,
                0x77, 0xcd, 0x72, 0xb6, 0x00, 0x00, 0x00, 0x00, 'I',  'E',  'N',  'D',  0xae, 0x42, 0x60, 0x82,
        };
        g_autofd int file = memfd_create("virtbus-screenshot", MFD_CLOEXEC);
        g_autoptr(GError) error = NULL;
        if (screen > 0)
                domain_fail(domain, &error, VIRTBUS_ERROR_INVALID_ARGUMENT, "it has no screen %u", screen);
        else if (file < 0 || write(file, picture, sizeof picture) < 0 || lseek(file, 0, SEEK_SET) < 0)
                virtbus_error_set_errno(&error, errno, "a picture cannot be made");
        if (error)
                call_fail(call, error);
        else
                reply_domain_screenshot(call, file);
}

static void send_keys(Domain *domain, char **keys, uint64_t hold_time, Call *call) {
        (void) domain;
        (void) keys;
        (void) hold_time;
        reply_domain_send_keys(call);
}

static void inject_nmi(Domain *domain, Call *call) {
        (void) domain;
        reply_domain_inject_nmi(call);
}

static void wake_up(Domain *domain, Call *call) {
        domain_guest_event(domain, GUEST_WAKE);
        reply_domain_wake_up(call);
}

static void peek_memory(Domain *domain, uint64_t address, uint64_t size, bool is_virtual, Call *call) {
        g_autofree uint8_t *nothing = g_malloc0(size);
        g_autoptr(GError) error = NULL;
        (void) is_virtual;
        if (address > domain->live->memory || size > domain->live->memory - address) {
                domain_fail(domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "there is no memory at 0x%" PRIx64, address);
                call_fail(call, error);
        } else
                call_reply_bytes(call, nothing, size);
}

const HypervisorConsoles machine_consoles = {
        .open_console = open_console,
        .open_graphics = open_graphics,
};

const HypervisorMachine machine_access = {
        .screenshot = screenshot,
        .send_keys = send_keys,
        .inject_nmi = inject_nmi,
        .wake_up = wake_up,
        .peek_memory = peek_memory,
};
