/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What one command of the monitor does with a guest's processors, and with its buttons. */

#include "qemu/guest/guest.h"

void power_suspend(Operation *operation);
void power_resume(Operation *operation);
void power_shut_down(Operation *operation);
void power_reset(Operation *operation);
