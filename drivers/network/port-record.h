/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is known of a port, in memory (port.h) and in its file of the runtime directory. */

#include "network/port.h"

/* To be freed. */
char *port_record_text(const Port *port);

/* Reads what an earlier driver has written of the port UUID; NULL with an error: Unsupported where a later version has. */
Port *port_record_read(Ports *ports, const xmlNode *root, const char *uuid, GError **error);
