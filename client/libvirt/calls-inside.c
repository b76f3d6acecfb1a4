/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is inside of a guest, as its agent tells: its file systems, disks, users, system and interfaces. */

#include <string.h>

#include "calls.h"
#include "rows.h"
#include "usage.h"

#define DOMAIN INTERFACE("Domain")

#define MILLISECONDS 1000 /* in a second */

/* Where a disk of the guest's is plugged in, as its agent tells. */
typedef struct DiskAddress {
        int64_t pci[4]; /* domain, bus, slot, function: of the disk itself, or of its controller */
        int64_t drive[3];
} DiskAddress;

static const char *const pci_names[] = { "domain", "bus", "slot", "function" };
static const char *const drive_names[] = { "bus", "target", "unit" };

static bool has_address(xmlNode *device, const char *type, const char *const *names, const int64_t *numbers, size_t n) {
        g_autofree char *found = document_value(device, "address@type");
        bool same = g_strcmp0(found, type) == 0;
        for (size_t i = 0; same && i < n; i++) {
                g_autofree char *text = document_attribute(device, "address", names[i]);
                same = text && g_ascii_strtoll(text, NULL, 0) == numbers[i];
        }
        return same;
}

/* The index of the controller at a PCI address; NULL for none. */
static char *controller_at(xmlNode *devices, const DiskAddress *address) {
        char *index = NULL;
        for (xmlNode *device = devices ? xmlFirstElementChild(devices) : NULL; device && !index;
             device = xmlNextElementSibling(device))
                if (strcmp((const char *) device->name, "controller") == 0 &&
                    has_address(device, "pci", pci_names, address->pci, G_N_ELEMENTS(pci_names)))
                        index = document_value(device, "@index");
        return index;
}

/* The target of the disk at an address; NULL for none; to be freed. */
static char *disk_at(xmlNode *root, GVariant *given) {
        DiskAddress address = {};
        g_autoptr(GVariant) pci = g_variant_lookup_value(given, "pci-controller", G_VARIANT_TYPE_VARDICT);
        xmlNode *devices = document_find(root, "devices");
        char *target = NULL;
        for (size_t i = 0; i < G_N_ELEMENTS(pci_names); i++)
                address.pci[i] = pci ? member_number(pci, pci_names[i]) : -1;
        for (size_t i = 0; i < G_N_ELEMENTS(drive_names); i++)
                address.drive[i] = member_number(given, drive_names[i]);
        g_autofree char *index = controller_at(devices, &address);
        for (xmlNode *device = devices ? xmlFirstElementChild(devices) : NULL; device && !target;
             device = xmlNextElementSibling(device)) {
                if (strcmp((const char *) device->name, "disk") != 0)
                        continue;
                g_autofree char *controller = document_value(device, "address@controller");
                bool is_it = has_address(device, "pci", pci_names, address.pci, G_N_ELEMENTS(pci_names)) ||
                             (index && g_strcmp0(index, controller) == 0 &&
                              has_address(device, "drive", drive_names, address.drive, G_N_ELEMENTS(drive_names)));
                if (is_it)
                        target = document_value(device, "target@dev");
        }
        return target;
}

/* A call that asks the agent several things, and needs the domain's document to understand its answers. */
typedef struct Inside {
        xmlDoc *document;
        xmlNode *root;
        GVariantBuilder parameters;
        uint32_t kinds; /* that are still to be asked for */
        unsigned int at;
} Inside;

static void inside_free(void *data) {
        Inside *inside = data;
        xmlFreeDoc(inside->document);
        g_variant_builder_clear(&inside->parameters);
        g_free(inside);
}

