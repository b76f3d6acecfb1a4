/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For targets of the QEMU driver. */

#include "domain/connection.h"
#include "fuzz.h"

/* Opens the QEMU driver's domains below the folder, without a bus. */
Connection *fuzz_open_qemu(sd_event *event, Objects *objects);
