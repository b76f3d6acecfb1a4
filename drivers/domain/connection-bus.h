/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The object of a connection, with what the hypervisor adds to it. */

#include "domain/domain.h"

/* Its state has changed. */
void connection_announce_state(Connection *connection);

void connection_publish(Connection *connection);
