/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The .vmx files of a user's machines: found, read, written and put away. Nothing here looks at a connection: all of it may
 * wait for file systems, and is a worker's. A file, or a folder on the way to it, that somebody else may change is left out. */

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

/* How many machines there may be, and how many entries of a folder are looked at. */
#define MACHINE_FILES_MAX 4096
#define MACHINE_ENTRIES_MAX 65536

/* What only this driver writes into a .vmx, and reads: who has defined it; with whom it is shared; that it goes with its
 * run. VMware leaves both. */
#define MACHINE_OWNER_KEY "virtbus.owner"
#define MACHINE_SHARES_KEY "virtbus.shares"
#define MACHINE_TRANSIENT_KEY "virtbus.transient"

typedef struct MachineFile {
        char *path; /* links resolved */
        char *text; /* UTF-8; or NULL: */
        char *fault;
} MachineFile;
void machine_file_free(void *file);

/* All files whose name ends with .vmx in FOLDERS (NULL at the end) and in the folders there: MachineFile. WATCHED gets the path
 * of each folder that was looked into. */
GPtrArray *machine_files_find(const char *const *folders, GPtrArray *watched);

/* The machine of a file: its document, complete, with the UUID that its path gives it where it has none. */
typedef struct MachineText {
        xmlDoc *document;
        char **shares; /* or NULL */
        uid_t owner;
        bool is_transient;
} MachineText;
bool machine_text_read(const MachineFile *file, MachineText *machine, GError **error);

/* Writes the configuration of a document, with the lines EXTRA, whole: where there is one, what the document does not say of it
 * stays. The folder is made. Returns what was written, to be freed. */
char *machine_file_write(const char *path, xmlDoc *document, const char *extra, GError **error);

/* Takes one away: one of ours (KEEP false) and its folder, if that is empty then; another is renamed to .vmx.undefined. */
bool machine_file_remove(const char *path, bool keep, GError **error);
