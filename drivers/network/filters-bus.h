/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The interface of the connection by which network filters are made and found, and theirs. */

#include "network/filters.h"

/* How filters are published. */
extern const RegistryFace filters_face;
