/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/complete/machine-devices.h"

#include <string.h>

#include "qemu/complete/controllers.h"

static bool is_place(const xmlNode *child) {
        return xml_is(child, "target") || xml_is(child, "address") || xml_is(child, "alias");
}

/* Makes a console say what its serial port is connected to. */
static void copy_connection(xmlNode *serial, xmlNode *console) {
        g_autofree char *type = xml_attribute(serial, "type");
        for (xmlNode *child = xml_child(console, NULL), *next; child; child = next) {
                next = xml_next(child, NULL);
                if (!is_place(child))
                        xml_remove(child);
        }
        for (xmlNode *child = xml_child(serial, NULL); child; child = xml_next(child, NULL))
                if (!is_place(child))
                        xmlAddChild(console, xmlDocCopyNode(child, console->doc, 1));
        xml_set_attribute(console, "type", type ? type : "pty");
}

/* A console before those that there are, which have the numbers of their places without it. */
static xmlNode *add_first_console(xmlNode *devices, xmlNode *others) {
        xmlNode *console = xml_add(devices, "console", NULL);
        unsigned port = 0;
        xml_set_attribute(xml_add(console, "target", NULL), "port", "0");
        if (others)
                xmlAddPrevSibling(others, console);
        for (; others; others = xml_next(others, "console"), port++) {
                xmlNode *target = xml_ensure_child(others, "target");
                xml_set_number(target, "port", port);
        }
        return console;
}

static void add_console_twins(xmlNode *devices, const MachineKind *kind) {
        xmlNode *console = xml_child(devices, "console"), *serial = xml_child(devices, "serial");
        xmlNode *target = xml_child(console, "target");
        bool is_serial = console &&
                         (!target || !xmlHasProp(target, (const xmlChar *) "type") || xml_attribute_is(target, "type", "serial"));
        if (is_serial && !serial) {
                /* The first console is a serial port; it is this one. */
                serial = xmlDocCopyNode(console, devices->doc, 1);
                xmlNodeSetName(serial, (const xmlChar *) "serial");
                xmlNode *alias = xml_child(serial, "alias");
                if (alias) {
                        xml_remove(alias);
                }
                xmlNode *its_target = xml_ensure_child(serial, "target");
                if (kind->serial)
                        xml_set_attribute(its_target, "type", kind->serial);
                else
                        xmlUnsetProp(its_target, (const xmlChar *) "type");
                xml_set_attribute(its_target, "port", "0");
                xmlAddPrevSibling(console, serial);
        }
        if (is_serial && (!target || !xmlHasProp(target, (const xmlChar *) "type")))
                console->_private = console; /* see number_consoles */
        xmlNode *card = xml_child(serial, "target");
        if (!kind->is_x86 && xml_attribute_is(card, "type", "isa-serial"))
                card = NULL; /* what every port once was */
        if (serial && !is_serial &&
            (!card || !xmlHasProp(card, (const xmlChar *) "type") ||
             xml_attribute_is(card, "type", kind->serial ? kind->serial : ""))) {
                console = add_first_console(devices, console);
                copy_connection(serial, console);
                is_serial = true;
        } else if (is_serial)
                copy_connection(serial, console);
        if (!is_serial)
                return;
        xml_set_attribute(xml_ensure_child(console, "target"), "type", "serial");
        g_autofree char *port = xml_attribute(xml_child(serial, "target"), "port");
        xml_set_attribute(xml_child(console, "target"), "port", port ? port : "0");
        /* It is one device, and libvirt's live documents show its alias twice. */
        xmlNode *alias = xml_child(console, "alias");
        g_autofree char *name = xml_attribute(alias, "name");
        if (name && xml_attribute_is(xml_child(serial, "alias"), "name", name))
                xml_remove(alias);
}

