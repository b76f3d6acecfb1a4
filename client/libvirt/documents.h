/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is read of libvirt's documents here: those of domains that the bus has answered, and elements of devices that clients
 * hand in. */

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>
#include <stdint.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc)

/* Reads a document; NULL, with LIBVIRT_XML_ERROR, for what is not one. Nothing outside of it is read. */
xmlDoc *document_read(const char *text, GError **error);

/* A domain's processors at its start, and at most. */
bool document_vcpus(const char *text, uint32_t *count, uint32_t *max, GError **error);

/* An attribute of the first element of this name below a node, NULL for none; to be freed. ELEMENT: NULL for the node itself. */
char *document_attribute(xmlNode *node, const char *element, const char *attribute);

/* Whether a node has all that another one has: its attributes, its text, and for each element within it one that has all of
 * that. */
bool document_has(xmlNode *node, xmlNode *part);

/* Where a thread may run, as the document lists it: "vcpupin" of a number, or "emulatorpin". NULL where it says nothing; to be
 * freed. */
char *document_pin(xmlDoc *document, const char *element, uint32_t number);

/* Sets the bits of the processors of a list such as "0-3,^2,8", or of all N that there are where LIST is NULL. */
void document_cpu_map(const char *list, uint32_t n, uint8_t *map, size_t size);

/* The element at a path such as "cputune/shares" below a node; NULL for none. */
xmlNode *document_find(xmlNode *node, const char *path);

/* The text of the element at such a path, or with "@NAME" at its end that attribute; NULL for none; to be freed. */
char *document_value(xmlNode *node, const char *path);

/* The size that the element at such a path has, by its unit, in KiB; OTHERWISE where there is none. */
uint64_t document_kib(xmlNode *node, const char *path, uint64_t otherwise);

/* An element as libvirt tells it: without the namespace that it is in, as is what is in it; to be freed. */
char *document_without_namespace(const char *text);
