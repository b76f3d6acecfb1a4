/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The board and the memory of a command line of QEMU, and the number of its processors. */

#include "qemu/command/native-reader.h"

void native_machine_option(NativeReader *reader, const char *text);
void native_machine_memory(NativeReader *reader, const char *text);
void native_machine_memory_path(NativeReader *reader, const char *text);
void native_machine_preallocate(NativeReader *reader, const char *text);
void native_machine_processors(NativeReader *reader, const char *text);
void native_machine_node(NativeReader *reader, const char *text);

/* -no-hpet */
void native_machine_no_hpet(NativeReader *reader, const char *text);

/* Devices that are the board's own. */
void native_machine_generation(NativeReader *reader, GHashTable *device, const char *driver);
void native_machine_iommu(NativeReader *reader, GHashTable *device, const char *driver);
