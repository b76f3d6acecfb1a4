/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libvirtbus-1: virtual machines on D-Bus, as GObjects. See virtbus-client.h for where to begin. */

#include "virtbus-client.h"
#include "virtbus-error.h"
#include "virtbus-generated.h"
#include "virtbus-streams.h"
#include "virtbus-verbs.h"
