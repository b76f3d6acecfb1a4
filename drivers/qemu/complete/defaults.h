/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a document leaves out and has one answer, written into it as libvirt writes it: so that the definition that is kept says
 * what the guest will be, also to a program that reads it as libvirt's. Devices and their places are hardware.h's. */

#include "qemu/complete/machine-kind.h"

/* EMULATOR is what runs the document where it names none. */
void defaults_complete(xmlNode *root, const MachineKind *kind, const char *emulator);
