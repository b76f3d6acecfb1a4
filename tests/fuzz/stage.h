/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A driver's objects with virtbusd's end of the connection in our hands: what the input calls is called as virtbusd would, and
 * what is answered must be what the API says.
 *
 * Such inputs are lines. One that begins with '!' is a call, "!PATH INTERFACE.METHOD BYTES": PATH below the first domain's, or
 * "." for its own; BYTES decide the arguments. What others mean is the target's. */

#include "fuzz-qemu.h"

#define STAGE_UUID "a1b2c3d4-0000-4000-8000-000000000001"
#define STAGE_PATH "/org/virtbus1/qemu/domain/a1b2c3d4_0000_4000_8000_000000000001"

typedef struct Stage {
        sd_event *event;
        Objects *objects;
        Connection *connection;
        sd_bus *driver, *service; /* the ends */
} Stage;

/* Opens the driver, with what its folders hold. */
void stage_open(Stage *stage);
void stage_close(Stage *stage);

/* Does what a line that begins with '!' says. */
void stage_call(Stage *stage, const char *line);

/* The driver's folders without anything in them that a start reads, and a file in them; TEXT may name the process that stands
 * for a QEMU, and the folder, as @PID@, @START@ and @RUN@. */
void stage_clean(void);
void stage_write(const char *name, const char *text);
