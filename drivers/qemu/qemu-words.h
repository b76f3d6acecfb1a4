/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What QEMU says, for a person: it knows its files by the numbers of descriptors, and nothing of other domains. */

#include "command-line.h"
#include "domain.h"

/* The same text with the files' paths, without what QEMU says in passing, and, of an image that it cannot lock, with the name of the
 * domain that has it. LINE: what gave QEMU its files; NULL: not known. */
char *qemu_words(const Domain *domain, const CommandLine *line, const char *text);

/* The same of an error, which may be NULL. */
GError *qemu_error(const Domain *domain, const CommandLine *line, const GError *error);
