/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Calls that are forwarded to drivers: what waits for a driver or its answer, and how that ends: each is answered. */

#include "driver.h"
#include "errors.h"

/* Forwards a method call whose sender is CALLER to the driver, with what it is allowed by (see caller_encode), and relays the
 * answer; starts the driver where it is dormant. It is charged to the caller until it is answered, which it always is, if an
 * answer is expected. ENTRY, or NULL, is taken, and written when it has ended. OBJECTS, or NULL, is taken: paths that the
 * driver gets instead of the first argument, an ao. */
void driver_forward(Driver *driver, Caller *caller, bool own_rights, sd_bus_message *call, const Charge *charge,
                    const MethodInfo *method, JournalEntry *entry, GPtrArray *objects);

/* The same for org.freedesktop.DBus.Properties.Set of a property of this interface. */
void driver_set(Driver *driver, Caller *caller, sd_bus_message *call, const Charge *charge, const InterfaceInfo *interface,
                JournalEntry *entry);

/* Forwards a call of a driver to another, as SENDER, and relays the answer, as driver_forward does; it ends the errand that
 * was begun. */
void driver_forward_errand(Driver *to, Driver *from, const char *sender, sd_bus_message *call, const MethodInfo *method,
                           JournalEntry *entry);

/* Sends those that wait for a driver, which is attached now. */
void forward_send_waiting(Driver *driver);

typedef enum FailedCalls {
        FAIL_SENT,
        FAIL_ALL, /* those that wait for the driver too */
} FailedCalls;

/* Fails them. */
void forward_fail(Driver *driver, FailedCalls which, const char *reason);
void forward_fail_with(Driver *driver, FailedCalls which, VirtbusError code, const char *reason);

/* Fails those that were sent: their driver has ended. One that has said so before has done nothing of what it has not
 * answered. */
void forward_fail_sent(Driver *driver);
