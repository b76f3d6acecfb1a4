/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reading the document. Each element and attribute that is read is marked as known. What no function has read by the end is
 * refused by name, so that nothing in a document is ever ignored.
 *
 * A path is names with '/' between, the last one an attribute where it begins with '@': "driver/@cache". */

#include "qemu/command/builder.h"

/* The text at a path, which lives as long as the builder, or NULL. */
const char *builder_get(Builder *builder, const xmlNode *element, const char *path);

/* The text at a path that must be there, "" otherwise. */
const char *builder_require(Builder *builder, const xmlNode *element, const char *path);

/* The element at a path, or NULL; the next one of the same name. */
xmlNode *builder_element(Builder *builder, const xmlNode *element, const char *path);
xmlNode *builder_next(Builder *builder, const xmlNode *element);
#define for_each(builder, child, element, path) \
        for (xmlNode *child = builder_element(builder, element, path); child; child = builder_next(builder, child))

bool builder_is(Builder *builder, const xmlNode *element, const char *path, const char *value);

/* Of those that are yes or no, and of those that are on or off: 1, 0, and -1 where it is missing. */
int builder_flag(Builder *builder, const xmlNode *element, const char *path);
int builder_switch(Builder *builder, const xmlNode *element, const char *path);

/* The text at a path, one of those between the blanks of CHOICES, or NULL. */
const char *builder_choose(Builder *builder, const xmlNode *element, const char *path, const char *choices);

/* A number (0x for hexadecimal ones), OTHERWISE where it is missing. */
uint64_t builder_number(Builder *builder, const xmlNode *element, const char *path, uint64_t min, uint64_t max,
                        uint64_t otherwise);

/* A size in bytes; UNIT where the document gives none. */
uint64_t builder_size(Builder *builder, const xmlNode *element, const char *path, const char *unit, uint64_t otherwise);

/* Marks what has no effect on QEMU, by paths between blanks, with all that is below. */
void builder_know(Builder *builder, const xmlNode *element, const char *paths);

/* Marks a device that the document turns off: what is said of it has no effect, by its model 'none'. */
void builder_know_turned_off(Builder *builder, xmlNode *element);

/* Marks an element as read: what is in it is not, yet. */
void builder_mark(xmlNode *element);

/* Fails with what was not read. */
void builder_refuse_unknown(Builder *builder, const xmlNode *element);
