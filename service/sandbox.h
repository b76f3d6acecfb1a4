/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Gives up for good, by a seccomp allow-list, every system call that virtbusd has no use for once it is connected: it
 * never starts a program, opens no network connection and changes no file. Starting a program ends it.
 * Returns 0 or a negative errno; -EOPNOTSUPP where the build has sanitizers, which need more. */
int sandbox_enter(void);
