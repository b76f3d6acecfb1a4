/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Character devices of a command line of QEMU: serial ports, consoles, channels. */

#include "qemu/command/native-reader.h"

void native_character_device(NativeReader *reader, GHashTable *device, const char *driver);
void native_character_serial(NativeReader *reader, const char *text);
void native_character_parallel(NativeReader *reader, const char *text);

/* What -nographic says of the first serial port, where the command line says nothing else: it is where a person sits. */
void native_character_no_graphics(NativeReader *reader);

/* What is behind a character device: the properties of a -chardev, or of what is written as one. */
void native_character_read(NativeReader *reader, xmlNode *element, GHashTable *properties, const char *what);
