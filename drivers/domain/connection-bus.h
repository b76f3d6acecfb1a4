/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The object of a connection, with what the hypervisor adds to it. */

#include "domain/domain.h"

void connection_publish(Connection *connection);
