/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which processors of a machine there are: <vcpus> of its document. Those that cannot be taken away are the machine's own, and it
 * starts with them; others are plugged into it before it runs, again whenever it is started or restored: what a guest was saved
 * with is not only how many it had. */

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>
#include <stdint.h>

/* How many there are, where <vcpu> says MAXIMUM and CURRENT. */
uint32_t vcpu_list_count(const xmlNode *root, uint32_t maximum, uint32_t current);

/* How many the machine starts with, where there are N. */
uint32_t vcpu_list_first(const xmlNode *root, uint32_t n);

/* Whether a processor is one that is plugged. */
bool vcpu_list_is_plugged(const xmlNode *root, uint32_t id);

/* Names each processor, where the document does not yet: those that there are are the machine's own. */
void vcpu_list_make(xmlNode *root, uint32_t maximum, uint32_t current);

/* Reads a list such as "1-3,^2,5" of numbers below COUNT: uint32_t, in order. NULL: it is not one, or names none. */
GArray *vcpu_list_read(const char *text, uint32_t count);

/* Has those of NUMBERS, which are below MAXIMUM and not 0, be there or not, where there are CURRENT. What is behind one that is
 * missing is plugged, as the machine starts only with the first ones. */
void vcpu_list_enable(xmlNode *root, uint32_t maximum, uint32_t current, const GArray *numbers, bool enabled);

/* Changes how many there are: the lowest that are free are plugged, those with the highest numbers go, plugged ones first. Of a
 * document without a list the number is changed alone. */
void vcpu_list_set(xmlNode *root, uint32_t n);
