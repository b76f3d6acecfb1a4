/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/files-plan.h"

#include <string.h>

#include "domain/device-elements.h"
#include "link/macvtap.h"
#include "link/tap.h"
#include "qemu/command/build-character.h"
#include "qemu/command/build-host.h"
#include "qemu/command/build-passt.h"
#include "qemu/command/build-tls.h"
#include "qemu/command/firmware.h"
#include "qemu/host/helper-programs.h"
#include "qemu/host/host.h"
#include "qemu/host/tpm-folder.h"

static File *plan(GPtrArray *files, FilePurpose purpose, const xmlNode *element, const char *path) {
        File *file = g_new0(File, 1);
        *file = (File){ .purpose = purpose,
                        .element = element,
                        .path = g_strdup(path),
                        .format = g_strdup("raw"),
                        .rights = USER_RIGHTS_ALL,
                        .fd = -1,
                        .number = -1 };
        g_ptr_array_add(files, file);
        return file;
}

static void say_whose(File *file, const DeviceDefinition *part) {
        file->alias = g_strdup(part->alias);
        file->whose = strcmp(part->kind, "disk") == 0 ? g_strdup_printf("disk '%s'", part->target)
                                                      : g_strdup_printf("device '%s'", part->alias);
}

/* What a domain that has its owner's rights alone needs polkit's leave for; DEVICE: as rules know it, or NULL. */
static void plan_leave(GPtrArray *files, const CommandLineContext *context, const xmlNode *element, const char *what,
                       const char *device, const char *alias) {
        if (context->rights == USER_RIGHTS_ALL)
                return;
        File *file = plan(files, FILE_LEAVE, element, device ? device : what);
        file->leave = leave_new(what, device);
        file->whose = alias ? g_strdup_printf("device '%s'", alias) : g_strdup("the machine");
}

/* Of the host's memory and processors. */
static void plan_leaves(GPtrArray *files, const CommandLineContext *context, const xmlNode *root) {
        static const char *const above[] = { "memoryBacking", "cputune" };
        for (size_t i = 0; i < G_N_ELEMENTS(above); i++)
                for (xmlNode *child = xml_child(xml_child(root, above[i]), NULL); child; child = xml_next(child, NULL))
                        if (leave_element(child))
                                plan_leave(files, context, child, leave_element(child), NULL, NULL);
}

static void set_format(File *file, const char *format) {
        g_free(file->format);
        file->format = g_strdup(format);
}

static void plan_firmware(GPtrArray *files, const CommandLineContext *context, xmlNode *root) {
        xmlNode *os = xml_child(root, "os"), *loader = xml_child(os, "loader"), *nvram = xml_child(os, "nvram");
        g_autofree char *code = xml_text(loader), *variables = firmware_variables(root),
                        *template = xml_attribute(nvram, "template");
        bool efi = xml_attribute_is(os, "firmware", "efi"), pflash = xml_attribute_is(loader, "type", "pflash");
        if (!efi && !pflash) {
                if (code && *code)
                        plan(files, FILE_READ, loader, code);
                return;
        }
        g_autoptr(Firmware) firmware = firmware_choose(root, context->definition);
        bool read_only = efi || xml_attribute_is(loader, "readonly", "yes");
        if (!firmware)
                return;
        File *file = plan(files, FILE_IMAGE, os, firmware->code);
        file->read_only = read_only;
        set_format(file, firmware->format);
        if ((!read_only && !variables) || xml_attribute_is(loader, "stateless", "yes") ||
            xml_attribute_is(nvram, "type", "network"))
                return;
        if (!template)
                template = g_strdup(firmware->variables);
        if (xml_attribute_is(nvram, "type", "block"))
                g_clear_pointer(&template, g_free); /* a device has its variables, or none */
        if (!template && !variables)
                return; /* a loader whose variables nobody knows */
        g_autofree char *own = firmware_nvram(context->connection, context->definition->uuid);
        file = plan(files, FILE_NVRAM, firmware_variables_element(root), variables ? variables : own);
        file->template = g_steal_pointer(&template);
        g_autofree char *format = firmware_variables_format(root, firmware);
        set_format(file, format);
}

