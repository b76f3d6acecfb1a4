/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reads expressions of rules for what they cannot find anything without: see check-index.h. It runs when virtbus is built, by
 * make-check-index.c, and in the index's own test: reading a thousand expressions takes some milliseconds, which each start of
 * a driver would wait for. */

#include "qemu/check/check-keys.h"
#include "qemu/check/check-rules.h"

CheckIndex *check_index_read(const CheckTable *const *tables, size_t n_tables);
void check_index_free(CheckIndex *index);
