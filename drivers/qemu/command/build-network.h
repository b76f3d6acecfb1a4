/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Builds network interfaces: the back end on the host, and the card in the guest. */

#include "qemu/command/builder-device.h"

void build_interface(Builder *builder, xmlNode *element, const DeviceDefinition *part);

/* What QEMU calls the descriptor by which the port of a device lasts; to be freed. */
char *build_port_holder_name(const char *alias);

/* Checks <bandwidth> of an interface's element. */
void build_bandwidth_check(Builder *builder, xmlNode *element);
