/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Errands: what a driver asks of another driver, through virtbusd. service/errands.h says what is allowed and how it can fail;
 * each method that may be called so has the annotation org.virtbus1.DriverMay. virtbusd gives it a deadline, starts the other
 * driver where that is needed, and always answers. */

#include <stdarg.h>

#include "base/objects.h"

typedef struct Errand Errand;

/* Called once, not before errand_begin has returned: with the answer, to be read (borrowed), or with an error of the API's,
 * whose message is the one that was answered: a kind's own NoSuch..., and UnknownObject, keep their names when it is passed on
 * (virtbus_error_name_of). */
typedef void (*ErrandDone)(void *data, sd_bus_message *answer, const GError *error);

/* Calls a method of an object of the API, with arguments as sd_bus_message_append takes them. ON_BEHALF is what call_sender
 * says of a call that this is done for: polkit decides about its caller, who must still be there; NULL: it is the driver's own
 * doing. The errand is gone when DONE is called. Returns NULL and sets an error where virtbusd is not there, or arguments
 * cannot be sent. */
Errand *errand_begin(Objects *objects, const char *on_behalf, const char *path, const char *interface, const char *member,
                     ErrandDone done, void *data, GError **error, const char *signature, ...);

/* Forgets an errand: DONE is not called. What was asked may be done all the same. */
void errand_cancel(Errand *errand);

/* Fails all errands with Cancelled: their answers cannot come any more. */
void errands_fail(void);

/* How many wait for their answer. */
unsigned errands_pending(void);
