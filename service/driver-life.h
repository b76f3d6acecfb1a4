/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The life of a driver: it is called, connected to, asked for its objects, released, and called anew when it has ended. */

#include "driver.h"

/* Calls a driver, which the bus starts. */
void driver_attach(Driver *driver);

/* Attaches a driver anew, as soon as that reaches a new process: the bus would hand an earlier call to the dying one. */
void driver_wake(Driver *driver);

/* Tries one that has failed again, where that is due. */
void driver_want(Driver *driver);

/* Ends the connection to it. */
void driver_close(Driver *driver);
