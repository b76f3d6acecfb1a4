/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Virtual networks, which are objects of the connection "host" whatever connection the client has opened. */

#include <string.h>

#include "calls.h"
#include "listing.h"
#include "rows.h"

#define HOST LISTING_HOST
#define NETWORKS INTERFACE("Networks")
#define NETWORK INTERFACE("Network")

#define SELECT_INACTIVE 1
#define SELECT_ACTIVE 2
#define SELECT_PERSISTENT 4
#define SELECT_TRANSIENT 8
#define SELECT_AUTOSTART 16
#define SELECT_NO_AUTOSTART 32

static const FlagOption list_flags[] = { { 63, NULL }, {} };
static const FlagOption xml_flags[] = { { 1, "inactive" }, {} };
/* A document is always checked. */
static const FlagOption document_flags[] = { FLAG_IS_ALWAYS_SO(1), {} };

static const FlagOption lease_flags[] = { {} };

/* What is selected by. */
static const char *const wanted[] = { "Name", "UUID", "Active", "Persistent", "Autostart", NULL };

static const struct {
        const char *property;
        uint32_t is, is_not;
} traits[] = {
        { "Active", SELECT_ACTIVE, SELECT_INACTIVE },
        { "Persistent", SELECT_PERSISTENT, SELECT_TRANSIENT },
        { "Autostart", SELECT_AUTOSTART, SELECT_NO_AUTOSTART },
};

/* Of the procedures that list names, or count, and select without flags. */
static const struct {
        ProcedureIndex procedure;
        uint32_t selection;
} selections[] = {
        { REMOTE_CONNECT_LIST_NETWORKS, SELECT_ACTIVE },
        { REMOTE_CONNECT_NUM_OF_NETWORKS, SELECT_ACTIVE },
        { REMOTE_CONNECT_LIST_DEFINED_NETWORKS, SELECT_INACTIVE },
        { REMOTE_CONNECT_NUM_OF_DEFINED_NETWORKS, SELECT_INACTIVE },
};

static bool is_selected(GVariant *properties, uint32_t selection) {
        bool selected = true;
        for (size_t i = 0; i < G_N_ELEMENTS(traits); i++) {
                gboolean is = FALSE;
                g_variant_lookup(properties, traits[i].property, "b", &is);
                selected &= !(selection & (traits[i].is | traits[i].is_not)) ||
                            selection & (is ? traits[i].is : traits[i].is_not);
        }
        return selected;
}

static uint32_t selection_of(const Call *call) {
        for (size_t i = 0; i < G_N_ELEMENTS(selections); i++)
                if (selections[i].procedure == call->row->procedure)
                        return selections[i].selection;
        return call->flags;
}

static bool is_listed(const Call *call, GVariant *properties) {
        return is_selected(properties, selection_of(call));
}

static const ListedKind networks = { NETWORK, NULL, wanted, "(ss)", 0, listing_name_and_uuid, is_listed };

static void list(Call *call) {
        listing_answer(call, &networks);
}

static bool on_no_object(Call *call, const GError *error) {
        return listing_refuse_absent(call, error, LIBVIRT_NO_NETWORK, "Network");
}

/* Asks the network that is the first argument. */
static void ask(Call *call, const char *interface, const char *member, GVariant *arguments, const char *reply, CallStep step) {
        const char *uuid;
        g_variant_get_child(call->arguments, 0, "(&s&s)", NULL, &uuid);
        g_autofree char *path = listing_path("network", uuid);
        call->on_error = on_no_object;
        call_ask(call, path, interface, member, arguments, reply, step);
}

static void on_network(Call *call, GVariant *properties) {
        call_answer(call, g_variant_new("(@(ss))", listing_name_and_uuid(properties)));
}

static void on_path(Call *call, GVariant *reply) {
        const char *path;
        g_variant_get(reply, "(&o)", &path);
        call_read(call, path, NETWORK, on_network);
}

