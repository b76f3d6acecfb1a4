/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/native-address.h"

#include <string.h>

#include "qemu/complete/pci-topology.h"

/* Controllers and addresses */

/* Gives a controller its index. Its ID may tell it, as "pci.1" and "scsi1" do; what the machine has
 * by itself comes first. */
unsigned native_keep_controller(NativeReader *reader, const char *type, const char *id) {
        bool is_pci = strcmp(type, "pci") == 0;
        unsigned first = is_pci || (reader->q35 && strcmp(type, "sata") == 0) ? 1 : 0, index = first, named;
        size_t length = strlen(type) + is_pci; /* "pci.1" has a point */
        GHashTable *taken = g_hash_table_lookup(reader->indices, type);
        if (!taken) {
                taken = g_hash_table_new(NULL, NULL);
                g_hash_table_insert(reader->indices, g_strdup(type), taken);
        }
        if (id && g_str_has_prefix(id, type) && strlen(id) > length && sscanf(id + length, "%3u", &named) == 1 && named >= first)
                index = named;
        while (!g_hash_table_add(taken, GUINT_TO_POINTER(index + 1)))
                index++;
        if (id)
                g_hash_table_insert(reader->controllers, g_strdup_printf("%s:%s", type, id), GUINT_TO_POINTER(index + 1));
        return index;
}

/* The index + 1 of the controller that was read whose bus this is: "ID.N", of PCI "ID"; 0 where there is none. *ID is set. */
unsigned native_lookup_controller(NativeReader *reader, const char *type, const char *bus, char **id) {
        const char *dot = strcmp(type, "pci") == 0 ? NULL : strrchr(bus, '.');
        *id = dot ? g_strndup(bus, (gsize) (dot - bus)) : g_strdup(bus);
        g_autofree char *key = g_strdup_printf("%s:%s", type, *id);
        return GPOINTER_TO_UINT(g_hash_table_lookup(reader->controllers, key));
}

/* The index of a bus's controller: BUILTINS are the IDs of the one that the machine has by itself. */
bool native_find_controller(NativeReader *reader, const char *type, const char *bus, const char *const *builtins,
                            unsigned *controller) {
        g_autofree char *id = NULL;
        unsigned found = native_lookup_controller(reader, type, bus, &id);
        if (found == 0 && !g_strv_contains(builtins, id)) {
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-device: there is no controller before it whose bus is '%.64s'",
                            bus);
                return false;
        }
        *controller = found > 0 ? found - 1 : 0;
        return true;
}

xmlNode *native_add_address(xmlNode *element, const char *type) {
        xmlNode *address = xml_add(element, "address", NULL);
        native_set(address, "type", type);
        return address;
}

/* "bus=pci.0,addr=0x3": the address, unless it is QEMU's own choice. */
void native_pci_address(NativeReader *reader, GHashTable *properties, xmlNode *element) {
        g_autofree char *bus = native_take(properties, "bus"), *place = native_take(properties, "addr"),
                        *multifunction = native_take(properties, "multifunction");
        unsigned number = 0, slot = 0, function = 0;
        if ((bus && !native_find_controller(reader, "pci", bus, (const char *[]){ "pci.0", "pcie.0", NULL }, &number)) ||
            (!place && number == 0))
                return;
        if ((place && sscanf(place, "%x.%x", &slot, &function) < 1) || number > 255 || slot > 31 || function > 7) {
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-device: its place '%.32s' on bus '%.32s' has no counterpart",
                            place ? place : "", bus ? bus : "");
                return;
        }
        xmlNode *address = xml_add(element, "address", NULL);
        pci_set_address(address, number, slot, function);
        native_set(address, "multifunction", multifunction);
}

/* "bus=usb.0,port=1.2" */
void native_usb_address(NativeReader *reader, GHashTable *properties, xmlNode *element) {
        g_autofree char *bus = native_take(properties, "bus"), *port = native_take(properties, "port");
        unsigned controller = 0;
        if ((bus && !native_find_controller(reader, "usb", bus, (const char *[]){ "usb", NULL }, &controller)) || !port)
                return;
        xmlNode *address = native_add_address(element, "usb");
        xml_set_number(address, "bus", controller);
        native_set(address, "port", port);
}

/* "bus=ide.1,unit=0", "bus=scsi0.0,channel=0,scsi-id=2,lun=0", or with scsi-id alone on an older controller. */
void native_drive_address(NativeReader *reader, GHashTable *properties, const char *type, xmlNode *element) {
        g_autofree char *bus = native_take(properties, "bus"), *unit = native_take(properties, "unit"),
                        *channel = native_take(properties, "channel"), *id = native_take(properties, "scsi-id"),
                        *lun = native_take(properties, "lun");
        unsigned controller = 0, number = 0;
        if (!bus)
                return;
        const char *dot = strrchr(bus, '.');
        if (!dot || sscanf(dot, ".%3u", &number) != 1) {
                native_fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT,
                            "-device: '%.64s' is not a bus: its number is missing, as in ide.0", bus);
                return;
        }
        if (!native_find_controller(reader, type, bus, (const char *[]){ strcmp(type, "scsi") == 0 ? "scsi" : "ide", NULL },
                                    &controller) ||
            !(unit || id || strcmp(type, "sata") == 0))
                return;
        xmlNode *address = native_add_address(element, "drive");
        xml_set_number(address, "controller", controller);
        if (strcmp(type, "sata") == 0)
                xml_set_number(address, "unit", number);
        else if (strcmp(type, "ide") == 0) {
                xml_set_number(address, "bus", number);
                native_set(address, "unit", unit);
        } else {
                native_set(address, "bus", channel ? channel : "0");
                native_set(address, "target", lun ? id : "0");
                native_set(address, "unit", lun ? lun : id);
        }
}
