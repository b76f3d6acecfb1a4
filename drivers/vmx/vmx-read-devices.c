/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Everything but drives: interfaces, ports, the screen, shared folders. */

#include "vmx/vmx-read.h"

#include <string.h>

#include "base/uuid.h"
#include "base/xml.h"
#include "vmx/vmx-network.h"

static bool is(const char *text, const char *other) {
        return text && g_ascii_strcasecmp(text, other) == 0;
}

/* Interfaces */

static void read_mac(VmxFile *file, xmlNode *interface, const char *slot) {
        const char *type = vmx_file_take(file, "%s.addressType", slot);
        bool is_static = is(type, "static");
        if (type && !is_static && !is(type, "generated") && !is(type, "vpx")) {
                vmx_file_fail(file, "%s.addressType is '%.64s'; it must be generated, static or vpx", slot, type);
                return;
        }
        const char *address = vmx_file_take(file, is_static ? "%s.address" : "%s.generatedAddress", slot);
        const char *check = vmx_file_take(file, "%s.checkMACAddress", slot);
        if (!address) /* VMware chooses one as it starts the machine */
                return;
        g_autofree char *lower = g_ascii_strdown(address, -1);
        xmlNode *mac = xml_add(interface, "mac", NULL);
        xml_set_attribute(mac, "address", lower);
        xml_set_attribute(mac, "type", is_static ? "static" : "generated");
        if (check)
                xml_set_attribute(mac, "check", is(check, "false") ? "no" : "yes");
}

/* A port of a distributed switch. */
static void read_switch(VmxFile *file, xmlNode *interface, const char *slot) {
        static const char *const keys[][2] = { { "portid", "portId" },
                                               { "portgroupid", "portgroupId" },
                                               { "connectionid", "connectionId" } };
        const char *id = vmx_file_take(file, "%s.dvs.switchId", slot);
        g_autofree char *digits = g_strdup(id), *uuid = NULL;
        uuid = uuid_normalize(vmx_network_join_digits(digits));
        if (!uuid) {
                vmx_file_fail(file, "%s.dvs.switchId is '%.64s', which is not a UUID", slot, id);
                return;
        }
        xmlNode *source = xml_add(interface, "source", NULL);
        xml_set_attribute(source, "switchid", uuid);
        for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
                const char *value = vmx_file_take(file, "%s.dvs.%s", slot, keys[i][1]);
                if (value)
                        xml_set_attribute(source, keys[i][0], value);
        }
}

static void read_source(VmxFile *file, xmlNode *interface, const char *slot) {
        const char *connection = vmx_file_take(file, "%s.connectionType", slot),
                   *network = vmx_file_take(file, "%s.networkName", slot), *vnet = vmx_file_take(file, "%s.vnet", slot);
        const VmxNetwork *kind = vmx_network_find(connection);
        if (vmx_file_peek(file, "%s.dvs.switchId", slot)) {
                xml_set_attribute(interface, "type", "vds");
                read_switch(file, interface, slot);
                return;
        }
        if (!connection && !network) {
                xml_set_attribute(interface, "type", "null");
                return;
        }
        if (connection && !kind) {
                vmx_file_fail(file, "%s.connectionType is '%.64s'; it must be bridged, custom, hostonly or nat", slot,
                              connection);
                return;
        }
        if (kind && kind->needs_vnet && !vnet) {
                vmx_file_fail(file, "%s.vnet is missing: connectionType custom needs the network's name", slot);
                return;
        }
        xml_set_attribute(interface, "type", kind ? kind->type : "bridge");
        const char *attribute = kind ? kind->attribute : "bridge";
        if (attribute)
                xml_set_attribute(xml_add(interface, "source", NULL), attribute,
                                  network           ? network
                                  : kind->otherwise ? kind->otherwise
                                                    : vnet);
        if (kind && kind->needs_vnet)
                xml_set_attribute(xml_add(interface, "target", NULL), "dev", vnet);
}

static void read_model(VmxFile *file, xmlNode *interface, const char *slot) {
        const char *device = vmx_file_take(file, "%s.virtualDev", slot);
        int64_t features = vmx_file_take_number(file, 0, G_MAXINT32, 0, "%s.features", slot);
        const char *model = device ? vmx_network_model(device, features == VMX_VMXNET2_FEATURES) : NULL;
        if (model)
                xml_set_attribute(xml_add(interface, "model", NULL), "type", model);
        else if (device)
                vmx_file_fail(file, "%s.virtualDev is '%.64s'; it must be vlance, vmxnet, vmxnet3, e1000 or e1000e", slot,
                              device);
}

