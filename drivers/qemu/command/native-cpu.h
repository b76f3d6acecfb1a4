/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The processor of a command line of QEMU: its model, features, and what it shows to Windows and to guests of KVM. */

#include "qemu/command/native-reader.h"

void native_cpu_option(NativeReader *reader, const char *text);
