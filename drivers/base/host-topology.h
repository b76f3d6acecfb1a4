/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The host's processors and memory as libvirt's document of capabilities has them. */

#include <libxml/tree.h>

/* Adds to <cpu> how processors are grouped, and the sizes of pages. */
void host_topology_add_processors(xmlNode *cpu);

/* Adds to <host> its NUMA nodes: their memory, pages and processors, and how far they are from each other. A host without NUMA
 * is one node. */
void host_topology_add_nodes(xmlNode *host);