void vmx_read_interfaces(VmxFile *file, xmlNode *devices) {
        for (unsigned i = 0; i < VMX_ETHERNETS_MAX; i++) {
                g_autofree char *slot = g_strdup_printf("ethernet%u", i);
                if (!vmx_file_take_flag(file, false, "%s.present", slot))
                        continue;
                xmlNode *interface = xml_add(devices, "interface", NULL);
                read_source(file, interface, slot);
                read_mac(file, interface, slot);
                xmlNode *mac = xml_child(interface, "mac"), *first = xml_child(interface, NULL);
                if (mac && first != mac)
                        xmlAddPrevSibling(first, mac);
                read_model(file, interface, slot);
        }
}

/* Serial and parallel ports */

typedef struct Port {
        const char *key;
        unsigned n;
        bool has_ends; /* pipes and networks */
} Port;

/* "tcp://HOST:PORT", or another of what documents call protocols; and options behind '?', as libvirt has them. */
static bool read_network(VmxFile *file, xmlNode *port, const char *slot, const char *place) {
        static const char *const protocols[][2] = {
                { "tcp", "raw" }, { "telnet", "telnet" }, { "telnets", "telnets" }, { "ssl", "tls" }, { "tcp+ssl", "tls" }
        };
        const char *protocol = NULL, *rest = strstr(place, "://"), *end = vmx_file_take(file, "%s.network.endPoint", slot);
        bool is_server = !end || is(end, "server"); /* VMware's default */
        for (size_t i = 0; rest && i < G_N_ELEMENTS(protocols); i++)
                if (strlen(protocols[i][0]) == (size_t) (rest - place) &&
                    g_ascii_strncasecmp(place, protocols[i][0], (size_t) (rest - place)) == 0)
                        protocol = protocols[i][1];
        const char *service = protocol ? strrchr(rest + 3, ':') : NULL;
        if (!service || !g_ascii_isdigit(service[1]) || service[1 + strspn(service + 1, "0123456789")])
                return vmx_file_fail(file, "%s.fileName is '%.128s'; a network is tcp://HOST:PORT, or telnet, telnets or ssl",
                                     slot, place);
        if (end && !is_server && !is(end, "client"))
                return vmx_file_fail(file, "%s.network.endPoint is '%.64s'; it must be server or client", slot, end);
        g_autofree char *host = g_strndup(rest + 3, (gsize) (service - rest - 3));
        xml_set_attribute(port, "type", "tcp");
        xmlNode *source = xml_add(port, "source", NULL);
        xml_set_attribute(source, "mode", is_server ? "bind" : "connect");
        xml_set_attribute(source, "host", host);
        xml_set_attribute(source, "service", service + 1);
        xml_set_attribute(xml_add(port, "protocol", NULL), "type", protocol);
        return true;
}

static bool read_port_source(VmxFile *file, xmlNode *port, const char *slot, bool has_ends) {
        const char *type = vmx_file_take(file, "%s.fileType", slot), *name = vmx_file_take(file, "%s.fileName", slot);
        if (has_ends && is(type, "network"))
                return read_network(file, port, slot, name ? name : "");
        if (has_ends && is(type, "pipe")) {
                vmx_file_take(file, "%s.pipe.endPoint", slot);
                vmx_file_take(file, "%s.tryNoRxLoss", slot);
        }
        xml_set_attribute(port, "type", is(type, "file") ? "file" : is(type, "pipe") ? "pipe" : "dev");
        if (!name || (type && !is(type, "device") && !is(type, "file") && !(has_ends && is(type, "pipe"))))
                return vmx_file_fail(
                                file,
                                "%s: its fileType '%.64s' with the fileName '%.128s' is not a port that is known; use device, "
                                "file%s",
                                slot, type ? type : "", name ? name : "", has_ends ? ", pipe or network" : "");
        xmlNode *source = xml_add(port, "source", NULL);
        if (is(type, "file"))
                vmx_read_path(source, "path", name);
        else
                xml_set_attribute(source, "path", name);
        return true;
}

static void read_ports(VmxFile *file, xmlNode *devices, const Port *kind) {
        for (unsigned i = 0; i < kind->n; i++) {
                g_autofree char *slot = g_strdup_printf("%s%u", kind->key, i);
                if (!vmx_file_take_flag(file, false, "%s.present", slot))
                        continue;
                const char *type = vmx_file_peek(file, "%s.fileType", slot);
                if (is(type, "thinprint")) { /* the host's printers, by VMware's tools */
                        vmx_file_give_back(file, slot);
                        continue;
                }
                vmx_file_take(file, "%s.yieldOnMsrRead", slot);
                xmlNode *port = xml_add(devices, kind->key, NULL);
                if (!read_port_source(file, port, slot, kind->has_ends))
                        return;
                xml_set_number(xml_add(port, "target", NULL), "port", i);
        }
}

