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

/* Calls PUT with a line of the plan (lxc/guest/guest-plan.h) for each card, address and route. */
void card_document_put(const xmlNode *devices, void (*put)(void *data, const char *line), void *data);

/* What is asked of the networks' driver for a card, whose end on the host is called INTERFACE, with that number; NULL: nothing. */
CardPort *card_document_port(const xmlNode *card, const char *interface, unsigned index);
