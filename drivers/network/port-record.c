/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/port-record.h"

#include <string.h>

#include "base/store.h"
#include "network/filter-table.h"

/* What one is */

const char *const port_plugs[] = { [PORT_NETWORK] = "network", [PORT_BRIDGE] = "bridge",           [PORT_ETHERNET] = "ethernet",
                                   [PORT_DIRECT] = "direct",   [PORT_PASSTHROUGH] = "passthrough", NULL };

const char *const port_modes[] = { "vepa", "bridge", "private", "passthrough", NULL };

const char *port_find_mode(const char *name) {
        for (const char *const *mode = port_modes; *mode; mode++)
                if (strcmp(*mode, name) == 0)
                        return *mode;
        return NULL;
}

bool port_is_direct(const Port *port) {
        return *port->mode;
}

const FilterBinding *port_filter(const Port *port) {
        return port->card ? filtered_card_binding(port->card) : port->binding;
}

void port_free(Port *port) {
        if (port->card)
                filtered_card_remove(port->card, NULL, NULL);
        g_clear_pointer(&port->published, published_withdraw);
        g_clear_pointer(&port->binding, filter_binding_free);
        g_free(port->network_uuid);
        g_free(port->uuid);
        g_free(port->domain_name);
        g_free(port->domain_uuid);
        g_free(port->mac);
        g_free(port->interface);
        g_free(port->source);
        g_free(port->bandwidth);
        g_free(port);
}

/* What is written down */

char *port_record_text(const Port *port) {
        g_autoptr(xmlDoc) document = xmlNewDoc((const xmlChar *) "1.0");
        xmlNode *root = xmlNewDocNode(document, NULL, (const xmlChar *) "portstatus", NULL);
        xmlDocSetRootElement(document, root);
        xml_set_number(root, "format", STORE_FORMAT_COMMON);
        xml_set_attribute(root, "plug", port_plugs[port->plug]);
        xml_set_attribute(root, "source", port->source);
        if (*port->mode)
                xml_set_attribute(root, "mode", port->mode);
        xml_set_attribute(root, "network", port->network_uuid);
        xml_set_attribute(root, "domain", port->domain_name);
        xml_set_attribute(root, "domain-uuid", port->domain_uuid);
        xml_set_attribute(root, "mac", port->mac);
        xml_set_attribute(root, "interface", port->interface);
        xml_set_number(root, "index", port->index);
        xml_set_number(root, "mtu", port->mtu);
        xml_set_attribute(root, "isolated", port->isolated ? "yes" : "no");
        xml_set_number(root, "owner", port->owner);
        const FilterBinding *binding = port_filter(port);
        if (binding) /* a text: another version may know more of it */
                xml_add(root, "filter", binding->xml);
        if (*port->bandwidth)
                xml_add(root, "bandwidth", port->bandwidth);
        return xml_document_text(document);
}

/* The constant that an attribute is, or "" where it is not there. */
static const char *read_mode(const xmlNode *root, GError **error) {
        g_autofree char *text = xml_attribute(root, "mode");
        return !text ? "" : xml_one_of(root, "mode", port_modes, error) ? port_find_mode(text) : NULL;
}

/* A driver of before wrote down only those of networks. */
static bool read_plug(const xmlNode *root, PortPlug *plug, GError **error) {
        g_autofree char *text = xml_attribute(root, "plug");
        if (text && !xml_one_of(root, "plug", port_plugs, error))
                return false;
        while (text && strcmp(text, port_plugs[*plug]) != 0)
                (*plug)++;
        return true;
}

Port *port_record_read(Ports *ports, const xmlNode *root, const char *uuid, GError **error) {
        static const char *const yes_no[] = { "yes", "no", NULL };
        PortPlug plug = PORT_NETWORK;
        uint64_t index = 0, mtu = 0, owner = 0;
        if (!store_check_format(root, error) || !xml_one_of(root, "isolated", yes_no, error) || !read_plug(root, &plug, error) ||
            !xml_number_attribute(root, "index", 1, INT32_MAX, &index, error) ||
            !xml_number_attribute(root, "mtu", 0, UINT32_MAX, &mtu, error) ||
            !xml_number_attribute(root, "owner", 0, UINT32_MAX, &owner, error))
                return NULL;
        const char *mode = read_mode(root, error);
        if (!mode)
                return NULL;
        g_autoptr(Port) port = g_new0(Port, 1);
        *port = (Port){ .all = ports,
                        .plug = plug,
                        .mode = mode,
                        .source = xml_attribute(root, "source"),
                        .bandwidth = xml_text_at(root, "bandwidth"),
                        .uuid = g_strdup(uuid),
                        .network_uuid = xml_attribute(root, "network"),
                        .domain_name = xml_attribute(root, "domain"),
                        .domain_uuid = xml_attribute(root, "domain-uuid"),
                        .mac = xml_attribute(root, "mac"),
                        .interface = xml_attribute(root, "interface"),
                        .index = (int) index,
                        .mtu = (uint32_t) mtu,
                        .owner = (uid_t) owner,
                        .isolated = xml_attribute_is(root, "isolated", "yes") };
        if (!port->source)
                port->source = g_strdup("");
        g_autofree char *filter = xml_text_at(root, "filter");
        bool is_whole = port->network_uuid && port->domain_name && port->domain_uuid && port->mac && port->interface && index > 0;
        if (is_whole && *filter && !(port->binding = filter_binding_parse(filter, port->mac, error)))
                return NULL;
        if (is_whole)
                return g_steal_pointer(&port);
        xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "an attribute is missing");
        return NULL;
}
