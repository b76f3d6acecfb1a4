/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/container-plan.h"

#include <inttypes.h>
#include <linux/capability.h>
#include <string.h>

#include "base/sealed-memory.h"
#include "bus.h"
#include "lxc/capability.h"
#include "lxc/card-document.h"
#include "lxc/guest/guest-plan.h"
#include "lxc/lxc-document.h"

#define BIT(capability) (UINT64_C(1) << (capability))
#define ALL_CAPABILITIES (BIT(CAPABILITY_COUNT) - 1)

/* A container without users of its own has the host's root, whom a namespace alone does not hold: with these it reaches nothing
 * but what is its own; what it has unless its document says otherwise, and what a document may add. */
#define PLAIN_CAPABILITIES \
        (BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) | BIT(CAP_KILL) | BIT(CAP_SETGID) | \
         BIT(CAP_SETUID) | BIT(CAP_SETPCAP) | BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_NET_RAW) | BIT(CAP_SYS_CHROOT) | \
         BIT(CAP_SYS_BOOT) | BIT(CAP_AUDIT_WRITE) | BIT(CAP_SETFCAP))
#define MORE_CAPABILITIES (BIT(CAP_NET_ADMIN) | BIT(CAP_NET_BROADCAST) | BIT(CAP_IPC_OWNER) | BIT(CAP_LEASE))

/* What libvirt's documents name for its own groups. */
#define PARTITION "/machine"

void container_plan_free_file(void *data) {
        ContainerFile *file = data;
        autofd_close(&file->fd);
        g_free(file->path);
        g_free(file);
}

static xmlNode *first_filesystem(const xmlNode *root) {
        return xml_child(xml_child(root, "devices"), "filesystem");
}

/* What holds others is mounted before them. */
static int compare_depths(const void *first, const void *second) {
        g_autofree char *one = lxc_document_target(*(xmlNode *const *) first),
                        *other = lxc_document_target(*(xmlNode *const *) second);
        size_t depths[2] = { 0 };
        const char *const paths[] = { one, other };
        for (size_t i = 0; i < 2; i++)
                for (const char *c = paths[i]; *c; c++)
                        depths[i] += *c == '/' && c[1];
        return depths[0] < depths[1] ? -1 : depths[0] > depths[1];
}

/* The elements, in the order in which they are mounted. */
static GPtrArray *order_filesystems(const xmlNode *root) {
        GPtrArray *list = g_ptr_array_new();
        for (xmlNode *element = first_filesystem(root); element; element = xml_next(element, "filesystem"))
                g_ptr_array_add(list, element);
        g_ptr_array_sort(list, compare_depths);
        return list;
}

GPtrArray *container_plan_files(const xmlNode *root) {
        GPtrArray *files = g_ptr_array_new_with_free_func(container_plan_free_file);
        g_autoptr(GPtrArray) elements = order_filesystems(root);
        for (guint i = 0; i < elements->len; i++) {
                ContainerFile *file = g_new0(ContainerFile, 1);
                file->path = xml_attribute(xml_child(elements->pdata[i], "source"), "dir");
                file->fd = -1;
                g_ptr_array_add(files, file);
        }
        return files;
}

/* Rights */

static uint64_t said_capabilities(const xmlNode *root, const char *state) {
        uint64_t set = 0;
        for (const xmlNode *child = xml_child(xml_find(root, "features/capabilities"), NULL); child;
             child = xml_next(child, NULL))
                if (xml_attribute_is(child, "state", state))
                        set |= BIT(capability_number((const char *) child->name));
        return set;
}

uint64_t container_plan_capabilities(const xmlNode *root) {
        const xmlNode *element = xml_find(root, "features/capabilities");
        bool has_users = xml_child(root, "idmap");
        uint64_t set = xml_attribute_is(element, "policy", "deny") ? 0 : has_users ? ALL_CAPABILITIES : PLAIN_CAPABILITIES;
        return (set | said_capabilities(root, "on")) & ~said_capabilities(root, "off");
}

