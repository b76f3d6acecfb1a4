/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is seen and heard of a machine of a command line of QEMU: video devices, displays, audio. */

#include "qemu/command/native-reader.h"

/* A video device; DEVICE is NULL for one of -vga. */
void native_display_video(NativeReader *reader, GHashTable *device, const char *driver, const char *model);

void native_display_vnc(NativeReader *reader, const char *text);
void native_display_vga(NativeReader *reader, const char *text);
void native_display_option(NativeReader *reader, const char *text);
void native_display_audio(NativeReader *reader, const char *text);