/* The first serial port is the console, too, as libvirt shows it. */
static void add_console(xmlNode *devices) {
        xmlNode *serial = xml_child(devices, "serial");
        if (!serial || !xml_child(serial, "target"))
                return;
        xmlNode *console = xmlCopyNode(serial, 1), *target = xml_child(console, "target");
        xmlNodeSetName(console, (const xmlChar *) "console");
        xml_remove(target);
        target = xml_add(console, "target", NULL);
        xml_set_attribute(target, "type", "serial");
        xml_set_number(target, "port", 0);
        xmlAddChild(devices, console);
}

void vmx_read_characters(VmxFile *file, xmlNode *devices) {
        static const Port ports[] = { { "serial", VMX_SERIALS_MAX, true }, { "parallel", VMX_PARALLELS_MAX, false } };
        for (size_t i = 0; i < G_N_ELEMENTS(ports); i++)
                read_ports(file, devices, ports + i);
        add_console(devices);
}

/* The screen */

static void read_vnc(VmxFile *file, xmlNode *devices) {
        if (!vmx_file_take_flag(file, false, "RemoteDisplay.vnc.enabled"))
                return;
        int64_t port = vmx_file_take_number(file, -1, G_MAXUINT16, -1, "RemoteDisplay.vnc.port");
        const char *address = vmx_file_take(file, "RemoteDisplay.vnc.ip"),
                   *keymap = vmx_file_take(file, "RemoteDisplay.vnc.keymap"),
                   *password = vmx_file_take(file, "RemoteDisplay.vnc.password");
        xmlNode *graphics = xml_add(devices, "graphics", NULL);
        xml_set_attribute(graphics, "type", "vnc");
        xml_set_number(graphics, "port", port > 0 ? port : -1);
        xml_set_attribute(graphics, "autoport", port > 0 ? "no" : "yes");
        if (address)
                xml_set_attribute(graphics, "listen", address);
        if (keymap)
                xml_set_attribute(graphics, "keymap", keymap);
        if (password)
                xml_set_attribute(graphics, "passwd", password);
        xmlNode *listen = xml_add(graphics, "listen", NULL);
        xml_set_attribute(listen, "type", "address");
        if (address)
                xml_set_attribute(listen, "address", address);
}

void vmx_read_displays(VmxFile *file, xmlNode *devices) {
        read_vnc(file, devices);
        int64_t bytes = vmx_file_take_number(file, 0, G_MAXINT32, VMX_VIDEO_DEFAULT, "svga.vramSize");
        xmlNode *model = xml_add(xml_add(devices, "video", NULL), "model", NULL);
        xml_set_attribute(model, "type", "vmvga");
        xml_set_number(model, "vram", (bytes + 1023) / 1024);
        xml_set_attribute(model, "primary", "yes");
}

/* Shared folders */

void vmx_read_shares(VmxFile *file, xmlNode *devices) {
        if (vmx_file_take_flag(file, true, "isolation.tools.hgfs.disable"))
                return;
        int64_t n = vmx_file_take_number(file, 0, VMX_SHARES_MAX, 0, "sharedFolder.maxNum");
        for (int i = 0; i < n; i++) {
                g_autofree char *slot = g_strdup_printf("sharedFolder%d", i);
                bool is_present = vmx_file_take_flag(file, false, "%s.present", slot),
                     is_enabled = vmx_file_take_flag(file, true, "%s.enabled", slot);
                if (!is_present || !is_enabled) {
                        vmx_file_give_back(file, slot);
                        continue;
                }
                const char *host = vmx_file_take(file, "%s.hostPath", slot), *guest = vmx_file_take(file, "%s.guestName", slot);
                vmx_file_take(file, "%s.readAccess", slot);
                bool may_write = vmx_file_take_flag(file, false, "%s.writeAccess", slot);
                if (!host || !guest) {
                        vmx_file_fail(file, "%s.%s is missing", slot, host ? "guestName" : "hostPath");
                        return;
                }
                xmlNode *filesystem = xml_add(devices, "filesystem", NULL);
                xml_set_attribute(filesystem, "type", "mount");
                xml_set_attribute(filesystem, "accessmode", "passthrough");
                xml_set_attribute(xml_add(filesystem, "source", NULL), "dir", host);
                xml_set_attribute(xml_add(filesystem, "target", NULL), "dir", guest);
                if (!may_write)
                        xml_add(filesystem, "readonly", NULL);
        }
}
