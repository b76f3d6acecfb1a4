/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The block nodes of a guest's disks: how QEMU was told to open each, which is what it must be told again where it is to open
 * one in another way, and which file that was. It is kept in the status; what QEMU says of its nodes is not asked.
 *
 * Sets of descriptors and locks of images go by rules of their own. An image that is only read has one descriptor, O_RDONLY, in
 * the set of its node. To write it another, O_RDWR, joins the set, and one blockdev-reopen opens its format and its storage
 * anew: the locks belong to descriptors, so that any other way round leaves locks behind that keep QEMU itself from opening it
 * again. A set that is removed while the guest is paused stays, until it is removed again in one that runs. */

#include "qemu/guest/guest.h"
#include "qemu/monitor/script.h"

/* Before a command line is made of opened files: numbers the images of the disks in DOCUMENT, that of DEFINITION, from
 * FIRST_LAYER on, and looks at which files they are. What the document would be too large with is left out. */
void nodes_number(Guest *guest, xmlDoc *document, const Definition *definition, const GPtrArray *files, unsigned first_layer);

/* Remembers the nodes that a line makes. */
void nodes_remember(Guest *guest, const CommandLine *line);

/* Remembers one that a command makes, with the file that FD is; forgets one, and all of a disk. */
void nodes_add(Guest *guest, const char *name, JsonObject *options, int fd);
void nodes_forget(Guest *guest, const char *name);
void nodes_forget_disk(Guest *guest, const char *alias);

/* The names of all that are known, which the guest may free: to be copied. */
GPtrArray *nodes_names(const Guest *guest);

/* "PREFIX0-format": the name of an image's node; WHAT is "format" or "storage". */
char *nodes_name(const char *alias, uint32_t index, const char *what);

/* An index that no image of a disk has; 0: none is left. */
uint32_t nodes_new_index(const Guest *guest, const char *alias);

/* How a node was opened, a new reference; NULL: it is not known. */
JsonObject *nodes_options(const Guest *guest, const char *alias, uint32_t index, const char *what);
bool nodes_has(const Guest *guest, const char *name);

/* Whether it is known how an image was opened, and FD is still that file. */
bool nodes_is_file(const Guest *guest, const char *alias, uint32_t index, int fd);
bool nodes_is_known(const Guest *guest, const char *alias, uint32_t index);

/* Which file the storage node of that name is; false: it is not known. */
bool nodes_find_file(const Guest *guest, const char *name, uint64_t *device, uint64_t *inode);

/* Whether QEMU may write an image. */
bool nodes_is_writable(const Guest *guest, const char *alias, uint32_t index);

/* Adds to a script what makes an image that is read one that is written: FD, O_RDWR, is taken; and the other way round. BELOW is
 * the index of the image that it is backed by, or 0. */
void nodes_make_writable(Guest *guest, Script *script, const char *alias, uint32_t index, uint32_t below, int fd);
void nodes_remember_read_only(Guest *guest, const char *alias, uint32_t index); /* the script has failed */
void nodes_make_read_only(Guest *guest, Script *script, const char *alias, uint32_t index, uint32_t below);

/* Whether there is a descriptor for the latter: that of an image that the guest has written since it was opened only writes, and
 * QEMU keeps it. */
bool nodes_can_be_narrowed(const Guest *guest, const char *alias, uint32_t index);

/* An image that is to be opened, as that of index LIKE is. */
typedef struct NewNode {
        const char *alias, *format;
        uint32_t index, like, below; /* BELOW: what it is opened as backed by; or 0 */
        bool is_device;
        unsigned set; /* that is free */
        int fd;       /* which is taken */
} NewNode;

/* Adds to a script what makes the nodes of a file and of the image in it, by these options, and remembers them. FD, which is the
 * file and is taken, goes into a set of WHOSE that is free; the options are taken. */
void nodes_add_image(Guest *guest, Script *script, unsigned set, const char *whose, int fd, JsonObject *storage,
                     JsonObject *format);

/* Adds to a script what opens one to be written, and remembers it; where that fails it is to be forgotten again. */
void nodes_open(Guest *guest, Script *script, const NewNode *new);
void nodes_forget_image(Guest *guest, const char *alias, uint32_t index);

/* Removes the sets of a disk that no node has, and what its nodes no longer need of others, then calls DONE (or NULL), unless the
 * guest is let go of before. */
void nodes_sweep(Guest *guest, const char *alias, void (*done)(void *data), void *data);

extern const GuestModule nodes_module;
