/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a driver has us keep, to have it again when it is restarted: descriptors of sealed memory, such as of credentials, which
 * nobody else is to see. They are held, never read. */

#include <glib.h>

#include "driver.h"

/* Takes the signals Keep and Drop; returns 0 or a negative errno. */
int driver_kept_take(Driver *driver, sd_bus_message *signal);
int driver_kept_drop(Driver *driver, sd_bus_message *signal);

/* Hands all of it to the driver, which was attached anew. */
int driver_kept_return(Driver *driver);

/* Closes all of it. */
void driver_kept_free(Driver *driver);
