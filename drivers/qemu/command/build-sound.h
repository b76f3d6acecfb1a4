/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Builds what a person hears: sound cards, and the programs of the host that play and record for them. */

#include "qemu/command/builder-device.h"

void build_audio(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_sound(Builder *builder, xmlNode *element, const DeviceDefinition *part);

/* The one that a sound card or display is to use, escaped for an option with commas; NULL: there is none. */
const char *build_sound_audio(Builder *builder, xmlNode *element);
