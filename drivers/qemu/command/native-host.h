/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a machine of a command line of QEMU has of the host: its devices, folders and services. */

#include "qemu/command/native-reader.h"

void native_host_pci(NativeReader *reader, GHashTable *device, const char *driver);
void native_host_usb(NativeReader *reader, GHashTable *device, const char *driver);
void native_host_redirection(NativeReader *reader, GHashTable *device, const char *driver);
void native_host_folder(NativeReader *reader, GHashTable *device, const char *driver);
void native_host_vsock(NativeReader *reader, GHashTable *device, const char *driver);
void native_host_tpm(NativeReader *reader, GHashTable *device, const char *driver);

/* -virtfs: -fsdev and its device in one. */
void native_host_virtfs(NativeReader *reader, const char *text);
