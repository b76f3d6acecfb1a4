/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/complete/drives.h"

#include "domain/device-alias.h"
#include "domain/device-elements.h"
#include "qemu/complete/controllers.h"

/* Devices on one controller of each kind of bus. */
#define IDE_UNITS 2
#define IDE_BUSES 2
#define FDC_UNITS 2
#define SATA_PORTS 6
#define SCSI_UNITS 7

/* Drives */

static const char *bus_of_name(const char *name) {
        static const char *const buses[][2] = { { "hd", "ide" },  { "sd", "scsi" }, { "vd", "virtio" },
                                                { "xvd", "xen" }, { "fd", "fdc" },  { "ubd", "uml" } };
        for (size_t i = 0; i < G_N_ELEMENTS(buses); i++)
                if (g_str_has_prefix(name, buses[i][0]))
                        return buses[i][1];
        return NULL;
}

static void set_drive_address(xmlNode *element, unsigned controller, unsigned bus, unsigned target, unsigned unit) {
        xmlNode *address = xml_add(element, "address", NULL);
        xml_set_attribute(address, "type", "drive");
        xml_set_number(address, "controller", controller);
        xml_set_number(address, "bus", bus);
        xml_set_number(address, "target", target);
        xml_set_number(address, "unit", unit);
}

/* A disk's name says where it is on its bus. */
bool drives_place_disk(xmlNode *disk, GError **error) {
        xmlNode *target = xml_child(disk, "target");
        g_autofree char *name = xml_attribute(target, "dev");
        int index = name ? disk_index(name) : -1;
        if (!target || index < 0)
                return true; /* which is an error of its own */
        const char *choice = bus_of_name(name);
        if (!xmlHasProp(target, (const xmlChar *) "bus") && choice) {
                xml_set_attribute(target, "bus", xml_attribute_is(disk, "device", "floppy") ? "fdc" : choice);
                disk->_private = disk; /* see controllers_sorted */
        }
        static const char *const drives[] = { "ide", "fdc", "sata", "scsi" };
        for (size_t i = 0; i < G_N_ELEMENTS(drives) && xml_child(disk, "address"); i++)
                if (xml_attribute_is(target, "bus", drives[i]) &&
                    !xml_attribute_is(xml_child(disk, "address"), "type", "drive")) {
                        g_autofree char *type = xml_attribute(xml_child(disk, "address"), "type");
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_child(disk, "address"),
                                        "type '%.16s' is not an address of the disk '%s' on bus '%s': use drive",
                                        type ? type : "", name, drives[i]);
                }
        if (xml_child(disk, "address"))
                return true;
        unsigned n = (unsigned) index;
        if (xml_attribute_is(target, "bus", "ide"))
                set_drive_address(disk, n / (IDE_BUSES * IDE_UNITS), n / IDE_UNITS % IDE_BUSES, 0, n % IDE_UNITS);
        else if (xml_attribute_is(target, "bus", "fdc"))
                set_drive_address(disk, n / FDC_UNITS, 0, 0, n % FDC_UNITS);
        else if (xml_attribute_is(target, "bus", "sata"))
                set_drive_address(disk, n / SATA_PORTS, 0, 0, n % SATA_PORTS);
        else if (xml_attribute_is(target, "bus", "scsi"))
                set_drive_address(disk, n / SCSI_UNITS, 0, 0, n % SCSI_UNITS);
        return true;
}

static char *drive_place(const xmlNode *element, const char *bus) {
        static const char *const names[] = { "controller", "bus", "target", "unit" };
        xmlNode *address = xml_child(element, "address");
        g_autoptr(GString) place = g_string_new(bus);
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
                g_autofree char *text = xml_attribute(address, names[i]);
                g_string_append_printf(place, " %s='%lu'", names[i], text ? strtoul(text, NULL, 0) : 0);
        }
        return g_string_free(g_steal_pointer(&place), FALSE);
}

