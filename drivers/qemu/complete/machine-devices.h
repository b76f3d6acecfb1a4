/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Devices that every machine has, or that others stand for, and the models that a document leaves open. */

#include "base/xml.h"

void machine_devices_add(xmlNode *devices, bool q35);
void machine_devices_choose_models(xmlNode *devices);
