/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What has been done to a running guest, or is said in its document, that its hypervisor's driver cannot answer for: whoever
 * looks for a fault begins there. They stay until it is off, also over a restart of the driver. */

#include "domain/domain.h"

typedef enum DomainTaint {
        TAINT_CUSTOM_ARGV,        /* its document hands on arguments of the hypervisor's program */
        TAINT_CUSTOM_MONITOR,     /* MonitorCommand */
        TAINT_HIGH_PRIVILEGES,    /* the hypervisor's process is root's */
        TAINT_HOST_CPU,           /* the guest sees the host's own processor */
        TAINT_CDROM_PASSTHROUGH,  /* a drive of the host's is the guest's */
        TAINT_CUSTOM_DTB,         /* its document names a device tree */
        TAINT_CUSTOM_GUEST_AGENT, /* Guest.Command */
        TAINT_CUSTOM_DEVICE,      /* its document says other values of devices' properties */
        DOMAIN_N_TAINTS,
} DomainTaint;

/* The words of those that there are, in an array that ends with NULL; to be freed, but not the words. */
const char **domain_taints(const Domain *domain);

/* Writes them into an attribute of the status of a run, and reads them; what is not known is passed over. */
void domain_taints_write(const Domain *domain, xmlNode *root);
void domain_taints_read(Domain *domain, const xmlNode *root);
