/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A domain's checkpoints as objects: org.virtbus1.Checkpoint, and what org.virtbus1.Domain has of them. */

#include "domain/checkpoint.h"

/* Publishes those that are new, and tells what is another. */
void checkpoint_bus_publish(Domain *domain);

/* The methods of a domain. */
void checkpoint_bus_create(Call *call, Domain *domain, const char *xml, sd_bus_message *options);
void checkpoint_bus_redefine(Call *call, Domain *domain, const char *xml, sd_bus_message *options);
