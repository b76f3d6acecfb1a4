/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a command line of QEMU tells the firmware, and through it the guest: SMBIOS, and files of its configuration device. */

#include "qemu/command/native-reader.h"

void native_firmware_smbios(NativeReader *reader, const char *text);
void native_firmware_config(NativeReader *reader, const char *text);
