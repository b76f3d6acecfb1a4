/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Making a checkpoint; and making one known that is there. */

#include "domain/checkpoint.h"
#include "domain/operation.h"

extern const OperationClass checkpoint_create_class, checkpoint_redefine_class;

/* DEFINITION is taken. */
Operation *checkpoint_create_new(Call *call, CheckpointDefinition *definition);
Operation *checkpoint_redefine_new(Call *call, CheckpointDefinition *definition, bool current);

/* What is being made: it is complete. */
const CheckpointDefinition *checkpoint_create_definition(const Operation *operation);

/* The hypervisor can make it, as nothing is in its way, or, because of ERROR, cannot. */
void checkpoint_prepared(Operation *operation, const GError *error);
