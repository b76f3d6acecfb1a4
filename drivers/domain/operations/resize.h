/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What resize_class does to a document: memory, processors and I/O threads, where they are on the host, and what they may use. */

#include "domain/operations/device-change.h"

/* Changes the domain element ROOT of a document whose definition is BASE; refuses what the domain cannot have. */
bool resize_apply(const Operation *operation, const Definition *base, xmlNode *root, GError **error);
