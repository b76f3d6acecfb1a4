/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Domains of users who may define them with their own rights alone (polkit's action org.virtbus1.domain.define-own): nothing that
 * such a domain names is used with the driver's rights. Its hypervisor opens its files with its owner's (base/user-rights.h), and
 * refuses what has other rights (HypervisorDocuments.check_rights), whoever asks for it; that stays with the domain as long as
 * it is there. */

#include "base/user-rights.h"
#include "base/worker.h"
#include "domain/domain.h"

/* How many of them one user may have on a connection: each is a file, and memory of the service. */
#define OWN_DOMAINS_PER_USER_MAX 64

/* Whether a definition may be that of EXISTING (NULL: a new domain), as CALL asks for. */
bool owners_rights_check_define(Connection *connection, const Domain *existing, const Definition *definition, const Call *call,
                                GError **error);

/* One of CALL's is written down for the first time, and counts from now on; until it is there, or cannot be. */
void owners_rights_begin_define(Connection *connection, const Call *call);
void owners_rights_end_define(Connection *connection, const Call *call);

/* A domain ends that has no definition: what is left of it goes with it, as nobody could ask for it any more; UEFI variables of
 * one that has its owner's rights alone too, as nobody has counted them, and its UUID may be somebody else's next. */
void owners_rights_end_transient(const Domain *domain);

/* Whether a domain may become that, or, LIVE, its run may, where it has its owner's rights alone. */
bool owners_rights_check_change(const Domain *domain, const Definition *definition, bool live, GError **error);

/* With whose rights a domain's files are opened: its owner's, or USER_RIGHTS_ALL. */
uid_t owners_rights_of(const Domain *domain);

/* Refuses what is done with a path, for a domain that has its owner's rights alone. INSTEAD: what to use. */
bool owners_rights_check_path(const Domain *domain, const char *what, const char *instead, GError **error);
