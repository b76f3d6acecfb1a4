/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* flood CLIENTS CALLS DESTINATION PATH INTERFACE MEMBER [ARGUMENT ARGUMENT]: so many connections, each of which calls again
 * for each answer, whatever it is, with CALLS on their way. Says "ready" once all are connected, and runs until it is ended.
 * Arguments are of type ss. */

#include <stdio.h>
#include <stdlib.h>

#include "bus.h"

static char *const *what;

static int call(sd_bus *bus);

static int on_answer(sd_bus_message *reply, void *data, sd_bus_error *error) {
        (void) data;
        (void) error;
        return call(sd_bus_message_get_bus(reply));
}

static int call(sd_bus *bus) {
        return sd_bus_call_method_async(bus, NULL, what[0], what[1], what[2], what[3], on_answer, NULL, what[4] ? "ss" : NULL,
                                        what[4], what[4] ? what[5] : NULL);
}

int main(int argc, char *argv[]) {
        g_autoptr(sd_event) event = NULL;
        if (argc < 7 || sd_event_default(&event) < 0)
                return EXIT_FAILURE;
        what = argv + 3;
        int clients = atoi(argv[1]), calls = atoi(argv[2]);
        for (int i = 0; i < clients; i++) {
                sd_bus *bus = NULL; /* for as long as this runs */
                if (sd_bus_open_system(&bus) < 0 || sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL) < 0)
                        return EXIT_FAILURE;
                for (int n = 0; n < calls; n++)
                        if (call(bus) < 0)
                                return EXIT_FAILURE;
        }
        puts("ready");
        fflush(stdout);
        return sd_event_loop(event) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
