/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What dnsmasq is told of a network: the lines of its configuration, and of the files of hosts that it reads besides, by meaning
 * the same as libvirt tells it. What is a matter of a run alone (its user, its process, where its leases are) is not in them. */

#include "network/network-definition.h"

typedef struct DnsmasqFiles {
        char *configuration;
        char *leases; /* who is given which address: dhcp-hostsfile; NULL where it gives none */
        char *names;  /* of addresses: addn-hosts; NULL where it answers no names */
} DnsmasqFiles;

/* Whether there is anything that dnsmasq has to do for it. */
bool dnsmasq_is_needed(const NetworkDefinition *definition);

/* FOLDER: where the files are to be, as the configuration names them. */
DnsmasqFiles *dnsmasq_files_new(const NetworkDefinition *definition, const char *folder);
void dnsmasq_files_free(DnsmasqFiles *files);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DnsmasqFiles, dnsmasq_files_free)
