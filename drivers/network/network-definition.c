/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/network-definition.h"

#include <string.h>

#include "base/uuid.h"
#include "domain/definition-edit.h"
#include "network/document-check.h"
#include "network/document-form.h"
#include "network/value.h"

void network_definition_free(NetworkDefinition *definition) {
        g_clear_pointer(&definition->document, xmlFreeDoc);
        g_free(definition->xml);
        g_free(definition->uuid);
        g_free(definition->name);
        g_free(definition->title);
        g_free(definition->description);
        g_free(definition->bridge);
        g_strfreev(definition->interfaces);
        g_free(definition->domain);
        g_free(definition->subnets);
        g_free(definition);
}

bool network_definition_lacks_bridge(const NetworkDefinition *definition) {
        return document_mode_has_bridge(definition->mode) && (!*definition->bridge || strchr(definition->bridge, '%'));
}

/* What libvirt adds and drops */

static void add_attribute(xmlNode *element, const char *name, const char *value) {
        if (!xmlHasProp(element, (const xmlChar *) name))
                xml_set_attribute(element, name, value);
}

static void drop_attribute(xmlNode *element, const char *name, const char *value) {
        if (element && xml_attribute_is(element, name, value))
                xmlUnsetProp(element, (const xmlChar *) name);
}

/* The attribute and the first element say the same. */
static void complete_forward(xmlNode *forward) {
        if (!forward)
                return;
        xmlNode *first = xml_child(forward, "interface");
        g_autofree char *device = xml_attribute(forward, "dev"), *its = xml_attribute(first, "dev");
        add_attribute(forward, "mode", "nat");
        if (its)
                add_attribute(forward, "dev", its);
        else if (device)
                xml_set_attribute(xml_add(forward, "interface", NULL), "dev", device);
}

static void complete_bridge(xmlNode *root, const char *mode) {
        if (!document_mode_has_bridge(mode))
                return;
        xmlNode *bridge = xml_ensure_child(root, "bridge");
        add_attribute(bridge, "stp", "on");
        add_attribute(bridge, "delay", "0");
}

static void complete_vlan(const xmlNode *element) {
        xmlNode *vlan = xml_child(element, "vlan"), *tag = xml_child(vlan, "tag");
        bool is_trunk = tag && xml_next(tag, "tag");
        for (; tag; tag = xml_next(tag, "tag"))
                is_trunk = is_trunk || xmlHasProp(tag, (const xmlChar *) "nativeMode");
        if (is_trunk)
                add_attribute(vlan, "trunk", "yes");
        drop_attribute(vlan, "trunk", "no");
}

static void complete_leases(const xmlNode *dhcp) {
        for (xmlNode *child = xml_child(dhcp, NULL); child; child = xml_next(child, NULL)) {
                xmlNode *lease = xml_child(child, "lease");
                uint64_t expiry = 0;
                g_autofree char *text = xml_attribute(lease, "expiry");
                if (lease && value_number(text, &expiry) && expiry > 0)
                        add_attribute(lease, "unit", "minutes");
                else if (lease)
                        xmlUnsetProp(lease, (const xmlChar *) "unit");
        }
}

static void complete(xmlNode *root) {
        drop_attribute(root, "ipv6", "no");
        complete_forward(xml_child(root, "forward"));
        complete_bridge(root, document_mode(root));
        complete_vlan(root);
        for (xmlNode *group = xml_child(root, "portgroup"); group; group = xml_next(group, "portgroup"))
                complete_vlan(group);
        for (xmlNode *ip = xml_child(root, "ip"); ip; ip = xml_next(ip, "ip"))
                complete_leases(xml_child(ip, "dhcp"));
}

/* Reading */

static void read_uuid(NetworkDefinition *definition, xmlNode *root) {
        xmlNode *element = xml_child(root, "uuid");
        g_autofree char *text = xml_text_at(root, "uuid");
        definition->uuid = *text ? uuid_normalize(text) : g_uuid_string_random();
        if (!element)
                xml_add(root, "uuid", definition->uuid);
        else if (!*text)
                xmlNodeSetContent(element, (const xmlChar *) definition->uuid);
}

