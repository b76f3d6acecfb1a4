/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What domains use, as the bus says it, by libvirt's names, units and order of devices. */

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

#include "parameters.h"

/* What libvirt's clients ask for, in its bits. */
typedef enum StatsKind {
        STATS_STATE = 1,
        STATS_CPU = 2,
        STATS_BALLOON = 4,
        STATS_VCPU = 8,
        STATS_CARD = 16,
        STATS_BLOCK = 32,
        STATS_DIRTY_RATE = 512,
        STATS_IO_THREAD = 128,
        STATS_ALL = 2047, /* of libvirt's; of the others there is nothing to be told: events that are counted, control of
                           * resources, and what KVM counts */
} StatsKind;

/* The groups (as) of Connection.GetDomainStats that such kinds are; floating. */
GVariant *usage_groups(uint32_t kinds);

/* A disk or a card of a domain, of what GetManagedObjects of the domain has answered. */
typedef struct UsageDevice {
        char *path; /* its object */
        char *alias;
        char *name;   /* a disk's target; a card's interface on the host */
        char *source; /* a disk's image; a card's address */
        uint32_t order;
} UsageDevice;

/* The disks, or the cards, in libvirt's order; to be unreferenced. */
GPtrArray *usage_disks(GVariant *objects);
GPtrArray *usage_cards(GVariant *objects);

/* A device by its name or its source; NULL for none. */
const UsageDevice *usage_find(GPtrArray *devices, const char *name);

/* A group of what GetDomainStats says of a domain (a{sa{sv}}), such as "block" of a device, whose alias follows; NULL for
 * none. */
GVariant *usage_group(GVariant *stats, const char *group, const char *alias);

/* A number of a group; DEFAULT where it is not there. */
uint64_t usage_number(GVariant *group, const char *name, uint64_t otherwise);

/* A number that becomes a parameter: NAME of the group, times MULTIPLY, divided by DIVIDE. */
typedef struct UsageNumber {
        const char *name, *parameter;
        uint32_t multiply, divide; /* 0 for 1 */
} UsageNumber;

/* Appends a parameter (sv) for each number that is there; PREFIX is put before its name. */
void usage_append(Parameters *parameters, const char *prefix, GVariant *group, const UsageNumber *numbers);

/* By the groups of the bus. */
extern const UsageNumber usage_cpu[], usage_balloon[], usage_rss[], usage_guest_memory[], usage_block[], usage_image[],
                usage_card[];
