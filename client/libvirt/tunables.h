/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libvirt's typed parameters of limits: what the document says of each, and what the bus calls it. */

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>
#include <stdint.h>

/* A parameter. */
typedef struct Tunable {
        const char *name, *type; /* the letter of its GVariant */
        const char *path;        /* in the document, see document_value() */
        const char *limit;       /* its name on the bus; NULL for one that is only told */
        uint64_t unit;           /* how many of the bus's it is; 0 for 1 */
        uint64_t otherwise;      /* its value where the document says nothing */
        uint64_t least, most;    /* of what it may be beside 0; 0 for any */
        const char *group;       /* those that are set together: what is not given of them is none */
} Tunable;

/* Each ends with one without a name. Of a domain, its disks and its cards. */
extern const Tunable tunables_scheduler[], tunables_memory[], tunables_weights[], tunables_nodes[], tunables_throttles[],
                tunables_bandwidth[];
int32_t tunables_count(const Tunable *tunables);

/* What the document says of one: NODE is the domain's element, or the device's. Those of devices of the host are of each device
 * in one string, "PATH,VALUE,PATH,VALUE"; the mode of nodes is libvirt's number. */
GVariant *tunable_value(const Tunable *tunable, xmlNode *node);
GVariant *tunable_value_of_devices(const Tunable *tunable, xmlNode *root);
GVariant *tunable_value_of_nodes(const Tunable *tunable, xmlNode *root);

/* The same, where it is a number. */
uint64_t tunable_number_in(const Tunable *tunable, xmlNode *node);
int32_t tunable_mode_in(xmlNode *root);

/* Whether it may have a value. */
bool tunable_is_in_range(const Tunable *tunable, GVariant *value);

/* A value in the bus's measure: 0 for no limit. */
uint64_t tunable_limit_of(const Tunable *tunable, GVariant *value);
