/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is done for a container by a worker: files of its document are found, and its control group is made, changed and
 * removed. */

#include "lxc/container.h"

/* Finds its files and makes its group; MEMBERS are open for as long as DONE takes. */
void container_work_prepare(Container *container, void (*done)(Container *container, const GArray *members, const GError *error));

/* Ends what is left in its group, and removes that. */
void container_work_remove(Container *container, void (*done)(void *container));

/* The same for one of an earlier driver's, unless it is made anew: then there is a file CLAIM. FORMER, which says so, goes with
 * it. */
void container_work_take_back(Connection *connection, const char *uuid, const char *claim, const char *former);

/* Lets its processes go on, if they are stopped; nobody is told. */
void container_work_thaw(const Container *container);

/* Stops its processes, or lets them go on; the operation ends with that. */
void container_work_freeze(Operation *operation, bool freezes);

/* Removes a card, of which TEXT is as of container_cards_remove, and calls DONE before the operation ends. */
void container_work_unplug(Operation *operation, const char *text, void (*done)(Operation *operation));

/* Gives its group the limits of a document, which is copied; the operation ends with that. */
void container_work_limit(Operation *operation, xmlDoc *document);
