/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What has changed in the mirror, as the standard signals on the bus: InterfacesAdded, InterfacesRemoved and
 * PropertiesChanged. */

#include "mirror.h"

/* The listener for mirror_new; its data is the Peers that are told. */
extern const MirrorListener announce_listener;