/* Files that QEMU reads itself, once. */
static void plan_to_read(GPtrArray *files, xmlNode *root) {
        static const char *const paths[] = { "os/kernel", "os/initrd", "os/dtb", "os/acpi/table" };
        for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
                xmlNode *element = xml_find(root, paths[i]);
                g_autofree char *path = xml_text(element);
                if (element && *path) /* an empty element counts as missing */
                        plan(files, FILE_READ, element, path);
        }
        for (xmlNode *info = xml_child(root, "sysinfo"); info; info = xml_next(info, "sysinfo"))
                for (xmlNode *entry = xml_child(info, "entry"); entry; entry = xml_next(entry, "entry")) {
                        g_autofree char *path = xml_attribute(entry, "file");
                        if (path)
                                plan(files, FILE_READ, entry, path);
                }
}

static unsigned number_of(const xmlNode *element, const char *attribute) {
        g_autofree char *text = xml_attribute(element, attribute);
        return text ? (unsigned) strtoul(text, NULL, g_str_has_prefix(text, "0x") ? 16 : 10) : 0;
}

/* startupPolicy: 'requisite' is 'optional' where a state is loaded that had it. */
static bool may_lack(const CommandLineContext *context, const xmlNode *element) {
        const xmlNode *source = xml_child(element, "source");
        return !context->running && (xml_attribute_is(source, "startupPolicy", "optional") ||
                                     (context->incoming && xml_attribute_is(source, "startupPolicy", "requisite")));
}

/* The builder has checked the numbers when the document was defined. */
static void plan_host_device(GPtrArray *files, const CommandLineContext *context, const xmlNode *element,
                             const DeviceDefinition *part) {
        xmlNode *source = xml_child(element, "source"), *address = xml_child(source, "address");
        bool is_interface = xml_is(element, "interface"),
             is_usb = xml_attribute_is(is_interface ? address : element, "type", "usb");
        if (!is_usb && !xml_attribute_is(is_interface ? address : element, "type", "pci"))
                return;
        HostDevice *device = g_new0(HostDevice, 1);
        *device = (HostDevice){
                .connection = context->connection,
                .is_usb = is_usb,
                .uuid = g_strdup(context->definition->uuid),
                .alias = g_strdup(part->alias),
                .domain = number_of(address, "domain"),
                .bus = number_of(address, "bus"),
                .slot = number_of(address, "slot"),
                .function = number_of(address, "function"),
                .device = number_of(address, "device"),
                .managed = xml_attribute_is(element, "managed", "yes"),
                .vendor = number_of(xml_child(source, "vendor"), "id"),
                .product = number_of(xml_child(source, "product"), "id"),
                .uid = context->uid ? context->uid : host_of(context->connection)->uid,
                .fd = -1,
        };
        g_autofree char *name = host_device_text(device);
        plan_leave(files, context, element, is_usb ? "usb" : "pci", name, part->alias);
        File *file = plan(files, FILE_DEVICE, element, part->alias);
        file->device = device;
        file->may_lack = is_usb && may_lack(context, element);
}

static File *plan_access(GPtrArray *files, const CommandLineContext *context, FilePurpose purpose, const xmlNode *element,
                         const char *path) {
        const Host *host = host_of(context->connection);
        File *file = plan(files, purpose, element, path);
        file->user = (HostUser){ context->uid ? context->uid : host->uid, host->gid, host->groups, host->n_groups, host->uid };
        return file;
}

/* A number of a card's, which the builder has checked when the document was defined. */
static unsigned card_number(const xmlNode *element, const char *child, const char *name, unsigned most, unsigned otherwise) {
        g_autofree char *text = xml_attribute_at(element, child, name);
        guint64 n = otherwise;
        if (*text)
                (void) g_ascii_string_to_unsigned(text, 10, 1, most, &n, NULL);
        return (unsigned) n;
}

