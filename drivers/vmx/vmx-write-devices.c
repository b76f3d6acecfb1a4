/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Everything but drives: interfaces, ports, the screen, shared folders. */

#include "vmx/vmx-write.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/uuid.h"
#include "base/xml.h"
#include "vmx/vmx-network.h"
#include "vmx/vmx-path.h"
#include "vmx/vmx-read.h"

static bool lacks(const xmlNode *element, GError **error, const char *what) {
        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "%s is missing", what);
}

/* Interfaces */

/* Which addresses VMware takes for its own: those that it makes, those of vCenter, and those that people may set. */
static const char *guess_kind(const char *address, bool *is_foreign) {
        unsigned bytes[6] = { 0 };
        *is_foreign = false;
        if (sscanf(address, "%2x:%2x:%2x:%2x:%2x:%2x", bytes, bytes + 1, bytes + 2, bytes + 3, bytes + 4, bytes + 5) == 6) {
                if (bytes[0] == 0x00 && bytes[1] == 0x0c && bytes[2] == 0x29)
                        return "generated";
                if (bytes[0] == 0x00 && bytes[1] == 0x50 && bytes[2] == 0x56) {
                        if (bytes[3] >= 0x80 && bytes[3] <= 0xbf)
                                return "vpx";
                        if (bytes[3] <= 0x3f)
                                return "static";
                }
        }
        *is_foreign = true;
        return "static";
}

static bool write_mac(const xmlNode *interface, const char *slot, GString *out, GError **error) {
        const xmlNode *mac = xml_child(interface, "mac");
        g_autofree char *address = xml_attribute_at(mac, "", "address"), *type = xml_attribute_at(mac, "", "type"),
                        *check = xml_attribute_at(mac, "", "check");
        static const char *const types[] = { "generated", "static", NULL }, *const checks[] = { "yes", "no", NULL };
        bool is_foreign;
        if (mac && (!xml_one_of(mac, "type", types, error) || !xml_one_of(mac, "check", checks, error)))
                return false;
        const char *kind = guess_kind(address, &is_foreign);
        if (*type)
                kind = strcmp(type, "static") == 0 || strcmp(kind, "vpx") != 0 ? type : kind;
        if (!mac) { /* VMware chooses one as it starts the machine */
                vmx_put(out, "generated", "%s.addressType", slot);
                return true;
        }
        bool is_static = strcmp(kind, "static") == 0;
        vmx_put(out, kind, "%s.addressType", slot);
        vmx_put(out, address, is_static ? "%s.address" : "%s.generatedAddress", slot);
        if (strcmp(kind, "generated") == 0)
                vmx_put(out, "0", "%s.generatedAddressOffset", slot);
        if (*check)
                vmx_put(out, strcmp(check, "no") == 0 ? "false" : "true", "%s.checkMACAddress", slot);
        else if (is_foreign)
                vmx_put(out, "false", "%s.checkMACAddress", slot);
        return true;
}

static bool write_switch(const xmlNode *interface, const char *slot, GString *out, GError **error) {
        static const char *const keys[][2] = { { "portgroupid", "portgroupId" },
                                               { "portid", "portId" },
                                               { "connectionid", "connectionId" } };
        const xmlNode *source = xml_child(interface, "source");
        g_autofree char *id = xml_attribute_at(source, "", "switchid"), *uuid = uuid_normalize(id), *digits = NULL;
        if (!uuid)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, source ? source : interface, "switchid '%.64s' is not a UUID",
                                id);
        digits = vmx_network_split_digits(uuid);
        vmx_put(out, digits, "%s.dvs.switchId", slot);
        for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
                g_autofree char *value = xml_attribute_at(source, "", keys[i][0]);
                if (*value)
                        vmx_put(out, value, "%s.dvs.%s", slot, keys[i][1]);
        }
        return true;
}

static bool write_source(const xmlNode *interface, const char *slot, GString *out, GError **error) {
        g_autofree char *bridge = xml_attribute_at(interface, "source", "bridge"),
                        *network = xml_attribute_at(interface, "source", "network"),
                        *vnet = xml_attribute_at(interface, "target", "dev");
        if (xml_attribute_is(interface, "type", "bridge")) {
                if (!*bridge)
                        return lacks(interface, error, "<source bridge='NETWORK'/>");
                vmx_put(out, bridge, "%s.networkName", slot);
                vmx_put(out, *vnet ? "custom" : "bridged", "%s.connectionType", slot);
                if (*vnet)
                        vmx_put(out, vnet, "%s.vnet", slot);
                return true;
        }
        if (*vnet)
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, interface,
                                "only an interface of type bridge has a <target> with VMware");
        if (xml_attribute_is(interface, "type", "user"))
                vmx_put(out, "nat", "%s.connectionType", slot);
        else if (xml_attribute_is(interface, "type", "network") && strcmp(network, "hostonly") == 0)
                vmx_put(out, "hostonly", "%s.connectionType", slot);
        else if (xml_attribute_is(interface, "type", "vds"))
                return write_switch(interface, slot, out, error);
        else if (!xml_attribute_is(interface, "type", "null"))
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, interface,
                                "a machine of VMware's has interfaces of type bridge, user, null, vds, and network with the "
                                "network 'hostonly'");
        return true;
}

