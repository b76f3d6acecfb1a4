/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What waits until drivers are settled: drivers_are_settled and drivers_when_settled (drivers.h). */

#include "driver.h"

/* Resumes what waits for nothing any more; in the end, all. */
void settling_run(Drivers *drivers);
void settling_end(Drivers *drivers);
