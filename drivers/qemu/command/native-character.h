/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Character devices of a command line of QEMU: serial ports, consoles, channels. */

#include "qemu/command/native-reader.h"

void native_character_device(NativeReader *reader, GHashTable *device, const char *driver);
void native_character_serial(NativeReader *reader, const char *text);
