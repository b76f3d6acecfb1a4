/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A QEMU without a guest that is asked one question after the other by its monitor, and is ended then. */

#include "base/json.h"
#include "base/process.h"

/* How long one may take to answer all, in microseconds. */
#define INTERVIEW_TIMEOUT (30 * UINT64_C(1000000))

/* What a QEMU that is asked may use: seconds of a processor, and bytes in a file. */
#define INTERVIEW_SECONDS 30
#define INTERVIEW_FILE_BYTES (UINT64_C(1) << 20)

typedef struct Interviews Interviews; /* those of a driver */
typedef struct Interview Interview;

typedef struct InterviewListener {
        /* The next command, with its arguments (which are taken; NULL: none); NULL: nothing more is asked. */
        const char *(*next)(void *data, JsonObject **arguments);
        /* Its answer, or why there is none; whether the interview goes on. */
        bool (*answered)(void *data, JsonNode *answer, const GError *error);
        /* All is answered, or, where it FAILED, will not be; from the loop, and the interview is gone. */
        void (*over)(void *data, bool failed);
} InterviewListener;

/* TEMPLATE names the user of the QEMUs that are asked. */
Interviews *interviews_new(sd_event *event, const ProcessSetup *template);
void interviews_free(Interviews *interviews); /* none may be left but those that have ended */

/* Runs EMULATOR, with KVM or without. The listener is not called before this returns; NULL with an error, and then never. */
Interview *interview_begin(Interviews *interviews, const char *emulator, bool kvm, const InterviewListener *listener, void *data,
                           GError **error);

/* Ends it before it is over; the listener is not called any more. */
void interview_end(Interview *interview);
