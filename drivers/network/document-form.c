/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/document-form.h"

#include <string.h>

#include "network/value.h"

typedef struct AttributeForm {
        const char *name;
        const ValueKind *kind;
        bool is_needed;
} AttributeForm;

#define NEEDED true

typedef struct ElementForm ElementForm;
struct ElementForm {
        const char *name;
        const AttributeForm *attributes;
        const ElementForm *const *children;
        const ValueKind *text; /* NULL: it has none */
        unsigned max;          /* how often it may be there; 0: NETWORK_ELEMENTS_MAX */
        bool is_needed, is_single;
        bool is_any; /* what is in it is not ours */
        bool is_of_dnsmasq;
};

#define ATTRIBUTES(...) \
        .attributes = (const AttributeForm[]) { \
                __VA_ARGS__, { \
                        NULL \
                } \
        }
#define CHILDREN(...) \
        .children = (const ElementForm *const[]) { \
                __VA_ARGS__, NULL \
        }
#define ELEMENT(symbol, ...) static const ElementForm symbol = { __VA_ARGS__ }
#define ONE .is_single = true

/* What describes it */
ELEMENT(form_name, "name", .text = &value_name, ONE, .is_needed = true);
ELEMENT(form_uuid, "uuid", .text = &value_uuid, ONE);
ELEMENT(form_title, "title", .text = &value_title, ONE);
ELEMENT(form_description, "description", .text = &value_description, ONE);
ELEMENT(form_metadata, "metadata", .is_any = true, ONE);

/* Where packets go */
ELEMENT(form_driver, "driver", ATTRIBUTES({ "name", &value_forward_driver, NEEDED }), ONE);
ELEMENT(form_nat_address, "address", ATTRIBUTES({ "start", &value_ipv4, NEEDED }, { "end", &value_ipv4 }), ONE);
ELEMENT(form_nat_port, "port", ATTRIBUTES({ "start", &value_port, NEEDED }, { "end", &value_port, NEEDED }), ONE);
ELEMENT(form_nat, "nat", ATTRIBUTES({ "ipv6", &value_yes_no }), CHILDREN(&form_nat_address, &form_nat_port), ONE);
ELEMENT(form_physical_function, "pf", ATTRIBUTES({ "dev", &value_interface, NEEDED }, { "connections", &value_run }));
ELEMENT(form_forward_interface, "interface", ATTRIBUTES({ "dev", &value_interface, NEEDED }, { "connections", &value_run }));
ELEMENT(form_forward_address, "address",
        ATTRIBUTES({ "type", &value_pci, NEEDED }, { "domain", &value_pci_domain, NEEDED }, { "bus", &value_pci_bus, NEEDED },
                   { "slot", &value_pci_slot, NEEDED }, { "function", &value_pci_function, NEEDED },
                   { "connections", &value_run }));
ELEMENT(form_forward, "forward",
        ATTRIBUTES({ "mode", &value_forward_mode }, { "dev", &value_interface }, { "managed", &value_yes_no },
                   { "connections", &value_run }),
        CHILDREN(&form_driver, &form_nat, &form_physical_function, &form_forward_interface, &form_forward_address), ONE);
ELEMENT(form_bridge, "bridge",
        ATTRIBUTES({ "name", &value_bridge }, { "zone", &value_zone }, { "stp", &value_on_off }, { "delay", &value_delay },
                   { "macTableManager", &value_table_manager }),
        ONE);
ELEMENT(form_mac, "mac", ATTRIBUTES({ "address", &value_mac, NEEDED }), ONE);
ELEMENT(form_mtu, "mtu", ATTRIBUTES({ "size", &value_mtu, NEEDED }), ONE);
ELEMENT(form_port, "port", ATTRIBUTES({ "isolated", &value_yes_no, NEEDED }), ONE);
ELEMENT(form_route, "route",
        ATTRIBUTES({ "family", &value_family }, { "address", &value_address, NEEDED }, { "netmask", &value_netmask },
                   { "prefix", &value_prefix }, { "gateway", &value_address, NEEDED }, { "metric", &value_metric }),
        .max = NETWORK_ROUTES_MAX);

/* Names */
ELEMENT(form_domain, "domain", ATTRIBUTES({ "name", &value_dns_name, NEEDED }, { "localOnly", &value_yes_no }), ONE);
ELEMENT(form_forwarder, "forwarder", ATTRIBUTES({ "addr", &value_address }, { "domain", &value_dns_name }));
ELEMENT(form_txt, "txt", ATTRIBUTES({ "name", &value_dns_name, NEEDED }, { "value", &value_text, NEEDED }));
ELEMENT(form_srv, "srv",
        ATTRIBUTES({ "service", &value_dns_label, NEEDED }, { "protocol", &value_dns_label, NEEDED },
                   { "domain", &value_dns_name }, { "target", &value_dns_target }, { "port", &value_port },
                   { "priority", &value_u16 }, { "weight", &value_u16 }));
