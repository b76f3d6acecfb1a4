/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A driver that sends what it likes: the input decides its messages one after the other, and callers' calls between them. After
 * each, and at the end, everything is read. */

#include <string.h>

#include "bus.h"
#include "paths.h"
#include "virtbusd.h"

static const char *take_path(Bytes *bytes) {
        return virtbusd_paths[bytes_pick(bytes, g_strv_length((char **) virtbusd_paths))];
}

static const InterfaceInfo *take_interface(Bytes *bytes) {
        size_t n = 0;
        while (interfaces[n])
                n++;
        return interfaces[bytes_pick(bytes, n)];
}

/* A property of an interface, or none; rarely with another type than its own. */
static int append_property(Bytes *bytes, sd_bus_message *message, const PropertyInfo *property) {
        static const char *const others[] = { "s", "u", "b", "as", "v", "a{sv}", "t" };
        uint8_t fault = bytes_take(bytes);
        const char *type = fault > 252 ? others[bytes_pick(bytes, G_N_ELEMENTS(others))] : property->signature;
        if (fault == 252)
                return 0;
        int r = sd_bus_message_open_container(message, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append_basic(message, 's', property->name);
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'v', type);
        if (r >= 0)
                r = bytes_append(bytes, message, type, virtbusd_words);
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_properties(Bytes *bytes, sd_bus_message *message, const InterfaceInfo *interface, bool all) {
        int r = sd_bus_message_open_container(message, 'a', "{sv}");
        for (size_t i = 0; r >= 0 && i < interface->n_properties; i++)
                if (all || bytes_take(bytes) & 1)
                        r = append_property(bytes, message, interface->properties + i);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_object(Bytes *bytes, sd_bus_message *message) {
        int r = sd_bus_message_open_container(message, 'r', "oa{sa{sv}}");
        if (r >= 0)
                r = sd_bus_message_append_basic(message, 'o', take_path(bytes));
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'a', "{sa{sv}}");
        for (size_t n = bytes_pick(bytes, 4); r >= 0 && n > 0; n--) {
                const InterfaceInfo *interface = take_interface(bytes);
                r = sd_bus_message_open_container(message, 'e', "sa{sv}");
                if (r >= 0)
                        r = sd_bus_message_append_basic(message, 's', interface->name);
                if (r >= 0)
                        r = append_properties(bytes, message, interface, true);
                if (r >= 0)
                        r = sd_bus_message_close_container(message);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int fill_added(Bytes *bytes, sd_bus_message *message) {
        int r = sd_bus_message_open_container(message, 'a', "(oa{sa{sv}})");
        for (size_t n = bytes_pick(bytes, 4); r >= 0 && n > 0; n--)
                r = append_object(bytes, message);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int fill_removed(Bytes *bytes, sd_bus_message *message) {
        int r = sd_bus_message_open_container(message, 'a', "o");
        for (size_t n = bytes_pick(bytes, 4); r >= 0 && n > 0; n--)
                r = sd_bus_message_append_basic(message, 'o', take_path(bytes));
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int fill_changed(Bytes *bytes, sd_bus_message *message) {
        const InterfaceInfo *interface = take_interface(bytes);
        int r = sd_bus_message_append(message, "s", interface->name);
        if (r >= 0)
                r = append_properties(bytes, message, interface, false);
        return r < 0 ? r : bytes_append(bytes, message, "as", virtbusd_words);
}

static int fill_any(Bytes *bytes, sd_bus_message *message) {
        return bytes_append(bytes, message, "v", virtbusd_words);
}

static void send_signal(Virtbusd *virtbusd, Bytes *bytes) {
        static const struct {
                const char *interface, *member;
                int (*fill)(Bytes *bytes, sd_bus_message *message);
        } signals[] = {
                { DRIVER_INTERFACE, "ObjectsAdded", fill_added },
                { DRIVER_INTERFACE, "ObjectsRemoved", fill_removed },
                { "org.freedesktop.DBus.Properties", "PropertiesChanged", fill_changed },
                { DRIVER_INTERFACE, "Idle", NULL },
                { DRIVER_INTERFACE, "ObjectsAdded", fill_any },
                { "org.freedesktop.DBus.Properties", "PropertiesChanged", fill_any },
                { "org.virtbus1.Domain", "StateChanged", fill_any },
                { "org.virtbus1.Job", "Completed", fill_any },
        };
        size_t which = bytes_pick(bytes, G_N_ELEMENTS(signals));
        const char *path = strcmp(signals[which].interface, DRIVER_INTERFACE) == 0 ? DRIVER_PATH : take_path(bytes);
        g_autoptr(sd_bus_message) message = NULL;
        int r = sd_bus_message_new_signal(virtbusd->driver, &message, path, signals[which].interface, signals[which].member);
        if (r >= 0 && signals[which].fill)
                r = signals[which].fill(bytes, message);
        if (r >= 0)
                sd_bus_send(virtbusd->driver, message, NULL);
}

/* A signal of the API, with the body that it has. */
static void send_api_signal(Virtbusd *virtbusd, Bytes *bytes) {
        const InterfaceInfo *interface = take_interface(bytes);
        g_autoptr(sd_bus_message) message = NULL;
        if (interface->n_signals == 0)
                return;
        const SignalInfo *signal = &interface->signals[bytes_pick(bytes, interface->n_signals)];
        int r = sd_bus_message_new_signal(virtbusd->driver, &message, take_path(bytes), interface->name, signal->name);
        if (r >= 0)
                r = bytes_append(bytes, message, signal->signature, virtbusd_words);
        if (r >= 0)
                sd_bus_send(virtbusd->driver, message, NULL);
}

static void send_raw(Virtbusd *virtbusd, Bytes *bytes) {
        uint8_t raw[32];
        size_t n = bytes_pick(bytes, sizeof raw);
        for (size_t i = 0; i < n; i++)
                raw[i] = bytes_take(bytes);
        g_assert_cmpint(write(sd_bus_get_fd(virtbusd->driver), raw, n), <=, (gssize) n);
}

static void read_all(Virtbusd *virtbusd) {
        for (size_t i = 0; virtbusd_paths[i]; i++)
                virtbusd_read(virtbusd, virtbusd_paths[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Bytes bytes = { data, size };
        Virtbusd virtbusd;
        virtbusd_open(&virtbusd, true);
        while (bytes.left > 0 && virtbusd.driver && sd_bus_is_open(virtbusd.driver) > 0) {
                uint8_t what = bytes_take(&bytes);
                if (what < 160)
                        send_signal(&virtbusd, &bytes);
                else if (what < 200)
                        send_api_signal(&virtbusd, &bytes);
                else if (what < 240)
                        virtbusd_call(&virtbusd, &bytes);
                else if (what < 250)
                        virtbusd.answer = virtbusd.answer == POLKIT_YES ? POLKIT_NO : POLKIT_YES;
                else if (what == 250)
                        send_raw(&virtbusd, &bytes);
                else if (what == 251)
                        sd_bus_close(virtbusd.driver);
                else
                        virtbusd_read(&virtbusd, take_path(&bytes));
                fuzz_settle(virtbusd.event);
        }
        virtbusd.answer = POLKIT_YES;
        read_all(&virtbusd);
        virtbusd_close(&virtbusd);
        return 0;
}
