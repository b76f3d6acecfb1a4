/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ports of USB, and the hubs that they need. */

#include "base/xml.h"

/* Sets an address where there is none. */
bool usb_place(xmlNode *devices, GError **error);
