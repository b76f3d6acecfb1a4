/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Why a container cannot be started, in words for who has asked for it. The first one counts. */

#include <stdbool.h>

#define GUEST_FAILURE_BYTES_MAX 512

/* The words, or "". */
extern char guest_failure[GUEST_FAILURE_BYTES_MAX];

/* Sets them, with what errno says at their end; returns false. */
bool guest_failure_set(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Sets what another process says until it runs its program, which closes FD; nothing where it does. */
void guest_failure_read(int fd);
