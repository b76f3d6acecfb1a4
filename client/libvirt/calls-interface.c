/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Network interfaces of the machine, which are objects of the connection "host" whatever connection the client has opened. They
 * are only told of: what would change one is refused as what no hypervisor supports. */

#include "calls.h"
#include "listing.h"
#include "rows.h"

#define INTERFACES INTERFACE("Interfaces")
#define INTERFACE_OF_HOST INTERFACE("Interface")

#define SELECT_INACTIVE 1
#define SELECT_ACTIVE 2

static const FlagOption list_flags[] = { { SELECT_INACTIVE | SELECT_ACTIVE, NULL }, {} };
/* What is there, and what is kept: nothing is kept here. */
static const FlagOption xml_flags[] = { FLAG_IS_ALWAYS_SO(1), {} };

static const char *const wanted[] = { "Name", "MAC", "Active", NULL };

/* Of the procedures that list names, or count, and select without flags. */
static const struct {
        ProcedureIndex procedure;
        uint32_t selection;
} selections[] = {
        { REMOTE_CONNECT_LIST_INTERFACES, SELECT_ACTIVE },
        { REMOTE_CONNECT_NUM_OF_INTERFACES, SELECT_ACTIVE },
        { REMOTE_CONNECT_LIST_DEFINED_INTERFACES, SELECT_INACTIVE },
        { REMOTE_CONNECT_NUM_OF_DEFINED_INTERFACES, SELECT_INACTIVE },
};

static uint32_t selection_of(const Call *call) {
        for (size_t i = 0; i < G_N_ELEMENTS(selections); i++)
                if (selections[i].procedure == call->row->procedure)
                        return selections[i].selection;
        return call->flags;
}

static bool is_active(GVariant *properties) {
        gboolean active = FALSE;
        g_variant_lookup(properties, "Active", "b", &active);
        return active;
}

static bool is_listed(const Call *call, GVariant *properties) {
        uint32_t selection = selection_of(call);
        return !selection || selection & (is_active(properties) ? SELECT_ACTIVE : SELECT_INACTIVE);
}

static GVariant *name_and_mac(GVariant *properties) {
        const char *name = "", *mac = "";
        g_variant_lookup(properties, "Name", "&s", &name);
        g_variant_lookup(properties, "MAC", "&s", &mac);
        return g_variant_new("(ss)", name, mac);
}

static const ListedKind interfaces = { INTERFACE_OF_HOST, NULL, wanted, "(ss)", 0, name_and_mac, is_listed };

static void list(Call *call) {
        listing_answer(call, &interfaces);
}

static bool on_no_object(Call *call, const GError *error) {
        return listing_refuse_absent(call, error, LIBVIRT_NO_INTERFACE, "Interface");
}

static void on_path(Call *call, GVariant *reply) {
        listing_answer_path(call, reply, &interfaces);
}

static void find_by_name(Call *call) {
        call->on_error = on_no_object;
        call_ask(call, LISTING_HOST, INTERFACES, "GetInterfaceByName", g_variant_new("(s)", call_string(call, 0)), "(o)",
                 on_path);
}

/* A bridge has the address of one of its parts. */
static void on_paths(Call *call, GVariant *reply) {
        g_autoptr(GVariant) paths = g_variant_get_child_value(reply, 0);
        gsize n = g_variant_n_children(paths);
        if (n == 0)
                call_refuse(call, LIBVIRT_NO_INTERFACE, "Interface not found: no interface has the address '%s'",
                            call_string(call, 0));
        else if (n > 1)
                call_refuse(call, LIBVIRT_MULTIPLE_INTERFACES, "multiple interfaces have the address '%s': name one",
                            call_string(call, 0));
        else {
                g_autoptr(GVariant) path = g_variant_get_child_value(paths, 0),
                                    first = g_variant_ref_sink(g_variant_new("(@o)", path));
                listing_answer_path(call, first, &interfaces);
        }
}

static void find_by_mac(Call *call) {
        call->on_error = on_no_object;
        call_ask(call, LISTING_HOST, INTERFACES, "GetInterfacesByMAC", g_variant_new("(s)", call_string(call, 0)), "(ao)",
                 on_paths);
}

static char *path_of(Call *call) {
        const char *name;
        g_variant_get_child(call->arguments, 0, "(&s&s)", &name, NULL);
        return listing_path_of_name("interface", name);
}

static void get_xml(Call *call) {
        g_autofree char *path = path_of(call);
        call->on_error = on_no_object;
        call_ask(call, path, INTERFACE_OF_HOST, "GetXML", g_variant_new("(a{sv})", NULL), "(s)", step_answer_document);
}

static void on_activity(Call *call, GVariant *properties) {
        call_answer(call, g_variant_new("(i)", (int32_t) is_active(properties)));
}

static void get_activity(Call *call) {
        g_autofree char *path = path_of(call);
        call->on_error = on_no_object;
        call_read(call, path, INTERFACE_OF_HOST, on_activity);
}

const CallRow interface_calls[] = {
        { REMOTE_CONNECT_LIST_ALL_INTERFACES, list, .flags = list_flags },
        { REMOTE_CONNECT_LIST_INTERFACES, list },
        { REMOTE_CONNECT_NUM_OF_INTERFACES, list },
        { REMOTE_CONNECT_LIST_DEFINED_INTERFACES, list },
        { REMOTE_CONNECT_NUM_OF_DEFINED_INTERFACES, list },
        { REMOTE_INTERFACE_LOOKUP_BY_NAME, find_by_name },
        { REMOTE_INTERFACE_LOOKUP_BY_MAC_STRING, find_by_mac },
        { REMOTE_INTERFACE_GET_XML_DESC, get_xml, .flags = xml_flags },
        { REMOTE_INTERFACE_IS_ACTIVE, get_activity },
        {},
};
