/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Interfaces in VMware's words and in documents'. */

#include <glib.h>
#include <stdbool.h>

/* What tells a vmxnet2 from a vmxnet: ethernetN.features. */
#define VMX_VMXNET2_FEATURES 15

typedef struct VmxNetwork {
        const char *connection; /* connectionType */
        const char *type;       /* of the interface */
        const char *attribute;  /* of its <source>, or NULL */
        const char *otherwise;  /* what that is where networkName says nothing; or NULL */
        bool needs_vnet;        /* it names one of the host's */
} VmxNetwork;

/* That of a connectionType; NULL: none. */
const VmxNetwork *vmx_network_find(const char *connection);

/* The model of a virtualDev, and the other way round; NULL where there is none. */
const char *vmx_network_model(const char *device, bool is_vmxnet2);
const char *vmx_network_device(const char *model);

/* A UUID as VMware writes it: "56 4d 9b ... e0-c8 f0 ... 15", to be freed; and without the blanks, in place. */
char *vmx_network_split_digits(const char *uuid);
char *vmx_network_join_digits(char *text);
