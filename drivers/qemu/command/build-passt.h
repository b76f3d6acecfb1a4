/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A card's connection by passt, a process beside QEMU: guest/passt.h runs it by what is checked here. */

#include "qemu/command/builder.h"

/* Whether a card is connected so. */
bool build_passt_is_for(const xmlNode *card);

/* Checks what the document says to passt, or, of another card, that it says nothing; and says to QEMU where its end is. */
void build_passt_check(Builder *builder, xmlNode *card);
void build_passt(Builder *builder, xmlNode *card, const DeviceDefinition *part, JsonObject *backend);
