/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/lxc-document.h"

#include <string.h>

#include "domain/known-elements.h"
#include "lxc/capability.h"
#include "lxc/card-document.h"

#define FILESYSTEM "devices/filesystem"
#define INTERFACE "devices/interface"
#define HOSTDEV "devices/hostdev"
#define ADDRESSES(device) \
        { device "/ip", "address family=ipv4,ipv6 prefix=# peer", .many = true }, { \
                device "/route", "family=ipv4,ipv6 address prefix=# netmask gateway metric=#", .many = true \
        }

static const KnownElement elements[] = {
        { "", "type=lxc" },
        /* what describes it */
        { "name", "" },
        { "uuid", "" },
        { "title", "" },
        { "description", "" },
        { "metadata", "*", .any = true },
        /* what it may use */
        { "memory", "unit" },
        { "currentMemory", "unit" },
        { "vcpu", "placement=static,auto cpuset current=#" },
        { "cputune", "" },
        { "cputune/shares", "", "#" },
        { "cputune/period", "", "#" },
        { "cputune/quota", "" },
        { "memtune", "" },
        { "memtune/hard_limit", "unit", "#" },
        { "memtune/soft_limit", "unit", "#" },
        { "memtune/swap_hard_limit", "unit", "#" },
        { "numatune", "" },
        { "numatune/memory", "mode=strict nodeset" },
        { "blkiotune", "" },
        { "blkiotune/weight", "", "#" },
        { "blkiotune/device", "", .many = true, .later = "limits of single disks" },
        { "blkiotune/device/path", "", "/" },
        { "blkiotune/device/weight", "", "#" },
        { "blkiotune/device/read_iops_sec", "", "#" },
        { "blkiotune/device/write_iops_sec", "", "#" },
        { "blkiotune/device/read_bytes_sec", "", "#" },
        { "blkiotune/device/write_bytes_sec", "", "#" },
        { "resource", "" },
        { "resource/partition", "", "/" },
        /* what it runs */
        { "os", "" },
        { "os/type", "arch=i686,x86_64", "exe" },
        { "os/init", "", "/" },
        { "os/initarg", "", .many = true },
        { "os/initenv", "name", .many = true },
        { "os/initdir", "", "/" },
        { "os/inituser", "" },
        { "os/initgroup", "" },
        { "os/cmdline", "" },
        { "idmap", "" },
        { "idmap/uid", "start=# target=# count=#", .many = true },
        { "idmap/gid", "start=# target=# count=#", .many = true },
        { "features", "" },
        { "features/privnet", "" },
        { "features/capabilities", "policy=default,allow,deny" },
        { "features/capabilities/*", "state=on,off" },
        { "lxc:namespace", "", .later = "namespaces of others" },
        { "lxc:namespace/lxc:sharenet", "type=netns,name,pid value" },
        { "lxc:namespace/lxc:shareipc", "type=netns,name,pid value" },
        { "lxc:namespace/lxc:shareuts", "type=netns,name,pid value" },
        { "clock",
          "offset=utc,localtime,timezone timezone" }, /* it is the host's; which zone is shown, files in the container say */
        { "on_poweroff", "", "destroy restart" },
        { "on_reboot", "", "destroy restart" },
        { "on_crash", "", "destroy restart" },
        { "seclabel", "type=none,dynamic model relabel=yes,no", .many = true }, /* dynamic: whatever the driver chooses */
        /* what it has */
        { "devices", "" },
        { "devices/emulator", "" },
        /* Which rights files have is the kernel's affair: the words are of 9p, and virt-install writes one always. */
        { FILESYSTEM, "type=mount,bind,block,file,ram,template accessmode=passthrough,mapped,squash", .many = true },
        { FILESYSTEM "/driver", "type=loop,nbd format wrpolicy=immediate name", .later = "this of a filesystem" },
        { FILESYSTEM "/source", "dir=/ file=/ dev=/ name usage=# units" },
        { FILESYSTEM "/target", "dir=/" },
        { FILESYSTEM "/readonly", "" },
        { FILESYSTEM "/space_hard_limit", "unit", "#", .later = "this of a filesystem" },
        { FILESYSTEM "/space_soft_limit", "unit", "#", .later = "this of a filesystem" },
        { FILESYSTEM "/alias", "name" },
        { "devices/disk", "type=block device=disk", .many = true, .later = "a disk" },
        { "devices/disk/driver", "name type=raw" },
        { "devices/disk/source", "dev=/" },
        { "devices/disk/target", "dev bus" },
        { "devices/disk/readonly", "" },
        { "devices/disk/alias", "name" },
        { INTERFACE, "type=network,bridge,ethernet,direct", .many = true },
        { INTERFACE "/mac", "address" },
        { INTERFACE "/source", "network bridge portgroup portid dev mode=vepa,bridge,private,passthrough" },
        { INTERFACE "/target", "dev" },
        { INTERFACE "/guest", "dev actual" },
        { INTERFACE "/link", "state=up,down" },
        { INTERFACE "/model",
          "type" }, /* of a machine's card: virt-install and Nova write it, and there is nothing to be done for it */
        { INTERFACE "/virtualport", "type", .any = true, .later = "a card at a port of Open vSwitch or another switch" },
        { INTERFACE "/vlan", "trunk", .any = true, .later = "a card in a VLAN" },
        { INTERFACE "/mtu", "size=#" },
        { INTERFACE "/port", "isolated=yes,no" },
        { INTERFACE "/filterref", "filter" },
        { INTERFACE "/filterref/parameter", "name value", .many = true },
        { INTERFACE "/bandwidth", "" },
        { INTERFACE "/bandwidth/inbound", "average=# peak=# burst=# floor=#" },
        { INTERFACE "/bandwidth/outbound", "average=# peak=# burst=#" },
        { INTERFACE "/alias", "name" },
        ADDRESSES(INTERFACE),
        { "devices/console", "type=pty", .many = true },
        { "devices/console/target", "type=lxc port=#" },
        { "devices/console/alias", "name" },
        { HOSTDEV, "mode=capabilities type=storage,misc,net", .many = true, .later = "a device of the host's" },
        { HOSTDEV "/source", "" },
        { HOSTDEV "/source/block", "", "/" },
        { HOSTDEV "/source/char", "", "/" },
        { HOSTDEV "/source/interface", "" },
        { HOSTDEV "/alias", "name" },
        ADDRESSES(HOSTDEV),
};

