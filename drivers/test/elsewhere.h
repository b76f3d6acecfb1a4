/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A hypervisor elsewhere, made of a folder: what it has defined, and what it runs, is a file of each, which the service's side
 * of it neither owns nor keeps. It lives through all that becomes of the connection. */

#include "domain/definitions.h"

/* As a connection changes them. */
extern const Definitions elsewhere_definitions;

/* As somebody else changes them. */
bool elsewhere_define(Connection *connection, const char *xml, GError **error);
bool elsewhere_undefine(Connection *connection, const char *uuid, GError **error);

/* Has the connection show what is there: what is new, has changed, or is gone. */
void elsewhere_show(Connection *connection);
