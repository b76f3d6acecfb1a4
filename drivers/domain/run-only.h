/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/xml.h"

/* Takes out of a domain's document what is only true while the domain runs. Whoever defines what they have read of a running
 * one, ours or libvirt's, means the machine and not that run: libvirt takes the same out. */
void run_only_drop(xmlDoc *document);
