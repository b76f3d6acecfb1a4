/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The document in a saved state: read, or replaced by another one of the same machine. The state is written anew beside the old
 * one and takes its place then, whole: a driver that ends meanwhile leaves the old one. */

#include "domain/domain.h"
#include "domain/operations/save-image.h"

/* What a caller asks about a state: that of PATH, which the driver opens with its own rights, or, where that is NULL, what DOMAIN
 * goes on from at its next start. */
typedef struct SavedRequest {
        Connection *connection;
        const char *path;
        Domain *domain;
        bool secrets;    /* the document is read with them */
        const char *xml; /* what it is replaced by; NULL: it is read */
        SavedRuns runs;
        void (*reply)(Call *call, const char *xml);
        void (*reply_done)(Call *call);
} SavedRequest;

/* Reads the options "running" and "paused". */
bool saved_document_read_runs(sd_bus_message *options, SavedRuns *runs, GError **error);

/* Answers CALL. */
void saved_document_answer(const SavedRequest *request, Call *call);
