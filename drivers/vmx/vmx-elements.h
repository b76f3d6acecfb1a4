/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The elements and attributes of a document that a .vmx can say, or that say what each of these machines is. */

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>

/* Refuses others, with Unsupported and their name. */
bool vmx_elements_check(const xmlDoc *document, GError **error);
