/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Domains and their parts that come, go and change, as events of libvirt's. */

#include "domains.h"

/* DATA is the Events. */
extern const DomainsListener event_changes_listener;
