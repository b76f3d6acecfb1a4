/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One domain: its properties, its document and its addresses; and what a connection tells of itself. */

#include <stdio.h>
#include <string.h>

#include "ctl.h"

GVariant *ctl_properties(Ctl *ctl, const char *path, const char *interface, GError **error) {
        g_autoptr(GVariant) answer = ctl_call(ctl, path, "org.freedesktop.DBus.Properties", "GetAll",
                                              g_variant_new("(s)", interface), NULL, NULL, error);
        return answer ? g_variant_get_child_value(answer, 0) : NULL;
}

/* All properties, or those that are asked for. */
static JsonNode *chosen_properties(const Ctl *ctl, GVariant *properties) {
        JsonNode *node = output_json_of(properties);
        JsonObject *object = json_node_get_object(node);
        g_autoptr(GList) names = json_object_get_members(object);
        for (GList *link = names; ctl->properties && link; link = link->next)
                if (!g_strv_contains((const char *const *) ctl->properties, link->data))
                        json_object_remove_member(object, link->data);
        return node;
}

/* The names of all properties, for who has typed another. */
static char *known_properties(GVariant *properties, const char *name) {
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        GVariantIter iterator;
        const char *known;
        g_variant_iter_init(&iterator, properties);
        while (g_variant_iter_next(&iterator, "{&sv}", &known, NULL))
                g_ptr_array_add(names, (gpointer) known);
        g_ptr_array_add(names, NULL);
        g_autofree char *list = g_strjoinv(", ", (char **) names->pdata),
                        *hint = suggestion(name, (const char *const *) names->pdata);
        return g_strdup_printf("%s; there are: %s", hint, list);
}

int verb_show(Ctl *ctl, char **arguments) {
        g_autoptr(GString) text = g_string_new(NULL);
        g_autoptr(JsonArray) array = json_array_new();
        int status = EXIT_DONE;
        for (char **name = arguments; *name; name++) {
                g_autoptr(VirtbusDomain) domain = ctl_find(ctl, *name, &status);
                g_autoptr(GError) error = NULL;
                if (!domain)
                        return status;
                g_autoptr(GVariant) properties = ctl_properties(ctl, ctl_path(domain), "org.virtbus1.Domain", &error);
                if (!properties)
                        return ctl_fail(g_steal_pointer(&error));
                if (ctl->json)
                        json_array_add_element(array, chosen_properties(ctl, properties));
                GVariantIter iterator;
                const char *key;
                GVariant *value;
                g_variant_iter_init(&iterator, properties);
                if (name > arguments)
                        g_string_append_c(text, '\n');
                while (g_variant_iter_next(&iterator, "{&sv}", &key, &value)) {
                        g_autofree char *printed = g_variant_is_of_type(value, G_VARIANT_TYPE_STRING)
                                                                   ? g_variant_dup_string(value, NULL)
                                                                   : g_variant_print(value, FALSE);
                        if (!ctl->properties || g_strv_contains((const char *const *) ctl->properties, key))
                                g_string_append_printf(text, "%s%s%s\n", ctl->value ? "" : key, ctl->value ? "" : "=", printed);
                        g_variant_unref(value);
                }
                for (char **property = ctl->properties; property && *property; property++) {
                        g_autoptr(GVariant) there = g_variant_lookup_value(properties, *property, NULL);
                        if (!there) {
                                g_autofree char *known = known_properties(properties, *property);
                                ctl_say("a domain has no property '%s'%s", *property, known);
                                return EXIT_USAGE;
                        }
                }
        }
        if (ctl->json) {
                g_autoptr(JsonNode) node = json_node_init_array(json_node_alloc(), array);
                output_print_json(node);
        } else
                output_page(ctl, text->str);
        return status;
}

int verb_xml(Ctl *ctl, char **arguments) {
        g_autoptr(GError) error = NULL;
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        if (!domain)
                return status;
        g_autoptr(GVariant) answer = ctl_call(ctl, ctl_path(domain), "org.virtbus1.Domain", "GetXML",
                                              g_variant_new("(@a{sv})", ctl_options(ctl->config ? "inactive" : NULL, NULL)), NULL,
                                              NULL, &error);
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        const char *text;
        g_variant_get(answer, "(&s)", &text);
        output_page(ctl, text);
        return EXIT_DONE;
}

/* Who is asked for a card's addresses. */
static const char *const address_sources[] = { "agent", "lease", "arp" };

