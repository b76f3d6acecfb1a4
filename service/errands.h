/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Errands: what drivers ask of each other, through the service, on the peer connections that they have.
 *
 * A driver calls a method of the API's objects on its peer connection as any client would on the bus. The call's sender says on
 * whose behalf: the sender of a call that was forwarded to the driver, as it came, for its caller; none for the driver itself. A
 * caller may do no more by way of a driver than by itself: polkit decides about it. In any case a driver may call only methods
 * whose annotation org.virtbus1.DriverMay names it. What a driver asks is bounded and has a deadline (bounds.h); the driver that
 * has the object is started where it has ended. Errors, beside those of the method:
 *
 * AccessDenied      DriverMay does not name the driver, or polkit refuses the caller Cancelled         the caller has left; or
 * the service ends InvalidArgument   a sender of another form LimitExceeded     too much at once; arguments or an answer that are
 * too large; drivers that call one another in a circle Timeout           no answer by the deadline HypervisorFailed  the other
 * driver has failed, or ended before it answered NoSuch...         the kind's own, where there is no such object; UnknownObject,
 * UnknownInterface, UnknownMethod, InvalidArgs as on the bus
 *
 * The driver that is asked finds in the sender the user on whose behalf, as always; of a driver's own errand, the user that
 * the driver runs as. */

#include "router.h"

/* Takes a driver's call; it is always answered. A DriversCall, of a Router. */
void errands_take(void *router, Driver *from, sd_bus_message *message);
