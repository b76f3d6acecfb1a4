/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What guests do when org.virtbus1.Test.GuestEvent says so. */

#include "domain/domain.h"

bool test_guest_event(Domain *domain, const char *event, GError **error);
