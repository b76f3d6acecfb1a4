/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "errors.h"
#include "link/bandwidth.h"
#include "network/document-form.h"
#include "network/port.h"

/* How much a port may carry. */

static bool check_rate(const xmlNode *rate, GError **error) {
        uint64_t average = 0, peak = 0, burst = 0;
        if (!rate)
                return true;
        if (!xml_number_attribute(rate, "average", 1, BANDWIDTH_RATE_MAX, &average, error) ||
            !xml_number_attribute(rate, "peak", 1, BANDWIDTH_RATE_MAX, &peak, error) ||
            !xml_number_attribute(rate, "burst", 1, BANDWIDTH_BURST_MAX, &burst, error))
                return false;
        return peak == 0 || peak >= average || xml_fail(error, VIRTBUS_ERROR_INVALID_XML, rate, "peak is below average");
}

char *port_read_bandwidth(const char *bandwidth, GError **error) {
        g_autoptr(xmlDoc) document = *bandwidth ? xml_parse(bandwidth, "bandwidth", error) : NULL;
        xmlNode *root = document ? xmlDocGetRootElement(document) : NULL;
        if (!*bandwidth)
                return g_strdup("");
        if (!root || !document_form_check_bandwidth(root, error) || !check_rate(xml_child(root, "inbound"), error) ||
            !check_rate(xml_child(root, "outbound"), error))
                return NULL;
        return xml_element_text(root);
}

/* As it is kept; none where it is "". */
static bool set(const Port *port, const char *bandwidth, GError **error) {
        Bandwidth limits = { 0 };
        g_autoptr(xmlDoc) document = *bandwidth ? xml_parse(bandwidth, "bandwidth", error) : NULL;
        if (document)
                limits = bandwidth_of(xmlDocGetRootElement(document));
        return (document || !*bandwidth) && bandwidth_set(port->interface, port_is_direct(port), &limits, error);
}

bool port_limit(const Port *port, GError **error) {
        return !*port->bandwidth || set(port, port->bandwidth, error);
}

bool port_set_bandwidth(Port *port, const char *bandwidth, GError **error) {
        g_autofree char *wanted = port_read_bandwidth(bandwidth, error);
        if (!wanted)
                return false;
        if (!port_is_there(port))
                return virtbus_error_set(error, VIRTBUS_ERROR_OPERATION_INVALID, "the port is gone");
        if (!set(port, wanted, error)) {
                (void) port_limit(port, NULL); /* as far as that can be had again */
                return false;
        }
        g_free(port->bandwidth);
        port->bandwidth = g_steal_pointer(&wanted);
        return port_changed(port, error);
}

char *port_group_bandwidth(const NetworkDefinition *definition, const char *group, GError **error) {
        const xmlNode *root = xmlDocGetRootElement(definition->document);
        for (const xmlNode *found = xml_child(root, "portgroup"); found; found = xml_next(found, "portgroup")) {
                xmlNode *bandwidth = xml_child(found, "bandwidth");
                if (*group ? xml_attribute_is(found, "name", group) : xml_attribute_is(found, "default", "yes"))
                        return bandwidth ? xml_element_text(bandwidth) : g_strdup("");
        }
        if (!*group)
                return g_strdup("");
        virtbus_error_set(
                        error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                        "network '%s' has no port group '%.64s': add one (virtbusctl network update NETWORK add-last portgroup), "
                        "or leave portgroup out",
                        definition->name, group);
        return NULL;
}
