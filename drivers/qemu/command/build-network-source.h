/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Builds what QEMU itself reads over a network: nbd, iscsi, rbd, gluster, nfs, http, ssh and their like. */

#include "qemu/command/builder.h"

/* The node of a <source type='network'>, without a name; what it needs (secrets, TLS) is named after NAME. */
JsonObject *build_network_source(Builder *builder, xmlNode *source, const char *name);

/* The node of a source of a host device (iSCSI). */
const char *build_iscsi_node(Builder *builder, xmlNode *source, const char *name, bool read_only);