/* vhost-net has a descriptor for each queue. */
static void plan_kernel_help(GPtrArray *files, const xmlNode *element) {
        unsigned n = card_number(element, "driver", "queues", QUEUES_MAX, 1);
        for (unsigned i = 0; i < n; i++)
                plan(files, FILE_OPEN, element, "/dev/vhost-net");
}

static char *child_text(const xmlNode *element, const char *name) {
        xmlNode *child = xml_child(element, name);
        return child ? xml_element_text(child) : g_strdup("");
}

/* A name of the kernel's making is chosen anew at each start. */
static bool is_chosen(const char *interface) {
        return g_str_has_prefix(interface, TAP_PREFIX) || g_str_has_prefix(interface, MACVTAP_PREFIX);
}

static void plan_port(GPtrArray *files, const xmlNode *element, const DeviceDefinition *part, const char *plug) {
        File *file = plan(files, FILE_PORT, element, strcmp(plug, "ethernet") == 0 ? "" : part->source);
        const xmlNode *target = xml_child(element, "target");
        file->port = g_new0(CardPort, 1);
        *file->port = (CardPort){ .plug = plug,
                                  .mode = "",
                                  .holder = -1,
                                  .mac = g_strdup(part->mac),
                                  .interface = g_strdup(is_chosen(part->target) ? "" : part->target),
                                  .filter = child_text(element, "filterref"),
                                  .bandwidth = child_text(element, "bandwidth"),
                                  .group = xml_attribute_at(element, "source", "portgroup"),
                                  .existing = strcmp(plug, "ethernet") == 0 && xml_attribute_is(target, "managed", "no"),
                                  .queues = card_number(element, "driver", "queues", QUEUES_MAX, 1),
                                  .mtu = card_number(element, "mtu", "size", 65535, 0),
                                  .isolated = xml_attribute_is(xml_child(element, "port"), "isolated", "yes") };
        say_whose(file, part);
}

/* On an interface of the host's: by the kernel's own word for it, one that has the whole of it is another plug. */
static void plan_direct(GPtrArray *files, const xmlNode *element, const DeviceDefinition *part) {
        static const char *const modes[] = { "vepa", "bridge", "private" };
        const xmlNode *source = xml_child(element, "source");
        bool is_whole = xml_attribute_is(source, "mode", "passthrough");
        plan_port(files, element, part, is_whole ? "passthrough" : "direct");
        CardPort *port = ((File *) files->pdata[files->len - 1])->port;
        for (size_t i = 0; i < G_N_ELEMENTS(modes); i++)
                if (xml_attribute_is(source, "mode", modes[i]))
                        port->mode = modes[i];
}

/* Whether the builder refuses the card: it needs no port for that. */
static bool is_refused(const xmlNode *element) {
        static const char *const parts[] = { "vlan", "virtualport", "script", "downscript" };
        bool refused = false;
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
                refused = refused || xml_child(element, parts[i]);
        return refused;
}

static void plan_helper(GPtrArray *files, const xmlNode *element, const DeviceDefinition *part, const char *kind,
                        const char *program) {
        File *file = plan(files, FILE_HELPER, element, program);
        set_format(file, kind);
        say_whose(file, part);
}

/* And the file for what it says. */
static void plan_passt(GPtrArray *files, const xmlNode *element, const DeviceDefinition *part) {
        const xmlNode *backend = xml_child(element, "backend");
        g_autofree char *log = xml_attribute(backend, "logFile");
        plan_helper(files, element, part, "passt", PASST);
        if (log)
                plan(files, FILE_APPEND, backend, log);
}

static void plan_card(GPtrArray *files, const xmlNode *element, const DeviceDefinition *part) {
        static const char *const plugs[] = { "network", "bridge", "ethernet" };
        for (size_t i = 0; i < G_N_ELEMENTS(plugs); i++)
                if (strcmp(part->type, plugs[i]) == 0 && !is_refused(element))
                        plan_port(files, element, part, plugs[i]);
        if (strcmp(part->type, "direct") == 0 && !is_refused(element))
                plan_direct(files, element, part);
        if (xml_attribute_is(xml_child(element, "driver"), "name", "vhost"))
                plan_kernel_help(files, element);
        if (build_passt_is_for(element))
                plan_passt(files, element, part);
}

