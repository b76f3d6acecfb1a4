/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What domains use, as Prometheus and others read it: the text format of OpenMetrics 1.0. */

#include "ctl.h"

typedef struct Metrics Metrics;

Metrics *metrics_new(void);
void metrics_free(Metrics *metrics);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Metrics, metrics_free)

/* Adds what GetDomainStats has told of a domain, a{sa{sv}}. */
void metrics_add(Metrics *metrics, const char *connection, VirtbusDomain *domain, GVariant *groups);

/* All of it: a family is together, with its type, unit and help; families without samples are left out. */
char *metrics_text(const Metrics *metrics);
