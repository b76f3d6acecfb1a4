/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What QEMU says, for a person: it knows its files by the numbers of descriptors, and nothing of other domains. */

#include "domain/domain.h"
#include "qemu/command/command-line.h"

/* The same text with the files' paths. LINE: what gave QEMU its files; NULL: not known. */
char *qemu_words(const CommandLine *line, const char *text);

/* The same of an error, which may be NULL; of an image that QEMU cannot lock, who has it. */
GError *qemu_error(const Domain *domain, const CommandLine *line, const GError *error);

/* Whether that is what QEMU says. */
bool qemu_cannot_lock(const char *words);

/* Whether QEMU says that an image's passphrase is not the one that it was given; says so of a disk, and of the secret that its
 * element names. */
bool qemu_cannot_unlock(const char *words);
bool qemu_fail_passphrase(const Domain *domain, const xmlNode *disk, GError **error);

/* The same of the password of a private key, for TLS. */
bool qemu_cannot_open_key(const char *words);
bool qemu_fail_key(const Domain *domain, const char *words, GError **error);

/* Says who has the image of a disk: another running domain, another disk than the one of that alias, or somebody else. TARGET
 * is the disk's name; NULL: not known. */
bool qemu_fail_locked(const Domain *domain, const char *alias, const char *target, const char *path, GError **error);