static bool is_scsi_hostdev(const xmlNode *element) {
        return xml_is(element, "hostdev") && xml_attribute_is(element, "type", "scsi");
}

/* Two drives at one place; and host devices, which take the first place that is free. */
bool drives_place(xmlNode *devices, GError **error) {
        g_autoptr(GHashTable) taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        unsigned n = 0;
        for (xmlNode *disk = xml_child(devices, "disk"); disk; disk = xml_next(disk, "disk")) {
                g_autofree char *name = xml_attribute(xml_child(disk, "target"), "dev");
                if (name && !g_hash_table_add(taken, g_strdup(name)))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, disk, "target '%.32s' is another disk's", name);
        }
        for (xmlNode *disk = xml_child(devices, "disk"); disk; disk = xml_next(disk, "disk")) {
                g_autofree char *bus = xml_attribute(xml_child(disk, "target"), "bus");
                if (!bus || !xml_attribute_is(xml_child(disk, "address"), "type", "drive"))
                        continue;
                char *place = drive_place(disk, bus);
                if (g_hash_table_contains(taken, place)) {
                        xml_fail(error, VIRTBUS_ERROR_INVALID_XML, disk, "another disk is at the same place: %s", place);
                        g_free(place);
                        return false;
                }
                g_hash_table_add(taken, place);
        }
        for (int explicit = 1; explicit >= 0; explicit --)
                for (xmlNode *host = xml_child(devices, "hostdev"); host; host = xml_next(host, "hostdev")) {
                        if (!is_scsi_hostdev(host) || (xml_child(host, "address") != NULL) != explicit)
                                continue;
                        char *place = explicit ? drive_place(host, "scsi") : NULL;
                        if (explicit && g_hash_table_contains(taken, place)) {
                                xml_fail(error, VIRTBUS_ERROR_INVALID_XML, host, "another SCSI device is at the same place: %s",
                                         place);
                                g_free(place);
                                return false;
                        }
                        for (; !place && n < SCSI_UNITS * (CONTROLLER_INDEX_MAX + 1); n++) { /* all before are taken */
                                set_drive_address(host, n / SCSI_UNITS, 0, 0, n % SCSI_UNITS);
                                place = drive_place(host, "scsi");
                                if (g_hash_table_contains(taken, place)) {
                                        xmlNode *address = xml_child(host, "address");
                                        xml_remove(address);
                                        g_clear_pointer(&place, g_free);
                                }
                        }
                        if (place)
                                g_hash_table_add(taken, place);
                }
        return true;
}

/* Those of the host's SCSI devices come before what every machine has. */
void drives_add_host_controllers(xmlNode *devices) {
        unsigned n = 0;
        for (xmlNode *host = xml_child(devices, "hostdev"); host; host = xml_next(host, "hostdev"))
                if (is_scsi_hostdev(host))
                        n = MAX(n, controllers_number(host, "controller") + 1);
        for (unsigned index = 0; index < MIN(n, CONTROLLER_INDEX_MAX + 1); index++)
                controllers_ensure(devices, "scsi", index, NULL);
}

/* Every controller up to the last one that is needed, as a gap would be filled later by others. */
void drives_add_controllers(xmlNode *devices) {
        static const char *const buses[] = { "scsi", "ide", "fdc", "sata" };
        for (size_t i = 0; i < G_N_ELEMENTS(buses); i++) {
                unsigned n = 0;
                for (xmlNode *disk = xml_child(devices, "disk"); disk; disk = xml_next(disk, "disk"))
                        if (xml_attribute_is(xml_child(disk, "target"), "bus", buses[i]) &&
                            xml_attribute_is(xml_child(disk, "address"), "type", "drive"))
                                n = MAX(n, controllers_number(disk, "controller") + 1);
                for (unsigned index = 0; index < MIN(n, CONTROLLER_INDEX_MAX + 1); index++)
                        controllers_ensure(devices, buses[i], index, NULL);
        }
}