static void choose_buses_of_inputs(xmlNode *devices, const MachineKind *kind) {
        for (xmlNode *input = xml_child(devices, "input"); input; input = xml_next(input, "input"))
                if (!xmlHasProp(input, (const xmlChar *) "bus") && !xml_attribute_is(input, "type", "evdev"))
                        xml_set_attribute(input, "bus",
                                          xml_attribute_is(input, "type", "passthrough")               ? "virtio"
                                          : xml_attribute_is(input, "type", "tablet") || !kind->is_x86 ? "usb"
                                                                                                       : "ps2");
}

/* A mouse and a keyboard, on the bus where the machine's own are: on USB in the other order, where a tablet is a mouse. */
static void add_inputs(xmlNode *devices, const char *bus) {
        bool usb = strcmp(bus, "usb") == 0;
        const char *const types[] = { usb ? "keyboard" : "mouse", usb ? "mouse" : "keyboard" };
        for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
                bool found = false;
                for (xmlNode *input = xml_child(devices, "input"); input; input = xml_next(input, "input"))
                        found |= (xml_attribute_is(input, "type", types[i]) ||
                                  (usb && strcmp(types[i], "mouse") == 0 && xml_attribute_is(input, "type", "tablet"))) &&
                                 xml_attribute_is(input, "bus", bus);
                if (!found) {
                        xmlNode *input = xml_add(devices, "input", NULL);
                        xml_set_attribute(input, "type", types[i]);
                        xml_set_attribute(input, "bus", bus);
                }
        }
}

/* A sound card needs a back end; a SPICE or SDL display brings one, and VNC none. The last of them is heard. Where there is no
 * card, displays that carry no sound need none. */
static void add_audio(xmlNode *devices) {
        static const char *const sounds[][2] = { { "spice", "spice" }, { "sdl", "sdl" }, { "vnc", "none" } };
        const char *type = "none";
        bool is_needed = xml_child(devices, "sound") || !xml_child(devices, "graphics");
        for (xmlNode *display = xml_child(devices, "graphics"); display; display = xml_next(display, "graphics")) {
                for (size_t i = 0; i < G_N_ELEMENTS(sounds); i++)
                        if (xml_attribute_is(display, "type", sounds[i][0])) {
                                type = sounds[i][1];
                                is_needed = true;
                        }
        }
        if (is_needed && !xml_child(devices, "audio")) {
                xmlNode *audio = xml_add(devices, "audio", NULL);
                xml_set_attribute(audio, "id", "1");
                xml_set_attribute(audio, "type", type);
        }
}

static void add_video(xmlNode *devices, const MachineKind *kind) {
        if (!xml_child(devices, "video") && xml_child(devices, "graphics"))
                xml_add(devices, "video", NULL);
        for (xmlNode *video = xml_child(devices, "video"); video; video = xml_next(video, "video")) {
                xmlNode *model = xml_ensure_child(video, "model");
                if (!xmlHasProp(model, (const xmlChar *) "type"))
                        xml_set_attribute(model, "type", kind->video);
        }
}

/* Also one of model 'none', which says that there is no USB at all. */
static bool has_usb(xmlNode *devices) {
        for (xmlNode *element = xml_child(devices, "controller"); element; element = xml_next(element, "controller"))
                if (xml_attribute_is(element, "type", "usb") &&
                    (controllers_index(element) == 0 || xml_attribute_is(element, "model", "none")))
                        return true;
        return false;
}

void machine_devices_add(xmlNode *devices, const MachineKind *kind) {
        if (kind->root)
                controllers_ensure(devices, "pci", 0, kind->root);
        if (kind->usb && !has_usb(devices))
                controllers_ensure(devices, "usb", 0, kind->usb);
        if (kind->is_q35)
                controllers_ensure(devices, "sata", 0, NULL);
        if (kind->has_balloon && !xml_child(devices, "memballoon"))
                xml_set_attribute(xml_add(devices, "memballoon", NULL), "model", "virtio");
        choose_buses_of_inputs(devices, kind);
        if (kind->is_x86)
                add_inputs(devices, "ps2");
        else if (kind->has_usb_keys && has_usb(devices) && xml_child(devices, "graphics"))
                add_inputs(devices, "usb");
        add_console_twins(devices, kind);
        add_video(devices, kind);
        if (kind->panic && !xml_child(devices, "panic"))
                xml_set_attribute(xml_add(devices, "panic", NULL), "model", kind->panic);
        add_audio(devices);
}

