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
void native_display_spice(NativeReader *reader, const char *text);
void native_display_keymap(NativeReader *reader, const char *text);

/* The audio that a sound card names; and the codec of a card before it. */
void native_display_sound_uses(NativeReader *reader, GHashTable *device, xmlNode *sound);
void native_display_codec(NativeReader *reader, GHashTable *device, const char *driver);

/* What QEMU has where nothing is said (WINDOW), and what was said of all displays. */
void native_display_finish(NativeReader *reader, bool window);
