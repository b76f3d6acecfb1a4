/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Builds what a person sees and touches: displays, video cards, input devices. */

#include "qemu/command/builder-device.h"

void build_graphics(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_video(Builder *builder, xmlNode *element, const DeviceDefinition *part);
void build_input(Builder *builder, xmlNode *element, const DeviceDefinition *part);
