/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/guest/guest-links.h"

#include <errno.h>
#include <glib.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lxc/guest/guest-failure.h"

/* How often a card is set up while somebody lies. */
#define TIMES 3000

/* Root of the network, as a container has one, says to the sockets of another process, again and again, that nothing may be. */
static G_NORETURN void lie(pid_t victim) {
        const struct {
                struct nlmsghdr header;
                struct nlmsgerr error;
        } answer = { { sizeof answer, NLMSG_ERROR, 0, 0, 0 }, { .error = -EPERM } };
        const struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_pid = (uint32_t) victim };
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
        while (getppid() == victim) /* refused, while that has no socket */
                if (sendto(fd, &answer, sizeof answer, 0, (const struct sockaddr *) &to, sizeof to) < 0 && errno == EPERM)
                        break;
        _exit(EXIT_FAILURE);
}

static void only_the_kernel_answers_whoever_is_root_in_the_network(void) {
        GuestCard card = { .inside = "lo" };
        const GuestPlan plan = { .cards = &card, .n_cards = 1 };
        if (unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWNET | CLONE_NEWUSER) < 0) {
                g_test_skip("this user may have no network of their own");
                return;
        }
        pid_t self = getpid(), liar = fork();
        if (liar == 0)
                lie(self);
        for (unsigned i = 0; i < TIMES && !guest_failure[0]; i++)
                guest_links_enter(&plan);
        g_assert_cmpstr(guest_failure, ==, "");
        g_assert_cmpint(waitpid(liar, NULL, WNOHANG), ==, 0);
        kill(liar, SIGKILL);
        waitpid(liar, NULL, 0);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/guest-links/only_the_kernel_answers", only_the_kernel_answers_whoever_is_root_in_the_network);
        return g_test_run();
}
