/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/complete/usb.h"

/* Ports of USB buses, in the order in which libvirt gives them out. */

#include <string.h>

#include "qemu/complete/controllers.h"

#define USB_BUSES_MAX 64
#define USB_HUB_PORTS 8
#define USB_PORTS_MAX 16
#define USB_DEPTH_MAX 4 /* hubs behind each other; QEMU's limit is one more */
#define USB_HUBS_MAX 256

typedef struct Hub {
        unsigned n_ports;
        bool taken[USB_PORTS_MAX + 1];
        struct Hub *hubs[USB_PORTS_MAX + 1]; /* plugged into a port */
} Hub;

typedef struct Buses {
        Hub *roots[USB_BUSES_MAX];
        GPtrArray *all;
} Buses;

static Hub *hub_new(Buses *buses, unsigned n_ports) {
        Hub *hub = g_new0(Hub, 1);
        hub->n_ports = MIN(n_ports, USB_PORTS_MAX);
        g_ptr_array_add(buses->all, hub);
        return hub;
}

/* How many ports a controller of a model has. */
static unsigned controller_ports(const xmlNode *controller) {
        static const struct {
                const char *model;
                unsigned ports;
        } models[] = {
                { "piix3-uhci", 2 },     { "piix4-uhci", 2 }, { "ehci", 6 },     { "ich9-ehci1", 6 },
                { "vt82c686b-uhci", 2 }, { "pci-ohci", 3 },   { "nec-xhci", 4 }, { "qemu-xhci", 4 },
        };
        g_autofree char *ports = xml_attribute(controller, "ports");
        if (ports)
                return (unsigned) MIN(strtoul(ports, NULL, 0), USB_PORTS_MAX);
        for (size_t i = 0; i < G_N_ELEMENTS(models); i++)
                if (xml_attribute_is(controller, "model", models[i].model))
                        return models[i].ports;
        return 0;
}

/* What is plugged into USB, kind by kind. */
static bool is_usb(const xmlNode *element) {
        if (xml_is(element, "hub") || xml_is(element, "redirdev"))
                return !xmlHasProp((xmlNode *) element, (const xmlChar *) (xml_is(element, "hub") ? "type" : "bus")) ||
                       xml_attribute_is(element, xml_is(element, "hub") ? "type" : "bus", "usb");
        if (xml_is(element, "hostdev"))
                return xml_attribute_is(element, "type", "usb");
        if (xml_is(element, "disk"))
                return xml_attribute_is(xml_child(element, "target"), "bus", "usb");
        if (xml_is(element, "controller"))
                return xml_attribute_is(element, "type", "ccid");
        if (xml_is(element, "input"))
                return xml_attribute_is(element, "bus", "usb");
        if (xml_is(element, "serial"))
                return xml_attribute_is(xml_child(element, "target"), "type", "usb-serial");
        return xml_is(element, "sound") && xml_attribute_is(element, "model", "usb");
}

static const char *const usb_kinds[] = { "hub", "hostdev", "disk", "controller", "input", "serial", "sound", "redirdev" };

/* Follows a port's numbers but the last; NULL where a hub is missing on the way. */
static Hub *find_hub(Hub *root, const char *port, unsigned *last) {
        char *end;
        Hub *hub = root;
        unsigned long number = strtoul(port, &end, 10);
        for (unsigned depth = 0; *end == '.' && hub && depth <= USB_DEPTH_MAX; depth++) {
                hub = number >= 1 && number <= hub->n_ports ? hub->hubs[number] : NULL;
                number = strtoul(end + 1, &end, 10);
        }
        *last = (unsigned) MIN(number, USB_PORTS_MAX + 1);
        return *end ? NULL : hub;
}

static bool take_port(Buses *buses, xmlNode *element, GError **error) {
        xmlNode *address = xml_child(element, "address");
        g_autofree char *bus_text = xml_attribute(address, "bus"), *port = xml_attribute(address, "port");
        unsigned long bus = bus_text ? strtoul(bus_text, NULL, 0) : 0;
        unsigned last;
        if (bus >= USB_BUSES_MAX || !buses->roots[bus])
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, address, "there is no USB controller with index %lu", bus);
        if (!port || strspn(port, "0123456789.") != strlen(port) || strlen(port) > 16 || !*port)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, address, "port is '%.32s'; it must be numbers like 1 or 1.2",
                                port ? port : "");
        Hub *hub = find_hub(buses->roots[bus], port, &last);
        if (!hub)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, address, "there is no hub on the way to port %s of USB bus %lu",
                                port, bus);
        if (last == 0 || last > hub->n_ports)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, address, "port %s of USB bus %lu: there are ports 1 to %u",
                                port, bus, hub->n_ports);
        if (hub->taken[last])
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, address, "port %s of USB bus %lu is another device's", port,
                                bus);
        hub->taken[last] = true;
        xml_set_number(address, "bus", bus);
        if (xml_is(element, "hub"))
                hub->hubs[last] = hub_new(buses, USB_HUB_PORTS);
        return true;
}

/* The first free port of a hub, of the hubs in it otherwise. */
static bool find_port(Hub *hub, unsigned depth, GString *path, Hub **found, unsigned *port) {
        for (unsigned i = 1; i <= hub->n_ports; i++)
                if (!hub->taken[i]) {
                        g_string_append_printf(path, "%u", i);
                        *found = hub;
                        *port = i;
                        return true;
                }
        for (unsigned i = 1; i <= hub->n_ports && depth < USB_DEPTH_MAX; i++) {
                gsize length = path->len;
                if (!hub->hubs[i])
                        continue;
                g_string_append_printf(path, "%u.", i);
                if (find_port(hub->hubs[i], depth + 1, path, found, port))
                        return true;
                g_string_truncate(path, length);
        }
        return false;
}

