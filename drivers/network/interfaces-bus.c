/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/interfaces-bus.h"

#include <net/if.h>

#include "base/registry-answer.h"
#include "network/interface-document.h"
#include "network/interface-form.h"
#include "network/value.h"
#include "options.h"
#include "vtables.h"

INTERFACES_VTABLE(Interfaces, all);
INTERFACE_VTABLE(Interface, bus);

static void all_get_interface_by_name(Call *call, Interfaces *self, const char *name) {
        g_autoptr(GError) error = NULL;
        const Interface *interface = interfaces_find(self, name, &error);
        if (interface)
                reply_interfaces_get_interface_by_name(call, published_path(interface->published));
        else
                call_fail(call, error);
}

static int append_paths(sd_bus_message *answer, const GPtrArray *found) {
        int r = sd_bus_message_open_container(answer, 'a', "o");
        for (guint i = 0; i < found->len && r >= 0; i++)
                r = sd_bus_message_append(answer, "o", published_path(((const Interface *) found->pdata[i])->published));
        return r < 0 ? r : sd_bus_message_close_container(answer);
}

static void answer_found(Call *call, const GPtrArray *found) {
        g_autoptr(sd_bus_message) answer = NULL;
        int r = call_begin_answer(call, &answer);
        if (r >= 0)
                r = append_paths(answer, found);
        if (r >= 0)
                call_send_answer(call, answer);
        else
                call_fail_errno(call, r);
}

static void all_get_interfaces_by_mac(Call *call, Interfaces *self, const char *mac) {
        g_autoptr(GError) error = NULL;
        if (!value_mac.check(&value_mac, mac)) {
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "'%.64s' is not %s", mac, value_mac.what);
                call_fail(call, error);
                return;
        }
        g_autoptr(GPtrArray) found = interfaces_with_mac(self, mac);
        answer_found(call, found);
}

static void all_check_interface_xml(Call *call, Interfaces *self, const char *xml, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        (void) self;
        g_autofree char *kept = options_read(options, &error, NULL) ? interface_form_check(xml, &error) : NULL;
        if (kept)
                reply_interfaces_check_interface_xml(call, kept);
        else
                call_fail(call, error);
}

/* One of them */

#define INTERFACE_PROPERTY(type, name, value) \
        static type bus_get_##name(const Interface *self) { \
                return value; \
        }

INTERFACE_PROPERTY(const char *, name, interface_name(self))
INTERFACE_PROPERTY(const char *, type, interface_type(self))
INTERFACE_PROPERTY(const char *, kind, interface_kind(self))
INTERFACE_PROPERTY(const char *, mac, self->mac)
INTERFACE_PROPERTY(const char *, master, self->master)
INTERFACE_PROPERTY(const char *, lower, self->lower)
INTERFACE_PROPERTY(const char *, state, interface_state(self))
INTERFACE_PROPERTY(uint32_t, mtu, rtnl_link_get_mtu(self->link))
INTERFACE_PROPERTY(bool, active, rtnl_link_get_flags(self->link) & IFF_UP)

static int bus_get_members(const Interface *self, sd_bus_message *m) {
        g_autoptr(GPtrArray) members = interface_members(self);
        int r = sd_bus_message_open_container(m, 'a', "s");
        for (guint i = 0; i < members->len && r >= 0; i++)
                r = sd_bus_message_append(m, "s", interface_name(members->pdata[i]));
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int bus_get_addresses(const Interface *self, sd_bus_message *m) {
        g_autoptr(GArray) addresses = interface_addresses(self);
        int r = sd_bus_message_open_container(m, 'a', "(su)");
        for (guint i = 0; i < addresses->len && r >= 0; i++) {
                const Subnet *subnet = &g_array_index(addresses, Subnet, i);
                g_autofree char *text = address_text(&subnet->address);
                r = sd_bus_message_append(m, "(su)", text, subnet->prefix);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static void bus_get_xml(Call *call, Interface *self, sd_bus_message *options) {
        g_autofree char *xml = registry_check_options(call, options) ? interface_document(self) : NULL;
        if (xml)
                reply_interface_get_xml(call, xml);
}

static const Vtable *const of_host[] = { &all_vtable, NULL }, *const of_interface[] = { &bus_vtable, NULL };

const InterfacesFace interfaces_face = { of_host, of_interface };