static bool write_interface(const xmlNode *interface, const char *slot, GString *out, GError **error) {
        g_autofree char *model = xml_attribute_at(interface, "model", "type");
        const char *device = *model ? vmx_network_device(model) : NULL;
        if (*model && !device)
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, xml_child(interface, "model"),
                                "'%.32s' is unknown to VMware; use vlance, vmxnet, vmxnet2, vmxnet3, e1000 or e1000e", model);
        vmx_put(out, "true", "%s.present", slot);
        if (device)
                vmx_put(out, device, "%s.virtualDev", slot);
        if (g_ascii_strcasecmp(model, "vmxnet2") == 0)
                vmx_put(out, G_STRINGIFY(VMX_VMXNET2_FEATURES), "%s.features", slot);
        return write_source(interface, slot, out, error) && write_mac(interface, slot, out, error);
}

bool vmx_write_interfaces(xmlNode *devices, GString *out, GError **error) {
        unsigned i = 0;
        for (xmlNode *interface = xml_child(devices, "interface"); interface; interface = xml_next(interface, "interface"), i++) {
                g_autofree char *slot = g_strdup_printf("ethernet%u", i);
                if (i >= VMX_ETHERNETS_MAX)
                        return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, interface,
                                        "a machine of VMware's has at most %d interfaces", VMX_ETHERNETS_MAX);
                if (!write_interface(interface, slot, out, error))
                        return false;
        }
        return true;
}

/* Serial and parallel ports */

static bool write_network(const xmlNode *port, const char *slot, GString *out, GError **error) {
        static const char *const protocols[][2] = {
                { "raw", "tcp" }, { "", "tcp" }, { "telnet", "telnet" }, { "telnets", "telnets" }, { "tls", "ssl" }
        };
        g_autofree char *host = xml_attribute_at(port, "source", "host"), *service = xml_attribute_at(port, "source", "service"),
                        *protocol = xml_attribute_at(port, "protocol", "type");
        const char *scheme = NULL;
        for (size_t i = 0; i < G_N_ELEMENTS(protocols); i++)
                if (strcmp(protocol, protocols[i][0]) == 0)
                        scheme = protocols[i][1];
        if (!scheme)
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, xml_child(port, "protocol"),
                                "'%.32s' is unknown; use raw, telnet, telnets or tls", protocol);
        if (!*service)
                return lacks(port, error, "<source service='PORT'/>");
        if (service[strspn(service, "0123456789")])
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, xml_child(port, "source"),
                                "service='%.32s' is not a port's number, which VMware's files have", service);
        g_autofree char *place = g_strdup_printf("%s://%s:%s", scheme, host, service);
        vmx_put(out, "network", "%s.fileType", slot);
        vmx_put(out, place, "%s.fileName", slot);
        vmx_put(out, xml_attribute_is(xml_child(port, "source"), "mode", "bind") ? "server" : "client", "%s.network.endPoint",
                slot);
        return true;
}

static bool write_port(const xmlNode *port, const char *slot, GString *out, GError **error) {
        g_autofree char *type = xml_attribute_at(port, "", "type"), *path = xml_attribute_at(port, "source", "path");
        vmx_put(out, "true", "%s.present", slot);
        if (strcmp(type, "tcp") == 0)
                return write_network(port, slot, out, error);
        if (!*path)
                return lacks(port, error, "<source path='FILE'/>");
        g_autofree char *file = vmx_path_from_document(path);
        bool is_device = strcmp(type, "dev") == 0;
        vmx_put(out, is_device ? "device" : type, "%s.fileType", slot);
        vmx_put(out, is_device ? path : file, "%s.fileName", slot);
        if (strcmp(type, "pipe") == 0) { /* its other end is an application's, which has made it */
                vmx_put(out, "client", "%s.pipe.endPoint", slot);
                vmx_put(out, "false", "%s.tryNoRxLoss", slot);
        }
        return true;
}

static bool write_ports(xmlNode *devices, const char *kind, unsigned n, bool yields, GString *out, GError **error) {
        bool taken[VMX_SERIALS_MAX + 1] = { false };
        unsigned next = 0;
        for (xmlNode *port = xml_child(devices, kind); port; port = xml_next(port, kind), next++) {
                uint64_t number = next;
                const xmlNode *target = xml_child(port, "target");
                if (!xml_number_attribute(target, "port", 0, n - 1, &number, error))
                        return false;
                if (number >= n || taken[number])
                        return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, port,
                                        "a machine of VMware's has %u %s ports, each once", n, kind);
                taken[number] = true;
                g_autofree char *slot = g_strdup_printf("%s%u", kind, (unsigned) number);
                if (!write_port(port, slot, out, error))
                        return false;
                if (yields)
                        vmx_put(out, "true", "%s.yieldOnMsrRead", slot);
        }
        return true;
}

