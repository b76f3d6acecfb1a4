/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/native-host.h"

#include <string.h>

#include "qemu/command/native-address.h"
#include "qemu/command/native-character.h"

static void set_boot(GHashTable *device, xmlNode *element) {
        native_move_below(device, "bootindex", element, "boot", "order");
}

static xmlNode *add_host_device(NativeReader *reader, const char *type) {
        xmlNode *element = xml_add(reader->devices, "hostdev", NULL);
        native_set(element, "mode", "subsystem");
        native_set(element, "type", type);
        return element;
}

/* "host=01:00.0", or with its domain: "0000:01:00.0". */
void native_host_pci(NativeReader *reader, GHashTable *device, const char *driver) {
        g_autofree char *host = native_take(device, "host");
        unsigned domain = 0, bus, slot, function = 0;
        xmlNode *element = add_host_device(reader, "pci");
        native_set(element, "managed", "yes");
        if (!host || (sscanf(host, "%4x:%2x:%2x.%1u", &domain, &bus, &slot, &function) < 4 &&
                      (domain = 0, sscanf(host, "%2x:%2x.%1u", &bus, &slot, &function) < 3))) {
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-device %s: host is '%.32s'; write it as 0000:01:00.0", driver,
                            host ? host : "");
                return;
        }
        xmlNode *address = xml_add(xml_add(element, "source", NULL), "address", NULL);
        const struct {
                const char *name;
                unsigned value;
        } parts[] = { { "domain", domain }, { "bus", bus }, { "slot", slot }, { "function", function } };
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
                xml_set_number(address, parts[i].name, parts[i].value);
        set_boot(device, element);
        native_move_below(device, "romfile", element, "rom", "file");
        g_autofree char *bar = native_take(device, "rombar");
        if (bar)
                native_set(xml_ensure_child(element, "rom"), "bar", strcmp(bar, "0") == 0 ? "off" : "on");
        native_pci_address(reader, device, element);
}

void native_host_usb(NativeReader *reader, GHashTable *device, const char *driver) {
        xmlNode *element = add_host_device(reader, "usb"), *source = xml_add(element, "source", NULL);
        native_set(element, "managed", "yes");
        native_move_below(device, "vendorid", source, "vendor", "id");
        native_move_below(device, "productid", source, "product", "id");
        native_move_below(device, "hostbus", source, "address", "bus");
        native_move_below(device, "hostaddr", source, "address", "device");
        native_move(device, "guest-reset", source, "guestReset");
        if (!source->children)
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED,
                            "-device %s: only vendorid and productid, or hostbus and hostaddr, have a counterpart in a document",
                            driver);
        set_boot(device, element);
        native_usb_address(reader, device, element);
}

static NativeBackend *find_character(NativeReader *reader, GHashTable *device, const char *driver) {
        g_autofree char *id = native_take(device, "chardev");
        NativeBackend *backend = native_find_backend(reader, "chardev", id);
        if (!backend)
                native_fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "-device %s: there is no -chardev '%.64s'", driver,
                            id ? id : "");
        return backend;
}

void native_host_redirection(NativeReader *reader, GHashTable *device, const char *driver) {
        xmlNode *element = xml_add(reader->devices, "redirdev", NULL);
        NativeBackend *backend = find_character(reader, device, driver);
        native_set(element, "bus", "usb");
        if (backend)
                native_character_read(reader, element, backend->properties, "-chardev");
        set_boot(device, element);
        native_usb_address(reader, device, element);
}

