/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/document-form.h"

#include "network/element-form.h"

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
ELEMENT(form_option, "option", ATTRIBUTES({ "value", &value_option, NEEDED }), .namespace_ = DNSMASQ_NAMESPACE);
ELEMENT(form_options, "options", CHILDREN(&form_option), ONE, .namespace_ = DNSMASQ_NAMESPACE);

ELEMENT(form_network, "network",
        ATTRIBUTES({ "ipv6", &value_yes_no }, { "trustGuestRxFilters", &value_yes_no }, { "connections", &value_run }),
        CHILDREN(&form_name, &form_uuid, &form_title, &form_description, &form_metadata, &form_forward, &form_bridge, &form_mac,
                 &form_mtu, &form_port, &form_domain, &form_dns, &form_ip, &form_route, &form_vlan, &form_bandwidth,
                 &form_virtualport, &form_portgroup, &form_options));

bool document_form_check_bandwidth(xmlNode *root, GError **error) {
        return element_form_check(root, &form_bandwidth, error);
}

bool document_form_check(xmlNode *root, GError **error) {
        return element_form_check(root, &form_network, error);
}
