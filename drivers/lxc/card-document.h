/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A container's network cards in its document. */

#include <glib.h>
#include <libxml/tree.h>

#include "domain/card-port.h"

/* Refuses what no card can have. */
bool card_document_check(const xmlNode *devices, GError **error);

/* Refuses what no container can be started with yet. */
bool card_document_check_start(const xmlNode *devices, GError **error);

/* Gives each card that has none its name in the container, for this run (<guest actual='...'/>): that which it asks for, or else
 * eth0 and so on, as libvirt does. */
void card_document_choose_names(const xmlNode *devices);

/* Calls PUT with a line of the plan (lxc/guest/guest-plan.h) for each card that has a name, address and route; ONLY: of that card
 * alone, or NULL. */
void card_document_put(const xmlNode *devices, const xmlNode *only, void (*put)(void *data, const char *line), void *data);

/* What is asked of the networks' driver for a card, whose end on the host is called INTERFACE, with that number; NULL:
 * nothing. */
CardPort *card_document_port(const xmlNode *card, const char *interface, unsigned index);
