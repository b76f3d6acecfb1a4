/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmx/vmx-elements.h"

#include <string.h>

#include "base/xml.h"

/* One element: by its place below <domain>; its attributes; and its text, where it may only be one of a few. */
static const struct {
        const char *place, *attributes, *values;
} known[] = {
        { "", "type=vmware", NULL },
        { "name", "", NULL },
        { "uuid", "", NULL },
        { "genid", "", NULL },
        { "description", "", NULL },
        { "memory", "unit", NULL },
        { "currentMemory", "unit", NULL },
        { "memtune", "", NULL },
        { "memtune/min_guarantee", "unit", NULL },
        { "vcpu", "placement=static cpuset current", NULL },
        { "cputune", "", NULL },
        { "cputune/shares", "", NULL },
        { "os", "firmware", NULL },
        { "os/type", "arch machine", "hvm" },
        { "os/boot", "dev=hd,cdrom,fd,network", NULL },
        { "os/smbios", "mode", NULL },
        { "features", "", NULL },
        { "features/acpi", "", NULL },
        { "features/apic", "", NULL },
        { "features/pae", "", NULL },
        { "cpu", "", NULL },
        { "cpu/topology", "sockets dies cores threads", NULL },
        { "clock", "offset=utc,localtime", NULL },
        { "on_poweroff", "", "destroy" },
        { "on_reboot", "", "restart" },
        { "on_crash", "", "destroy restart" },
        { "devices", "", NULL },
        { "devices/emulator", "", NULL },
        { "devices/disk", "type=file,block device", NULL },
        { "devices/disk/driver", "name cache=writethrough,default type", NULL },
        { "devices/disk/source", "file dev startupPolicy=optional index", NULL },
        { "devices/disk/target", "dev bus tray=closed", NULL },
        { "devices/disk/readonly", "", NULL },
        { "devices/disk/transient", "", NULL },
        { "devices/disk/alias", "name", NULL },
        { "devices/disk/address", "type=drive controller bus target=0 unit", NULL },
        { "devices/controller", "type=scsi,ide,sata,fdc,usb,pci index model", NULL },
        { "devices/controller/alias", "name", NULL },
        { "devices/controller/address", "*", NULL },
        { "devices/interface", "type", NULL },
        { "devices/interface/mac", "address type check", NULL },
        { "devices/interface/source", "bridge network switchid portid portgroupid connectionid", NULL },
        { "devices/interface/target", "dev", NULL },
        { "devices/interface/model", "type", NULL },
        { "devices/interface/alias", "name", NULL },
        { "devices/interface/address", "*", NULL },
        { "devices/serial", "type=dev,file,pipe,tcp", NULL },
        { "devices/serial/source", "path mode host service", NULL },
        { "devices/serial/protocol", "type", NULL },
        { "devices/serial/target", "port type=isa-serial", NULL },
        { "devices/serial/target/model", "name=isa-serial", NULL },
        { "devices/serial/alias", "name", NULL },
        { "devices/parallel", "type=dev,file", NULL },
        { "devices/parallel/source", "path", NULL },
        { "devices/parallel/target", "port", NULL },
        { "devices/parallel/alias", "name", NULL },
        { "devices/console", "type=dev,file,pipe,tcp", NULL },
        { "devices/console/source", "path mode host service", NULL },
        { "devices/console/protocol", "type", NULL },
        { "devices/console/target", "type=serial port", NULL },
        { "devices/console/alias", "name", NULL },
        { "devices/graphics", "type=vnc,desktop port autoport listen keymap passwd", NULL },
        { "devices/graphics/listen", "type=address address", NULL },
        { "devices/graphics/alias", "name", NULL },
        { "devices/video", "", NULL },
        { "devices/video/model", "type=vmvga vram heads=1 primary=yes", NULL },
        { "devices/video/alias", "name", NULL },
        { "devices/video/address", "*", NULL },
        { "devices/filesystem", "type=mount accessmode=passthrough,mapped", NULL },
        { "devices/filesystem/source", "dir", NULL },
        { "devices/filesystem/target", "dir", NULL },
        { "devices/filesystem/readonly", "", NULL },
        { "devices/filesystem/alias", "name", NULL },
        /* what a machine has anyway */
        { "devices/input", "type=mouse,keyboard bus=ps2", NULL },
        { "devices/input/alias", "name", NULL },
        { "devices/memballoon", "model=none", NULL },
        { "devices/memballoon/alias", "name", NULL },
};

static bool has_word(const char *words, char separator, const char *word, size_t length) {
        for (const char *c = words; *c; c += strcspn(c, (char[]){ separator, '\0' }), c += *c == separator)
                if (strncmp(c, word, length) == 0 && (c[length] == separator || !c[length]))
                        return true;
        return false;
}

/* LIST: "name=VALUE,VALUE name ..."; "*": any. */
static bool check_attribute(const xmlNode *element, const char *list, const xmlAttr *attribute, GError **error) {
        const char *name = (const char *) attribute->name;
        size_t length = strlen(name);
        g_autofree char *value = xml_attribute(element, name);
        for (const char *c = list; *c; c += strcspn(c, " "), c += *c == ' ') {
                if (*c == '*')
                        return true;
                if (strncmp(c, name, length) != 0 || !strchr(" =", c[length]))
                        continue;
                if (c[length] != '=')
                        return true;
                g_autofree char *values = g_strndup(c + length + 1, strcspn(c + length + 1, " "));
                return has_word(values, ',', value, strlen(value)) ||
                       xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, element,
                                "its %s is '%.64s'; a machine of VMware's can have %s here", name, value, values);
        }
        return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, element, "VMware's configuration cannot say its %s; leave that out",
                        name);
}

static bool check(const xmlNode *element, const char *place, GError **error) {
        size_t row = 0;
        while (row < G_N_ELEMENTS(known) && strcmp(known[row].place, place) != 0)
                row++;
        if (row == G_N_ELEMENTS(known) || element->ns)
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, element,
                                "VMware's configuration cannot say this; leave it out");
        for (const xmlAttr *attribute = element->properties; attribute; attribute = attribute->next)
                if (!check_attribute(element, known[row].attributes, attribute, error))
                        return false;
        if (known[row].values) {
                g_autofree char *text = xml_text(element);
                if (!has_word(known[row].values, ' ', text, strlen(text)))
                        return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, element,
                                        "it is '%.64s'; a machine of VMware's can have %s here", text, known[row].values);
        }
        for (const xmlNode *child = xml_child(element, NULL); child; child = xml_next(child, NULL)) {
                g_autofree char *below =
                                *place ? g_strdup_printf("%s/%s", place, child->name) : g_strdup((const char *) child->name);
                if (!check(child, below, error))
                        return false;
        }
        return true;
}

bool vmx_elements_check(const xmlDoc *document, GError **error) {
        return check(xmlDocGetRootElement(document), "", error);
}
