/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The credentials of a connection, as a descriptor that is kept for the driver's next start. */

#include "domain/connection.h"

/* -1 with an error. */
int credentials_to_memory(const char *username, const char *password, GError **error);

/* Takes them from what was kept; false where it is not that. */
bool credentials_restore(Connection *connection, int fd);