static void on_file_systems(Call *call, GVariant *reply) {
        const Inside *inside = call->state;
        g_autoptr(GVariant) all = g_variant_get_child_value(reply, 0);
        GVariantBuilder builder;
        size_t n = g_variant_n_children(all);
        g_variant_builder_init(&builder, G_VARIANT_TYPE("a(sssas)"));
        for (size_t i = 0; i < n; i++) {
                g_autoptr(GVariant) one = g_variant_get_child_value(all, i),
                                    disks = g_variant_lookup_value(one, "disk", G_VARIANT_TYPE("aa{sv}"));
                GVariantBuilder targets;
                g_variant_builder_init(&targets, G_VARIANT_TYPE_STRING_ARRAY);
                for (size_t j = 0; disks && j < g_variant_n_children(disks); j++) {
                        g_autoptr(GVariant) disk = g_variant_get_child_value(disks, j);
                        g_autofree char *target = disk_at(inside->root, disk);
                        if (target)
                                g_variant_builder_add(&targets, "s", target);
                }
                g_variant_builder_add(&builder, "(sss@as)", member_text(one, "mountpoint"), member_text(one, "name"),
                                      member_text(one, "type"), g_variant_builder_end(&targets));
        }
        call_answer(call, g_variant_new("(a(sssas)u)", &builder, (uint32_t) n));
}

G_GNUC_PRINTF(3, 4)
static void add(Inside *inside, GVariant *value, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        g_autofree char *name = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        g_variant_builder_add(&inside->parameters, "(sv)", name, value);
}

/* Adds the members of a dictionary that are there. */
typedef struct Member {
        const char *name, *parameter;
} Member;

static void add_texts(Inside *inside, GVariant *dictionary, const char *prefix, const Member *members) {
        for (; members->name; members++) {
                const char *text = member_text(dictionary, members->name);
                if (*text)
                        add(inside, g_variant_new_string(text), "%s%s", prefix, members->parameter);
        }
}

/* Adds how many there are in a list, which may be NULL, and each: PREFIX is that of its own parameters. */
typedef void (*AddOne)(Inside *inside, GVariant *one, const char *prefix);

static void add_each(Inside *inside, GVariant *list, const char *prefix, const char *name, AddOne add_one) {
        uint32_t n = list ? (uint32_t) g_variant_n_children(list) : 0;
        add(inside, g_variant_new_uint32(n), "%s%s.count", prefix, name);
        for (uint32_t i = 0; i < n; i++) {
                g_autoptr(GVariant) one = g_variant_get_child_value(list, i);
                g_autofree char *own = g_strdup_printf("%s%s.%u.", prefix, name, i);
                add_one(inside, one, own);
        }
}

static void add_all(Inside *inside, GVariant *reply, const char *name, AddOne add_one) {
        g_autoptr(GVariant) list = g_variant_get_child_value(reply, 0);
        add_each(inside, list, "", name, add_one);
}

static void add_user(Inside *inside, GVariant *user, const char *prefix) {
        static const Member members[] = { { "user", "name" }, { "domain", "domain" }, {} };
        double time = 0;
        add_texts(inside, user, prefix, members);
        g_variant_lookup(user, "login-time", "d", &time);
        add(inside, g_variant_new_uint64((uint64_t) (CLAMP(time, 0, 1e15) * MILLISECONDS)), "%slogin-time", prefix);
}

static void add_users(Inside *inside, GVariant *reply) {
        add_all(inside, reply, "user", add_user);
}

static void add_system(Inside *inside, GVariant *reply) {
        static const Member members[] = {
                { "id", "id" },
                { "name", "name" },
                { "pretty-name", "pretty-name" },
                { "version", "version" },
                { "version-id", "version-id" },
                { "machine", "machine" },
                { "variant", "variant" },
                { "variant-id", "variant-id" },
                { "kernel-release", "kernel-release" },
                { "kernel-version", "kernel-version" },
                {},
        };
        g_autoptr(GVariant) system = g_variant_get_child_value(reply, 0);
        add_texts(inside, system, "os.", members);
}

static void add_zone(Inside *inside, GVariant *reply) {
        const char *zone;
        int64_t offset;
        g_variant_get(reply, "(&sx)", &zone, &offset);
        if (*zone)
                add(inside, g_variant_new_string(zone), "timezone.name");
        add(inside, g_variant_new_int32((int32_t) offset), "timezone.offset");
}