ELEMENT(form_hostname, "hostname", .text = &value_dns_name, .is_needed = true);
ELEMENT(form_dns_host, "host", ATTRIBUTES({ "ip", &value_address, NEEDED }), CHILDREN(&form_hostname));
ELEMENT(form_dns, "dns", ATTRIBUTES({ "enable", &value_yes_no }, { "forwardPlainNames", &value_yes_no }),
        CHILDREN(&form_forwarder, &form_txt, &form_srv, &form_dns_host), ONE);

/* Addresses */
ELEMENT(form_lease, "lease", ATTRIBUTES({ "expiry", &value_expiry, NEEDED }, { "unit", &value_lease_unit }), ONE);
ELEMENT(form_range, "range", ATTRIBUTES({ "start", &value_address, NEEDED }, { "end", &value_address, NEEDED }),
        CHILDREN(&form_lease), .max = NETWORK_RANGES_MAX);
ELEMENT(form_dhcp_host, "host",
        ATTRIBUTES({ "mac", &value_unicast_mac }, { "id", &value_client_id }, { "name", &value_host_name },
                   { "ip", &value_address, NEEDED }),
        CHILDREN(&form_lease));
ELEMENT(form_bootp, "bootp", ATTRIBUTES({ "file", &value_file, NEEDED }, { "server", &value_ipv4 }), ONE);
ELEMENT(form_dhcp, "dhcp", CHILDREN(&form_range, &form_dhcp_host, &form_bootp), ONE);
ELEMENT(form_tftp, "tftp", ATTRIBUTES({ "root", &value_path, NEEDED }), ONE);
ELEMENT(form_ip, "ip",
        ATTRIBUTES({ "family", &value_family }, { "address", &value_address, NEEDED }, { "netmask", &value_netmask },
                   { "prefix", &value_prefix }, { "localPtr", &value_yes_no }),
        CHILDREN(&form_tftp, &form_dhcp), .max = NETWORK_BLOCKS_MAX);

/* What the ports of guests have */
ELEMENT(form_tag, "tag", ATTRIBUTES({ "id", &value_vlan, NEEDED }, { "nativeMode", &value_native_mode }), .is_needed = true);
ELEMENT(form_vlan, "vlan", ATTRIBUTES({ "trunk", &value_yes_no }), CHILDREN(&form_tag), ONE);
ELEMENT(form_inbound, "inbound",
        ATTRIBUTES({ "average", &value_rate, NEEDED }, { "peak", &value_rate }, { "burst", &value_rate }), ONE);
ELEMENT(form_outbound, "outbound",
        ATTRIBUTES({ "average", &value_rate, NEEDED }, { "peak", &value_rate }, { "burst", &value_rate }), ONE);
ELEMENT(form_bandwidth, "bandwidth", CHILDREN(&form_inbound, &form_outbound), ONE);
ELEMENT(form_parameters, "parameters",
        ATTRIBUTES({ "managerid", &value_byte }, { "typeid", &value_type_id }, { "typeidversion", &value_byte },
                   { "instanceid", &value_uuid }, { "profileid", &value_profile }, { "interfaceid", &value_uuid }),
        ONE);
ELEMENT(form_virtualport, "virtualport", ATTRIBUTES({ "type", &value_port_type }), CHILDREN(&form_parameters), ONE);
ELEMENT(form_portgroup, "portgroup",
        ATTRIBUTES({ "name", &value_name, NEEDED }, { "default", &value_yes_no }, { "trustGuestRxFilters", &value_yes_no }),
        CHILDREN(&form_vlan, &form_bandwidth, &form_virtualport));

/* dnsmasq's own */
ELEMENT(form_option, "option", ATTRIBUTES({ "value", &value_option, NEEDED }), .is_of_dnsmasq = true);
ELEMENT(form_options, "options", CHILDREN(&form_option), ONE, .is_of_dnsmasq = true);

ELEMENT(form_network, "network",
        ATTRIBUTES({ "ipv6", &value_yes_no }, { "trustGuestRxFilters", &value_yes_no }, { "connections", &value_run }),
        CHILDREN(&form_name, &form_uuid, &form_title, &form_description, &form_metadata, &form_forward, &form_bridge, &form_mac,
                 &form_mtu, &form_port, &form_domain, &form_dns, &form_ip, &form_route, &form_vlan, &form_bandwidth,
                 &form_virtualport, &form_portgroup, &form_options));

/* Checking */

