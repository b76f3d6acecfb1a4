/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The part of defaults.h that is about devices. */

#include "base/xml.h"

void defaults_device_complete(xmlNode *devices);
