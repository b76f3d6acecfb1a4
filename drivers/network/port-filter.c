/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/registry-change.h"
#include "errors.h"
#include "network/filter-table.h"
#include "network/port.h"

/* Another filter of a port that is there. */

typedef struct Refiltering {
        Networks *networks;
        char *uuid; /* the port's, which may go meanwhile */
        WorkDone done;
        void *data;
} Refiltering;

static Port *find(const Refiltering *refiltering) {
        const Ports *ports = refiltering->networks->ports; /* they may have been closed */
        return ports ? ports_find(ports, refiltering->uuid) : NULL;
}

static void on_done(void *data, const GError *failure) {
        g_autofree Refiltering *refiltering = data;
        g_autofree char *uuid = refiltering->uuid;
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        Port *port = find(refiltering);
        if (port)
                port_filter_changed(port, &error);
        else if (!error)
                virtbus_error_set(&error, VIRTBUS_ERROR_OPERATION_INVALID, "the port is gone");
        refiltering->done(refiltering->data, error);
}

/* A card that has got none is removed again. */
static void on_added(void *data, const GError *error) {
        Port *port = find(data);
        if (error && port)
                filtered_card_remove(g_steal_pointer(&port->card), NULL, NULL);
        on_done(data, error);
}

static bool check(const Port *port, const Networks *networks, GError **error) {
        if (!networks->filters)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED, "cards of this driver's can have no filters");
        if (port_is_direct(port))
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                         "%s is a macvtap interface, which nothing filters; use a bridge", port->interface);
        return !port->is_changing || virtbus_error_set(error, VIRTBUS_ERROR_RESOURCE_BUSY,
                                                       "the filter of %s is being changed: call again", port->interface);
}

void port_set_filter(Port *port, const char *filter, WorkDone done, void *data) {
        g_autoptr(GError) error = NULL;
        Networks *networks = ports_networks(port->all);
        g_autoptr(FilterBinding) binding =
                        check(port, networks, &error) && *filter ? filter_binding_parse(filter, port->mac, &error) : NULL;
        if (error || (!binding && !port->card)) {
                done(data, error);
                return;
        }
        Refiltering *refiltering = g_new(Refiltering, 1);
        *refiltering = (Refiltering){ networks, g_strdup(port->uuid), done, data };
        port->is_changing = true;
        if (!binding)
                filtered_card_remove(g_steal_pointer(&port->card), on_done, refiltering);
        else if (port->card)
                filtered_card_change(port->card, g_steal_pointer(&binding), on_done, refiltering);
        else
                port_filter_begin(port, networks, g_steal_pointer(&binding), on_added, refiltering);
}
