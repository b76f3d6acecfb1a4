/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/guest/guest-plug.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "local-socket.h"
#include "lxc/guest/guest-failure.h"
#include "lxc/guest/guest-links.h"

/* The longest message, either way: a failure. */
#define MESSAGE_BYTES_MAX (GUEST_FAILURE_BYTES_MAX + 16)

static void say(const GuestPlan *plan, const char *text) {
        local_socket_send(plan->entry.report, text, strlen(text), NULL, 0, 0); /* who has gone is seen when it is to answer */
}

/* False where nobody is there any more, or says something else. */
static bool wait_for(const GuestPlan *plan, const char *word, char *text) {
        LocalFds fds = { .n = 0 };
        ssize_t n;
        do
                n = local_socket_receive(plan->entry.report, text, MESSAGE_BYTES_MAX - 1, &fds, 0, 0, NULL);
        while (n == -EINTR);
        text[n > 0 ? n : 0] = '\0';
        return strncmp(text, word, strlen(word)) == 0;
}

/* The child, in the container's network and nothing else of its: it waits at GO, and says at FAILURES what it cannot do there. */
static _Noreturn void set_up(GuestPlan *plan, int go, int failures) {
        unsigned mtu;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (read(go, &mtu, sizeof mtu) != sizeof mtu)
                _exit(EXIT_FAILURE);
        plan->cards[0].mtu = mtu > 0 ? mtu : plan->cards[0].mtu;
        if (!guest_links_enter(plan) && write(failures, guest_failure, strlen(guest_failure)) < 0)
                _exit(EXIT_FAILURE);
        _exit(EXIT_SUCCESS);
}

/* What of it is where: whoever has its network is named by a number that nobody else has, while we do not wait for it. */
typedef struct Inside {
        pid_t pid;
        int go, failures;
} Inside;

static bool begin_inside(GuestPlan *plan, Inside *inside) {
        int go[2], failures[2], own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if (own < 0 || pipe2(go, O_CLOEXEC) < 0 || pipe2(failures, O_CLOEXEC) < 0 || setns(plan->entry.init, CLONE_NEWNET) < 0 ||
            (inside->pid = fork()) < 0)
                return guest_failure_set("its network cannot be entered");
        if (inside->pid == 0) {
                close(go[1]);
                set_up(plan, go[0], failures[1]);
        }
        close(go[0]);
        close(failures[1]);
        inside->go = go[1];
        inside->failures = failures[0];
        if (setns(own, CLONE_NEWNET) < 0)
                return guest_failure_set("its network cannot be left");
        close(own);
        return true;
}

static bool plug(GuestPlan *plan) {
        const GuestCard *card = plan->cards;
        char text[MESSAGE_BYTES_MAX];
        Inside inside = { -1, -1, -1 };
        if (!begin_inside(plan, &inside) || !guest_links_make(plan, inside.pid))
                return false;
        snprintf(text, sizeof text, "cards %s %d", card->host, card->index);
        say(plan, text);
        errno = 0;
        if (!wait_for(plan, "go", text))
                return guest_failure_set("it is not wanted any more");
        unsigned mtu = (unsigned) strtoul(text + 2, NULL, 10);
        if (write(inside.go, &mtu, sizeof mtu) != sizeof mtu)
                return guest_failure_set("its network cannot be set up");
        guest_failure_read(inside.failures);
        return !guest_failure[0];
}

void guest_plug(GuestPlan *plan) {
        char text[MESSAGE_BYTES_MAX];
        signal(SIGPIPE, SIG_IGN);
        signal(SIGTERM, SIG_IGN); /* it ends when nobody is at REPORT any more: it has something to take away */
        bool fine = plan->n_cards == 1 && plan->cards[0].mode == 0 && plug(plan);
        if (!fine) {
                guest_links_remove(plan);
                snprintf(text, sizeof text, "failed %s", guest_failure);
        }
        say(plan, fine ? "plugged" : text);
        if (fine && !wait_for(plan, "keep", text))
                guest_links_remove(plan);
        _exit(EXIT_SUCCESS);
}
