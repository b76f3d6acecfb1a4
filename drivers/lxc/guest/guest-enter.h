/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Does something in a container that runs, whose programs are nobody's friends: runs a program beside them, or sends one of them
 * a signal. What goes in has the container's namespaces, rights, system calls and control groups before it looks at anything of
 * the container's, may be looked into by nobody there before it runs the container's program, and has no descriptor of the
 * host's then but the program's input and output.
 *
 * The driver is told at the plan's REPORT: "terminal", with the controlling side of the program's, where it gets one; then
 * "running", "failed WHY", or "signalled ERRNO". */

#include "lxc/guest/guest-plan.h"

/* Ends this process: for a program, when that has ended, which the plan's STATUS is told as "exited NUMBER" or "killed SIGNAL".
 * Where nobody reads that any more, the program gets SIGHUP, as if its terminal had gone. */
_Noreturn void guest_enter(const GuestPlan *plan);
