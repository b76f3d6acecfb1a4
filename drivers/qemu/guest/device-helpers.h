/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The helpers of a guest's devices: one process for each device that needs one, made with the guest's QEMU, or when the device
 * is attached, and ended with it, or when the device has left. A kind of them is a table: passt.h. */

#include "qemu/command/files.h"
#include "qemu/guest/helper.h"

/* How long one may take before it serves, in microseconds. */
#define DEVICE_HELPERS_TIMEOUT (30 * UINT64_C(1000000))

typedef struct DeviceHelper DeviceHelper;

typedef struct DeviceHelperKind {
        const char *name, *of; /* "passt", "interface": for messages, and as the status says it */
        /* Says what it is to run: what is in PROGRAM then is let go of when that has been done, its descriptors too. FILE gets
         * QEMU's end of its socket. FILES: of the start, or of the device. */
        bool (*plan)(DeviceHelper *helper, const GPtrArray *files, File *file, HelperProgram *program, GError **error);
        /* It has ended by itself while the guest runs: says what that means. */
        void (*has_ended)(const DeviceHelper *helper);
} DeviceHelperKind;

struct DeviceHelper {
        Helper helper;
        const DeviceHelperKind *kind;
        char *alias;           /* of its device */
        bool goes;             /* it may run its program */
        bool leaves;           /* the device has left, or was not attached: its end means nothing */
        bool is_lost;          /* it has ended by itself, which is to be told */
        int ready;             /* a pipe that it writes to when it serves; -1: it does, or that is not to be waited for */
        sd_event_source *wait; /* for that */
};

/* Makes the helpers that FILES ask for: FILE_HELPER. They wait. */
bool device_helpers_make(Guest *guest, const GPtrArray *files, GError **error);

/* Whether there are any. */
bool device_helpers_wanted(const GPtrArray *files);

/* They may run. DONE is called, at once where none is to be waited for, when all serve, or with the error of the first that has
 * ended, or takes too long; not where the guest ends before. */
typedef void (*DeviceHelpersDone)(Guest *guest, const GError *error);
void device_helpers_go(Guest *guest, DeviceHelpersDone done);

/* The device is not there any more, or could not be attached: its helper ends. */
void device_helpers_leave(Guest *guest, const char *alias);

/* The guest's QEMU has ended: all do. DONE is called then, with ERROR; at once where there is none. */
void device_helpers_end(Guest *guest, const GError *error, DeviceHelpersDone done);

extern const GuestModule device_helpers_module;
