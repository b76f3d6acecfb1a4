/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a network's document, which is of the form, must be as a whole: its parts fit its mode and each other, its addresses are
 * of its blocks and are given once. */

#include "base/xml.h"
#include "network/address.h"

/* The mode of a document's <forward>, or "isolated". Not to be freed. */
const char *document_mode(const xmlNode *root);

/* Whether a bridge of that mode is ours: made when the network starts. */
bool document_mode_has_bridge(const char *mode);

/* The block of an <ip> or a <route>, as it is written. False with an error where it is none. */
bool document_read_subnet(const xmlNode *element, Subnet *subnet, GError **error);

/* An attribute that is an address; one without a family where there is none. */
Address document_read_address(const xmlNode *element, const char *name);

bool document_check(const xmlNode *root, GError **error);