static void add_name(Inside *inside, GVariant *reply) {
        g_autoptr(GVariant) name = g_variant_get_child_value(reply, 0);
        add(inside, name, "hostname");
}

static void add_disk_of(Inside *inside, GVariant *disk, const char *prefix) {
        static const Member members[] = { { "serial", "serial" }, { "dev", "device" }, {} };
        g_autofree char *target = disk_at(inside->root, disk);
        if (target)
                add(inside, g_variant_new_string(target), "%salias", prefix);
        add_texts(inside, disk, prefix, members);
}

static void add_file_system(Inside *inside, GVariant *one, const char *prefix) {
        static const Member members[] = { { "name", "name" }, { "mountpoint", "mountpoint" }, { "type", "fstype" }, {} };
        static const char *const sizes[] = { "total-bytes", "used-bytes" };
        g_autoptr(GVariant) disks = g_variant_lookup_value(one, "disk", G_VARIANT_TYPE("aa{sv}"));
        add_texts(inside, one, prefix, members);
        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
                int64_t bytes;
                if (g_variant_lookup(one, sizes[i], "x", &bytes))
                        add(inside, g_variant_new_uint64((uint64_t) bytes), "%s%s", prefix, sizes[i]);
        }
        add_each(inside, disks, prefix, "disk", add_disk_of);
}

static void add_file_systems(Inside *inside, GVariant *reply) {
        add_all(inside, reply, "fs", add_file_system);
}

static void add_disk(Inside *inside, GVariant *disk, const char *prefix) {
        static const Member members[] = { { "alias", "guest_alias" }, {} };
        static const Member where[] = { { "serial", "serial" }, { "bus-type", "guest_bus" }, {} };
        g_autoptr(GVariant) parts = g_variant_lookup_value(disk, "dependencies", G_VARIANT_TYPE_STRING_ARRAY),
                            address = g_variant_lookup_value(disk, "address", G_VARIANT_TYPE_VARDICT);
        g_autofree char *target = address ? disk_at(inside->root, address) : NULL;
        gboolean is_partition = FALSE;
        g_variant_lookup(disk, "partition", "b", &is_partition);
        add(inside, g_variant_new_string(member_text(disk, "name")), "%sname", prefix);
        add(inside, g_variant_new_boolean(is_partition), "%spartition", prefix);
        if (parts && g_variant_n_children(parts) > 0)
                add(inside, g_variant_new_uint32((uint32_t) g_variant_n_children(parts)), "%sdependency.count", prefix);
        for (size_t i = 0; parts && i < g_variant_n_children(parts); i++) {
                g_autoptr(GVariant) part = g_variant_get_child_value(parts, i);
                add(inside, part, "%sdependency.%zu.name", prefix, i);
        }
        if (target)
                add(inside, g_variant_new_string(target), "%salias", prefix);
        add_texts(inside, disk, prefix, members);
        if (address)
                add_texts(inside, address, prefix, where);
}

static void add_disks(Inside *inside, GVariant *reply) {
        add_all(inside, reply, "disk", add_disk);
}

static void add_address(Inside *inside, GVariant *address, const char *prefix) {
        static const Member members[] = { { "ip-address-type", "type" }, { "ip-address", "addr" }, {} };
        add_texts(inside, address, prefix, members);
        add(inside, g_variant_new_uint32((uint32_t) member_number(address, "prefix")), "%sprefix", prefix);
}

static void add_interface(Inside *inside, GVariant *interface, const char *prefix) {
        static const Member members[] = { { "name", "name" }, { "hardware-address", "hwaddr" }, {} };
        g_autoptr(GVariant) addresses = g_variant_lookup_value(interface, "ip-addresses", G_VARIANT_TYPE("aa{sv}"));
        add_texts(inside, interface, prefix, members);
        add_each(inside, addresses, prefix, "addr", add_address);
}

static void add_interfaces(Inside *inside, GVariant *reply) {
        add_all(inside, reply, "if", add_interface);
}

