/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Disks of a command line of QEMU: -drive, -hda and its like, and -device with what is behind it. */

#include "qemu/command/native-reader.h"

void native_disk_option(NativeReader *reader, const char *text);
void native_disk_hda(NativeReader *reader, const char *text);
void native_disk_hdb(NativeReader *reader, const char *text);
void native_disk_hdc(NativeReader *reader, const char *text);
void native_disk_hdd(NativeReader *reader, const char *text);
void native_disk_fda(NativeReader *reader, const char *text);
void native_disk_fdb(NativeReader *reader, const char *text);
void native_disk_pflash(NativeReader *reader, const char *text);
void native_disk_cdrom(NativeReader *reader, const char *text);

/* A disk of a -device, with the -drive or -blockdev that it names. */
void native_disk_device(NativeReader *reader, GHashTable *device, const char *driver);
