/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the API and every driver need to know of one device of a document. */

#include "base/xml.h"
#include "domain/disk-chain.h"

/* How long the name of a domain or of a device may be, in bytes. */
#define NAME_BYTES_MAX 255

/* How many devices one domain may have. */
#define DEVICES_MAX 1024

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
        GPtrArray *images; /* disk: DiskImage, the top one first, of a domain that runs; or NULL */
        char *mac;         /* interface */
        char *bridge;      /* interface: that it is in; of a network, while it runs */
        char *name;        /* channel: what the guest finds it by */
        bool read_only;    /* disk */
        bool is_handed;    /* disk: its image is a descriptor that is handed over at each start */
        uint32_t boot;     /* disk, interface: order, 0 for none */
        uint32_t port;     /* console */
        uint32_t period;   /* memballoon: how often the guest tells how it uses its memory, in seconds; 0: never */
} DeviceDefinition;

void device_definition_free(DeviceDefinition *device);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DeviceDefinition, device_definition_free)

/* Reads all of a document, in its order, and puts them into DEVICES; chooses what is missing of MAC addresses. */
bool device_definition_read(xmlDoc *document, GPtrArray *devices, GError **error);

/* An address for a network card, to be freed. */
char *device_definition_random_mac(void);
