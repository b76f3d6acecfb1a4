/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bindings of network filters: the ports of networks and of the host that have one, by the names of their interfaces. Nobody
 * makes them by themselves: a port has the filter that the card of its domain names. */

#include <string.h>

#include "calls.h"
#include "listing.h"
#include "parts.h"
#include "rows.h"

#define PORT INTERFACE("NetworkPort")
#define NETWORK INTERFACE("Network")
#define HOST_PORT INTERFACE("HostPort")

static const FlagOption no_flags[] = { {} };

static const char *const wanted[] = { "HostInterface", "Filter", NULL };

static const char *text_of(GVariant *properties, const char *name) {
        const char *text = "";
        g_variant_lookup(properties, name, "&s", &text);
        return text;
}

static GVariant *interface_and_filter(GVariant *properties) {
        return g_variant_new("(ss)", text_of(properties, "HostInterface"), text_of(properties, "Filter"));
}

static bool has_filter(const Call *call, GVariant *properties) {
        (void) call;
        return *text_of(properties, "Filter");
}

static const ListedKind bindings = { PORT, NETWORK, wanted, "(ss)", 0, interface_and_filter, has_filter, HOST_PORT };

static void list(Call *call) {
        listing_answer(call, &bindings);
}

/* One of them */

static bool is_meant(void *data, GVariant *properties) {
        return strcmp(text_of(properties, "HostInterface"), data) == 0 && *text_of(properties, "Filter");
}

/* Goes on with the port of that interface: its path and properties. */
static void find(Call *call, const char *interface, ListingStep step) {
        listing_find(call,
                     &(ListedSearch){ PORT, NETWORK, HOST_PORT, is_meant, LIBVIRT_NO_FILTER_BINDING, "Network filter binding" },
                     interface, step);
}

static const char *interface_of(Call *call) {
        const char *interface;
        g_variant_get_child(call->arguments, 0, "(&s&s)", &interface, NULL);
        return interface;
}

static void on_found(Call *call, const char *path, GVariant *properties) {
        (void) path;
        call_answer(call, g_variant_new("(@(ss))", interface_and_filter(properties)));
}

static void look_up(Call *call) {
        find(call, call_string(call, 0), on_found);
}

static void add_text(GString *text, const char *format, const char *value) {
        g_autofree char *escaped = g_markup_escape_text(value, -1);
        g_string_append_printf(text, format, escaped);
}

/* The filter's element is the port's own. */
static void on_shown(Call *call, const char *path, GVariant *properties) {
        g_autoptr(GString) text = g_string_new("<filterbinding>\n  <owner>\n");
        (void) path;
        add_text(text, "    <name>%s</name>\n", text_of(properties, "DomainName"));
        add_text(text, "    <uuid>%s</uuid>\n  </owner>\n", text_of(properties, "DomainUUID"));
        add_text(text, "  <portdev name='%s'/>\n", text_of(properties, "HostInterface"));
        add_text(text, "  <mac address='%s'/>\n", text_of(properties, "MAC"));
        g_string_append_printf(text, "%s\n</filterbinding>\n", text_of(properties, "FilterXML"));
        g_autoptr(GVariant) reply = g_variant_ref_sink(g_variant_new("(s)", text->str));
        step_answer_document(call, reply);
}

static void get_xml(Call *call) {
        find(call, interface_of(call), on_shown);
}

static void on_removed(Call *call, const char *path, GVariant *properties) {
        (void) properties;
        bool is_of_host = g_str_has_prefix(path, LISTING_HOST "/port/");
        call_ask(call, path, is_of_host ? HOST_PORT : PORT, "SetFilter", g_variant_new("(sa{sv})", "", NULL), "()",
                 step_answer_nothing);
}

static void take_away(Call *call) {
        find(call, interface_of(call), on_removed);
}

const CallRow binding_calls[] = {
        { REMOTE_CONNECT_LIST_ALL_NWFILTER_BINDINGS, list, .flags = no_flags },
        { REMOTE_NWFILTER_BINDING_LOOKUP_BY_PORT_DEV, look_up },
        { REMOTE_NWFILTER_BINDING_GET_XML_DESC, get_xml, .flags = no_flags },
        { REMOTE_NWFILTER_BINDING_DELETE, take_away, NULL, CHANGES },
        {},
};