/* One that is emulated, and the secret by which what it keeps is encrypted. */
static void plan_tpm(GPtrArray *files, const CommandLineContext *context, const xmlNode *element, const DeviceDefinition *part) {
        const xmlNode *backend = xml_child(element, "backend"), *encryption = xml_child(backend, "encryption");
        g_autofree char *secret = xml_attribute(encryption, "secret"),
                        *folder = tpm_folder(context->connection, context->definition->uuid);
        if (!xml_attribute_is(backend, "type", "emulator"))
                return;
        plan(files, FILE_TPM, backend, folder)->user.uid = context->tpm_uid;
        if (!secret)
                return;
        File *file = plan(files, FILE_SECRET, encryption, secret);
        file->by_uuid = true;
        file->usage = g_strdup("vtpm");
        say_whose(file, part);
}

/* A folder that virtiofsd shares: one of ours, or one that somebody runs. */
static void plan_folder(GPtrArray *files, const xmlNode *element, const DeviceDefinition *part) {
        const xmlNode *source = xml_child(element, "source");
        g_autofree char *path = xml_attribute(source, "dir"), *socket = xml_attribute(source, "socket"),
                        *program = xml_attribute(xml_child(element, "binary"), "path");
        if (!xml_attribute_is(xml_child(element, "driver"), "type", "virtiofs"))
                return;
        if (socket)
                plan(files, FILE_PEER, element, socket);
        else if (path) {
                plan_helper(files, element, part, "virtiofs", program ? program : "");
                plan(files, FILE_FOLDER, source, path)->read_only = xml_child(element, "readonly") != NULL;
        }
}

static void plan_vsock(GPtrArray *files, const CommandLineContext *context, const xmlNode *element,
                       const DeviceDefinition *part) {
        g_autofree char *address = xml_attribute(xml_child(element, "cid"), "address");
        plan_leave(files, context, element, "vsock", address ? address : "auto", part->alias);
        plan(files, FILE_OPEN, element, "/dev/vhost-vsock");
}

/* Devices and memory of the host that are not a guest's alone. */
static void plan_host_access(GPtrArray *files, const CommandLineContext *context, xmlNode *element,
                             const DeviceDefinition *part) {
        xmlNode *source = xml_child(element, "source");
        if (strcmp(part->kind, "tpm") == 0)
                plan_tpm(files, context, element, part);
        else if (strcmp(part->kind, "vsock") == 0)
                plan_vsock(files, context, element, part);
        else if (strcmp(part->kind, "filesystem") == 0)
                plan_folder(files, element, part);
        else if (strcmp(part->kind, "interface") == 0)
                plan_card(files, element, part);
        else if (strcmp(part->kind, "input") == 0) {
                g_autofree char *path = xml_attribute(source, xml_attribute_is(element, "type", "evdev") ? "dev" : "evdev");
                if (path) {
                        plan_leave(files, context, element, "evdev", path, part->alias);
                        plan_access(files, context, FILE_ACCESS, element, path);
                }
        } else if (strcmp(part->kind, "shmem") == 0 && strcmp(part->model, "ivshmem-plain") == 0) {
                g_autofree char *name = xml_attribute(element, "name"), *path = g_strdup_printf("/dev/shm/%s", name ? name : "");
                xmlNode *size = xml_child(element, "size");
                g_autofree char *text = xml_text(size), *unit = xml_attribute(size, "unit");
                plan_access(files, context, FILE_SHARED, element, path)->size =
                                text ? g_ascii_strtoull(text, NULL, 10) * xml_unit(unit ? unit : "B") : SHARED_MEMORY_DEFAULT;
        }
}

