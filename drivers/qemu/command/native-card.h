/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Network cards of a command line of QEMU. */

#include "qemu/command/native-reader.h"

/* The document's model of a card; NULL where that is not a card's driver. */
const char *native_card_model(const char *driver);

void native_card_device(NativeReader *reader, GHashTable *device, const char *driver);
void native_card_nic(NativeReader *reader, const char *text);

/* -net: nic and user or tap are one card together; what has no other half at the end is refused. */
void native_card_net(NativeReader *reader, const char *text);
void native_card_finish(NativeReader *reader);

/* The card that QEMU chooses for its machine. */
const char *native_card_default(const NativeReader *reader);