static bool check_rights(const xmlNode *root, GError **error) {
        const xmlNode *element = xml_find(root, "features/capabilities");
        uint64_t more = container_plan_capabilities(root) & ~(PLAIN_CAPABILITIES | MORE_CAPABILITIES);
        if (xml_child(root, "idmap"))
                return true;
        if (xml_attribute_is(element, "policy", "allow"))
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, element,
                                "all capabilities of the host's root would reach the host: give the container an <idmap>, or use "
                                "policy='default'");
        for (unsigned i = 0; i < CAPABILITY_COUNT; i++)
                if (more & BIT(i))
                        return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, element,
                                        "'%s' of the host's root would reach the host: give the container an <idmap>, or leave "
                                        "it "
                                        "out",
                                        capability_name(i));
        return true;
}

/* Whoever is the host's root in some namespace of users writes to its kernel's settings. */
static bool check_users(const xmlNode *root, GError **error) {
        for (const xmlNode *range = xml_child(xml_child(root, "idmap"), NULL); range; range = xml_next(range, NULL)) {
                uint64_t target = 0;
                if (xml_number_attribute(range, "target", 0, UINT32_MAX, &target, NULL) && target == 0)
                        return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, range,
                                        "its target='0' is the host's root, which would reach the host: give it numbers that "
                                        "nobody "
                                        "there has, from 100000 for example, or leave the <idmap> out");
        }
        return true;
}

/* What cannot be done yet */

static bool not_yet(GError **error, const xmlNode *element, const char *what) {
        return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, element, "the LXC driver cannot yet start a container with %s", what);
}

static bool check_filesystem(const xmlNode *element, GError **error) {
        static const char *const own[] = { "/proc", "/sys", "/dev" };
        g_autofree char *type = xml_attribute_at(element, "", "type"), *target = lxc_document_target(element);
        if (*type && strcmp(type, "mount") != 0 && strcmp(type, "ram") != 0)
                return xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, element,
                                "the LXC driver cannot yet start a container with a filesystem of type '%s'; use mount or ram",
                                type);
        for (size_t i = 0; i < G_N_ELEMENTS(own); i++)
                if (g_str_has_prefix(target, own[i]) && strchr("/", target[strlen(own[i])]))
                        return not_yet(error, element, "another filesystem in its /proc, /sys or /dev");
        return strcmp(target, "/") != 0 || *type == '\0' || strcmp(type, "mount") == 0 ||
               not_yet(error, element, "a root in memory");
}

static bool check_filesystems(const xmlNode *root, GError **error) {
        bool has_root = false;
        for (const xmlNode *element = first_filesystem(root); element; element = xml_next(element, "filesystem")) {
                g_autofree char *target = lxc_document_target(element);
                has_root |= strcmp(target, "/") == 0;
                if (!check_filesystem(element, error))
                        return false;
        }
        return has_root || xml_fail(error, VIRTBUS_ERROR_UNSUPPORTED, xml_child(root, "devices"),
                                    "the LXC driver cannot yet start a container on the host's own root: give it a <filesystem> "
                                    "whose <target dir='/'/>");
}

bool container_plan_check(const xmlNode *root, GError **error) {
        const xmlNode *partition = xml_find(root, "resource/partition"), *vcpu = xml_child(root, "vcpu");
        g_autofree char *where = partition ? xml_text(partition) : NULL, *cpus = xml_attribute(vcpu, "cpuset");
        unsigned n_consoles = 0;
        if (!check_rights(root, error) || !check_users(root, error) || !check_filesystems(root, error))
                return false;
        if (where && strcmp(where, PARTITION) != 0)
                return not_yet(error, partition, "a partition of its own");
        if (cpus && strspn(cpus, "0123456789,-") != strlen(cpus))
                return not_yet(error, vcpu, "a cpuset that leaves processors out by '^'");
        if (!xml_find(root, "features/privnet") && !xml_find(root, "devices/interface"))
                return not_yet(error, root, "the host's network: say <privnet/> in its <features>, or give it an <interface>");
        if (!card_document_check_start(xml_child(root, "devices"), error))
                return false;
        for (const xmlNode *element = xml_child(xml_child(root, "devices"), "console"); element;
             element = xml_next(element, "console"))
                if (++n_consoles > GUEST_CONSOLES_MAX)
                        return xml_fail(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, element, "there are more than %d of them",
                                        GUEST_CONSOLES_MAX);
        return true;
}

