/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <errno.h>
#include <string.h>

#include "bus.h"
#include "errors.h"
#include "interfaces.h"
#include "options.h"
#include "paths.h"

int manager_update(sd_bus *bus, Mirror *mirror, Drivers *drivers) {
        /* The mirror reads messages: this one is never sent. */
        g_autoptr(sd_bus_message) message = NULL;
        int r = sd_bus_message_new_signal(bus, &message, MANAGER_PATH, interface_manager.name, "Properties");
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'a', "{sa{sv}}");
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'e', "sa{sv}");
        if (r >= 0)
                r = sd_bus_message_append(message, "s", interface_manager.name);
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(message, "{sv}", "Version", "s", VIRTBUS_VERSION);
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(message, "s", "Drivers");
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'v', "a(ssss)");
        if (r >= 0)
                r = drivers_append(drivers, message);
        for (int depth = 0; r >= 0 && depth < 5; depth++)
                r = sd_bus_message_close_container(message);
        if (r >= 0)
                r = sd_bus_message_seal(message, 1, 0);
        return r < 0 ? r : mirror_take(mirror, NULL, MANAGER_PATH, message);
}

/* The connection's name in a libvirt URI of this machine: the scheme, before the first ':'. */
static char *connection_of_uri(const char *uri, GError **error) {
        const char *colon = strchr(uri, ':');
        if (!colon || colon == uri) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "OpenConnection: '%.64s' is not a URI; write one like qemu:///system", uri);
                return NULL;
        }
        g_autofree char *scheme = g_strndup(uri, (gsize) (colon - uri));
        if (!g_str_has_prefix(colon, ":///") || strchr(scheme, '+')) {
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                  "OpenConnection: '%.64s' names another machine; only connections of this one are known", uri);
                return NULL;
        }
        return g_steal_pointer(&scheme);
}

static bool open_connection(Drivers *drivers, sd_bus_message *call, GError **error) {
        const char *uri;
        if (sd_bus_message_read(call, "s", &uri) < 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "OpenConnection: no URI");
        if (!options_read(call, error, NULL))
                return false;
        g_autofree char *name = connection_of_uri(uri, error);
        if (!name)
                return false;
        const char *path = drivers_connection_path(drivers, name);
        if (!path)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                         "OpenConnection: there is no driver for '%.64s'; the manager's property Drivers "
                                         "lists those there are",
                                         uri);
        sd_bus_reply_method_return(call, "o", path);
        return true;
}

const char *manager_connection(Drivers *drivers, sd_bus_message *call) {
        const char *uri, *member = sd_bus_message_get_member(call);
        if (strcmp(sd_bus_message_get_path(call), MANAGER_PATH) != 0 || strcmp(member, "OpenConnection") != 0 ||
            !sd_bus_message_has_signature(call, "sa{sv}") || sd_bus_message_read(call, "s", &uri) < 0)
                return NULL;
        g_autofree char *name = connection_of_uri(uri, NULL);
        sd_bus_message_rewind(call, true);
        return name ? drivers_connection_path(drivers, name) : NULL;
}

int manager_call(Drivers *drivers, sd_bus_message *call) {
        g_autoptr(GError) error = NULL;
        /* The router has checked interface, member and signature. */
        if (open_connection(drivers, call, &error))
                return 0;
        return virtbus_error_reply(call, error);
}
