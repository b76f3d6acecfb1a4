/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A domain document: its text, kept whole, and the little that the API and every driver need to know of it. Who needs more, to
 * start it or to make another of it, has its tree. Definitions do not change. */

#include "base/uuid.h"
#include "base/xml.h"
#include "domain/device-definition.h"

/* How many I/O threads one domain may have. */
#define IO_THREADS_MAX 1024

/* What becomes of a domain when its guest turns itself off, reboots or crashes: on_poweroff, on_reboot, on_crash. */
typedef enum LifecycleAction {
        ACTION_DESTROY,
        ACTION_RESTART,
        ACTION_PRESERVE,
} LifecycleAction;

typedef struct Definition {
        unsigned n_references;
        char *xml;
        xmlDoc *tree;   /* of that text, or NULL: definition_keep */
        GList in_trees; /* its link in the list of those that have one */
        char *name;
        char *uuid;
        char *title;
        char *description;
        char *type;
        char *os_type;
        char *architecture;
        char *machine;
        char *emulator;
        uint64_t memory, max_memory; /* bytes */
        uint32_t vcpus, max_vcpus;
        LifecycleAction on_poweroff, on_reboot, on_crash;
        GPtrArray *devices; /* DeviceDefinition, in the document's order */
} Definition;

Definition *definition_ref(Definition *definition);
void definition_unref(Definition *definition);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Definition, definition_unref)

/* Reads a document that a user wrote: chooses what is missing of UUID and MAC addresses. */
Definition *definition_parse(const char *xml, GError **error);

/* Reads a parsed document, as it is. */
Definition *definition_from_document(xmlDoc *document, GError **error);

/* The document's tree, for the caller to change, as one that xml_parse_own has read. NULL with an error, where there is too
 * much of it. */
xmlDoc *definition_document(const Definition *definition, GError **error);

/* The document of the machine, not of this run of it: who starts it again looks at its images. Text, to be freed. */
char *definition_machine_text(const Definition *definition);

/* Gives a definition the tree that it was made from, which is taken: it is not parsed again, then. Trees are many times as large
 * as their text, so that only those of the last DEFINITION_TREES_MAX definitions are kept, and none of a text of more than
 * DEFINITION_TREE_BYTES_MAX. A domain that is defined, and off, has none. */
#define DEFINITION_TREES_MAX 16
#define DEFINITION_TREE_BYTES_MAX (64 * 1024)
void definition_keep(Definition *definition, xmlDoc *document);

/* Puts the aliases into the document's devices: what is shown of an active domain. */
void definition_write_aliases(const Definition *definition, xmlDoc *document);

/* The document for a reader: with the passwords or without, and with the ID of a run unless 0. */
char *definition_text(const Definition *definition, bool secrets, uint32_t id);

/* Takes passwords and cookies out of an element and all below it. */
void definition_remove_secrets(xmlNode *element);

/* One device's element, without passwords; INDEX as in devices. */
char *definition_device_text(const Definition *definition, guint index);

/* Finds a device by its alias, or returns NULL. */
DeviceDefinition *definition_find_device(const Definition *definition, const char *alias);

/* The disk that has a target, such as "vda"; NULL: there is none. */
const DeviceDefinition *definition_find_disk(const Definition *definition, const char *target);

/* That of the device of an alias; NULL: there is none. */
xmlNode *definition_find_element(xmlDoc *document, const Definition *definition, const char *alias);
