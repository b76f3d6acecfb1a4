/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The documents of the host's interfaces: libvirt's, which are netcf's. They say what an interface is, how it is made of others,
 * and which addresses it has. */

#include "base/xml.h"

/* How many interfaces a bridge or a bond may be made of, and how many addresses of a family one may have. */
#define INTERFACE_MEMBERS_MAX 1024
#define INTERFACE_ADDRESSES_MAX 256

/* What an interface may be, NULL at the end: "ethernet" first. */
extern const char *const interface_types[];

/* Checks a document: each element, attribute and value, and that they fit each other. The document as libvirt would keep it, to
 * be freed; NULL with an error that says where. */
char *interface_form_check(const char *xml, GError **error);
