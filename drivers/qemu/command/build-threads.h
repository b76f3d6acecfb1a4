/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* QEMU's threads: those for I/O are made here. Where threads run, and how they are scheduled, is not QEMU's to know: the
 * driver sets it once they run (threads.h), and it is only checked here. */

#include "qemu/command/builder.h"

/* <iothreads>, <iothreadids>, <defaultiothread>. */
void build_io_threads(Builder *builder);

/* Checks which threads are bound to which processors of the host: after the I/O threads are known. */
void build_pins_check(Builder *builder);

/* Checks quotas and schedulers. */
void build_thread_tuning_check(Builder *builder);
