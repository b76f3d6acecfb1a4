/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sends changes of the mirror as the standard signals: InterfacesAdded, InterfacesRemoved and PropertiesChanged. */

#include "audience.h"

/* The listener for mirror_new; its data is the Audience. */
extern const MirrorListener announce_listener;

/* The listener for readers_new; its data is the Audience. */
extern const ReadersListener announce_to_readers;
