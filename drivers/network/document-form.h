/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The form of a network's document: which elements there are, where, how often, and what their attributes may be. What the form
 * does not have is refused by name: nothing in a document is ignored. */

#include "base/xml.h"

/* The namespace of options that are handed to dnsmasq as they are. */
#define DNSMASQ_NAMESPACE "http://libvirt.org/schemas/network/dnsmasq/1.0"

/* How many blocks of addresses, routes and ranges of a block there may be: each is compared with the others. */
#define NETWORK_BLOCKS_MAX 64
#define NETWORK_ROUTES_MAX 256
#define NETWORK_RANGES_MAX 256

/* Checks all of a document, and writes values as libvirt does. */
bool document_form_check(xmlNode *root, GError **error);

/* Checks a <bandwidth> alone. */
bool document_form_check_bandwidth(xmlNode *root, GError **error);
