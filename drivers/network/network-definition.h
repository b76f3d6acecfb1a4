/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A network's document: its text, kept whole, and what it says. What is not libvirt's network format is refused by name: nothing
 * in a document is ignored. Definitions do not change. */

#include <stdbool.h>

#include "base/xml.h"
#include "network/address.h"

/* Strings are never NULL, and arrays not either. */
typedef struct NetworkDefinition {
        xmlDoc *document; /* with what libvirt adds to it: see network_definition_parse */
        char *xml;        /* the same */
        char *uuid, *name, *title, *description;
        const char *mode;  /* of <forward>, or "isolated" */
        char *bridge;      /* or empty; ends with %d where it has yet to be chosen */
        char **interfaces; /* what it leads to; NULL at the end */
        char *domain;      /* of DNS, or empty */
        uint32_t mtu;      /* in bytes; 0: as the interface has it */
        Subnet *subnets;   /* the addresses of the bridge */
        size_t n_subnets;
        bool is_transient; /* of a network that is gone when it stops: it is not kept */
} NetworkDefinition;

/* Reads a document that a user wrote. What it leaves out is added: a random UUID, the mode of <forward>, the interface that its
 * 'dev' names, a <bridge> with its 'stp' and 'delay', the unit of leases; what libvirt drops is dropped: ipv6='no', what is only
 * true of a run. */
NetworkDefinition *network_definition_parse(const char *xml, GError **error);

/* Takes a parsed document, which gets what it leaves out; NULL with an error. */
NetworkDefinition *network_definition_from_document(xmlDoc *document, GError **error);

/* The same, for somebody else. */
NetworkDefinition *network_definition_copy(const NetworkDefinition *definition, GError **error);

/* The same network with another name for its bridge, or other metadata of a namespace: METADATA may be NULL, for none. */
NetworkDefinition *network_definition_with_bridge(const NetworkDefinition *definition, const char *bridge, GError **error);
NetworkDefinition *network_definition_with_metadata(const NetworkDefinition *definition, const char *uri, xmlDoc *metadata,
                                                    GError **error);

/* The same network with another document, which is taken. */
NetworkDefinition *network_definition_with_document(const NetworkDefinition *definition, xmlDoc *document, GError **error);

void network_definition_free(NetworkDefinition *definition);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetworkDefinition, network_definition_free)

/* Whether guests' cards are on the interfaces that it leads to, by macvtaps, in its mode. */
bool network_definition_is_direct(const NetworkDefinition *definition);

/* Whether a bridge is to be chosen for it. */
bool network_definition_lacks_bridge(const NetworkDefinition *definition);
