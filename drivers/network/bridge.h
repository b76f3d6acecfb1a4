/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The bridge of a network in the kernel, with its addresses and routes, and what the kernel is told besides so that packets find
 * their way. Usable from any thread: deleting a bridge takes the kernel some 40 ms. */

#include <glib.h>
#include <stdbool.h>

#include "network/network-definition.h"

/* Whether there is a bridge to be made; the mode "bridge" uses one that is there. */
bool bridge_is_needed(const NetworkDefinition *definition);

/* Whether there is no interface of its name yet, or one that has the mark of this network: of a run that nothing else is known
 * of. */
bool bridge_check_free(const NetworkDefinition *definition, GError **error);

/* Whether there is an interface of that name which has not the mark of network UUID. */
bool bridge_is_anothers(const char *bridge, const char *uuid);

/* Makes the bridge, or completes the one that was made for this network before, and sets it up. What is wrong on the host is
 * said with what to do: an interface of that name that is not ours, an address that another interface has, a kernel without
 * IPv6. On failure the caller takes away what there is by bridge_delete. */
bool bridge_make(const NetworkDefinition *definition, GError **error);

/* Deletes it, where it is there and was made for this network. */
bool bridge_delete(const NetworkDefinition *definition, GError **error);

/* The address of its card: the one of the document, or one that follows from the network's UUID. By it a bridge is known to have
 * been made for this network. To be freed. */
char *bridge_card(const NetworkDefinition *definition);

/* Whether a network of mode "bridge" finds the one that it uses. */
bool bridge_check_foreign(const char *name, GError **error);
