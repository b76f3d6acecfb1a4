/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The document of an interface of the host, as it is now. */

#include "network/interfaces.h"

/* To be freed. The kernel is asked for what is special to a bridge, a bond or a vlan, and answers at once. */
char *interface_document(const Interface *interface);
