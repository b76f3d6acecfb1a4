/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The images of a disk, the top one first. The document of a domain that runs says them all, numbered as libvirt numbers them:
 * <source index='1'/> is the top one, and a <backingStore> below it that has the index is one that the author's document does
 * not name: the images themselves said it. */

#include "base/xml.h"

typedef struct DiskImage {
        uint32_t index;
        char *type; /* "file", "block" */
        char *path, *format;
        bool is_found; /* no document of an author names it */
} DiskImage;

GPtrArray *disk_chain_new(void);
void disk_chain_add(GPtrArray *chain, const DiskImage *image);

/* Those of the element of a running domain; NULL where it does not say, or one is neither a file nor a block device. */
GPtrArray *disk_chain_read(const xmlNode *disk);

/* Those that an author's element names, without numbers. Where it does not say that there is no other, a last one, without a
 * path, stands for what is found below them: disk_chain_define leaves that out. NULL as above. */
GPtrArray *disk_chain_read_named(const xmlNode *disk);

/* The image that NAME means: a path, the disk's TARGET with an index ("vda[2]"), or an index; NULL: there is none. */
const DiskImage *disk_chain_find(const GPtrArray *chain, const char *target, const char *name);

/* The place of an image, by its index; -1: it is not there. */
int disk_chain_place(const GPtrArray *chain, uint32_t index);

/* Makes the element of a running domain say CHAIN. What it says of an image besides (encryption, ...) goes with that. */
void disk_chain_write(xmlNode *disk, const GPtrArray *chain);

/* Makes an author's element mean CHAIN: of the images below the top one it names those that are not found. */
void disk_chain_define(xmlNode *disk, const GPtrArray *chain);

/* Takes what was found, and the numbers, out of a running domain's document: who starts it again looks at the images. */
void disk_chain_forget(xmlDoc *document);
