/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The signals of domains and their devices, as events of libvirt's. */

#include "events.h"

/* DATA is the Events; PATH: of the object, the domain's own or one below it. For DomainsListener. */
void event_signals_told(void *data, GVariant *properties, const char *path, const char *member, GVariant *arguments);

/* The alias of a device by its object, to be freed; NULL where that is none. */
char *event_signals_alias(const char *path);
