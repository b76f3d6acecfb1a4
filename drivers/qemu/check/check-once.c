/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/xml.h"
#include "qemu/check/check-index.h"
#include "qemu/check/check.h"

/* All elements of a document are there once below their parent, but for these: lists, by the parent's name. What is not the
 * domain's own (metadata, other namespaces) is nobody's business here. */
static const struct {
        const char *parent, *lists; /* names between blanks; NULL: all */
} lists[] = {
        { "devices", NULL },
        { "domain", "seclabel sysinfo" },
        { "os", "boot initarg initenv" },
        { "acpi", "table" },
        { "firmware", "feature" },
        { "vcpus", "vcpu" },
        { "iothreadids", "iothread" },
        { "iothread", "poll" },
        { "cputune", "vcpupin iothreadpin vcpusched iothreadsched cachetune memorytune" },
        { "cachetune", "cache monitor" },
        { "memorytune", "node monitor" },
        { "blkiotune", "device" },
        { "hugepages", "page" },
        { "numatune", "memnode" },
        { "cpu", "feature" },
        { "numa", "cell" },
        { "cell", "cache" },
        { "distances", "sibling" },
        { "interconnects", "latency bandwidth" },
        { "clock", "timer" },
        { "sysinfo", "entry baseBoard" },
        { "bios", "entry" },
        { "system", "entry" },
        { "baseBoard", "entry" },
        { "chassis", "entry" },
        { "oemStrings", "entry" },
        { "idmap", "uid gid" },
        { "perf", "event" },
        { "keywrap", "cipher" },
        { "source", "host seclabel cookie address" },
        { "cookies", "cookie" },
        { "slices", "slice" },
        { "encryption", "secret" },
        { "disk", "secret" },
        { "interface", "ip route portForward" },
        { "hostdev", "ip route" },
        { "guest", "ip route" },
        { "host", "ip route" },
        { "vlan", "tag" },
        { "filterref", "parameter" },
        { "portForward", "range" },
        { "virtualport", "parameters" },
        { "graphics", "listen channel" },
        { "serial", "source seclabel" },
        { "parallel", "source seclabel" },
        { "console", "source seclabel" },
        { "channel", "source seclabel" },
        { "redirdev", "source seclabel" },
        { "smartcard", "source certificate" },
        { "backend", "source" },
        { "redirfilter", "usbdev" },
        { "sound", "codec" },
        { "active_pcr_banks", NULL },
        { "capabilities", NULL },
};

static bool is_list(const xmlNode *parent, const xmlNode *element) {
        for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
                if (xml_is(parent, lists[i].parent))
                        return !lists[i].lists || check_is_listed((const char *) element->name, lists[i].lists);
        return false;
}

static int compare_names(const void *one, const void *other, void *data) {
        (void) data;
        return strcmp(one, other);
}

bool check_once(xmlNode *parent, GError **error) {
        xmlNode *first = xml_child(parent, NULL);
        /* A tree, as the names are a stranger's: they may all have one hash. */
        g_autoptr(GTree) seen = first && xml_next(first, NULL) ? g_tree_new_full(compare_names, NULL, NULL, NULL) : NULL;
        for (xmlNode *element = first; element; element = xml_next(element, NULL)) {
                if (element->ns || xml_is(element, "metadata"))
                        continue;
                if (seen && g_tree_lookup(seen, element->name) && !is_list(parent, element))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "only one <%s> of <%s> is allowed",
                                        (const char *) element->name, (const char *) parent->name);
                if (seen)
                        g_tree_insert(seen, (void *) element->name, element);
                if (!check_once(element, error))
                        return false;
        }
        return true;
}
