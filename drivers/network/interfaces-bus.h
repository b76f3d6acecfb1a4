/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The interfaces org.virtbus1.Interfaces, of the connection "host", and org.virtbus1.Interface. */

#include "network/interfaces.h"

extern const InterfacesFace interfaces_face;
