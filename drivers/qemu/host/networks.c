/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/networks.h"

#include <string.h>

#include "base/foreign.h"
#include "base/xml.h"
#include "errors.h"

/* There while a network is active, and only root can write there: <networkstatus> with the network's document in it. */
#define STATUS_PATH "/run/libvirt/network/%s.xml"

char *networks_find_bridge(const char *name, GError **error) {
        g_autofree char *path = g_strdup_printf(STATUS_PATH, name), *text = NULL;
        if (!strchr(name, '/') && name[0] != '.')
                text = foreign_read(path); /* from memory, as /run is one: the loop does not wait */
        if (!text) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "there is no active network '%.64s' on this machine: define and start it (virtbusctl network "
                                  "define, start; or virsh net-start %.64s), or use type bridge",
                                  name, name);
                return NULL;
        }
        g_autoptr(xmlDoc) document = xml_parse(text, "networkstatus", NULL);
        g_autofree char *bridge =
                        document ? xml_attribute(xml_find(xmlDocGetRootElement(document), "network/bridge"), "name") : NULL;
        if (!bridge)
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                  "network '%.64s' has no bridge that is known: use type direct with its interface", name);
        return g_steal_pointer(&bridge);
}