/* Adds the addresses of a card, as the first source that knows some tells them. */
static void add_addresses(Ctl *ctl, Table *table, VirtbusObject *object, VirtbusDeviceNetworkInterface *card) {
        g_autoptr(VirtbusDevice) device = virtbus_object_get_device(object);
        for (size_t i = 0; i < G_N_ELEMENTS(address_sources); i++) {
                g_autoptr(GVariant) answer = ctl_call(ctl, g_dbus_object_get_object_path(G_DBUS_OBJECT(object)),
                                                      "org.virtbus1.Device.NetworkInterface", "GetAddresses",
                                                      g_variant_new("(s@a{sv})", address_sources[i], ctl_options(NULL, NULL)),
                                                      NULL, NULL, NULL);
                g_autoptr(GVariant) addresses = answer ? g_variant_get_child_value(answer, 0) : NULL;
                GVariantIter iterator;
                const char *address;
                guint32 prefix;
                if (!addresses || g_variant_n_children(addresses) == 0)
                        continue;
                g_variant_iter_init(&iterator, addresses);
                while (g_variant_iter_next(&iterator, "(&su)", &address, &prefix)) {
                        char **cells = g_new0(char *, 6);
                        cells[0] = g_strdup(virtbus_device_get_alias(device));
                        cells[1] = g_strdup(virtbus_device_network_interface_get_mac(card));
                        cells[2] = prefix > 0 && !ctl->json ? g_strdup_printf("%s/%u", address, prefix) : g_strdup(address);
                        cells[3] = prefix > 0 ? g_strdup_printf("%u", prefix) : g_strdup("-");
                        cells[4] = g_strdup(address_sources[i]);
                        table_add(table, cells);
                }
                return;
        }
}

int verb_addresses(Ctl *ctl, char **arguments) {
        static const char *const headings[] = { "DEVICE", "MAC", "ADDRESS", "+>PREFIX", "SOURCE", NULL };
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        if (!domain)
                return status;
        if (!virtbus_domain_get_active(domain)) {
                ctl_say("domain '%s' is %s: it has no addresses", virtbus_domain_get_name(domain),
                        virtbus_domain_get_state(domain));
                return EXIT_FAILED;
        }
        g_autoptr(GPtrArray) devices = ctl_devices(ctl, domain, &error);
        if (!devices)
                return ctl_fail(g_steal_pointer(&error));
        g_autoptr(Table) table = table_new(headings);
        for (guint i = 0; i < devices->len; i++) {
                g_autoptr(VirtbusDeviceNetworkInterface) card = virtbus_object_get_device_network_interface(devices->pdata[i]);
                if (card)
                        add_addresses(ctl, table, devices->pdata[i], card);
        }
        return table_print(ctl, table, "address");
}

/* What a call of the connection answers: a text, or texts, a line each. */
static int show_answer(Ctl *ctl, const char *method, GVariant *arguments) {
        g_autoptr(GVariant) given = arguments ? g_variant_ref_sink(arguments) : NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(VirtbusConnection) connection = ctl_connection(ctl, &error);
        g_autoptr(GVariant) answer = connection ? ctl_call(ctl, g_dbus_proxy_get_object_path(G_DBUS_PROXY(connection)),
                                                           "org.virtbus1.Connection", method, given, NULL, NULL, &error)
                                                : NULL;
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        g_autoptr(GVariant) value = g_variant_get_child_value(answer, 0);
        g_autofree char *text = NULL;
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_STRING_ARRAY)) {
                g_autofree const char **lines = g_variant_get_strv(value, NULL);
                text = g_strjoinv("\n", (char **) lines);
        } else
                text = g_variant_dup_string(value, NULL);
        g_autofree char *line = g_str_has_suffix(text, "\n") ? g_strdup(text) : g_strconcat(text, "\n", NULL);
        output_page(ctl, line);
        return EXIT_DONE;
}

int verb_capabilities(Ctl *ctl, char **arguments) {
        const char *what = arguments[0] ? arguments[0] : "host";
        if (strcmp(what, "host") == 0)
                return show_answer(ctl, "GetCapabilities", NULL);
        if (strcmp(what, "domain") == 0)
                return show_answer(ctl, "GetDomainCapabilities",
                                   g_variant_new("(ssss)", "", "", arguments[1] ? arguments[1] : "", ""));
        if (strcmp(what, "cpus") == 0)
                return show_answer(ctl, "GetCPUModels", g_variant_new("(s)", arguments[1] ? arguments[1] : ""));
        ctl_say("capabilities shows: host, domain [MACHINE], cpus [ARCHITECTURE]");
        return EXIT_USAGE;
}

/* The format that a connection's hypervisor has of its own. */
static const char *native_format(const Ctl *ctl) {
        static const char *const formats[][2] = {
                { "lxc", "lxc-tools" }, { "vmware", "vmware-vmx" }, { "esx", "vmware-vmx" }, { "vpx:", "vmware-vmx" }
        };
        for (size_t i = 0; ctl->connection && i < G_N_ELEMENTS(formats); i++)
                if (g_str_has_prefix(ctl->connection, formats[i][0]))
                        return formats[i][1];
        return "qemu-argv";
}

int verb_translate(Ctl *ctl, char **arguments) {
        g_autofree char *text = NULL;
        g_autoptr(GError) error = NULL;
        if (!ctl_read_file(arguments[0], &text, &error))
                return ctl_fail(g_steal_pointer(&error));
        bool is_document = *g_strchug(text) == '<';
        return show_answer(ctl, is_document ? "DomainXMLToNative" : "DomainXMLFromNative",
                           g_variant_new("(ss)", native_format(ctl), text));
}
