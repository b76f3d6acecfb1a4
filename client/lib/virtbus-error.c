/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virtbus-error.h"

#include <gio/gio.h>

GQuark virtbus_error_quark(void) {
        static gsize quark;
        GDBusErrorEntry entries[VIRTBUS_ERROR_NO_SUCH_CHECKPOINT + 1];
        guint n = 0;
        for (int code = 0; code < (int) G_N_ELEMENTS(entries); code++)
                if (code != VIRTBUS_ERROR_ACCESS_DENIED) /* D-Bus's own, which GIO knows already */
                        entries[n++] = (GDBusErrorEntry){ code, virtbus_error_name((VirtbusError) code) };
        g_dbus_error_register_error_domain("virtbus-error", &quark, entries, n);
        return (GQuark) quark;
}
