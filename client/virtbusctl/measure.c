/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a guest does that only its hypervisor sees: how fast it writes its memory, and what its QEMU tells by itself. */

#include <errno.h>
#include <unistd.h>

#include "ctl.h"

#define DOMAIN "org.virtbus1.Domain"
#define CONNECTION "org.virtbus1.Connection"

/* How much of what QEMU tells is read at a time. */
#define PIECE 65536

/* How long a guest is watched where nobody says it, in seconds; and how often it is looked after whether that is over, in
 * microseconds, and for how long. */
#define MEASURED_SECONDS 1
#define LOOK_INTERVAL 100000
#define LOOK_PATIENCE (60 * G_USEC_PER_SEC)

#define DIRTY_RATE_MEASURED 2

/* Until what was begun is measured; false with the error. */
static bool read_rate(Ctl *ctl, const char *connection, const char *path, uint64_t *rate, GError **error) {
        int64_t end = g_get_monotonic_time() + LOOK_PATIENCE;
        for (uint64_t status = 0; status != DIRTY_RATE_MEASURED;) {
                g_autoptr(GVariant) answer = NULL, all = NULL, own = NULL, group = NULL;
                const char *groups[] = { "dirty_rate", NULL };
                answer = ctl_call(ctl, connection, CONNECTION, "GetDomainStats",
                                  g_variant_new("(@ao^as@a{sv})", g_variant_new_objv(&path, 1), groups, ctl_options(NULL, NULL)),
                                  NULL, NULL, error);
                if (!answer)
                        return false;
                all = g_variant_get_child_value(answer, 0);
                own = g_variant_lookup_value(all, path, NULL);
                group = own ? g_variant_lookup_value(own, "dirty_rate", G_VARIANT_TYPE_VARDICT) : NULL;
                if (group && g_variant_lookup(group, "status", "t", &status) && status == DIRTY_RATE_MEASURED)
                        return g_variant_lookup(group, "bytes_per_second", "t", rate);
                if (g_get_monotonic_time() > end) {
                        g_set_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_TIMEOUT, "it is not told how fast it writes its memory");
                        return false;
                }
                g_usleep(LOOK_INTERVAL);
        }
        return true;
}

int verb_dirty_rate(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        guint64 seconds = MEASURED_SECONDS;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        if (!domain)
                return status;
        if (arguments[1] && !g_ascii_string_to_unsigned(arguments[1], 10, 1, 60, &seconds, NULL)) {
                ctl_say("'%s': dirty-rate watches a guest for 1 to 60 seconds", arguments[1]);
                return EXIT_USAGE;
        }
        VirtbusConnection *connection = virtbus_client_get_connection_of(ctl->client, domain);
        uint64_t rate = 0;
        g_autofree char *path = g_strdup(ctl_path(domain));
        g_autoptr(GVariant) begun =
                        ctl_call(ctl, path, DOMAIN, "MeasureDirtyRate",
                                 g_variant_new("(u@a{sv})", (guint32) seconds, ctl_options(NULL, NULL)), NULL, NULL, &error);
        if (begun)
                g_usleep(seconds * G_USEC_PER_SEC);
        if (!begun || !read_rate(ctl, g_dbus_proxy_get_object_path(G_DBUS_PROXY(connection)), path, &rate, &error))
                return ctl_fail(g_steal_pointer(&error));
        g_autofree char *size = output_size(rate), *line = g_strdup_printf("%s/s\n", rate > 0 ? size : "0");
        output_text(line);
        return EXIT_DONE;
}

/* A line of JSON for each event, as the service hands them out, until nobody tells any more. */
static int copy_events(int fd) {
        char piece[PIECE];
        for (;;) {
                ssize_t n = read(fd, piece, sizeof piece);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? EXIT_FAILED : EXIT_DONE;
                output_bytes(piece, (size_t) n);
        }
}

int verb_qmp_events(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(GError) error = NULL;
        g_autoptr(VirtbusDomain) domain = arguments[0] ? ctl_find(ctl, arguments[0], &status) : NULL;
        if (arguments[0] && !domain)
                return status;
        if (ctl->host) {
                const char *const there[] = { "qmp-events", arguments[0], NULL };
                return ctl_go_there(ctl, false, there);
        }
        g_autoptr(VirtbusConnection) connection = domain ? NULL : ctl_connection(ctl, &error);
        if (!domain && !connection)
                return ctl_fail(g_steal_pointer(&error));
        int fd = ctl_call_for_fd(ctl, domain ? ctl_path(domain) : g_dbus_proxy_get_object_path(G_DBUS_PROXY(connection)),
                                 domain ? DOMAIN : CONNECTION, "OpenMonitorEvents",
                                 g_variant_new("(@a{sv})", ctl_options(NULL, NULL)), &error);
        if (fd < 0)
                return ctl_fail(g_steal_pointer(&error));
        status = copy_events(fd);
        close(fd);
        return status;
}
