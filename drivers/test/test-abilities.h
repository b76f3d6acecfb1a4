/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the test hypervisor says that it can do: machines of type test, of one processor's name. */

#include "domain/hypervisor.h"

extern const HypervisorAbilities test_abilities;
extern const HypervisorDocuments test_documents;
