/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tasks that are at work on a domain's machine are jobs of it, whoever has begun them. */

#include "esx/tasks.h"

/* Shows what has become of them; what was told of machines is shown. */
void task_jobs_show(Esx *esx);
