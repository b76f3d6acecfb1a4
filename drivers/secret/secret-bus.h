/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The objects of secrets, below that of their connection. */

#include "secret/secrets.h"

/* Publishes what it is told of. */
extern const SecretListener secret_bus_listener;
