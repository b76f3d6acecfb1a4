/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a domain's owner lets others do with it: a list of "user:NAME:ACTION" and "group:NAME:ACTION", ACTION as polkit's without
 * "org.virtbus1.". The drivers keep and show it; polkit's rules decide by it. */

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>

/* What stands before a definition's document, in its file, with the list, where there is one. */
#define SHARES_INSTRUCTION "virtbus-shares"

/* With how many users and groups a domain is shared at most; how long the name of one may be (as of a Linux user, and of those
 * that directories have). */
#define SHARES_MAX 32
#define SHARE_NAME_BYTES_MAX 64

/* Another list: SHARES (or NULL) with what WHO, "user:NAME" or "group:NAME", may do from now on; no ACTIONS: nothing any more.
 * NULL with an error. */
char **shares_change(char *const *shares, const char *who, char *const *actions, GError **error);

/* The text of a definition's file with them in it; the document of such a file without them, and they. False where they cannot be
 * right. */
char *shares_add_text(const char *text, char *const *shares);
bool shares_take(xmlDoc *document, char ***shares, GError **error);

/* Removes what a caller's document says of them, which would be taken for its owner's word when its file is read again. */
void shares_drop(xmlDoc *document);
