/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Network cards that come into containers that run, go, or change. */

#include "lxc/container.h"

/* As HypervisorDevices'. */
void container_plug_attach(Operation *operation);
void container_plug_detach(Operation *operation);
void container_plug_update(Operation *operation);