/* By libvirt's bits. */
static const struct {
        uint32_t bit;
        const char *member, *reply;
        void (*add)(Inside *inside, GVariant *reply);
} kinds[] = {
        { 1, "GetUsers", "(aa{sv})", add_users },
        { 2, "GetOSInfo", "(a{sv})", add_system },
        { 4, "GetTimeZone", "(sx)", add_zone },
        { 8, "GetHostName", "(s)", add_name },
        { 16, "GetFileSystems", "(aa{sv})", add_file_systems },
        { 32, "GetDisks", "(aa{sv})", add_disks },
        { 64, "GetInterfaces", "(aa{sv})", add_interfaces },
};
#define ALL_KINDS 127

static uint32_t kinds_asked(const Call *call) {
        uint32_t asked;
        g_variant_get_child(call->arguments, 1, "u", &asked);
        return asked;
}

static void ask_next_kind(Call *call);

static void on_kind(Call *call, GVariant *reply) {
        Inside *inside = call->state;
        kinds[inside->at++].add(inside, reply);
        ask_next_kind(call);
}

/* Who asks for everything wants what the agent can tell. */
static bool on_kind_not_told(Call *call, const GError *error) {
        Inside *inside = call->state;
        if (kinds_asked(call) != 0 || error->code != LIBVIRT_INTERNAL_ERROR)
                return false;
        inside->at++;
        ask_next_kind(call);
        return true;
}

static void ask_next_kind(Call *call) {
        Inside *inside = call->state;
        while (inside->at < G_N_ELEMENTS(kinds) && !(inside->kinds & kinds[inside->at].bit))
                inside->at++;
        if (inside->at == G_N_ELEMENTS(kinds))
                call_answer(call, g_variant_new("(@a(sv))", g_variant_builder_end(&inside->parameters)));
        else {
                /* The first question finds out whether there is an agent. */
                g_autofree char *guest = g_strconcat(call->domain, "/guest", NULL);
                call_ask(call, guest, INTERFACE("Domain.Guest"), kinds[inside->at].member, NULL, kinds[inside->at].reply,
                         on_kind);
        }
}

static void on_agent(Call *call, GVariant *reply) {
        (void) reply;
        call->on_error = on_kind_not_told;
        ask_next_kind(call);
}

static void on_document(Call *call, GVariant *reply) {
        Inside *inside = g_new0(Inside, 1);
        uint32_t asked = call->row->procedure == REMOTE_DOMAIN_GET_GUEST_INFO ? kinds_asked(call) : 0;
        inside->kinds = asked ? asked : ALL_KINDS;
        g_variant_builder_init(&inside->parameters, G_VARIANT_TYPE("a(sv)"));
        call->state = inside;
        call->free_state = inside_free;
        inside->root = row_root(call, reply, &inside->document);
        if (inside->root && call->row->procedure == REMOTE_DOMAIN_GET_FSINFO)
                row_ask_guest(call, "GetFileSystems", NULL, "(aa{sv})", on_file_systems);
        else if (inside->root)
                row_ask_guest(call, "Ping", NULL, "()", on_agent);
}

static void on_active_to_look(Call *call, GVariant *properties) {
        (void) properties;
        call_ask(call, call->domain, DOMAIN, "GetXML", g_variant_new("(a{sv})", NULL), "(s)", on_document);
}

static void look_inside(Call *call) {
        if (call->row->procedure == REMOTE_DOMAIN_GET_GUEST_INFO && kinds_asked(call) & ~(uint32_t) ALL_KINDS)
                call_refuse(call, LIBVIRT_INVALID_ARG, "invalid argument: unsupported guest information types '0x%x'",
                            kinds_asked(call) & ~(uint32_t) ALL_KINDS);
        else
                row_if_active(call, on_active_to_look);
}

const CallRow inside_calls[] = {
        { REMOTE_DOMAIN_GET_FSINFO, look_inside, NULL, CHANGES },
        { REMOTE_DOMAIN_GET_GUEST_INFO, look_inside, NULL, CHANGES },
        {},
};
