/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* -device of a command line of QEMU: each kind of device finds who reads it. */

#include "qemu/command/native-reader.h"

void native_device_option(NativeReader *reader, const char *text);

/* Older options that stand for a device. */
void native_device_sound(NativeReader *reader, const char *text);
void native_device_usb(NativeReader *reader, const char *text);