/* A folder by virtiofs, whose program was started by hand, or by 9p. */
void native_host_folder(NativeReader *reader, GHashTable *device, const char *driver) {
        xmlNode *element = xml_add(reader->devices, "filesystem", NULL), *kind = xml_add(element, "driver", NULL),
                *source = xml_add(element, "source", NULL);
        native_set(element, "type", "mount");
        if (strcmp(driver, "vhost-user-fs-pci") == 0) {
                NativeBackend *backend = find_character(reader, device, driver);
                native_set(kind, "type", "virtiofs");
                native_move(device, "queue-size", kind, "queue");
                if (backend)
                        native_move(backend->properties, "path", source, "socket");
                native_move_below(device, "tag", element, "target", "dir");
        } else {
                g_autofree char *id = native_take(device, "fsdev");
                NativeBackend *backend = native_find_backend(reader, "folder", id);
                native_set(kind, "type", "path");
                if (!backend) {
                        native_fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "-device %s: there is no -fsdev '%.64s'", driver,
                                    id ? id : "");
                        return;
                }
                g_autofree char *model = native_take(backend->properties, "security_model"),
                                *read_only = native_take(backend->properties, "readonly");
                native_set(element, "accessmode",
                           !model || strcmp(model, "none") == 0 ? "squash"
                           : g_str_has_prefix(model, "mapped")  ? "mapped"
                                                                : model);
                native_move(backend->properties, "path", source, "dir");
                native_move(backend->properties, "multidevs", element, "multidevs");
                if (native_is_on(read_only))
                        xml_add(element, "readonly", NULL);
                native_move_below(device, "mount_tag", element, "target", "dir");
                native_drop(backend->properties, "fsdriver writeout");
                native_check_empty(reader, backend->properties, "-fsdev");
        }
        native_pci_address(reader, device, element);
}

void native_host_virtfs(NativeReader *reader, const char *text) {
        g_autoptr(GHashTable) properties = native_parse(reader, text, "fsdriver");
        g_autofree char *tag = native_take(properties, "mount_tag"), *id = native_take(properties, "id"),
                        *given = g_strdup(id    ? id
                                          : tag ? tag
                                                : "");
        g_autoptr(GHashTable) device = native_parse(reader, "", NULL);
        NativeBackend *backend = g_new0(NativeBackend, 1);
        backend->properties = g_hash_table_ref(properties);
        g_hash_table_insert(reader->backends, g_strdup_printf("folder:%s", given), backend);
        g_hash_table_insert(device, g_strdup("fsdev"), g_strdup(given));
        if (tag)
                g_hash_table_insert(device, g_strdup("mount_tag"), g_strdup(tag));
        native_host_folder(reader, device, "virtio-9p-pci");
}

void native_host_vsock(NativeReader *reader, GHashTable *device, const char *driver) {
        (void) driver;
        xmlNode *element = xml_add(reader->devices, "vsock", NULL), *cid = xml_add(element, "cid", NULL);
        native_set(element, "model", "virtio");
        native_set(cid, "auto", "no");
        native_move(device, "guest-cid", cid, "address");
        native_pci_address(reader, device, element);
}

/* A TPM of the host, or an emulator that was started by hand and is at a socket. */
void native_host_tpm(NativeReader *reader, GHashTable *device, const char *driver) {
        g_autofree char *id = native_take(device, "tpmdev");
        NativeBackend *backend = native_find_backend(reader, "tpm", id);
        xmlNode *element = xml_add(reader->devices, "tpm", NULL), *behind = xml_add(element, "backend", NULL);
        native_set(element, "model", driver);
        g_autofree char *type = backend ? native_take(backend->properties, "type") : NULL;
        if (g_strcmp0(type, "emulator") == 0) {
                NativeBackend *socket = find_character(reader, backend->properties, driver);
                xmlNode *source = xml_add(behind, "source", NULL);
                native_set(behind, "type", "external");
                native_set(source, "type", "unix");
                native_set(source, "mode", "connect");
                if (socket)
                        native_move(socket->properties, "path", source, "path");
        } else if (g_strcmp0(type, "passthrough") == 0) {
                native_set(behind, "type", type);
                native_move_below(backend->properties, "path", behind, "device", "path");
                native_drop(backend->properties, "cancel-path");
        } else
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED,
                            "-device %s: there is no -tpmdev '%.64s' that has a counterpart here", driver, id ? id : "");
}
