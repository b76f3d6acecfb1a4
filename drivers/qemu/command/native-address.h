/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where a device is on a command line of QEMU: the indices of controllers, and addresses at them. */

#include "qemu/command/native-reader.h"

/* Gives a controller its index. Its ID may tell it, as "pci.1" and "scsi1" do; what the machine has by itself comes first. */
unsigned native_keep_controller(NativeReader *reader, const char *type, const char *id);

/* The index + 1 of the controller that was read whose bus this is: "ID.N", of PCI "ID"; 0 where there is none. *ID is set. */
unsigned native_lookup_controller(NativeReader *reader, const char *type, const char *bus, char **id);

/* The index of a bus's controller: BUILTINS are the IDs of the one that the machine has by itself. */
bool native_find_controller(NativeReader *reader, const char *type, const char *bus, const char *const *builtins,
                            unsigned *controller);

xmlNode *native_add_address(xmlNode *element, const char *type);

/* The address that a device's properties say, unless it is QEMU's own choice. */
void native_pci_address(NativeReader *reader, GHashTable *properties, xmlNode *element);
void native_usb_address(NativeReader *reader, GHashTable *properties, xmlNode *element);
void native_drive_address(NativeReader *reader, GHashTable *properties, const char *type, xmlNode *element);
