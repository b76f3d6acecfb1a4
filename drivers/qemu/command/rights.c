/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/rights.h"

#include <string.h>

#include "base/xml.h"
#include "paths.h"
#include "qemu/command/leave.h"
#include "qemu/command/reach.h"

#define REMEDY \
        "a domain that has the rights of its owner alone may not have it; ask an administrator to define it, or leave it out"

/* What <domain> may have. All else is as it was. */
static const char *const parts[] = {
        "bootloader_args",
        "clock",
        "cpu",
        "currentMemory",
        "defaultiothread",
        "description",
        "devices",
        "features",
        "genid",
        "iothreadids",
        "iothreads",
        "maxMemory",
        "memory",
        "memoryBacking",
        "metadata",
        "name",
        "on_crash",
        "on_lockfailure",
        "on_poweroff",
        "on_reboot",
        "os",
        "pm",
        "sysinfo",
        "title",
        "uuid",
        "vcpu",
        "vcpus",
        NULL,
};

#define CHARACTER_TYPES \
        { "pty", "null", "vc", "unix", "spicevmc", "spiceport", "qemu-vdagent" }

/* Which devices it may have, and of which types. NULL at the end; without any, none is looked at. */
static const struct {
        const char *kind, *types[8];
} devices[] = {
        { "emulator", { NULL } },
        { "disk", { "file" } },
        { "controller", { NULL } },
        { "filesystem", { "mount" } },
        { "interface", { "bridge", "network", "user" } },
        { "input", { "mouse", "tablet", "keyboard" } },
        { "graphics", { "vnc", "spice" } },
        { "video", { NULL } },
        { "sound", { NULL } },
        { "audio", { "none", "spice" } },
        { "serial", CHARACTER_TYPES },
        { "parallel", CHARACTER_TYPES },
        { "console", CHARACTER_TYPES },
        { "channel", CHARACTER_TYPES },
        { "redirdev", { "spicevmc" } },
        { "redirfilter", { NULL } },
        { "hub", { NULL } },
        { "memballoon", { NULL } },
        { "tpm", { NULL } },
        { "rng", { NULL } },
        { "panic", { NULL } },
        { "watchdog", { NULL } },
        { "iommu", { NULL } },
        { "crypto", { NULL } },
};

/* What none of all that may have: an element, or, where ATTRIBUTE is not NULL, that of it (of any, where ELEMENT is NULL). */
static const struct {
        const char *above, *element, *attribute, *value, *why; /* ABOVE: NULL for any; VALUE: NULL for any */
} denied[] = {
        { NULL, "script", NULL, NULL, "it is a program" },
        { NULL, "downscript", NULL, NULL, "it is a program" },
        { "interface", "backend", "logFile", NULL, "it is a path of the host" },
        { "interface", "backend", "tap", NULL, "it is a device of the host" },
        { "interface", "backend", "vhost", NULL, "it is a device of the host" },
        { "interface", "vlan", NULL, NULL, "it leads into another network" },
        { "interface", "virtualport", NULL, NULL, "it leads into another network" },
        { "interface", "source", "portgroup", NULL, "it leads into another network" },
        { "filesystem", "binary", "path", NULL, "it is a program" },
        { "filesystem", "source", "socket", NULL, "it is a socket of the host" },
        { "memoryBacking", "source", "type", "file", "it is a file of the host" },
        { "disk", "reservations", NULL, NULL, "it is a socket of the host" },
        { NULL, "backingStore", "type", "block", "it is a device of the host" },
        { NULL, "backingStore", "type", "network", "it is reached with the host's network" },
        { NULL, "backingStore", "type", "volume", "it is a pool's" },
        { "rng", "backend", "type", "tcp", "it is reached with the host's network" },
        { "rng", "backend", "type", "udp", "it is reached with the host's network" },
        { NULL, "secret", NULL, NULL, "it is a secret" },
        { "tpm", "backend", "type", "passthrough", "it is a device of the host" },
        { "tpm", "backend", "type", "external", "it is a socket of the host" },
        { "backend", "encryption", NULL, NULL, "it is a secret" },
        { "os", "smbios", "mode", "host", "it tells of the host" },
        { "os", "nvram", "type", NULL, "it is a device of the host" },
        { "nvram", "source", NULL, NULL, "it is a path of the host; the driver has a place for it" },
        { NULL, "watchdog", "action", "dump", "it fills a disk of the host" },
        { NULL, "vcpu", "cpuset", NULL, "it chooses processors of the host" },
        { "graphics", NULL, "socket", NULL, "it is a path of the host" },
        { NULL, "listen", "network", NULL, "it is an address of a network" },
        { NULL, "source", "path", NULL, "it is a path of the host" },
        { NULL, "gl", "rendernode", NULL, "it is a device of the host" },
};

