/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The form of the documents of a hypervisor that can be told little: a table of the elements and attributes that it knows, by
 * their places. What the table does not have is refused by name: nothing in a document is ignored. */

#include <libxml/tree.h>
#include <stdbool.h>

#include "base/xml.h"

/* One element. */
typedef struct KnownElement {
        /* Below <domain>, "" for that itself: "devices/disk/source". One of the form's own namespace has its prefix: "lxc:name".
         * One that ends with a star is all elements there, whose names are looked at elsewhere. */
        const char *place;

        /* "name=VALUES name ...", "*" for any. A name without values has any; VALUES are one of these:
         *   A,B    one of these words
         *   #      a decimal number, of 64 bits at most
         *   /      an absolute path, without ".." in it */
        const char *attributes;

        const char *text;  /* NULL: any; else words between blanks, or # or / as above; "" for none */
        const char *later; /* where it is known, and cannot be done yet: what that is; else NULL */
        bool many;         /* there may be more than one of them in one place */
        bool any;          /* what is in it is not looked at */
} KnownElement;

typedef struct KnownForm {
        const KnownElement *elements;
        size_t n_elements;
        const char *cannot_say; /* who cannot say what is not there: "VMware's configuration cannot say" */
        const char *can_have;   /* what can have only the values that are there: "a machine of VMware's can have" */
        const char *cannot_yet; /* or NULL: "the LXC driver cannot yet start a container with" */
        const char *namespace_uri, *namespace; /* a namespace that it knows, and the prefix that its places have; or NULL */
        bool counts;                           /* an element that is not one of many is refused where it is there twice */
} KnownForm;

/* Refuses, with Unsupported or InvalidXML and its name, what is not of that form. LATER: also what cannot be done yet. */
bool known_elements_check(const KnownForm *form, const xmlDoc *document, bool later, GError **error);
