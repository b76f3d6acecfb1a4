/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The names of keys, by the kernel's numbers; NULL for those that have none. */
#define KEYS 256
extern const char *const key_names[KEYS];