/* Texts of elements that are paths, or say where something is written. */
static const struct {
        const char *path, *prefix, *why;
} denied_texts[] = {
        { "on_crash", "coredump-", "it fills a disk of the host" },
        { "os/nvram", "/", "it is a path of the host; the driver has a place for it" },
};

/* Which paths QEMU may open besides those of its own. */
static const char *const open_paths[] = { "/dev/random", "/dev/urandom", NULL };

static bool refuse(GError **error, const xmlNode *element, const char *what, const char *why) {
        return xml_fail(error, VIRTBUS_ERROR_ACCESS_DENIED, element, "%s: %s; " REMEDY, what, why);
}

static bool same_text(xmlNode *element, xmlNode *other) {
        g_autofree char *one = xml_element_text(element), *two = xml_element_text(other);
        return strcmp(one, two) == 0;
}

/* Whether there was the same element before, be it where it may among its like. */
static bool was_before(xmlNode *element, const xmlNode *before) {
        for (xmlNode *other = before ? xml_child(before, (const char *) element->name) : NULL; other;
             other = xml_next(other, (const char *) element->name))
                if (same_text(element, other))
                        return true;
        return false;
}

/* Whether a disk, or what is below it, is a descriptor that whoever starts the domain hands over, be it of a device. */
static bool is_handed(const xmlNode *element) {
        const xmlNode *source = xml_is(element, "disk") || xml_is(element, "backingStore") ? xml_child(element, "source") : NULL;
        return source && xml_attribute_is(element, "type", "block") &&
               xmlHasProp((xmlNode *) source, (const xmlChar *) "fdgroup");
}

static bool check_denied(xmlNode *element, GError **error) {
        for (size_t i = 0; i < G_N_ELEMENTS(denied); i++) {
                const char *attribute = denied[i].attribute;
                if ((denied[i].element && !xml_is(element, denied[i].element)) ||
                    (denied[i].above && !xml_is(element->parent, denied[i].above)))
                        continue;
                g_autofree char *value = attribute ? xml_attribute(element, attribute) : NULL;
                if (attribute && (!value || (denied[i].value && strcmp(value, denied[i].value) != 0)))
                        continue;
                if (is_handed(element))
                        continue;
                g_autofree char *what = attribute ? g_strdup_printf("%s='%s'", attribute, value)
                                                  : g_strdup_printf("<%s>", denied[i].element);
                return refuse(error, element, what, denied[i].why);
        }
        for (xmlNode *child = xml_child(element, NULL); child; child = xml_next(child, NULL))
                if (!check_denied(child, error))
                        return false;
        return true;
}

static bool check_device(xmlNode *element, GError **error) {
        if (leave_device_kind(element))
                return leave_check_device(element, error) && check_denied(element, error);
        for (size_t i = 0; i < G_N_ELEMENTS(devices); i++) {
                if (!xml_is(element, devices[i].kind))
                        continue;
                g_autofree char *type = xml_attribute(element, "type"), *what = g_strdup_printf("type='%s'", type ? type : "");
                if (xml_is(element, "filesystem") && !xml_attribute_is(xml_child(element, "driver"), "type", "virtiofs"))
                        return refuse(error, element, "a folder without virtiofs", "it is opened with the host's rights");
                if (devices[i].types[0] && !is_handed(element) && !(type && g_strv_contains(devices[i].types, type)))
                        return refuse(error, element, what, "it is something of the host's");
                return check_denied(element, error);
        }
        return refuse(error, element, "the device", "it is something of the host's");
}

static bool check_devices(const xmlNode *list, const xmlNode *before, GError **error) {
        for (xmlNode *device = list ? xml_child(list, NULL) : NULL; device; device = xml_next(device, NULL))
                if (!was_before(device, before) && !check_device(device, error))
                        return false;
        return true;
}

