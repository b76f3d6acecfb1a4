/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/guest/guest-console.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void drop_client(GuestConsole *console) {
        close(console->client);
        console->client = -1;
        console->n_in = 0;
}

bool guest_console_open(GuestConsole *console, int client, bool force) {
        if (console->client >= 0 && !force)
                return false;
        if (console->client >= 0)
                drop_client(console);
        console->client = client;
        return true;
}

void guest_console_prepare(const GuestConsole *console, struct pollfd *entries) {
        bool has_client = console->client >= 0;
        entries[0] = (struct pollfd){ .fd = console->master };
        entries[1] = (struct pollfd){ .fd = console->client };
        if (console->n_out == 0 || !has_client)
                entries[0].events |= POLLIN;
        else
                entries[1].events |= POLLOUT;
        if (has_client && console->n_in == 0)
                entries[1].events |= POLLIN;
        else if (has_client)
                entries[0].events |= POLLOUT;
        if (entries[0].events == 0)
                entries[0].fd = -1; /* else its hangup would wake us for nothing */
}

static bool is_failure(ssize_t n) {
        return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* True where it goes on. */
static bool write_out(GuestConsole *console) {
        ssize_t n = send(console->client, console->out, console->n_out, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
                console->n_out -= (size_t) n;
                memmove(console->out, console->out + n, console->n_out);
        }
        return console->n_out == 0 || !is_failure(n);
}

static bool write_in(GuestConsole *console) {
        ssize_t n = write(console->master, console->in, console->n_in);
        if (n > 0) {
                console->n_in -= (size_t) n;
                memmove(console->in, console->in + n, console->n_in);
        }
        return console->n_in == 0 || !is_failure(n);
}

/* A terminal that nobody has open in the container tells EIO: then there is nothing until somebody has. */
static void read_master(GuestConsole *console) {
        char text[GUEST_CONSOLE_BYTES];
        ssize_t n = read(console->master, text, sizeof text);
        size_t length = n > 0 ? (size_t) n : 0, kept = sizeof console->out - length;
        if (console->n_out > kept) {
                memmove(console->out, console->out + console->n_out - kept, kept);
                console->n_out = kept;
        }
        memcpy(console->out + console->n_out, text, length);
        console->n_out += length;
}

void guest_console_relay(GuestConsole *console, const struct pollfd *entries) {
        bool fine = true;
        if (entries[0].fd >= 0 && entries[0].revents & POLLIN)
                read_master(console);
        if (console->client < 0 || entries[1].fd != console->client)
                return;
        if (entries[1].revents & POLLIN) {
                ssize_t n = recv(console->client, console->in, sizeof console->in, MSG_DONTWAIT);
                console->n_in = n > 0 ? (size_t) n : 0;
                fine = !is_failure(n);
        } else if (entries[1].revents & (POLLHUP | POLLERR))
                fine = false;
        if (fine && console->n_out > 0)
                fine = write_out(console);
        if (fine && console->n_in > 0)
                fine = write_in(console);
        if (!fine)
                drop_client(console);
}

/* What has the terminal open elsewhere may go on for ever. */
#define LAST_READS 64

void guest_console_end(GuestConsole *console) {
        for (int i = 0; console->client >= 0 && i < LAST_READS; i++) {
                if (console->n_out == 0)
                        read_master(console);
                if (console->n_out == 0 || !write_out(console) || console->n_out > 0)
                        drop_client(console);
        }
        if (console->client >= 0)
                drop_client(console);
}