/* The plan */

static void put(GString *plan, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void put(GString *plan, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        g_string_append_vprintf(plan, format, arguments);
        va_end(arguments);
        g_string_append_c(plan, '\0');
}

static void put_text(GString *plan, const xmlNode *root, const char *path, const char *key) {
        const xmlNode *element = xml_find(root, path);
        g_autofree char *text = element ? xml_text(element) : NULL;
        if (text && *text)
                put(plan, "%s %s", key, text);
}

/* virtbus-lxc(8) says which variables there are; those of its document come after them, and count, as MORE do, or NULL, after
 * those. */
static void put_environment(GString *plan, const xmlNode *root, char *const *more) {
        g_autofree char *name = xml_text_at(root, "name"), *uuid = xml_text_at(root, "uuid"),
                        *command_line = xml_find(root, "os/cmdline") ? xml_text_at(root, "os/cmdline") : NULL;
        g_auto(GStrv) environment =
                        g_environ_setenv(NULL, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", TRUE);
        environment = g_environ_setenv(environment, "TERM", "linux", TRUE);
        environment = g_environ_setenv(environment, "HOME", "/", TRUE);
        environment = g_environ_setenv(environment, "container", "lxc-libvirt", TRUE);
        environment = g_environ_setenv(environment, "container_uuid", uuid, TRUE);
        environment = g_environ_setenv(environment, "LIBVIRT_LXC_UUID", uuid, TRUE);
        environment = g_environ_setenv(environment, "LIBVIRT_LXC_NAME", name, TRUE);
        if (command_line)
                environment = g_environ_setenv(environment, "LIBVIRT_LXC_CMDLINE", command_line, TRUE);
        for (const xmlNode *element = xml_find(root, "os/initenv"); element; element = xml_next(element, "initenv")) {
                g_autofree char *variable = xml_attribute(element, "name"), *value = xml_text(element);
                environment = g_environ_setenv(environment, variable, value, TRUE);
        }
        for (size_t i = 0; more && more[i]; i++) {
                g_auto(GStrv) pair = g_strsplit(more[i], "=", 2);
                environment = g_environ_setenv(environment, pair[0], pair[1], TRUE);
        }
        for (size_t i = 0; environment[i]; i++)
                put(plan, "environment %s", environment[i]);
}

static void put_program(GString *plan, const xmlNode *root) {
        g_autofree char *init = xml_text_at(root, "os/init");
        put(plan, "argument %s", init);
        for (const xmlNode *element = xml_find(root, "os/initarg"); element; element = xml_next(element, "initarg")) {
                g_autofree char *text = xml_text(element);
                put(plan, "argument %s", text);
        }
        put_environment(plan, root, NULL);
        put_text(plan, root, "os/initdir", "directory");
        put_text(plan, root, "os/inituser", "user");
        put_text(plan, root, "os/initgroup", "group");
}

static void put_range(GString *plan, const xmlNode *root, const char *element_name, const char *key) {
        for (const xmlNode *element = xml_child(xml_child(root, "idmap"), element_name); element;
             element = xml_next(element, element_name)) {
                g_autofree char *start = xml_attribute(element, "start"), *target = xml_attribute(element, "target"),
                                *count = xml_attribute(element, "count");
                put(plan, "%s %s %s %s", key, start, target, count);
        }
}

/* Who its programs are and what they may. */
static void put_rights(GString *plan, const xmlNode *root) {
        const xmlNode *type = xml_find(root, "os/type");
        put_range(plan, root, "uid", "users");
        put_range(plan, root, "gid", "groups");
        put(plan, "capabilities %" PRIx64, container_plan_capabilities(root));
        put(plan, "32-bit %d", xml_attribute_is(type, "arch", "i686"));
}

static void put_members(GString *plan, const GArray *members) {
        for (guint i = 0; i < members->len; i++)
                put(plan, "member %d", g_array_index(members, int, i));
}

static void put_filesystems(GString *plan, const xmlNode *root, const GPtrArray *files) {
        g_autoptr(GPtrArray) elements = order_filesystems(root);
        for (guint i = 0; i < elements->len; i++) {
                const xmlNode *element = elements->pdata[i], *source = xml_child(element, "source");
                const ContainerFile *file = files->pdata[i];
                g_autofree char *target = lxc_document_target(element), *units = xml_attribute(source, "units");
                uint64_t usage = 0;
                xml_number_attribute(source, "usage", 0, UINT64_MAX, &usage, NULL);
                put(plan, "mount %d %" PRIu64 " %s %s", file->fd, usage * xml_unit(units ? units : "KiB"),
                    xml_child(element, "readonly") ? "ro" : "rw", target);
        }
}

static void put_entry(GString *plan, const GuestEntry *entry) {
        put(plan, "enter %d %d %d %d %d %d", entry->init, entry->report, entry->status, entry->streams[0], entry->streams[1],
            entry->streams[2]);
}

static int seal(const GString *plan, GError **error) {
        if (plan->len <= GUEST_PLAN_BYTES_MAX)
                return sealed_memory_new("container", plan->str, plan->len, error);
        virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "its arguments and environment are more than %d bytes",
                          GUEST_PLAN_BYTES_MAX);
        return -1;
}

static void put_line(void *plan, const char *line) {
        put(plan, "%s", line);
}

int container_plan_make(const xmlNode *root, const GPtrArray *files, const GArray *members, int listener, const char *stage,
                        GError **error) {
        g_autoptr(GString) plan = g_string_new(NULL);
        g_autofree char *name = xml_text_at(root, "name");
        const xmlNode *memory = xml_child(root, "memory");
        g_autofree char *size = xml_text(memory), *unit = xml_attribute(memory, "unit");
        uint64_t bytes = g_ascii_strtoull(size, NULL, 10) * xml_unit(unit ? unit : "KiB");
        unsigned n_consoles = 0;
        put(plan, "name %s", name);
        put(plan, "stage %s", stage);
        put_program(plan, root);
        put_rights(plan, root);
        put_filesystems(plan, root, files);
        card_document_put(xml_child(root, "devices"), NULL, put_line, plan);
        put_members(plan, members);
        for (const xmlNode *element = xml_child(xml_child(root, "devices"), "console"); element;
             element = xml_next(element, "console"))
                n_consoles++;
        put(plan, "consoles %u", n_consoles);
        put(plan, "memory %" PRIu64, bytes);
        put(plan, "listener %d", listener);
        return seal(plan, error);
}

/* What is done in one that runs */

int container_plan_run(const xmlNode *root, const ContainerProgram *program, const GArray *members, const GuestEntry *entry,
                       const char *stage, GError **error) {
        g_autoptr(GString) plan = g_string_new(NULL);
        put(plan, "stage %s", stage);
        put_entry(plan, entry);
        for (size_t i = 0; program->command[i]; i++)
                put(plan, "argument %s", program->command[i]);
        put_environment(plan, root, program->environment);
        if (program->directory)
                put(plan, "directory %s", program->directory);
        if (program->user)
                put(plan, "user %s", program->user);
        put_rights(plan, root);
        put_members(plan, members);
        return seal(plan, error);
}

int container_plan_signal(const GuestEntry *entry, const char *stage, GError **error) {
        g_autoptr(GString) plan = g_string_new(NULL);
        put(plan, "stage %s", stage);
        put_entry(plan, entry);
        put(plan, "signal %d %d", entry->signal, entry->process);
        return seal(plan, error);
}

int container_plan_plug(const xmlNode *card, const GuestEntry *entry, const char *stage, GError **error) {
        g_autoptr(GString) plan = g_string_new(NULL);
        put(plan, "stage %s", stage);
        put_entry(plan, entry);
        card_document_put(NULL, card, put_line, plan);
        return seal(plan, error);
}