static const AttributeForm *find_attribute(const ElementForm *form, const char *name) {
        const AttributeForm *attribute = form->attributes;
        while (attribute && attribute->name && strcmp(attribute->name, name) != 0)
                attribute++;
        return attribute && attribute->name ? attribute : NULL;
}

static bool check_attribute(xmlNode *element, const ElementForm *form, const xmlAttr *attribute, GError **error) {
        const char *its_name = (const char *) attribute->name;
        const AttributeForm *known = attribute->ns ? NULL : find_attribute(form, its_name);
        if (!known)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "the attribute '%.64s' is not known; leave it out",
                                its_name);
        g_autofree char *text = xml_attribute(element, its_name),
                        *kept = value_check(known->kind, element, its_name, text, error);
        if (kept && strcmp(kept, text) != 0)
                xml_set_attribute(element, its_name, kept);
        return kept;
}

static bool check_attributes(xmlNode *element, const ElementForm *form, GError **error) {
        for (const xmlAttr *attribute = element->properties; attribute; attribute = attribute->next)
                if (!check_attribute(element, form, attribute, error))
                        return false;
        for (const AttributeForm *attribute = form->attributes; attribute && attribute->name; attribute++)
                if (attribute->is_needed && !xmlHasProp(element, (const xmlChar *) attribute->name))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "the attribute '%s' is missing",
                                        attribute->name);
        return true;
}

/* What libvirt shows of a network that runs is not of its definition. */
static void drop_run(xmlNode *element, const ElementForm *form) {
        for (const AttributeForm *attribute = form->attributes; attribute && attribute->name; attribute++)
                if (attribute->kind == &value_run)
                        xmlUnsetProp(element, (const xmlChar *) attribute->name);
}

static bool check_text(const xmlNode *element, const ElementForm *form, GError **error) {
        g_autofree char *text = xml_text(element), *kept = NULL;
        if (form->text == &value_uuid && (!text || !*text)) /* as programs write what they do not know */
                return true;
        kept = value_check(form->text, element, NULL, text ? text : "", error);
        return kept;
}

static bool is_of_form(const xmlNode *element, const ElementForm *form) {
        bool is_of_dnsmasq = element->ns && strcmp((const char *) element->ns->href, DNSMASQ_NAMESPACE) == 0;
        return strcmp((const char *) element->name, form->name) == 0 && is_of_dnsmasq == form->is_of_dnsmasq &&
               (is_of_dnsmasq || !element->ns);
}

static bool check_element(xmlNode *element, const ElementForm *form, GError **error);

#define CHILD_FORMS_MAX 24

/* A child that is an element, and how often each form of its kind is there by now. */
static bool check_child(xmlNode *element, const ElementForm *form, xmlNode *child, unsigned *counts, GError **error) {
        size_t i = 0;
        while (form->children && form->children[i] && !is_of_form(child, form->children[i]))
                i++;
        const ElementForm *known = form->children ? form->children[i] : NULL;
        if (!known)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, child, "it is not known in <%s>; leave it out",
                                (const char *) element->name);
        if (++counts[i] > 1 && known->is_single)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, child, "only one <%s> of <%s> is allowed; leave one out",
                                (const char *) child->name, (const char *) element->name);
        unsigned max = known->max ? known->max : NETWORK_ELEMENTS_MAX;
        if (counts[i] > max)
                return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, child, "<%s> can have %u <%s> at most",
                                (const char *) element->name, max, (const char *) child->name);
        return check_element(child, known, error);
}

static bool check_children(xmlNode *element, const ElementForm *form, GError **error) {
        unsigned counts[CHILD_FORMS_MAX] = { 0 };
        for (xmlNode *child = element->children; child; child = child->next) {
                bool is_text = child->type == XML_TEXT_NODE || child->type == XML_CDATA_SECTION_NODE;
                if (is_text && !form->text && !xmlIsBlankNode(child))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                        "there is text outside of its elements; leave it out");
                if (child->type == XML_ELEMENT_NODE && !check_child(element, form, child, counts, error))
                        return false;
        }
        for (size_t i = 0; form->children && form->children[i]; i++)
                if (form->children[i]->is_needed && counts[i] == 0)
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "<%s> is missing", form->children[i]->name);
        return true;
}

static bool check_element(xmlNode *element, const ElementForm *form, GError **error) {
        if (!check_attributes(element, form, error))
                return false;
        drop_run(element, form);
        return form->is_any || (check_children(element, form, error) && (!form->text || check_text(element, form, error)));
}

bool document_form_check(xmlNode *root, GError **error) {
        if (root->ns)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "it is of another namespace; leave 'xmlns' out");
        return check_element(root, &form_network, error);
}
