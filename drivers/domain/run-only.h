/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/xml.h"

/* Takes out of a domain's document what is only true while the domain runs. Whoever defines what they have read of a running
 * one, ours or libvirt's, means the machine and not that run: libvirt takes the same out. */
void run_only_drop(xmlDoc *document);

/* Gives the element of a card of a domain that runs what OLD, in whose place it comes, is connected by, where it leaves that
 * out. */
void run_only_keep_port(const xmlNode *old, xmlNode *element);