/* Which ports of the USB 2 controller a companion serves. */
static void add_master(xmlNode *controller) {
        static const char *const companions[][2] = { { "ich9-uhci1", "0" }, { "ich9-uhci2", "2" }, { "ich9-uhci3", "4" } };
        for (size_t i = 0; i < G_N_ELEMENTS(companions); i++)
                if (xml_attribute_is(controller, "model", companions[i][0]) && !xml_child(controller, "master"))
                        xml_set_attribute(xml_add(controller, "master", NULL), "startport", companions[i][1]);
}

static bool is_usb2_part(const xmlNode *controller) {
        g_autofree char *model = xml_attribute(controller, "model");
        return xml_attribute_is(controller, "type", "usb") && model && g_str_has_prefix(model, "ich9-");
}

/* The index of the USB 2 controller that stands before one of its parts, unless it has such a part already: they are one bus, and
 * virt-install writes them without their indices. */
static bool takes_index_before(xmlNode *devices, const xmlNode *controller, const xmlNode *before, unsigned *index) {
        g_autofree char *model = xml_attribute(controller, "model");
        if (!before || !is_usb2_part(controller) || !is_usb2_part(before))
                return false;
        *index = controllers_index(before);
        for (xmlNode *other = xml_child(devices, "controller"); other; other = xml_next(other, "controller"))
                if (xmlHasProp(other, (const xmlChar *) "index") && controllers_index(other) == *index && is_usb2_part(other) &&
                    xml_attribute_is(other, "model", model))
                        return false;
        return true;
}

/* Companions keep a number, also where their master is not there. */
static bool has_companion(xmlNode *devices, const char *type, unsigned index) {
        for (xmlNode *other = xml_child(devices, "controller"); other; other = xml_next(other, "controller"))
                if (xml_child(other, "master") && xmlHasProp(other, (const xmlChar *) "index") &&
                    xml_attribute_is(other, "type", type) && controllers_index(other) == index)
                        return true;
        return false;
}

static unsigned free_index(xmlNode *devices, const xmlNode *controller) {
        g_autofree char *type = xml_attribute(controller, "type");
        unsigned index = 0;
        while (type && index <= CONTROLLER_INDEX_MAX &&
               ((controllers_find(devices, type, index) && controllers_find(devices, type, index) != controller) ||
                has_companion(devices, type, index)))
                index++;
        return index;
}

/* Models that are left open. */
void machine_devices_choose_models(xmlNode *devices, const MachineKind *kind) {
        xmlNode *before = NULL;
        for (xmlNode *element = xml_child(devices, "controller"); element; element = xml_next(element, "controller")) {
                unsigned index;
                if (!xmlHasProp(element, (const xmlChar *) "index"))
                        xml_set_number(element, "index",
                                       takes_index_before(devices, element, before, &index) ? index
                                                                                            : free_index(devices, element));
                before = element;
                add_master(element);
                if (xmlHasProp(element, (const xmlChar *) "model"))
                        continue;
                if (xml_attribute_is(element, "type", "usb"))
                        xml_set_attribute(element, "model", kind->usb_model);
                else if (xml_attribute_is(element, "type", "scsi"))
                        xml_set_attribute(element, "model", kind->scsi);
        }
        for (xmlNode *element = xml_child(devices, "interface"); element; element = xml_next(element, "interface")) {
                xmlNode *model = xml_child(element, "model");
                if (!xml_attribute_is(element, "type", "hostdev") && (!model || !xmlHasProp(model, (const xmlChar *) "type")))
                        xml_set_attribute(xml_ensure_child(element, "model"), "type",
                                          xml_attribute_is(element, "type", "vdpa") ? "virtio" : kind->card);
        }
}
