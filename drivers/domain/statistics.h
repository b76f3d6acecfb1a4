/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What running guests use, as it was last told: by group, each with the time when. A request has the guests asked anew, and is
 * answered when they have told, or after STATISTICS_PATIENCE with what is known; a guest that has not answered the last time is
 * not waited for at all. */

#include "domain/domain.h"

/* How long one request waits for guests that have answered until now, in microseconds. */
#define STATISTICS_PATIENCE 50000

/* How many groups one domain may have, and values one group. */
#define STATISTICS_GROUPS_MAX 4096
#define STATISTICS_VALUES_MAX 64

typedef struct Statistics Statistics;

/* What is known of a guest ends with its run. */
extern const DomainListener statistics_listener;

/* Answers Connection.GetDomainStats: of all domains where PATHS is empty, all groups where GROUPS is. */
void statistics_answer(Connection *connection, char **paths, char **groups, bool active, Call *call);

/* What a hypervisor tells: a group anew, then its values; and that it has told all for now. NAME is a literal. */
void statistics_begin(Domain *domain, const char *group);
void statistics_set(Domain *domain, const char *name, uint64_t value);
void statistics_collected(Domain *domain);
