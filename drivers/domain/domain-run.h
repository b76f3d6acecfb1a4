/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The states of a domain, from the beginning of a run to its end, and the domain's own end. Operations wait for each other in
 * a queue; destroying overtakes them. What follows from them is the same for all drivers. */

#include "domain/domain.h"
#include "domain/taint.h"

/* Ends an active domain for this reason; CALL (or NULL) is answered when it is off. */
void domain_destroy(Domain *domain, DomainReason reason, Call *call);

/* Takes the definition away; the domain goes away with it, or when it stops. */
void domain_undefine(Domain *domain);

/* The driver is ending: answers all calls that wait for the domain, or for an operation on it, with ERROR. The guest runs on. */
void domain_cancel(Domain *domain, const GError *error);

/* What a hypervisor tells. */

/* The state is another now. Nothing happens where it is not. False where it could not be written down. */
bool domain_changed(Domain *domain, DomainState state, DomainReason reason);

/* The domain has ended and the hypervisor has released it. ERROR says why, or is NULL. Not to be called for a start that
 * fails: that ends with operation_finish. */
void domain_stopped(Domain *domain, DomainReason reason, const GError *error);

/* It could not be destroyed, because of ERROR, and is in this state: who has asked for it is told so. */
void domain_not_destroyed(Domain *domain, DomainState state, const GError *error);

/* A device has left the running guest. */
void domain_device_gone(Domain *domain, const char *alias);

/* The card of that alias has no link any more, which nobody has asked for. */
void domain_link_lost(Domain *domain, const char *alias);

/* The running guest has another amount of memory now, in bytes; another number of processors. */
void domain_memory_changed(Domain *domain, uint64_t bytes);
void domain_vcpus_changed(Domain *domain, uint32_t count);

/* Notes one, once, of an active domain: it is written down, and told. */
void domain_taint(Domain *domain, DomainTaint taint);

/* What operations do with a run: get an id and a definition for it; say that it is in another state, and whoever embeds the
 * driver; end it, because of ERROR or NULL, with what follows for all who wait and for the domain. */
void domain_prepare_run(Domain *domain);
void domain_enter(Domain *domain, DomainState state, DomainReason reason);
void domain_observe(Domain *domain, const GError *error);
void domain_end_run(Domain *domain, DomainReason reason, const GError *error);

/* A transient domain that is off, and of which nothing is at work any more, goes. */
extern const DomainListener domain_run_listener;