static const KnownForm form = {
        .elements = elements,
        .n_elements = G_N_ELEMENTS(elements),
        .cannot_say = "a container cannot be told",
        .can_have = "a container can have",
        .cannot_yet = "the LXC driver cannot yet start a container with",
        .namespace_uri = LXC_NAMESPACE,
        .namespace = "lxc",
        .counts = true,
};

/* What completes it */

static void complete_uuid(xmlNode *root) {
        xmlNode *name = xml_child(root, "name"), *uuid = xml_child(root, "uuid");
        if (!name || (uuid && uuid->children))
                return;
        g_autofree char *fresh = g_uuid_string_random();
        if (!uuid)
                uuid = xmlAddNextSibling(name, xmlNewDocNode(root->doc, NULL, (const xmlChar *) "uuid", NULL));
        xmlNodeSetContent(uuid, (const xmlChar *) fresh);
}

void lxc_document_complete(xmlDoc *document) {
        xmlNode *root = xmlDocGetRootElement(document);
        int64_t port = 0;
        complete_uuid(root);
        for (xmlNode *console = xml_child(xml_child(root, "devices"), "console"); console;
             console = xml_next(console, "console"), port++) {
                xmlNode *target = xml_ensure_child(console, "target");
                if (!xmlHasProp(target, (const xmlChar *) "type"))
                        xml_set_attribute(target, "type", "lxc");
                if (!xmlHasProp(target, (const xmlChar *) "port"))
                        xml_set_number(target, "port", port);
        }
}

/* What must be there, and cannot be */

static bool require(const xmlNode *element, const xmlNode *child, const char *attribute, const char *what, GError **error) {
        g_autofree char *text = !child ? NULL : attribute ? xml_attribute(child, attribute) : xml_text(child);
        return (text && *text) || xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "it needs %s", what);
}

static bool check_count(const xmlNode *element, const char *name, unsigned max, GError **error) {
        unsigned n = 0;
        for (const xmlNode *child = xml_child(element, name); child; child = xml_next(child, name))
                if (++n > max)
                        return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, child, "there are more than %u of them", max);
        return true;
}

