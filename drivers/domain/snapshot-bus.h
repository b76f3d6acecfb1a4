/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A domain's snapshots as objects: org.virtbus1.Snapshot, and what org.virtbus1.Domain has of them. */

#include "domain/snapshot.h"

/* Publishes those that are new, and tells what is another. */
void snapshot_bus_publish(Domain *domain);

/* The methods of a domain. FILES: its document may name some. */
void snapshot_bus_create(Call *call, Domain *domain, const char *xml, sd_bus_message *options, bool files);
void snapshot_bus_redefine(Call *call, Domain *domain, const char *xml, sd_bus_message *options);
