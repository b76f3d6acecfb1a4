/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What reads a command line of QEMU into a document, option by option (from-native.h): its properties and its back ends. */

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/xml.h"
#include "errors.h"

#define NATIVE_MIB (UINT64_C(1024) * 1024)

/* A back end that devices name: -drive, -blockdev, -netdev, -chardev, -object. Its properties are flat: "server.host". */
typedef struct NativeBackend {
        GHashTable *properties;
        bool used;
        unsigned number; /* the index of <audio>, from 1 on */
} NativeBackend;

typedef struct NativeReader {
        GError *error; /* the first fault */
        xmlNode *root, *os, *devices, *cpu, *features;
        GHashTable *backends;    /* "kind:id" -> NativeBackend */
        GHashTable *controllers; /* "type:id" -> its index + 1 */
        GHashTable *indices;     /* type -> set of the indices + 1 that are taken */
        bool kvm, acpi, q35, usb;
        const char *arch;
        unsigned n_disks[4]; /* virtio, IDE, SCSI, floppy */
        unsigned n_audio;
        GHashTable *hub;    /* -net nic and its back end, which each wait for the other: "nic", "backend" -> their text */
        xmlNode *sound;     /* the last one: what codec it has comes after it */
        const char *keymap; /* of -k: borrowed, the words' */
        bool nodefaults, no_graphics, no_display, has_card, has_video, has_display;
        char *watchdog_action;
        uint64_t n_processors, memory_bytes;
} NativeReader;

/* Keeps an error, unless there is one already: reading goes on, harmlessly. */
void native_fail(NativeReader *reader, VirtbusError code, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Properties, name=value,... or JSON; FIRST is the name of a first value that has none. To be unreferenced. */
GHashTable *native_parse(NativeReader *reader, const char *text, const char *first);

/* Takes a property away; NULL where there is none. To be freed. The other takes several away that mean nothing here. */
char *native_take(GHashTable *properties, const char *name);
void native_drop(GHashTable *properties, const char *names);

/* Fails where a property is left: it would be lost. */
void native_check_empty(NativeReader *reader, GHashTable *properties, const char *option);

bool native_is_on(const char *value);

/* "yes" or "no", of what QEMU calls on and off; NULL of NULL. */
const char *native_yes(const char *value);

/* Sets an attribute; nothing where there is no value. */
void native_set(xmlNode *element, const char *name, const char *value);

/* Takes a property away, and has it as an attribute of the element, or of its one child of a name; nothing where there is
 * none. */
void native_move(GHashTable *properties, const char *property, xmlNode *element, const char *name);
void native_move_below(GHashTable *properties, const char *property, xmlNode *element, const char *child, const char *name);

/* A back end by its kind and ID, which is used now; NULL where there is none. */
NativeBackend *native_find_backend(NativeReader *reader, const char *kind, const char *id);
void native_keep_backend(NativeReader *reader, const char *kind, const char *text, const char *first, const char *id_name);
void native_backend_free(NativeBackend *backend);

/* Bytes: "512" of UNIT, "2G". */
uint64_t native_parse_size(NativeReader *reader, const char *text, uint64_t unit);