/* Whether an element that only an administrator may set has nothing but what was in it, and what polkit is asked about. */
static bool is_of_leave(const xmlNode *part, const xmlNode *before) {
        bool any = false;
        for (xmlNode *child = xml_child(part, NULL); child; child = xml_next(child, NULL)) {
                if (!was_before(child, before) && !leave_element(child))
                        return false;
                any = true;
        }
        return any && !g_strv_contains(parts, (const char *) part->name);
}

bool rights_check_document(const xmlDoc *document, const xmlDoc *before, GError **error) {
        const xmlNode *root = xmlDocGetRootElement((xmlDoc *) document),
                      *root_before = before ? xmlDocGetRootElement((xmlDoc *) before) : NULL;
        for (xmlNode *part = xml_child(root, NULL); part; part = xml_next(part, NULL)) {
                bool is_devices = xml_is(part, "devices");
                if (is_devices && !check_devices(part, root_before ? xml_child(root_before, "devices") : NULL, error))
                        return false;
                if (is_devices || was_before(part, root_before) || xml_is(part, "metadata"))
                        continue;
                if (is_of_leave(part, root_before ? xml_child(root_before, (const char *) part->name) : NULL))
                        continue;
                if (!g_strv_contains(parts, (const char *) part->name))
                        return refuse(error, part, "the element", "it gives the guest more of the host, or takes from others");
                if (!check_denied(part, error))
                        return false;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(denied_texts); i++) {
                xmlNode *element = xml_find(root, denied_texts[i].path);
                g_autofree char *text = xml_text(element);
                if (text && g_str_has_prefix(text, denied_texts[i].prefix) &&
                    !(root_before && xml_find(root_before, denied_texts[i].path) &&
                      same_text(element, xml_find(root_before, denied_texts[i].path))))
                        return refuse(error, element, text, denied_texts[i].why);
        }
        return true;
}

static bool is_given(const GPtrArray *files, const char *path) {
        for (guint i = 0; files && i < files->len; i++) {
                const File *file = files->pdata[i];
                if (strcmp(file->path, path) == 0)
                        return true;
                for (guint j = 0; file->backing && j < file->backing->layers->len; j++)
                        if (strcmp(((ImageLayer *) file->backing->layers->pdata[j])->path, path) == 0)
                                return true;
        }
        return false;
}

/* What is read by the name of its descriptor. A document that names one itself is refused when it is defined. */
static bool is_passed(const CommandLine *line, const char *path) {
        for (guint i = 0; i < line->fds->len; i++) {
                g_autofree char *name = g_strdup_printf("/proc/self/fd/%d", g_array_index(line->fds, int, i));
                if (strcmp(name, path) == 0)
                        return true;
        }
        return false;
}

static bool is_let(const char *const *let, const char *path) {
        while (let && *let && !path_is_plainly_under(path, *let))
                let++;
        return let && *let;
}

char **rights_let(const GPtrArray *files) {
        g_autoptr(GPtrArray) let = g_ptr_array_new_with_free_func(g_free);
        for (guint i = 0; i < files->len; i++) {
                const Leave *leave = ((File *) files->pdata[i])->leave;
                if (!leave || !leave->device)
                        continue;
                if (g_str_has_prefix(leave->device, "/"))
                        g_ptr_array_add(let, g_strdup(leave->device));
                for (const char *const *folder = leave_folders(leave->what); *folder; folder++)
                        g_ptr_array_add(let, g_strdup(*folder));
        }
        g_ptr_array_add(let, NULL);
        return (char **) g_ptr_array_steal(let, NULL);
}

bool rights_check_line(const CommandLine *line, const char *folder, const GPtrArray *files, const char *const *let,
                       const xmlDoc *document, GError **error) {
        g_autoptr(Reach) reach = reach_of(line, document);
        for (guint i = 0; i < reach->paths->len; i++) {
                const char *path = reach->paths->pdata[i];
                if (!path_is_plainly_under(path, folder) && !g_strv_contains(open_paths, path) && !is_given(files, path) &&
                    !is_let(let, path) && !is_passed(line, path))
                        return virtbus_error_set(error, VIRTBUS_ERROR_ACCESS_DENIED, "QEMU would open %s by itself: " REMEDY,
                                                 path);
        }
        return true;
}
