/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libvirt's capabilities document of hypervisors that say of their host no more than a few elements, and of their guests what
 * these are. */

#include <glib.h>

/* ARCHITECTURES: of the guests, in that order, NULL at the end: of x86. CPU and HOST: elements that belong into <cpu> after its
 * architecture and into <host> before that, each indented and with an end of line, or "". To be freed. */
char *guest_kinds_capabilities(const char *os_type, const char *domain_type, const char *const *architectures, const char *host,
                               const char *cpu);