/* No control characters are in names of interfaces, users and settings, nor a '/'. */
static bool is_name(const char *text, size_t max) {
        size_t length = strlen(text);
        for (size_t i = 0; i < length; i++)
                if (!g_ascii_isgraph(text[i]) || text[i] == '/')
                        return false;
        return length > 0 && length <= max && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

static bool check_os(const xmlNode *root, GError **error) {
        const xmlNode *os = xml_child(root, "os");
        if (!require(os ? os : root, xml_child(os, "init"), NULL, "<init>, the path of the program that is run in the container",
                     error) ||
            !check_count(os, "initarg", LXC_ARGUMENTS_MAX, error) || !check_count(os, "initenv", LXC_ARGUMENTS_MAX, error))
                return false;
        for (const xmlNode *setting = xml_child(os, "initenv"); setting; setting = xml_next(setting, "initenv")) {
                g_autofree char *name = xml_attribute_at(setting, "", "name");
                if (!is_name(name, 255) || strchr(name, '='))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, setting,
                                        "its name is '%.64s'; it must be a variable's, without '='", name);
        }
        return true;
}

/* Numbers in the container, outside, and how many. */
typedef struct Range {
        uint64_t sides[2], count;
} Range;

static bool read_range(const xmlNode *element, Range *range, GError **error) {
        static const char *const names[] = { "start", "target", "count" };
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                if (!require(element, element, names[i], "start, target and count", error))
                        return false;
        return xml_number_attribute(element, "start", 0, UINT32_MAX - 1, &range->sides[0], error) &&
               xml_number_attribute(element, "target", 0, UINT32_MAX - 1, &range->sides[1], error) &&
               xml_number_attribute(element, "count", 1, UINT32_MAX - MAX(range->sides[0], range->sides[1]), &range->count,
                                    error);
}

static bool overlaps(const Range *range, const Range *other) {
        for (size_t i = 0; i < G_N_ELEMENTS(range->sides); i++)
                if (range->sides[i] < other->sides[i] + other->count && other->sides[i] < range->sides[i] + range->count)
                        return true;
        return false;
}

/* Ranges that overlap, or do not have the container's root, cannot be. */
static bool check_ranges(const xmlNode *idmap, const char *name, GError **error) {
        g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(Range));
        bool has_root = false;
        for (const xmlNode *element = xml_child(idmap, name); element; element = xml_next(element, name)) {
                Range range = { 0 };
                if (!read_range(element, &range, error))
                        return false;
                for (guint i = 0; i < ranges->len; i++)
                        if (overlaps(&range, &g_array_index(ranges, Range, i)))
                                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "it overlaps with another");
                has_root |= range.sides[0] == 0;
                g_array_append_val(ranges, range);
        }
        return has_root || xml_fail(error, VIRTBUS_ERROR_INVALID_XML, idmap,
                                    "it must have a <%s> from start='0', for the container's root", name);
}

static bool check_idmap(const xmlNode *root, GError **error) {
        const xmlNode *idmap = xml_child(root, "idmap");
        return !idmap || (check_count(idmap, "uid", LXC_RANGES_MAX, error) && check_count(idmap, "gid", LXC_RANGES_MAX, error) &&
                          check_ranges(idmap, "uid", error) && check_ranges(idmap, "gid", error));
}

static bool check_capabilities(const xmlNode *root, GError **error) {
        for (const xmlNode *child = xml_child(xml_find(root, "features/capabilities"), NULL); child;
             child = xml_next(child, NULL))
                if (capability_number((const char *) child->name) < 0)
                        return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, child,
                                        "there is no such capability; capabilities(7) names them: in lower case, without CAP_");
                else if (!require(child, child, "state", "a state: on or off", error))
                        return false;
        return true;
}

static bool check_namespace(const xmlNode *root, GError **error) {
        for (const xmlNode *shared = xml_child(xml_child(root, "namespace"), NULL); shared; shared = xml_next(shared, NULL)) {
                g_autofree char *value = xml_attribute_at(shared, "", "value");
                if (!require(shared, shared, "type", "a type: netns, name or pid", error))
                        return false;
                if (!is_name(value, 255))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, shared,
                                        "its value is '%.64s'; it must name whose it is", value);
        }
        return true;
}

/* Devices */

/* What a kind of filesystem is made from. */
static const struct {
        const char *type, *attribute;
} sources[] = {
        { "mount", "dir" }, { "bind", "dir" }, { "block", "dev" }, { "file", "file" }, { "ram", "usage" }, { "template", "name" },
};

