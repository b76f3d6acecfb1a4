/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* attached DRIVER: prints a line when it listens, and ends when virtbusd has taken in all that the driver has: Manager.Drivers
 * says "attached". It reads no more of what it is told meanwhile than it must: a figure of many objects is to be theirs. */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"

static int on_changed(sd_bus_message *message, void *data, sd_bus_error *error) {
        (void) message;
        (void) error;
        *(bool *) data = true;
        return 0;
}

static int is_attached(sd_bus *bus, const char *wanted) {
        g_autoptr(sd_bus_message) reply = NULL;
        const char *name, *state;
        int found = 0, r = sd_bus_get_property(bus, "org.virtbus1", "/org/virtbus1", "org.virtbus1.Manager", "Drivers", NULL,
                                               &reply, "a(ssss)");
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(ssss)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(ssss)", &name, NULL, &state, NULL)) > 0)
                found |= strcmp(name, wanted) == 0 && strcmp(state, "attached") == 0;
        return r < 0 ? r : found;
}

int main(int argc, char *argv[]) {
        sd_bus *bus = NULL;
        bool changed = false;
        int r = argc == 2 ? sd_bus_open_system(&bus) : -EINVAL;
        if (r >= 0)
                r = sd_bus_match_signal(bus, NULL, "org.virtbus1", "/org/virtbus1", "org.freedesktop.DBus.Properties",
                                        "PropertiesChanged", on_changed, &changed);
        if (r >= 0)
                puts("listening");
        fflush(stdout);
        while (r >= 0 && (r = is_attached(bus, argv[1])) == 0)
                for (changed = false; r >= 0 && !changed;)
                        if ((r = sd_bus_process(bus, NULL)) == 0)
                                r = sd_bus_wait(bus, UINT64_MAX);
        sd_bus_flush_close_unref(bus);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
