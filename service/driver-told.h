/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a driver tells of its objects: the mirror gets it, and signals go on to who hears them. */

#include "driver.h"

/* Takes a signal of a driver, but for those of its life. Returns a negative errno where it may not say so. */
int driver_told(Driver *driver, sd_bus_message *signal);

/* Emits the last signals of the objects that end with their driver, so that whoever waits for them does not wait for ever, and
 * removes them. */
void driver_told_end(Driver *driver);
