/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What virtbusd is measured against: a service of one object with a static sd-bus vtable, which answers a property read and
 * a method call from constants. */

#include <stdlib.h>

#include "bus.h"

static int get_state(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                     void *data, sd_bus_error *error) {
        (void) bus;
        (void) path;
        (void) interface;
        (void) property;
        (void) data;
        (void) error;
        return sd_bus_message_append(reply, "s", "running");
}

static int call(sd_bus_message *message, void *data, sd_bus_error *error) {
        const char *text;
        (void) data;
        (void) error;
        int r = sd_bus_message_read(message, "s", &text);
        return r < 0 ? r : sd_bus_reply_method_return(message, "o", "/echo");
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("State", "s", get_state, 0, 0),
        SD_BUS_METHOD("Call", "s", "o", call, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

int main(void) {
        sd_event *event = NULL;
        sd_bus *bus = NULL;
        int r = sd_event_default(&event);
        if (r >= 0)
                r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_attach_event(bus, event, 0);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, "/echo", "bench.Echo", vtable, NULL);
        if (r >= 0)
                r = sd_bus_request_name(bus, "bench.Echo", 0);
        return r < 0 || sd_event_loop(event) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