static void find_by_name(Call *call) {
        call->on_error = on_no_object;
        call_ask(call, HOST, NETWORKS, "GetNetworkByName", g_variant_new("(s)", call_string(call, 0)), "(o)", on_path);
}

static void find_by_uuid(Call *call) {
        g_autofree char *path = listing_path("network", call_string(call, 0));
        call->on_error = on_no_object;
        call_read(call, path, NETWORK, on_network);
}

static void make_network(Call *call) {
        call_ask(call, HOST, NETWORKS, call->row->member, g_variant_new("(sa{sv})", call_string(call, 0), NULL), "(o)", on_path);
}

static void do_method(Call *call) {
        ask(call, NETWORK, call->row->member, g_variant_new("(a{sv})", NULL), "()", step_answer_nothing);
}

static void get_xml(Call *call) {
        ask(call, NETWORK, "GetXML", g_variant_new("(@a{sv})", call_options(call)), "(s)", step_answer_document);
}

static void get(Call *call, CallStep step) {
        ask(call, "org.freedesktop.DBus.Properties", "Get", g_variant_new("(ss)", NETWORK, call->row->member), "(v)", step);
}

static void on_flag(Call *call, GVariant *reply) {
        g_autoptr(GVariant) value = NULL;
        g_variant_get(reply, "(v)", &value);
        call_answer(call, g_variant_new("(i)", (int32_t) g_variant_get_boolean(value)));
}

static void get_flag(Call *call) {
        get(call, on_flag);
}

static void on_bridge(Call *call, GVariant *reply) {
        g_autoptr(GVariant) value = NULL;
        g_variant_get(reply, "(v)", &value);
        if (*g_variant_get_string(value, NULL))
                call_answer(call, g_variant_new("(@s)", value));
        else
                call_refuse(call, LIBVIRT_INTERNAL_ERROR, "internal error: the network does not have a bridge name.");
}

static void get_bridge(Call *call) {
        get(call, on_bridge);
}

static void set_autostart(Call *call) {
        int32_t autostart;
        g_variant_get_child(call->arguments, 1, "i", &autostart);
        ask(call, "org.freedesktop.DBus.Properties", "Set",
            g_variant_new("(ssv)", NETWORK, "Autostart", g_variant_new_boolean(autostart != 0)), "()", step_answer_nothing);
}

/* Leases */

#define IPV4 0
#define IPV6 1

/* NULL where it is not known. */
static const char *known(GVariant *lease, const char *name) {
        const char *text = "";
        g_variant_lookup(lease, name, "&s", &text);
        return *text ? text : NULL;
}

static void add_lease(GVariantBuilder *builder, const char *bridge, GVariant *lease) {
        const char *address = known(lease, "address");
        uint64_t expires = 0;
        uint32_t prefix = 0;
        g_variant_lookup(lease, "expires", "t", &expires);
        g_variant_lookup(lease, "prefix", "u", &prefix);
        if (address)
                g_variant_builder_add(builder, "(sximsmssumsms)", bridge, (int64_t) (expires / G_USEC_PER_SEC),
                                      strchr(address, ':') ? IPV6 : IPV4, known(lease, "mac"), known(lease, "iaid"), address,
                                      prefix, known(lease, "hostname"), known(lease, "client_id"));
}

static void on_leases(Call *call, GVariant *reply) {
        g_autoptr(GVariant) leases = g_variant_get_child_value(reply, 0);
        int32_t need_results;
        GVariantBuilder builder;
        GVariantIter iterator;
        GVariant *lease;
        g_variant_get_child(call->arguments, 2, "i", &need_results);
        g_variant_builder_init(&builder, G_VARIANT_TYPE("a(sximsmssumsms)"));
        g_variant_iter_init(&iterator, leases);
        while (need_results && (lease = g_variant_iter_next_value(&iterator))) {
                add_lease(&builder, call->state, lease);
                g_variant_unref(lease);
        }
        call_answer(call, g_variant_new("(a(sximsmssumsms)u)", &builder, (uint32_t) g_variant_n_children(leases)));
}

