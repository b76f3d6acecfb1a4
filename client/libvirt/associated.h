/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Descriptors that a client has associated with domains, by names, for <source fdgroup='NAME'/>: kept for it alone until it
 * goes, and handed over whenever it starts the domain, or attaches or
 * changes a device. */

#include "client.h"

/* How many a client may have, of all domains: each start takes at most ASSOCIATED_PER_DOMAIN_MAX. */
#define ASSOCIATED_MAX 64
#define ASSOCIATED_PER_DOMAIN_MAX 16

void associated_free(Associated *associated);

/* Keeps copies of FDS under a name of a domain's, in the place of those that it had. False with an error where that is too
 * many. */
bool associated_keep(Client *client, const char *domain, const char *name, GUnixFDList *fds, GError **error);

/* Adds what a client has associated with a domain to OPTIONS, which is taken; *FDS is NULL where that is nothing. Floating. */
GVariant *associated_add(const Client *client, const char *domain, GVariant *options, GUnixFDList **fds);
