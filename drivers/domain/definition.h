/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A domain document: its text, kept whole, and the little that the API and every driver need to know of it. A driver that
 * needs more (to start it, say) parses the text again. Definitions do not change. */

#include "base/uuid.h"
#include "base/xml.h"

/* How long a name may be, in bytes. */
#define NAME_BYTES_MAX 255

/* How many devices one domain may have. */
#define DEVICES_MAX 1024

/* How many I/O threads one domain may have. */
#define IO_THREADS_MAX 1024

/* What becomes of a domain when its guest turns itself off, reboots or crashes: on_poweroff, on_reboot, on_crash. */
typedef enum LifecycleAction {
        ACTION_DESTROY,
        ACTION_RESTART,
        ACTION_PRESERVE,
} LifecycleAction;

/* Kinds of devices that have an interface of their own. */
typedef enum DeviceClass {
        DEVICE_OTHER,
        DEVICE_DISK,
        DEVICE_NETWORK_INTERFACE,
        DEVICE_CONSOLE,
        DEVICE_GRAPHICS,
} DeviceClass;

/* Strings are never NULL; an empty one stands for what the document leaves open. */
typedef struct DeviceDefinition {
        char *kind;  /* the element's name */
        char *alias; /* as libvirt names it: net0, virtio-disk0, serial0 */
        char *model;
        DeviceClass device_class;
        char *type;        /* disk: its device attribute; others: their type attribute */
        char *source_type; /* disk */
        char *source;      /* disk: path; interface: bridge or network; console: path; graphics: socket */
        char *target;      /* disk: name; interface: host interface; console: target type */
        char *bus;         /* disk */
        char *format;      /* disk */
        char *mac;         /* interface */
        char *bridge;      /* interface: that it is in; of a network, while it runs */
        char *name;        /* channel: what the guest finds it by */
        bool read_only;    /* disk */
        uint32_t boot;     /* disk, interface: order, 0 for none */
        uint32_t port;     /* console */
        uint32_t period;   /* memballoon: how often the guest tells how it uses its memory, in seconds; 0: never */
} DeviceDefinition;

typedef struct Definition {
        unsigned n_references;
        char *xml;
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

/* Puts the aliases into the document's devices: what is shown of an active domain. */
void definition_write_aliases(const Definition *definition, xmlDoc *document);

/* The document for a reader: with the passwords or without, and with the ID of a run unless 0. */
char *definition_text(const Definition *definition, bool secrets, uint32_t id);

/* One device's element, without passwords; INDEX as in devices. */
char *definition_device_text(const Definition *definition, guint index);

/* The device elements of a document, in the order of devices. */
xmlNode *definition_first_device(xmlDoc *document);
xmlNode *definition_next_device(xmlNode *device);

/* The one of a place among them, or NULL. */
xmlNode *definition_device_element(xmlDoc *document, guint index);

/* That of the device of an alias; NULL: there is none. */
xmlNode *definition_find_element(xmlDoc *document, const Definition *definition, const char *alias);

/* Writes how much memory a domain has now, in bytes. */
void definition_set_memory(xmlNode *root, uint64_t bytes);

/* The most of it. */
void definition_set_max_memory(xmlNode *root, uint64_t bytes);

/* The element of a namespace in a document's metadata, or NULL. */
xmlNode *definition_find_metadata(const xmlNode *root, const char *uri);

/* Finds a device by its alias, or returns NULL. */
DeviceDefinition *definition_find_device(const Definition *definition, const char *alias);

/* What the alias of an element begins with, before its number; NULL for disks and controllers, whose place is in it. */
const char *definition_alias_prefix(const xmlNode *element);

/* An address for a network card, to be freed. */
char *definition_random_mac(void);

/* The number of a disk's name: vda is 0, vdb 1, vdaa 26; -1 where it has no such form. */
int disk_index(const char *target);

/* The video card that firmware writes to: the one that says so, or the first; NULL where there is none. */
xmlNode *definition_primary_video(xmlNode *devices);
