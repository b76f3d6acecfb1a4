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

/* What the source of an interface says of a run, by its type. */
static const struct {
        const char *type, *names[3];
} of_ports[] = {
        { "network", { "bridge", "portid" } },
        { "bridge", { "portid" } },
        { "ethernet", { "portid" } },
        { "direct", { "portid" } },
};

/* NULL at the end. */
static const char *const *port_attributes(const xmlNode *device) {
        static const char *const none[] = { NULL };
        for (size_t i = 0; i < G_N_ELEMENTS(of_ports); i++)
                if (xml_attribute_is(device, "type", of_ports[i].type))
                        return of_ports[i].names;
        return none;
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
                g_autofree char *chosen = xml_attribute(target, "dev");
                if (chosen && is_chosen_name(chosen))
                        xmlUnsetProp(target, (const xmlChar *) "dev");
                if (target && !target->properties && !target->children)
                        xml_remove(target);
                xmlNode *guest = xml_child(device, "guest"); /* its name in a container */
                if (guest)
                        xmlUnsetProp(guest, (const xmlChar *) "actual");
                if (guest && !guest->properties && !guest->children)
                        xml_remove(guest);
                xmlNode *source = xml_child(device, "source");
                for (const char *const *name = port_attributes(device); source && *name; name++)
                        xmlUnsetProp(source, (const xmlChar *) *name);
                if (source && xml_attribute_is(device, "type", "ethernet") && !source->properties && !source->children)
                        xml_remove(source);
        }
}

/* Authors' own aliases begin with "ua-"; others are of a run, and libvirt keeps none of them. One that could not be of a run
 * stays, and is refused. */
static void drop_alias(xmlNode *device) {
        xmlNode *alias = xml_child(device, "alias");
        g_autofree char *name = xml_attribute(alias, "name");
        if (name && !g_str_has_prefix(name, "ua-") &&
            strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == strlen(name))
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

/* How images are numbered: what only the document of a domain that runs says. */
static void drop_images(xmlNode *root) {
        xmlNode *devices = xml_child(root, "devices");
        for (xmlNode *disk = xml_child(devices, "disk"); disk; disk = xml_next(disk, "disk"))
                drop_numbers(disk);
}

/* How they are labelled is of a run, too, whoever says it. */
static void drop_labels(xmlNode *root) {
        for (xmlNode *label = xml_child(root, "seclabel"); label; label = xml_next(label, "seclabel"))
                if (xml_child(label, "imagelabel"))
                        xml_remove(xml_child(label, "imagelabel"));
}

/* Whether a channel is connected. */
static void drop_state(xmlNode *channel) {
        xmlNode *target = xml_child(channel, "target");
        if (target)
                xmlUnsetProp(target, (const xmlChar *) "state");
}

void run_only_drop(xmlDoc *document) {
        xmlNode *root = xmlDocGetRootElement(document), *devices = xml_child(root, "devices");
        if (xmlHasProp(root, (const xmlChar *) "id"))
                drop_images(root);
        drop_labels(root);
        xmlUnsetProp(root, (const xmlChar *) "id");
        for (xmlNode *device = devices ? xml_child(devices, NULL) : NULL; device; device = xml_next(device, NULL)) {
                if (xml_is(device, "console") || xml_is(device, "serial"))
                        xmlUnsetProp(device, (const xmlChar *) "tty");
                if (xml_is(device, "channel"))
                        drop_state(device);
                drop_place(device);
                drop_alias(device);
        }
}

void run_only_keep_port(const xmlNode *old, xmlNode *element) {
        const xmlNode *source = xml_child(old, "source"), *target = xml_child(old, "target");
        g_autofree char *type = xml_attribute(old, "type");
        if (!xml_is(old, "interface") || !type || !xml_attribute_is(element, "type", type))
                return;
        for (const char *const *name = port_attributes(old); *name; name++) {
                g_autofree char *value = xml_attribute(source, *name),
                                *there = xml_attribute(xml_child(element, "source"), *name);
                if (value && !there)
                        xml_set_attribute(xml_ensure_child(element, "source"), *name, value);
        }
        g_autofree char *actual = xml_attribute(xml_child(old, "guest"), "actual");
        if (actual)
                xml_set_attribute(xml_ensure_child(element, "guest"), "actual", actual);
        g_autofree char *interface = xml_attribute(target, "dev");
        if (interface && !xml_child(element, "target"))
                xml_set_attribute(xml_ensure_child(element, "target"), "dev", interface);
}