/* A character device, or what holds one. */
static void plan_socket(GPtrArray *files, const CommandLineContext *context, xmlNode *element, const DeviceDefinition *part) {
        static const char *const with_sockets[] = { "serial", "parallel", "console", "channel", "smartcard", "redirdev", NULL };
        bool is_other = strcmp(part->kind, "console") == 0 && strcmp(part->target, "serial") == 0; /* the serial port's */
        xmlNode *end = strcmp(part->kind, "rng") == 0 ? xml_child(element, "backend") : element;
        if (!end || is_other || (end == element && !g_strv_contains(with_sockets, part->kind)) ||
            !xml_attribute_is(end, "type", "unix"))
                return;
        g_autofree char *path = build_chardev_socket(end, context->directory, part->alias);
        if (path)
                plan(files, FILE_SOCKET, end, path);
}

/* The chain that a disk's element names: each of it has a path and a format, the last one may say that it is the last. */
static ImageBacking *plan_backing(const xmlNode *disk) {
        const xmlNode *store = xml_child(disk, "backingStore");
        ImageBacking *backing = store ? image_backing_new() : NULL;
        for (; store && !backing->ends; store = xml_child(store, "backingStore")) {
                const xmlNode *source = xml_child(store, "source");
                g_autofree char *file = xml_attribute(source, "file"), *device = xml_attribute(source, "dev"),
                                *group = xml_attribute(source, "fdgroup"),
                                *format = xml_attribute(xml_child(store, "format"), "type");
                const char *path = file ? file : device;
                backing->ends = !xml_child(store, NULL);
                if (!path || (g_strcmp0(format, "raw") != 0 && g_strcmp0(format, "qcow2") != 0))
                        break;
                image_backing_add(backing, path, format, group);
        }
        return backing;
}

/* By what names it, the type of usage that a secret must have: one of another type is not given away. */
static char *usage_of(const xmlNode *secret) {
        if (xml_is(secret->parent, "encryption"))
                return g_strdup("volume");
        return xml_is(secret->parent, "graphics") ? g_strdup("none") : xml_attribute(secret, "type");
}

/* One that an <encryption>, an <auth> or a <graphics> names. */
static void plan_secret(GPtrArray *files, const xmlNode *secret, const DeviceDefinition *part) {
        g_autofree char *uuid = xml_attribute(secret, "uuid"), *id = xml_attribute(secret, "usage");
        if (!uuid && !id)
                return; /* refused when the line is made */
        File *file = plan(files, FILE_SECRET, secret, uuid ? uuid : id);
        file->by_uuid = uuid != NULL;
        file->usage = usage_of(secret);
        say_whose(file, part);
}

/* Of a display; of a disk, the images below it, or a device of the host's that is storage. */
static void plan_secrets(GPtrArray *files, const xmlNode *element, const DeviceDefinition *part) {
        for (const xmlNode *child = xml_child(element, NULL); child; child = xml_next(child, NULL))
                if (xml_is(child, "secret") &&
                    (xml_is(element, "encryption") || xml_is(element, "auth") || xml_is(element, "graphics")))
                        plan_secret(files, child, part);
                else
                        plan_secrets(files, child, part);
}

File *files_plan_tls(GPtrArray *files, const xmlNode *element, const char *use) {
        g_autofree char *folder = build_tls_folder(use);
        File *file = plan(files, FILE_SECRET, element, folder);
        file->usage = g_strdup("tls");
        file->may_lack = true;
        return file;
}

/* Of a VNC display, of a disk or an image below it, of a character device. */
static void plan_tls_sources(GPtrArray *files, const xmlNode *element, const DeviceDefinition *part) {
        if (xml_is(element, "graphics") && xml_attribute_is(element, "tls", "yes"))
                say_whose(files_plan_tls(files, element, "vnc"), part);
        for (const xmlNode *child = xml_child(element, NULL); child; child = xml_next(child, NULL))
                if (xml_is(child, "source") && xml_attribute_is(child, "tls", "yes"))
                        say_whose(files_plan_tls(files, child,
                                                 xmlHasProp(child, (const xmlChar *) "protocol") ? "nbd" : "chardev"),
                                  part);
                else
                        plan_tls_sources(files, child, part);
}