static bool choose_port(Buses *buses, xmlNode *element) {
        xmlNode *address = xml_child(element, "address");
        g_autofree char *fixed = xml_attribute(address, "bus");
        for (unsigned bus = 0; bus < USB_BUSES_MAX; bus++) {
                g_autoptr(GString) path = g_string_new(NULL);
                Hub *hub;
                unsigned port;
                if (!buses->roots[bus] || (fixed && strtoul(fixed, NULL, 0) != bus) ||
                    !find_port(buses->roots[bus], 0, path, &hub, &port))
                        continue;
                if (!address)
                        address = xml_add(element, "address", NULL);
                xml_set_attribute(address, "type", "usb");
                xml_set_number(address, "bus", bus);
                xml_set_attribute(address, "port", path->str);
                hub->taken[port] = true;
                if (xml_is(element, "hub"))
                        hub->hubs[port] = hub_new(buses, USB_HUB_PORTS);
                return true;
        }
        return false;
}

static bool choose_port_of(Buses *buses, xmlNode *element, GError **error) {
        g_autofree char *bus = xml_attribute(xml_child(element, "address"), "bus");
        unsigned long number = bus ? strtoul(bus, NULL, 0) : 0;
        if (bus && (number >= USB_BUSES_MAX || !buses->roots[number]))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                "there is no controller of USB bus %lu: none has that index", number);
        return choose_port(buses, element) || xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "no USB port is free");
}

static bool has_port(const xmlNode *element) {
        g_autofree char *port = xml_attribute(xml_child(element, "address"), "port");
        return port != NULL;
}

static unsigned free_ports(const Buses *buses) {
        unsigned n = 0;
        for (guint i = 0; i < buses->all->len; i++) {
                const Hub *hub = buses->all->pdata[i];
                for (unsigned port = 1; port <= hub->n_ports; port++)
                        n += !hub->taken[port];
        }
        return n;
}

/* Hubs, where there are not enough ports: each takes one and brings eight. */
static void add_hubs(Buses *buses, xmlNode *devices) {
        unsigned wanted = 0, n_free = free_ports(buses);
        for (size_t i = 1; i < G_N_ELEMENTS(usb_kinds); i++)
                for (xmlNode *element = xml_child(devices, usb_kinds[i]); element; element = xml_next(element, usb_kinds[i]))
                        wanted += is_usb(element) && !has_port(element);
        if (wanted <= n_free)
                return;
        unsigned n = (wanted - n_free + USB_HUB_PORTS - 1) /
                     (USB_HUB_PORTS - 1); /* one port more than is needed, as libvirt has it */
        for (unsigned i = 0; i < MIN(n, USB_HUBS_MAX); i++) {
                xmlNode *hub = xml_add(devices, "hub", NULL);
                xml_set_attribute(hub, "type", "usb");
                if (!choose_port(buses, hub))
                        break;
        }
}

static bool place(Buses *buses, xmlNode *devices, GError **error) {
        bool any = false;
        for (xmlNode *controller = xml_child(devices, "controller"); controller;
             controller = xml_next(controller, "controller")) {
                unsigned index = controllers_index(controller);
                if (!xml_attribute_is(controller, "type", "usb") || xml_child(controller, "master") || index >= USB_BUSES_MAX ||
                    xml_attribute_is(controller, "model", "none"))
                        continue;
                if (!buses->roots[index])
                        buses->roots[index] = hub_new(buses, controller_ports(controller));
                any = true;
        }
        /* Hubs first, the outer ones before those in them; then what has a port, then the others. */
        for (size_t depth = 1; depth <= 16; depth++)
                for (xmlNode *hub = xml_child(devices, "hub"); hub; hub = xml_next(hub, "hub")) {
                        g_autofree char *port = xml_attribute(xml_child(hub, "address"), "port");
                        if (!any)
                                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, hub,
                                                "the domain has no USB: take model 'none' from its controller");
                        if (port && strlen(port) == depth && !take_port(buses, hub, error))
                                return false;
                }
        for (size_t i = 1; i < G_N_ELEMENTS(usb_kinds); i++)
                for (xmlNode *element = xml_child(devices, usb_kinds[i]); element; element = xml_next(element, usb_kinds[i])) {
                        if (is_usb(element) && !any)
                                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element,
                                                "the domain has no USB: take model 'none' from its controller");
                        if (is_usb(element) && has_port(element) && !take_port(buses, element, error))
                                return false;
                }
        for (xmlNode *hub = xml_child(devices, "hub"); hub; hub = xml_next(hub, "hub"))
                if (!has_port(hub) && !choose_port_of(buses, hub, error))
                        return false;
        add_hubs(buses, devices);
        for (size_t i = 1; i < G_N_ELEMENTS(usb_kinds); i++)
                for (xmlNode *element = xml_child(devices, usb_kinds[i]); element; element = xml_next(element, usb_kinds[i])) {
                        if (!is_usb(element) || has_port(element))
                                continue;
                        if (!choose_port_of(buses, element, error))
                                return false;
                }
        return true;
}

bool usb_place(xmlNode *devices, GError **error) {
        Buses buses = { .all = g_ptr_array_new_with_free_func(g_free) };
        bool fine = place(&buses, devices, error);
        g_ptr_array_unref(buses.all);
        return fine;
}
