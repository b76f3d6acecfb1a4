/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a card's <filterref> says: the name of its filter, and the values of its variables. It does not change. */

#include "base/xml.h"

typedef struct FilterBinding {
        char *filter;          /* its name */
        char *xml;             /* the element, as libvirt writes it */
        GHashTable *variables; /* name -> GPtrArray of char *: with MAC, the card's unless it is given */
} FilterBinding;

/* Reads the element of the card with that address; NULL with an error. */
FilterBinding *filter_binding_parse(const char *xml, const char *mac, GError **error);
void filter_binding_free(FilterBinding *binding);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FilterBinding, filter_binding_free)