static void on_leases_bridge(Call *call, GVariant *reply) {
        g_autoptr(GVariant) value = NULL;
        const char *mac = call_optional(call, 1);
        GVariantDict options;
        g_variant_get(reply, "(v)", &value);
        call->state = g_variant_dup_string(value, NULL);
        call->free_state = g_free;
        g_variant_dict_init(&options, NULL);
        if (mac)
                g_variant_dict_insert(&options, "mac", "s", mac);
        ask(call, NETWORK, "GetLeases", g_variant_new("(@a{sv})", g_variant_dict_end(&options)), "(aa{sv})", on_leases);
}

static void get_leases(Call *call) {
        get(call, on_leases_bridge);
}

/* Changes of one element */

static void update(Call *call) {
        static const char *const commands[] = { NULL, "modify", "delete", "add-last", "add-first" }, *const sections[] = {
                NULL,         "bridge",    "domain",   "ip",      "ip-dhcp-host", "ip-dhcp-range", "forward", "forward-interface",
                "forward-pf", "portgroup", "dns-host", "dns-txt", "dns-srv"
        };
        uint32_t command, section;
        int32_t parent;
        const char *xml;
        g_variant_get_child(call->arguments, 1, "u", &command);
        g_variant_get_child(call->arguments, 2, "u", &section);
        g_variant_get_child(call->arguments, 3, "i", &parent);
        g_variant_get_child(call->arguments, 4, "&s", &xml);
        if (command == 0 || command >= G_N_ELEMENTS(commands) || section == 0 || section >= G_N_ELEMENTS(sections))
                call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: there is no command %u of section %u", command,
                            section);
        else
                ask(call, NETWORK, "Update",
                    g_variant_new("(ssis@a{sv})", commands[command], sections[section], parent, xml, call_options(call)), "()",
                    step_answer_nothing);
}

const CallRow network_calls[] = {
        { REMOTE_CONNECT_LIST_ALL_NETWORKS, list, NULL, READS, list_flags },
        { REMOTE_CONNECT_LIST_NETWORKS, list },
        { REMOTE_CONNECT_LIST_DEFINED_NETWORKS, list },
        { REMOTE_CONNECT_NUM_OF_NETWORKS, list },
        { REMOTE_CONNECT_NUM_OF_DEFINED_NETWORKS, list },
        { REMOTE_NETWORK_LOOKUP_BY_NAME, find_by_name },
        { REMOTE_NETWORK_LOOKUP_BY_UUID, find_by_uuid },
        { REMOTE_NETWORK_DEFINE_XML, make_network, "DefineNetwork", CHANGES },
        { REMOTE_NETWORK_DEFINE_XML_FLAGS, make_network, "DefineNetwork", CHANGES, document_flags },
        { REMOTE_NETWORK_CREATE_XML, make_network, "CreateNetwork", CHANGES },
        { REMOTE_NETWORK_CREATE_XML_FLAGS, make_network, "CreateNetwork", CHANGES, document_flags },
        { REMOTE_NETWORK_CREATE, do_method, "Start", CHANGES },
        { REMOTE_NETWORK_DESTROY, do_method, "Stop", CHANGES },
        { REMOTE_NETWORK_UNDEFINE, do_method, "Undefine", CHANGES },
        { REMOTE_NETWORK_GET_XML_DESC, get_xml, NULL, READS, xml_flags },
        { REMOTE_NETWORK_GET_BRIDGE_NAME, get_bridge, "Bridge" },
        { REMOTE_NETWORK_GET_AUTOSTART, get_flag, "Autostart" },
        { REMOTE_NETWORK_SET_AUTOSTART, set_autostart, NULL, CHANGES },
        { REMOTE_NETWORK_GET_DHCP_LEASES, get_leases, "Bridge", READS, lease_flags },
        { REMOTE_NETWORK_UPDATE, update, NULL, CHANGES, affect_flags },
        { REMOTE_NETWORK_IS_ACTIVE, get_flag, "Active" },
        { REMOTE_NETWORK_IS_PERSISTENT, get_flag, "Persistent" },
        {},
};
