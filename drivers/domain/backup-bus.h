/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Domain's methods for backups. */

#include "base/objects.h"
#include "domain/backup.h"

void backup_bus_begin(Call *call, Domain *domain, const char *xml, const char *checkpoint, sd_bus_message *options);
void backup_bus_get_xml(Call *call, Domain *domain);
