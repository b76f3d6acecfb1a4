/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Builds what the guest has of a network interface: the card. */

#include "qemu/command/builder-device.h"

bool build_card_is_virtio(const DeviceDefinition *part);

/* Whether the other end of an interface of that type has a name on the host, and may have more queues than one. */
bool build_card_has_named_end(const char *type);

/* MTU: in bytes, or 0: nothing is said of it. */
/* Whether a card is one that the board has, which QEMU knows by another option than the others. */
bool build_card_is_of_board(const DeviceDefinition *part);

JsonObject *build_card(Builder *builder, xmlNode *element, const DeviceDefinition *part, unsigned mtu);
