/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A rule of a network filter: what is done with the packets of one direction that are as it says. */

#include "base/xml.h"
#include "network/filter-value.h"

/* The order of the rules of a chain, and of chains: lower ones first. */
#define FILTER_PRIORITY_MIN (-1000)
#define FILTER_PRIORITY_MAX 1000
#define FILTER_PRIORITY_DEFAULT 500

/* How many attributes the rules of a protocol have. */
#define FILTER_FIELDS_MAX 32

typedef enum FilterAction {
        FILTER_ACCEPT,
        FILTER_DROP,
        FILTER_REJECT,
        FILTER_RETURN,
        FILTER_CONTINUE,
} FilterAction;

typedef enum FilterDirection {
        FILTER_IN,  /* to the guest */
        FILTER_OUT, /* from the guest */
        FILTER_INOUT,
} FilterDirection;

typedef struct FilterProtocol FilterProtocol;

typedef struct FilterRule {
        FilterAction action;
        FilterDirection direction;
        int priority;
        bool statematch;                 /* whether it is about connections, where its protocol has any */
        const FilterProtocol *protocol;  /* NULL: any packet */
        char *values[FILTER_FIELDS_MAX]; /* as filter-value.h has them; NULL: whatever it is */
        bool negated[FILTER_FIELDS_MAX];
} FilterRule;

/* Whether an element has no other attributes than KNOWN, NULL at the end. */
bool filter_check_attributes(const xmlNode *element, const char *const *known, GError **error);

/* Reads an attribute that is a priority; *PRIORITY stays where it is absent. */
bool filter_read_priority(const xmlNode *element, int *priority, GError **error);

/* Reads a <rule>, and writes it as libvirt does: each attribute once and in one order, in as few elements as may be. */
FilterRule *filter_rule_read(xmlNode *element, GError **error);

void filter_rule_free(FilterRule *rule);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FilterRule, filter_rule_free)

/* The element of a protocol; its attribute at a place, NULL behind the last, and what that may be. */
const char *filter_protocol_name(const FilterProtocol *protocol);
const char *filter_protocol_field(const FilterProtocol *protocol, unsigned i);
const FilterValue *filter_protocol_value(const FilterProtocol *protocol, unsigned i);

/* The value of an attribute, or NULL. */
const char *filter_rule_value(const FilterRule *rule, const char *field);
