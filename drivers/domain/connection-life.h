/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The life of a connection to a hypervisor elsewhere: it is connected to, cut, and connected to again by itself. While it is
 * not connected, what it is asked fails by name, and its objects show what was known last. One of this machine is always
 * connected. */

#include "domain/connection.h"

/* How long after a cut it is tried again, in microseconds: that doubles each time that fails. */
#define RECONNECT_DELAY (1 * UINT64_C(1000000))
#define RECONNECT_DELAY_MAX (60 * UINT64_C(1000000))

/* How long a hypervisor may take to be connected to, in microseconds; then that has failed. Below what virtbusd waits for
 * OpenConnection. */
#define CONNECT_TIMEOUT (15 * UINT64_C(1000000))

/* Takes credentials, each "" for none; wipes those that there were. */
void connection_set_credentials(Connection *connection, const char *username, const char *password);
bool connection_has_credentials(const Connection *connection, const char *username, const char *password);

/* It is not connected to until it has the credentials that the last driver was given. */
void connection_await_credentials(Connection *connection);

/* Connects to it now; CALL, of Manager.OpenConnection, is owed its path, or why that failed. NULL: nobody waits. */
void connection_connect(Connection *connection, Call *call);

/* What the hypervisor tells: it is connected; or it is not, or no more, and why. FINAL: trying again by itself makes no sense. */
void connection_connected(Connection *connection);
void connection_cut(Connection *connection, const GError *error, bool final);

/* One that could not be connected to at all has gone: who has waited for it is told why. Until then it would still be seen, and
 * to open it again be too early. OPENERS are answered, and REFUSAL is freed. */
void connection_refuse(GQueue *openers, GError *refusal);

/* It is about to be closed: from now on it is not connected, and whoever calls is told so. */
void connection_end_calls(Connection *connection);

/* Sets HypervisorFailed where it is not connected. */
bool connection_check_connected(const Connection *connection, GError **error);

/* Ends all that; who waits for it is told ERROR. */
void connection_end_life(Connection *connection, const GError *error);
