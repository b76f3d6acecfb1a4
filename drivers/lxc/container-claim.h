/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A container's control group is written down in the runtime directory before it is made: whenever this driver is killed, the
 * next one removes what nobody uses. Groups of other drivers, with folders of their own, lie beside it. */

#include "domain/domain.h"

bool container_claim_begin(const Domain *domain, GError **error);
void container_claim_end(const Domain *domain);

/* Removes what drivers that were killed have left of containers that do not run. */
void container_claim_recover(Connection *connection);
