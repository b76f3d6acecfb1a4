/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A connection to a hypervisor elsewhere, test://NAME: what its name says of whether it is reached. */

#include "domain/hypervisor.h"

extern const HypervisorRemote test_remote;

/* Fails what is at work, as it cannot be followed any more. */
void test_remote_fail_operations(Connection *connection, const GError *error);
