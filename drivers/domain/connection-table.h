/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The domains of a connection, by name and by UUID. */

#include "domain/domain.h"

Domain *connection_find(Connection *connection, const char *uuid);
Domain *connection_find_name(Connection *connection, const char *name);

/* Finds the domain that has this definition's UUID and name: *DOMAIN is NULL where there is none. False with an error where only
 * one of the two is known. To be asked in a turn. */
bool connection_find_same(Connection *connection, const Definition *definition, Domain **domain, GError **error);

/* Whether this version knows all that is written of a UUID; what a later one has written is refused by name and left alone. */
bool connection_check_known(Connection *connection, const char *uuid, GError **error);

/* A domain is found by another name from now on. */
void connection_know_as(Connection *connection, Domain *domain, const char *name);

/* Something has ended: whoever waits for that looks whether anything is left. */
/* As Connection.State has it. */
const char *connection_state_name(const Connection *connection);

void connection_idle(const Connection *connection);

/* The table holds a domain from its beginning to its end. It is to be the last listener: its reference may be the last. */
extern const DomainListener connection_table_listener;
