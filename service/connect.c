/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "connect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "bounds.h"
#include "bus.h"
#include "log.h"

/* The address of the system bus, unless the environment has another. */
#define SYSTEM_BUS_ADDRESS "unix:path=/run/dbus/system_bus_socket"

/* The bus lets nobody send what it has not checked; whatever is left out here, it has its own deadline for. */
static const InletRules bus_rules = { .header_max = HEADER_BYTES_MAX, .body_max = BODY_BYTES_MAX };

/* The value of a key of "unix:key=value,key=value", unescaped, or NULL. */
static char *address_value(const char *address, const char *key) {
        g_auto(GStrv) pairs = g_strsplit(address + strlen("unix:"), ",", -1);
        size_t length = strlen(key);
        for (char **pair = pairs; *pair; pair++)
                if (strncmp(*pair, key, length) == 0 && (*pair)[length] == '=')
                        return g_uri_unescape_string(*pair + length + 1, NULL);
        return NULL;
}

static int connect_to(const char *address) {
        struct sockaddr_un socket_address = { .sun_family = AF_UNIX };
        if (!g_str_has_prefix(address, "unix:"))
                return -EPROTONOSUPPORT;
        g_autofree char *path = address_value(address, "path"), *abstract = address_value(address, "abstract");
        const char *name = path ? path : abstract;
        size_t skip = path ? 0 : 1, length = name ? strlen(name) : 0;
        if (length == 0 || skip + length >= sizeof socket_address.sun_path)
                return -EINVAL;
        memcpy(socket_address.sun_path + skip, name, length);
        g_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *) &socket_address,
                              (socklen_t) (offsetof(struct sockaddr_un, sun_path) + skip + length + (path ? 1 : 0))) < 0)
                return -errno;
        return steal_fd(&fd);
}

int connect_to_address(const char *addresses) {
        g_auto(GStrv) list = g_strsplit(addresses, ";", -1);
        int fd = -EINVAL;
        for (char **address = list; *address && fd < 0; address++)
                fd = connect_to(*address);
        return fd;
}

/* As sd_bus_open_system and sd_bus_open_user have it. */
static char *bus_address(bool user) {
        const char *set = secure_getenv(user ? "DBUS_SESSION_BUS_ADDRESS" : "DBUS_SYSTEM_BUS_ADDRESS");
        const char *folder = secure_getenv("XDG_RUNTIME_DIR");
        if (set || !user)
                return g_strdup(set ? set : SYSTEM_BUS_ADDRESS);
        if (!folder)
                return g_strdup("");
        g_autofree char *escaped = g_uri_escape_string(folder, "/", FALSE);
        return g_strdup_printf("unix:path=%s/bus", escaped);
}

/* Descriptors come with calls, and go with what polkit is asked about processes. */
static int start_client(sd_bus *bus, sd_event *event) {
        int r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, true);
        if (r >= 0) /* that would wait until all is read */
                r = sd_bus_set_close_on_exit(bus, false);
        if (r >= 0)
                r = sd_bus_start(bus);
        return r < 0 ? r : sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);
}

int connect_bus(bool user, sd_event *event, sd_bus **bus, Inlet **inlet) {
        g_autofree char *address = bus_address(user);
        int fd = connect_to_address(address);
        if (fd < 0)
                return fd;
        *inlet = inlet_new(&bus_rules, NULL);
        int r = sd_bus_new(bus);
        if (r >= 0)
                r = inlet_connect(*inlet, *bus, fd);
        if (r >= 0)
                r = start_client(*bus, event);
        return r < 0 ? r : inlet_start(*inlet);
}

static int on_asking_name(sd_bus_message *reply, void *data, sd_bus_error *unused) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        (void) data;
        (void) unused;
        if (error)
                log_warning("cannot own the name " ASKING_NAME ", so that others may send to the connection that asks polkit: %s",
                            error->message);
        return 0;
}

int connect_bus_for_asking(sd_event *event, sd_bus **bus) {
        g_autofree char *address = bus_address(false);
        int r = sd_bus_new(bus);
        if (r >= 0)
                r = sd_bus_set_address(*bus, address);
        if (r >= 0)
                r = start_client(*bus, event);
        if (r >= 0)
                r = sd_bus_set_exit_on_disconnect(*bus, true);
        return r < 0 ? r : sd_bus_request_name_async(*bus, NULL, ASKING_NAME, 0, on_asking_name, NULL);
}
