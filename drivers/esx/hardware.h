/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The devices of a machine as the vSphere API has them (config.hardware.device), as lines of its configuration (drivers/vmx),
 * from which its document is made: so what a machine is called in a document is in one place. */

#include <glib.h>
#include <libxml/tree.h>

/* DEVICES: an element whose children are VirtualDevice. */
void hardware_write(const xmlNode *devices, GString *lines);
