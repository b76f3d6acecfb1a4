/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is done with a guest's processors, and with its buttons. */

#include "domain/operation.h"

extern const OperationClass suspend_class, resume_class, shutdown_class, reboot_class, reset_class;