static void plan_of_device(GPtrArray *files, const CommandLineContext *context, xmlNode *element, const DeviceDefinition *part) {
        xmlNode *rom = xml_child(element, "rom"), *log = xml_child(element, "log");
        g_autofree char *rom_path = xml_attribute(rom, "file"), *log_path = xml_attribute(log, "file");
        static const char *const with_secrets[] = { "disk", "hostdev", "graphics", NULL };
        bool is_local = strcmp(part->source_type, "file") == 0 || strcmp(part->source_type, "block") == 0;
        if (rom_path && !xml_attribute_is(rom, "enabled", "no"))
                plan(files, FILE_READ, rom, rom_path);
        if (log_path)
                plan(files, FILE_APPEND, log, log_path)->truncate = xml_attribute_is(log, "append", "off");
        if (strcmp(part->kind, "hostdev") == 0 || (strcmp(part->kind, "interface") == 0 && strcmp(part->type, "hostdev") == 0))
                plan_host_device(files, context, element, part);
        if (g_strv_contains(with_secrets, part->kind))
                plan_secrets(files, element, part);
        plan_tls_sources(files, element, part);
        plan_socket(files, context, element, part);
        plan_host_access(files, context, element, part);
        if (part->device_class == DEVICE_DISK && part->source[0] && is_local) {
                const char *kind = leave_device_kind(element);
                if (kind)
                        plan_leave(files, context, element, kind, part->source, part->alias);
                File *file = plan(files, FILE_IMAGE, element, part->source);
                set_format(file, part->format);
                file->group = xml_attribute(xml_child(element, "source"), "fdgroup");
                file->handed = context->handed ? g_ptr_array_ref(context->handed) : NULL;
                file->backing = plan_backing(element);
                file->read_only = part->read_only;
                file->may_lack = may_lack(context, element);
        } else if (xml_attribute_is(element, "type", "file")) {
                xmlNode *source = xml_child(element, "source");
                g_autofree char *path = xml_attribute(source, "path");
                static const char *const kinds_with_files[] = { "serial", "parallel", "console", "channel", NULL };
                if (path && g_strv_contains(kinds_with_files, part->kind))
                        plan(files, FILE_APPEND, element, path)->truncate = xml_attribute_is(source, "append", "off");
        }
}

static GPtrArray *set_rights(GPtrArray *files, const CommandLineContext *context) {
        for (guint i = 0; i < files->len; i++)
                ((File *) files->pdata[i])->rights = context->rights;
        return files;
}

GPtrArray *files_plan(const CommandLineContext *context) {
        GPtrArray *files = g_ptr_array_new_with_free_func((GDestroyNotify) file_free);
        xmlNode *root = xmlDocGetRootElement(context->document);
        if (!context->running) {
                plan(files, FILE_PROGRAM, NULL, context->emulator);
                if (strcmp(context->definition->type, "kvm") == 0)
                        plan_access(files, context, FILE_ACCESS, NULL, "/dev/kvm");
                plan_leaves(files, context, root);
                plan_to_read(files, root);
                plan_firmware(files, context, root);
        }
        guint i = 0;
        for (xmlNode *element = device_elements_first(context->document); element; element = device_elements_next(element), i++) {
                const DeviceDefinition *part = context->definition->devices->pdata[i];
                if (!context->running || !definition_find_device(context->running, part->alias))
                        plan_of_device(files, context, element, part);
        }
        return set_rights(files, context);
}

GPtrArray *files_plan_medium(const CommandLineContext *context, guint device) {
        GPtrArray *files = g_ptr_array_new_with_free_func((GDestroyNotify) file_free);
        plan_of_device(files, context, device_elements_at(context->document, device),
                       context->definition->devices->pdata[device]);
        return set_rights(files, context);
}
