/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Ports of networks, which are only told of: the card of a domain is what makes one, and ends it. */

#include "calls.h"
#include "listing.h"
#include "rows.h"

#define PORT INTERFACE("NetworkPort")

static const FlagOption no_flags[] = { {} };

static const char *text_of(GVariant *properties, const char *name) {
        const char *text = "";
        g_variant_lookup(properties, name, "&s", &text);
        return text;
}

static bool on_no_network(Call *call, const GError *error) {
        return listing_refuse_absent(call, error, LIBVIRT_NO_NETWORK, "Network");
}

static bool on_no_port(Call *call, const GError *error) {
        return listing_refuse_absent(call, error, LIBVIRT_NO_NETWORK_PORT, "Network port");
}

/* All of a network's */

static void on_objects(Call *call, GVariant *reply) {
        g_autoptr(GVariant) objects = g_variant_get_child_value(reply, 0),
                            network = g_variant_get_child_value(call->arguments, 0);
        int32_t need_results;
        uint32_t n = 0;
        GVariantBuilder builder;
        GVariantIter iterator;
        GVariant *interfaces;
        g_variant_get_child(call->arguments, 1, "i", &need_results);
        g_variant_builder_init(&builder, G_VARIANT_TYPE("a((ss)s)"));
        g_variant_iter_init(&iterator, objects);
        while (g_variant_iter_next(&iterator, "{&o@a{sa{sv}}}", NULL, &interfaces)) {
                g_autoptr(GVariant) held = interfaces, properties = g_variant_lookup_value(held, PORT, G_VARIANT_TYPE_VARDICT);
                n += properties != NULL;
                if (properties && need_results)
                        g_variant_builder_add(&builder, "(@(ss)s)", network, text_of(properties, "UUID"));
        }
        call_answer(call, g_variant_new("(a((ss)s)u)", &builder, n));
}

static void list(Call *call) {
        const char *uuid;
        g_variant_get_child(call->arguments, 0, "(&s&s)", NULL, &uuid);
        g_autofree char *path = listing_path("network", uuid);
        call->on_error = on_no_network;
        call_ask(call, path, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, "(a{oa{sa{sv}}})", on_objects);
}

/* One of them */

static void read_port(Call *call, const char *network, const char *uuid, void (*step)(Call *call, GVariant *properties)) {
        g_autofree char *of = listing_path("network", network), *name = g_strdelimit(g_strdup(uuid), "-", '_'),
                        *path = g_strdup_printf("%s/port/%s", of, name);
        call->on_error = on_no_port;
        call_read(call, path, PORT, step);
}

static void on_found(Call *call, GVariant *properties) {
        g_autoptr(GVariant) network = g_variant_get_child_value(call->arguments, 0);
        call_answer(call, g_variant_new("((@(ss)s))", network, text_of(properties, "UUID")));
}

static void look_up(Call *call) {
        const char *network;
        g_variant_get_child(call->arguments, 0, "(&s&s)", NULL, &network);
        read_port(call, network, call_string(call, 1), on_found);
}

static void add_text(GString *text, const char *format, const char *value) {
        g_autofree char *escaped = g_markup_escape_text(value, -1);
        g_string_append_printf(text, format, escaped);
}

static void on_shown(Call *call, GVariant *properties) {
        g_autoptr(GString) text = g_string_new("<networkport>\n");
        gboolean isolated = FALSE;
        g_variant_lookup(properties, "Isolated", "b", &isolated);
        add_text(text, "  <uuid>%s</uuid>\n  <owner>\n", text_of(properties, "UUID"));
        add_text(text, "    <name>%s</name>\n", text_of(properties, "DomainName"));
        add_text(text, "    <uuid>%s</uuid>\n  </owner>\n", text_of(properties, "DomainUUID"));
        add_text(text, "  <mac address='%s'/>\n", text_of(properties, "MAC"));
        if (isolated)
                g_string_append(text, "  <port isolated='yes'/>\n");
        const char *mode = text_of(properties, "Mode");
        if (*mode) {
                add_text(text, "  <plug type='direct' dev='%s' ", text_of(properties, "Interface"));
                add_text(text, "mode='%s'/>\n</networkport>\n", mode);
        } else
                add_text(text, "  <plug type='network' bridge='%s'/>\n</networkport>\n", call->state);
        g_autoptr(GVariant) reply = g_variant_ref_sink(g_variant_new("(s)", text->str));
        step_answer_document(call, reply);
}

/* ARGUMENT is a port: its network (name, UUID), and its own UUID. */
static void on_network(Call *call, GVariant *properties) {
        const char *network, *uuid;
        call->state = g_strdup(text_of(properties, "Bridge"));
        call->free_state = g_free;
        g_variant_get_child(call->arguments, 0, "((&s&s)&s)", NULL, &network, &uuid);
        read_port(call, network, uuid, on_shown);
}

static void get_xml(Call *call) {
        const char *network;
        g_variant_get_child(call->arguments, 0, "((&s&s)&s)", NULL, &network, NULL);
        g_autofree char *path = listing_path("network", network);
        call->on_error = on_no_port;
        call_read(call, path, INTERFACE("Network"), on_network);
}

const CallRow port_calls[] = {
        { REMOTE_NETWORK_LIST_ALL_PORTS, list, .flags = no_flags },
        { REMOTE_NETWORK_PORT_LOOKUP_BY_UUID, look_up },
        { REMOTE_NETWORK_PORT_GET_XML_DESC, get_xml, .flags = no_flags },
        {},
};
