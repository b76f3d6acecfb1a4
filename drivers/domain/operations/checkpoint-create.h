/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Making a checkpoint; and making one known that is there. */

#include "domain/checkpoint.h"
#include "domain/operation.h"
#include "domain/operations/tree-create.h"

extern const OperationClass checkpoint_create_class, checkpoint_redefine_class;

/* DEFINITION is taken. */
Operation *checkpoint_create_new(Call *call, CheckpointDefinition *definition);
Operation *checkpoint_redefine_new(Call *call, CheckpointDefinition *definition, bool current);

/* For what makes one besides: names and completes the one that is to be made, and refuses one that cannot be; its function of a
 * TreeCreateKind. */
bool checkpoint_create_check(TreeCreate *self, GError **error);
bool checkpoint_create_kept(const TreeCreate *self);

/* What is being made: it is complete. */
const CheckpointDefinition *checkpoint_create_definition(const Operation *operation);
