/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "networks.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus.h"
#include "errors.h"
#include "xml.h"

/* There while a network is active, and only root can write there: <networkstatus> with the network's document in it. */
#define STATUS_PATH "/run/libvirt/network/%s.xml"

/* From memory, as /run is one: the loop does not wait. */
static char *read_status(const char *path) {
        struct stat info;
        g_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) || info.st_size > NETWORK_STATUS_MAX)
                return NULL;
        g_autofree char *text = g_malloc0((size_t) info.st_size + 1);
        return read(fd, text, (size_t) info.st_size) >= 0 ? g_steal_pointer(&text) : NULL;
}

char *networks_find_bridge(const char *name, GError **error) {
        g_autofree char *path = g_strdup_printf(STATUS_PATH, name), *text = NULL;
        if (!strchr(name, '/') && name[0] != '.')
                text = read_status(path);
        if (!text) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "there is no active network '%.64s' on this machine: start it (virsh net-start %.64s), or use "
                                  "type "
                                  "bridge",
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
