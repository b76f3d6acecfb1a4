/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Running a guest again from a file, or from a descriptor: a start (start.h) of its domain, which may have to be made. */

#include "domain/domain.h"
#include "domain/operations/save-image.h"

/* Reads the header of PATH or FD (which is taken), finds or makes the domain, answers the call with it and with a job. XML is
 * used instead of the saved document, or NULL. */
void restore_begin(Connection *connection, const char *path, int fd, const char *xml, SavedRuns runs, Call *call);
