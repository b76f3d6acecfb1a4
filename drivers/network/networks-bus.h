/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The interface of the connection by which networks are made and found. */

#include "network/networks.h"

/* How networks are published. */
extern const RegistryFace networks_face;
