/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The board, the memory and the processors of a command line of QEMU. */

#include "qemu/command/native-reader.h"

void native_machine_option(NativeReader *reader, const char *text);
void native_machine_memory(NativeReader *reader, const char *text);
void native_machine_processors(NativeReader *reader, const char *text);
void native_machine_cpu(NativeReader *reader, const char *text);
