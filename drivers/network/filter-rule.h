/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A rule of a network filter: what is done with the packets of one direction that are as it says. */

#include "base/xml.h"
#include "network/filter-value.h"

/* The order of the rules of a chain, and of chains: lower ones first. */
#define FILTER_PRIORITY_MIN (-1000)
#define FILTER_PRIORITY_MAX 1000
#define FILTER_PRIORITY_DEFAULT 500

/* Reads an attribute that is a priority; *PRIORITY stays where it is absent. */
bool filter_read_priority(const xmlNode *element, int *priority, GError **error);

/* Checks a <rule>, and writes it as libvirt does: each attribute once and in one order, in as few elements as may be. */
bool filter_rule_check(xmlNode *element, GError **error);
