/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/complete/defaults-display.h"

#include <string.h>

#include "base/xml.h"
#include "qemu/complete/default.h"

/* Channels of any security are as those that are not named. */
static void complete_channels(xmlNode *display) {
        if (xml_attribute_is(display, "defaultMode", "any"))
                default_remove(display, "defaultMode");
        for (xmlNode *channel = xml_child(display, "channel"), *next; channel; channel = next) {
                next = xml_next(channel, "channel");
                if (xml_attribute_is(channel, "mode", "any"))
                        xml_remove(channel);
        }
}

static void drop_if_empty(xmlNode *element, const char *attribute) {
        if (xml_attribute_is(element, attribute, ""))
                default_remove(element, attribute);
}

/* Where it listens as elements: those that there are, else what the attributes say, else at an address of the host's choosing. */
static xmlNode *complete_listens(xmlNode *display, bool vnc) {
        xmlNode *first = xml_child(display, "listen");
        if (!xmlHasProp(first ? first : display, (const xmlChar *) "address")) /* else it contradicts, and is refused */
                drop_if_empty(display, "listen");
        for (xmlNode *listen = first; listen; listen = xml_next(listen, "listen")) {
                drop_if_empty(listen, "address");
                drop_if_empty(listen, "socket");
                if (xml_attribute_is(listen, "type", "network"))
                        default_remove(listen, "address"); /* of a run */
        }
        g_autofree char *address = xml_attribute(display, "listen"), *socket = vnc ? xml_attribute(display, "socket") : NULL;
        xmlNode *listen = first ? first : xml_add(display, "listen", NULL);
        default_set(listen, "type", "address");
        if (!xmlHasProp(display, (const xmlChar *) "passwd"))
                default_remove(display, "connected"); /* what happens to who is connected when the password is set */
        bool is_address = xml_attribute_is(listen, "type", "address");
        if (socket && is_address) { /* it is one or the other */
                default_remove(listen, "address");
                xml_set_attribute(listen, "type", "socket");
                xml_set_attribute(listen, "socket", socket);
        } else if (address && is_address)
                default_set(listen, "address", address);
        return listen;
}

/* A port that is chosen at each start is not kept: VNC's is -1 then, SPICE's are left out. True where one is chosen. */
static bool complete_ports(xmlNode *display, bool vnc) {
        bool any = xml_attribute_is(display, "port", "-1"), any_tls = xml_attribute_is(display, "tlsPort", "-1");
        bool says = xmlHasProp(display, (const xmlChar *) "autoport");
        bool automatic = vnc && says ? xml_attribute_is(display, "autoport", "yes")
                         : vnc       ? any || !xmlHasProp(display, (const xmlChar *) "port")
                                     : (any && any_tls) || xml_attribute_is(display, "autoport", "yes");
        if (automatic || (vnc && any))
                default_remove(display, "port");
        if (automatic && !vnc)
                default_remove(display, "tlsPort");
        if (automatic && vnc)
                xml_set_attribute(display, "port", "-1");
        xml_set_attribute(display, "autoport", automatic ? "yes" : "no");
        return automatic;
}

/* What listens at no port has none, nor an address. */
static void forget_ports(xmlNode *display) {
        static const char *const names[] = { "port", "tlsPort", "autoport", "listen" };
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                default_remove(display, names[i]);
}

/* Makes the display say in an attribute what its element, if there is one, says. */
static void keep_same(xmlNode *display, const char *name, const xmlNode *listen, const char *its_name) {
        g_autofree char *value = listen ? xml_attribute(listen, its_name) : NULL;
        if (value)
                default_set(display, name, value);
        else
                default_remove(display, name);
}

static bool has_port(xmlNode *display) {
        return xmlHasProp(display, (const xmlChar *) "port") || xmlHasProp(display, (const xmlChar *) "tlsPort");
}

void defaults_display_complete(xmlNode *display) {
        bool vnc = xml_attribute_is(display, "type", "vnc"), spice = xml_attribute_is(display, "type", "spice");
        xmlNode *gl = xml_child(display, "gl");
        if (gl && xml_attribute_is(display, "type", "egl-headless") && !xmlHasProp(gl, (const xmlChar *) "rendernode"))
                xml_remove(gl); /* which it always is */
        if (xml_attribute_is(display, "type", "sdl") && xml_attribute_is(display, "fullscreen", "no"))
                default_remove(display, "fullscreen");
        if (!(vnc || spice))
                return;
        if (spice) {
                complete_channels(display);
                default_drop_zero(display, "port");
                default_drop_zero(display, "tlsPort");
        }
        xmlNode *listen = complete_listens(display, vnc);
        if (!complete_ports(display, vnc) && spice && !has_port(display) && xml_attribute_is(listen, "type", "address")) {
                default_remove(listen, "address");
                xml_set_attribute(listen, "type", "none"); /* what has no port listens nowhere */
        }
        bool is_address = xml_attribute_is(listen, "type", "address");
        if (!is_address && !xml_attribute_is(listen, "type", "network"))
                forget_ports(display);
        /* Older programs read the same of attributes; what contradicts the element stays, and is refused. */
        keep_same(display, "listen", is_address ? listen : NULL, "address");
        keep_same(display, "socket", vnc && xml_attribute_is(listen, "type", "socket") ? listen : NULL, "socket");
}
