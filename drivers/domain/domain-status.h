/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is known of a running domain, in a file that outlives the driver. domain-recover.h is the way back. */

#include "domain/domain.h"

/* Writes it down, where it is found after the driver's end; false where that cannot be written, which is logged. */
bool domain_save_status(Domain *domain);