bool vmx_write_characters(xmlNode *devices, GString *out, GError **error) {
        const xmlNode *console = xml_child(devices, "console");
        if (console && (!xml_child(devices, "serial") || xml_next(console, "console")))
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, console,
                                "a console of VMware's is the first <serial>; write that");
        return write_ports(devices, "serial", VMX_SERIALS_MAX, true, out, error) &&
               write_ports(devices, "parallel", VMX_PARALLELS_MAX, false, out, error);
}

/* The screen */

bool vmx_write_vnc(xmlNode *devices, GString *out, GError **error) {
        xmlNode *graphics = xml_child(devices, "graphics");
        if (!graphics || xml_attribute_is(graphics, "type", "desktop"))
                return true;
        if (xml_next(graphics, "graphics"))
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, xml_next(graphics, "graphics"),
                                "a machine of VMware's has one of these");
        g_autofree char *port = xml_attribute_at(graphics, "", "port"),
                        *address = xml_attribute_at(graphics, "listen", "address"),
                        *said = xml_attribute_at(graphics, "", "listen"), *keymap = xml_attribute_at(graphics, "", "keymap"),
                        *password = xml_attribute_at(graphics, "", "passwd");
        uint64_t number = 0;
        bool is_automatic = !*port || strcmp(port, "-1") == 0 || xml_attribute_is(graphics, "autoport", "yes");
        if (!is_automatic && !xml_number_attribute(graphics, "port", 1, G_MAXUINT16, &number, error))
                return false;
        vmx_put(out, "true", "RemoteDisplay.vnc.enabled");
        if (!is_automatic)
                vmx_put(out, port, "RemoteDisplay.vnc.port");
        if (*address || *said)
                vmx_put(out, *address ? address : said, "RemoteDisplay.vnc.ip");
        if (*keymap)
                vmx_put(out, keymap, "RemoteDisplay.vnc.keymap");
        if (*password)
                vmx_put(out, password, "RemoteDisplay.vnc.password");
        return true;
}

bool vmx_write_video(xmlNode *devices, GString *out, GError **error) {
        const xmlNode *video = xml_child(devices, "video");
        uint64_t kibibytes = VMX_VIDEO_DEFAULT / 1024;
        if (video && xml_next(video, "video"))
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, xml_next(video, "video"),
                                "a machine of VMware's has one screen");
        if (!xml_number_attribute(xml_find(video, "model"), "vram", 1, G_MAXINT32 / 1024, &kibibytes, error))
                return false;
        g_autofree char *bytes = g_strdup_printf("%" PRIu64, kibibytes * 1024);
        if (video || xml_child(devices, "graphics")) /* who shows one has one */
                vmx_put(out, bytes, "svga.vramSize");
        return true;
}

/* Shared folders */

bool vmx_write_shares(xmlNode *devices, GString *out, GError **error) {
        unsigned n = 0;
        g_autoptr(GString) lines = g_string_new(NULL);
        for (xmlNode *filesystem = xml_child(devices, "filesystem"); filesystem;
             filesystem = xml_next(filesystem, "filesystem"), n++) {
                g_autofree char *host = xml_attribute_at(filesystem, "source", "dir"),
                                *guest = xml_attribute_at(filesystem, "target", "dir");
                if (n >= VMX_SHARES_MAX)
                        return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, filesystem, "at most %d folders are shared",
                                        VMX_SHARES_MAX);
                if (!*host || !*guest)
                        return lacks(filesystem, error, *host ? "<target dir='NAME'/>" : "<source dir='FOLDER'/>");
                vmx_put(lines, "true", "sharedFolder%u.present", n);
                vmx_put(lines, "true", "sharedFolder%u.enabled", n);
                vmx_put(lines, "true", "sharedFolder%u.readAccess", n);
                vmx_put(lines, xml_child(filesystem, "readonly") ? "false" : "true", "sharedFolder%u.writeAccess", n);
                vmx_put(lines, host, "sharedFolder%u.hostPath", n);
                vmx_put(lines, guest, "sharedFolder%u.guestName", n);
        }
        if (n == 0)
                return true;
        g_autofree char *number = g_strdup_printf("%u", n);
        vmx_put(out, "false", "isolation.tools.hgfs.disable");
        vmx_put(out, number, "sharedFolder.maxNum");
        g_string_append_len(out, lines->str, (gssize) lines->len);
        return true;
}
