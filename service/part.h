/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A part of a list: org.virtbus1.ManagedObjects. Nothing is kept between two parts. What is named there is where the first one
 * ended: an object's place, which no other one ever has, so that it counts even where that object has gone meanwhile. */

#include "bounds.h"
#include "mirror.h"

/* What GetColumns takes, which is how a call is told from one of GetPart. */
#define PART_COLUMNS_SIGNATURE "ssas"

/* What is wanted of one interface. */
typedef struct PartChoice {
        const InterfaceInfo *interface;
        uint64_t properties; /* a bit for each */
} PartChoice;

typedef struct Part {
        Mirror *mirror;
        const Object *list; /* the object that manages what is in it */
        uint64_t after;     /* the place that it begins behind; 0: the first part */
        PartChoice choices[PART_INTERFACES_MAX];
        size_t n_choices; /* 0: all of all interfaces */
        bool has_columns; /* it is a table, of one interface: GetColumns */
        /* Of part_measure: */
        const Object *first, *end; /* what is in it, from the one to before the other */
        uint64_t last;             /* the place that it ends with */
        size_t bytes;              /* about, and at most */
} Part;

/* Whether the objects of a part may be read, for all that is known. */
typedef bool (*PartMaySee)(const Object *object, void *data);

/* Reads the arguments of GetPart or GetColumns, called at LIST. Returns 0, or a negative errno with the error set. */
int part_read(Part *part, Mirror *mirror, const Object *list, sd_bus_message *call, sd_bus_error *error);

/* Appends the paths of the objects of which polkit is to be asked whether they may be read, N at most. Returns the place of the
 * last; 0 where there is none. */
uint64_t part_append_paths(const Part *part, size_t n, GPtrArray *paths);

/* Finds out where the part ends, and how large it is. Nobody was asked about what came behind the place ASKED: the part ends
 * before the first such object that may not be seen. */
void part_measure(Part *part, uint64_t asked, PartMaySee may_see, void *data);

/* Appends the part and what to call the next one by to an answer. Returns 0 or a negative errno. */
int part_append(const Part *part, PartMaySee may_see, void *data, sd_bus_message *answer);
