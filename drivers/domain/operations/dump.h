/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Writing a guest's memory into a file, as a job that can be cancelled. */

#include "domain/operation.h"

extern const OperationClass dump_class;

/* FD, which is taken, is where to. */
Operation *dump_new(Call *call, int fd);

int dump_fd(const Operation *operation);
