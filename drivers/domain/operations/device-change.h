/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Devices of a domain that come, go or change, and its memory and processors: in its definition, in the running guest, or in
 * both. What the document will be is worked out when the operation begins, so that changes that wait for each other add up;
 * the hypervisor then does it to the guest. The definition is written last, of what it is by then: what was defined meanwhile
 * is changed, not undone. */

#include "domain/operation.h"
#include "domain/operations/device-edit.h"

/* The operations that do one, and the making of one: CHANGE is taken. What resize_class does is resize.h's. */
extern const OperationClass attach_class, detach_class, update_class, resize_class;
Operation *change_new(const OperationClass *class, Call *call, DeviceChange *change);

/* What an operation changes; NULL: it is another operation, or none. */
DeviceChange *device_change_of(const Operation *operation);
