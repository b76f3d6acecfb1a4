/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Keys that say nothing of the machine that a document could say: where VMware puts its devices, what it remembers of the
 * last run, how its tools and windows behave. */

#include <stdbool.h>

bool vmx_key_says_nothing(const char *key);
