/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Places on the buses of drives (IDE, SCSI, SATA, floppy), and the controllers that they need. */

#include "base/xml.h"

/* Sets the address of a disk that has none: its name says where it is on its bus. */
bool drives_place_disk(xmlNode *disk, GError **error);

/* Refuses two drives at one place; the host's devices take the first place that is free. */
bool drives_place(xmlNode *devices, GError **error);

/* Adds the controllers of the host's SCSI devices, which come before what every machine has; those of disks, which come after. */
void drives_add_host_controllers(xmlNode *devices);
void drives_add_controllers(xmlNode *devices);
