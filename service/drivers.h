/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The drivers that the bus can start: finds, attaches and mirrors them, forwards calls to them, and attaches them anew when
 * they die. What is said on the connection to a driver is introspection/org.virtbus1.Driver.xml.
 *
 * A driver that does not answer costs only the calls that were meant for it, each until its deadline. */

#include "audience.h"
#include "callers.h"
#include "journal.h"
#include "mirror.h"

typedef struct Drivers Drivers;
typedef struct Driver Driver;

/* CHANGED is called when the list or a driver's state has changed, for the property Manager.Drivers. */
Drivers *drivers_new(sd_bus *bus, Audience *audience, Mirror *mirror, Journal *journal, uint64_t call_timeout,
                     void (*changed)(void *data), void *data);
void drivers_free(Drivers *drivers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Drivers, drivers_free)

/* Finds the drivers and attaches them all. To be called again when the bus knows other services. */
int drivers_discover(Drivers *drivers);

/* Tells that a driver's bus name has an owner, or (NULL) none any more. */
void drivers_owner_changed(Drivers *drivers, const char *bus_name, const char *owner);

/* Appends Manager.Drivers: a(ssss). */
int drivers_append(Drivers *drivers, sd_bus_message *message);

/* Finds the driver that alone answers for a path: the object of the connection "host" has none, what is below it has; that of
 * a name ("qemu"). NULL where there is none. */
Driver *drivers_find(Drivers *drivers, const char *path);
Driver *drivers_named(Drivers *drivers, const char *name);

/* The path of a connection, by its name ("qemu", "host"); NULL where no driver has it. */
const char *drivers_connection_path(Drivers *drivers, const char *name);

/* The driver that opens connections of a URI scheme, as it has told; NULL where there is none. */
Driver *drivers_of_scheme(Drivers *drivers, const char *scheme);

/* Where there is none: why one of which it is not known has failed; NULL where all could tell. To be freed. */
char *drivers_unheard_text(Drivers *drivers);

/* The path of a driver's first connection: what it has to do with. */
const char *driver_path(const Driver *driver);

/* Tells that an answer depends on the drivers that have to do with a path, or (NULL) on all: those that have failed are tried
 * again, unless their last failure is too recent (DRIVER_RETRY_DELAY). They are not settled until that has ended. Returns
 * false where no driver has to do with it. */
bool drivers_want(Drivers *drivers, const char *path);

/* Sets an error, HypervisorFailed, that says why a driver has failed; returns 0 where it has not, or is NULL. PATH is what was
 * asked for. */
int driver_check(const Driver *driver, const char *path, sd_bus_error *error);

/* A driver is settled when it has been attached, or has failed, since it was new or was tried again. Those of a path are, when
 * each is; all (NULL), when they are known too. Where several answer together, one that fails again and again is not waited
 * for. */
bool drivers_are_settled(const Drivers *drivers, const char *path);

/* Calls RESUME as soon as those of a path, or all drivers, are settled. Returns -EBUSY where too many wait already. */
typedef void (*DriversSettled)(void *data);
int drivers_when_settled(Drivers *drivers, const char *path, DriversSettled resume, void *data);

/* Errands, calls of drivers (see errands.h): who takes them; what bounds those of one driver, false where it has too many; and
 * how long one may take. */
typedef void (*DriversCall)(void *data, Driver *from, sd_bus_message *message);
void drivers_on_call(Drivers *drivers, DriversCall take, void *data);
bool driver_begin_errand(Driver *from);
void driver_end_errand(Driver *from);
uint64_t drivers_errand_timeout(const Drivers *drivers);

/* A driver's name ("qemu"), and the user that it runs as. */
const char *driver_name(const Driver *driver);
uid_t driver_user(const Driver *driver);

/* Fails all calls that wait with Cancelled, and resumes what waits for drivers. */
void drivers_end(Drivers *drivers);
