/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The objects of secrets, below that of their connection. */

#include "secret/secrets.h"

extern const Vtable *const secret_vtables[];
extern const int secret_changing[];