char *lxc_document_target(const xmlNode *filesystem) {
        g_autofree char *target = xml_attribute_at(filesystem, "target", "dir");
        return g_canonicalize_filename(target + strspn(target, "/"), "/");
}

static bool check_filesystem(const xmlNode *element, GError **error) {
        g_autofree char *type = xml_attribute_at(element, "", "type");
        const xmlNode *source = xml_child(element, "source");
        const char *attribute = "dir";
        for (size_t i = 0; i < G_N_ELEMENTS(sources); i++)
                if (strcmp(sources[i].type, type) == 0)
                        attribute = sources[i].attribute;
        g_autofree char *what = g_strdup_printf("<source %s='...'/>", attribute), *unit = xml_attribute(source, "units");
        if (!require(element, source, attribute, what, error) ||
            !require(element, xml_child(element, "target"), "dir", "<target dir='...'/>, its place in the container", error))
                return false;
        for (const xmlAttr *other = source->properties; other; other = other->next)
                if (strcmp((const char *) other->name, attribute) != 0 &&
                    (strcmp(attribute, "usage") != 0 || strcmp((const char *) other->name, "units") != 0))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, source, "one of type '%s' has no %s; leave it out",
                                        *type ? type : "mount", (const char *) other->name);
        uint64_t usage = 0, factor = xml_unit(unit ? unit : "KiB");
        if (factor == 0)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, source, "units '%.16s' is unknown; use bytes, KiB, MiB or GiB",
                                unit);
        return xml_number_attribute(source, "usage", 1, (UINT64_C(1) << 60) / factor, &usage, error);
}

static bool check_filesystems(const xmlNode *devices, GError **error) {
        g_autoptr(GHashTable) targets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        if (!check_count(devices, "filesystem", LXC_FILESYSTEMS_MAX, error))
                return false;
        for (const xmlNode *element = xml_child(devices, "filesystem"); element; element = xml_next(element, "filesystem")) {
                if (!check_filesystem(element, error))
                        return false;
                g_autofree char *plain = lxc_document_target(element);
                if (!g_hash_table_add(targets, g_strdup(plain)))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "another filesystem is at '%.128s'", plain);
        }
        return true;
}

static bool check_hostdev(const xmlNode *element, GError **error) {
        static const struct {
                const char *type, *child;
        } kinds[] = { { "storage", "block" }, { "misc", "char" }, { "net", "interface" } };
        const xmlNode *source = xml_child(element, "source");
        if (!require(element, element, "mode", "mode='capabilities'", error) ||
            !require(element, element, "type", "a type: storage, misc or net", error))
                return false;
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
                g_autofree char *what = g_strdup_printf("<source><%s>", kinds[i].child);
                bool is_this = xml_attribute_is(element, "type", kinds[i].type);
                if (is_this && !require(element, xml_child(source, kinds[i].child), NULL, what, error))
                        return false;
                if (!is_this && xml_child(source, kinds[i].child))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, xml_child(source, kinds[i].child),
                                        "a device of this type does not have it; leave it out");
        }
        return true;
}

/* libvirt's own program, that its documents name, is not run: there is another here. */
static bool check_emulator(const xmlNode *devices, GError **error) {
        const xmlNode *emulator = xml_child(devices, "emulator");
        g_autofree char *path = emulator ? xml_text(emulator) : NULL;
        return !path || g_str_has_suffix(path, "/libvirt_lxc") ||
               xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, emulator,
                        "containers are not run by '%.128s'; leave it out: virtbus has a program of its own", path);
}

static bool check_devices(const xmlNode *root, GError **error) {
        const xmlNode *devices = xml_child(root, "devices");
        if (!check_emulator(devices, error) || !check_filesystems(devices, error) || !card_document_check(devices, error))
                return false;
        for (const xmlNode *element = xml_child(devices, NULL); element; element = xml_next(element, NULL))
                if (xml_is(element, "hostdev") && !check_hostdev(element, error))
                        return false;
        return true;
}

/* What is wrong is told before what cannot be done yet. */
bool lxc_document_check(const xmlDoc *document, bool later, GError **error) {
        const xmlNode *root = xmlDocGetRootElement(document);
        return known_elements_check(&form, document, false, error) && check_capabilities(root, error) && check_os(root, error) &&
               check_idmap(root, error) && check_namespace(root, error) && check_devices(root, error) &&
               (!later || known_elements_check(&form, document, true, error));
}
