/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The host's objects of one kind, as libvirt's clients list them: all of them, names of some, or how many; which one is asked for
 * is seen by what the procedure answers. */

#include "call.h"

#define LISTING_HOST MANAGER_PATH "/host"

typedef struct ListedKind {
        const char *interface;                      /* that says what they are */
        const char *below;                          /* the interface of those that have them; NULL: the host has */
        const char *const *properties;              /* which of its properties the functions need */
        const char *type;                           /* of one as libvirt names it, such as "(ss)" */
        size_t name;                                /* which part of that is listed as its name */
        GVariant *(*name_of)(GVariant *properties); /* that; floating */
        bool (*is_selected)(const Call *call, GVariant *properties); /* by the call's flags; NULL: each one is */
        const char *of_host; /* with BELOW: what those of the host itself are, or NULL: it has none */
} ListedKind;

/* The "(ss)" of one that has a name and a UUID; floating. */
GVariant *listing_name_and_uuid(GVariant *properties);

/* Answers the call. KIND is static. */
void listing_answer(Call *call, const ListedKind *kind);

/* Answers a call with the object whose path the reply (o) is. KIND is static. */
void listing_answer_path(Call *call, GVariant *reply, const ListedKind *kind);

/* Answers a call whose object is not there: CODE, WHAT ("Network") says which. False where ERROR is another. */
bool listing_refuse_absent(Call *call, const GError *error, int code, const char *what);

/* Goes on with an object of the host's, and what it is (a{sv}). */
typedef void (*ListingStep)(Call *call, const char *path, GVariant *properties);

/* Which one is looked for: of INTERFACE, the first that is meant by WHAT is given; CODE and NOUN say that there is none. */
typedef struct ListedSearch {
        const char *interface, *below, *of_host; /* as of a ListedKind */
        bool (*is_meant)(void *what, GVariant *properties);
        int code;
        const char *noun;
} ListedSearch;

/* WHAT is a string, which is copied. */
void listing_find(Call *call, const ListedSearch *search, const char *what, ListingStep step);

/* The path of the host's object that a kind has by this name; to be freed. */
char *listing_path_of_name(const char *kind, const char *name);

/* The path of the host's object of this UUID and kind, as the kind is called in paths; to be freed. */
char *listing_path(const char *kind, const char *uuid);
