/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/run-only.h"

#include <string.h>

/* Interfaces of the host's that a hypervisor names, and numbers. */
static const char *const chosen_names[] = { "vnet", "macvtap", "macvlan" };

static bool is_chosen_name(const char *name) {
        for (size_t i = 0; i < G_N_ELEMENTS(chosen_names); i++) {
                size_t length = strlen(chosen_names[i]);
                if (strncmp(name, chosen_names[i], length) == 0 && name[length] &&
                    strspn(name + length, "0123456789") == strlen(name + length))
                        return true;
        }
        return false;
}

/* The terminal of a run, and the name of an interface that was chosen for one. */
static void drop_place(xmlNode *device) {
        if (xml_attribute_is(device, "type", "pty")) {
                xmlNode *source = xml_child(device, "source");
                if (source)
                        xmlUnsetProp(source, (const xmlChar *) "path");
                if (source && !source->properties && !source->children)
                        xml_remove(source);
        } else if (xml_is(device, "interface")) {
                xmlNode *target = xml_child(device, "target");
                g_autofree char *name = xml_attribute(target, "dev");
                if (name && is_chosen_name(name))
                        xmlUnsetProp(target, (const xmlChar *) "dev");
                if (target && !target->properties && !target->children)
                        xml_remove(target);
        }
}

/* Whether a hypervisor has numbered the device: "hostdev0", "virtio-disk0", "ide0-0-1", "pci.2", "usb". Authors' own names begin
 * with "ua-", and libvirt keeps no others. */
static bool is_chosen_alias(const char *alias) {
        size_t length = strlen(alias);
        if (strcmp(alias, "usb") == 0)
                return true;
        bool number = length > 0 && g_ascii_isdigit(alias[length - 1]);
        while (length > 0 && (g_ascii_isdigit(alias[length - 1]) || strchr("-.", alias[length - 1])))
                length--;
        return number && !g_str_has_prefix(alias, "ua-") && strspn(alias, "abcdefghijklmnopqrstuvwxyz-") == length;
}

static void drop_alias(xmlNode *device) {
        xmlNode *alias = xml_child(device, "alias");
        g_autofree char *name = xml_attribute(alias, "name");
        if (name && is_chosen_alias(name))
                xml_remove(alias);
}

/* Numbers of the images of a disk. */
static void drop_numbers(xmlNode *image) {
        for (; image; image = xml_child(image, "backingStore")) {
                xmlNode *source = xml_child(image, "source");
                xmlUnsetProp(image, (const xmlChar *) "index");
                if (source)
                        xmlUnsetProp(source, (const xmlChar *) "index");
        }
}

/* What only the document of a domain that runs says: whether a channel is connected, how images are numbered and labelled. */
static void drop_state(xmlNode *root) {
        xmlNode *devices = xml_child(root, "devices");
        for (xmlNode *channel = xml_child(devices, "channel"); channel; channel = xml_next(channel, "channel")) {
                xmlNode *target = xml_child(channel, "target");
                if (target)
                        xmlUnsetProp(target, (const xmlChar *) "state");
        }
        for (xmlNode *disk = xml_child(devices, "disk"); disk; disk = xml_next(disk, "disk"))
                drop_numbers(disk);
        for (xmlNode *label = xml_child(root, "seclabel"); label; label = xml_next(label, "seclabel"))
                if (xml_child(label, "imagelabel"))
                        xml_remove(xml_child(label, "imagelabel"));
}

void run_only_drop(xmlDoc *document) {
        xmlNode *root = xmlDocGetRootElement(document), *devices = xml_child(root, "devices");
        if (xmlHasProp(root, (const xmlChar *) "id"))
                drop_state(root);
        xmlUnsetProp(root, (const xmlChar *) "id");
        for (xmlNode *device = devices ? xml_child(devices, NULL) : NULL; device; device = xml_next(device, NULL)) {
                if (xml_is(device, "console") || xml_is(device, "serial"))
                        xmlUnsetProp(device, (const xmlChar *) "tty");
                drop_place(device);
                drop_alias(device);
        }
}