static void read_interfaces(NetworkDefinition *definition, const xmlNode *root) {
        g_autoptr(GPtrArray) found = g_ptr_array_new();
        for (xmlNode *child = xml_child(xml_child(root, "forward"), NULL); child; child = xml_next(child, NULL))
                if (xml_is(child, "interface") || xml_is(child, "pf"))
                        g_ptr_array_add(found, xml_attribute(child, "dev"));
        g_ptr_array_add(found, NULL);
        definition->interfaces = (char **) g_ptr_array_steal(found, NULL);
}

static void read_subnets(NetworkDefinition *definition, const xmlNode *root) {
        g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(Subnet));
        Subnet subnet;
        for (xmlNode *ip = xml_child(root, "ip"); ip; ip = xml_next(ip, "ip"))
                if (document_read_subnet(ip, &subnet, NULL))
                        g_array_append_val(found, subnet);
        definition->subnets = (Subnet *) (void *) g_array_steal(found, &definition->n_subnets);
}

static void read_mtu(NetworkDefinition *definition, const xmlNode *root) {
        uint64_t number = 0;
        g_autofree char *text = xml_attribute_at(root, "mtu", "size");
        value_number(text, &number);
        definition->mtu = (uint32_t) number;
}

/* DOCUMENT is taken where it is what it must be. */
static NetworkDefinition *read_document(xmlDoc *document, GError **error) {
        g_autoptr(NetworkDefinition) definition = g_new0(NetworkDefinition, 1);
        xmlNode *root = xmlDocGetRootElement(document);
        if (!document_form_check(root, error) || !document_check(root, error))
                return NULL;
        complete(root);
        read_uuid(definition, root);
        read_interfaces(definition, root);
        read_subnets(definition, root);
        read_mtu(definition, root);
        definition->mode = document_mode(root);
        definition->name = xml_text_at(root, "name");
        definition->title = xml_text_at(root, "title");
        definition->description = xml_text_at(root, "description");
        definition->bridge = xml_attribute_at(root, "bridge", "name");
        definition->domain = xml_attribute_at(root, "domain", "name");
        definition->xml = xml_checked_text(document, error);
        if (!definition->xml)
                return NULL;
        definition->document = document;
        return g_steal_pointer(&definition);
}

NetworkDefinition *network_definition_from_document(xmlDoc *document, GError **error) {
        NetworkDefinition *definition = read_document(document, error);
        if (!definition)
                xmlFreeDoc(document);
        return definition;
}

NetworkDefinition *network_definition_parse(const char *xml, GError **error) {
        xmlDoc *document = xml_parse(xml, "network", error);
        return document ? network_definition_from_document(document, error) : NULL;
}

bool network_definition_is_direct(const NetworkDefinition *definition) {
        static const char *const modes[] = { "bridge", "private", "vepa", "passthrough", NULL };
        const xmlNode *forward = xml_child(xmlDocGetRootElement(definition->document), "forward");
        return !*definition->bridge && g_strv_contains(modes, definition->mode) && xml_child(forward, "interface");
}

/* Changes */

NetworkDefinition *network_definition_with_document(const NetworkDefinition *definition, xmlDoc *document, GError **error) {
        NetworkDefinition *other = network_definition_from_document(document, error);
        if (other)
                other->is_transient = definition->is_transient;
        return other;
}

NetworkDefinition *network_definition_copy(const NetworkDefinition *definition, GError **error) {
        return network_definition_with_document(definition, xml_copy(definition->document), error);
}

NetworkDefinition *network_definition_with_bridge(const NetworkDefinition *definition, const char *bridge, GError **error) {
        xmlDoc *document = xml_copy(definition->document);
        xml_set_attribute(xml_ensure_child(xmlDocGetRootElement(document), "bridge"), "name", bridge);
        return network_definition_with_document(definition, document, error);
}

NetworkDefinition *network_definition_with_metadata(const NetworkDefinition *definition, const char *uri, xmlDoc *metadata,
                                                    GError **error) {
        xmlDoc *document = xml_copy(definition->document);
        definition_edit_metadata(xmlDocGetRootElement(document), uri, metadata);
        return network_definition_with_document(definition, document, error);
}
