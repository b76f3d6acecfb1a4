/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The interface of the connection by which secrets are made and found. */

#include "secret/secrets.h"

/* How secrets are published. */
extern const RegistryFace secrets_face;
