/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/command-line.h"

#include <string.h>

#include "bus.h"
#include "domain/device-elements.h"
#include "qemu/check/check.h"
#include "qemu/command/build-boot.h"
#include "qemu/command/build-character.h"
#include "qemu/command/build-controller.h"
#include "qemu/command/build-cpu.h"
#include "qemu/command/build-disk.h"
#include "qemu/command/build-display.h"
#include "qemu/command/build-host.h"
#include "qemu/command/build-hostdev.h"
#include "qemu/command/build-machine.h"
#include "qemu/command/build-memory.h"
#include "qemu/command/build-network.h"
#include "qemu/command/build-sound.h"
#include "qemu/command/build-nodes.h"
#include "qemu/command/build-passthrough.h"
#include "qemu/command/builder-device.h"
#include "qemu/command/builder-read.h"
#include "qemu/command/builder-write.h"
#include "qemu/complete/controllers.h"
#include "qemu/monitor/bare-qemu.h"

/* Whether what an element is plugged into is there already: the controllers before it. */
static bool bus_is_there(const xmlNode *element, const GHashTable *made) {
        xmlNode *address = xml_child(element, "address");
        g_autofree char *bus = xml_attribute(address, "bus");
        unsigned long number = bus ? strtoul(bus, NULL, 0) : 0;
        return !xml_attribute_is(element, "type", "pci") || number == 0 ||
               g_hash_table_contains((GHashTable *) made, GUINT_TO_POINTER((guint) number));
}

typedef struct Part {
        xmlNode *element;
        const DeviceDefinition *device;
} Part;

/* When a controller comes: USB companions need their master, card readers their USB. */
static unsigned controller_rank(const xmlNode *element) {
        if (xml_attribute_is(element, "type", "pci"))
                return 0;
        if (xml_attribute_is(element, "type", "usb"))
                return xml_child(element, "master") ? 2 : 1;
        return xml_attribute_is(element, "type", "ccid") ? 4 : 3;
}

/* Whether a device is to be made: of a guest that runs only those that it lacks. */
static bool is_wanted(const Builder *builder, const Part *part) {
        return !builder->live || !definition_find_device(builder->context->running, part->device->alias);
}

/* QEMU would refuse it, and a QEMU that refuses a device may not answer any more (monitor.h): the guest is told of a new
 * device in a slot of machine pc by ACPI. */
static void check_can_come(Builder *builder, const xmlNode *element) {
        bool by_acpi = builder->kind->is_x86 && !builder->kind->is_q35 &&
                       xml_attribute_is(xml_child(element, "address"), "type", "pci");
        if (builder->live && !builder->kind->takes_devices)
                builder_unsupported(builder, element,
                                    "a running machine '%.64s' takes no devices: add it to its definition, and start it again",
                                    builder->definition->machine);
        if (builder->live && builder->files && by_acpi && !xml_find(builder->root, "features/acpi"))
                builder_unsupported(builder, element,
                                    "the running machine has no ACPI, and gets no PCI device without it: add <acpi/> to the "
                                    "<features> of its definition, and start it again");
}

static void build_part(Builder *builder, const Part *part, BuildDevice build) {
        if (!is_wanted(builder, part))
                return;
        check_can_come(builder, part->element);
        builder->at = part->element;
        builder->alias = part->device->alias;
        builder_know(builder, part->element, "alias"); /* read by the definition, and written there by a start */
        build(builder, part->element, part->device);
        builder->alias = NULL;
}

/* PCI bridges come after what they are plugged into; then the others by rank. */
static void build_controllers(Builder *builder, const Part *parts, guint n) {
        g_autoptr(GHashTable) made = g_hash_table_new(g_direct_hash, g_direct_equal);
        g_autofree bool *done = g_new0(bool, n + 1);
        bool progress = true;
        while (progress) {
                progress = false;
                for (guint i = 0; i < n; i++) {
                        xmlNode *element = parts[i].element;
                        if (done[i] || !xml_is(element, "controller") || controller_rank(element) > 0 ||
                            !bus_is_there(element, made))
                                continue;
                        g_autofree char *index = xml_attribute(element, "index");
                        if (builder->live && is_wanted(builder, parts + i))
                                builder_unsupported(
                                                builder, builder->root,
                                                "the running machine has no free slot for this device: it would need another "
                                                "<controller type='pci' model='%s'/>; add that to its definition and start it "
                                                "anew, or use a device of another model, such as virtio",
                                                parts[i].device->model);
                        build_part(builder, parts + i, build_controller);
                        g_hash_table_add(made, GUINT_TO_POINTER(index ? (guint) strtoul(index, NULL, 0) : 0));
                        done[i] = progress = true;
                }
        }
        for (unsigned rank = 1; rank <= 4; rank++)
                for (guint i = 0; i < n; i++)
                        if (xml_is(parts[i].element, "controller") && controller_rank(parts[i].element) == rank)
                                build_part(builder, parts + i, build_controller);
}

/* Hubs that are plugged into hubs come later: their port has more numbers. */
static void build_hubs(Builder *builder, const Part *parts, guint n) {
        size_t next = 0;
        for (size_t depth = 0; next != SIZE_MAX; depth = next) {
                next = SIZE_MAX;
                for (guint i = 0; i < n; i++) {
                        if (!xml_is(parts[i].element, "hub"))
                                continue;
                        g_autofree char *port = xml_attribute(xml_child(parts[i].element, "address"), "port");
                        size_t length = port ? strlen(port) : 0;
                        if (length == depth)
                                build_part(builder, parts + i, build_hub);
                        else if (length > depth)
                                next = MIN(next, length);
                }
        }
}

/* Device kinds, in the order in which QEMU must meet them; those with a function of their own above are not in it. */
static const struct {
        const char *kind;
        BuildDevice build;
} kinds[] = {
        { "iommu", build_iommu },
        { "audio", build_audio },
        { "disk", build_disk },
        { "filesystem", build_filesystem },
        { "interface", build_interface },
        { "smartcard", build_smartcard },
        { "serial", build_serial },
        { "parallel", build_parallel },
        { "channel", build_channel },
        { "console", build_console },
        { "tpm", build_tpm },
        { "input", build_input },
        { "graphics", build_graphics },
        { "video", build_video },
        { "sound", build_sound },
        { "watchdog", build_watchdog },
        { "redirdev", build_redirdev },
        { "hostdev", build_hostdev },
        { "memory", build_memory_device },
        { "memballoon", build_memballoon },
        { "rng", build_rng },
        { "shmem", build_shmem },
        { "panic", build_panic },
        { "nvram", build_nvram },
        { "vsock", build_vsock },
        { "crypto", build_crypto },
        { "lease", build_lease },
};

static void check_kinds(Builder *builder, const Part *parts, guint n) {
        static const char *const others[] = { "controller", "hub", NULL };
        for (guint i = 0; i < n; i++) {
                const char *name = (const char *) parts[i].element->name;
                bool known = g_strv_contains(others, name);
                for (size_t kind = 0; kind < G_N_ELEMENTS(kinds) && !known; kind++)
                        known = strcmp(name, kinds[kind].kind) == 0;
                if (!known)
                        builder_unsupported(builder, parts[i].element, "the QEMU driver does not know this device; leave it out");
                parts[i].element->_private = parts[i].element;
        }
}

/* What <boot dev='...'/> means: the first disk, CD-ROM, network card and floppy. */
static void find_boot_devices(Builder *builder) {
        static const char *const kinds_of_disk[] = { "disk", "cdrom", "", "floppy" };
        g_autoptr(GPtrArray) disks = controllers_sorted(builder->devices, "disk");
        for (guint i = 0; i < disks->len; i++) {
                g_autofree char *device = xml_attribute(disks->pdata[i], "device");
                const char *kind = !device || strcmp(device, "lun") == 0 ? "disk" : device;
                for (size_t k = 0; k < G_N_ELEMENTS(kinds_of_disk); k++)
                        if (strcmp(kind, kinds_of_disk[k]) == 0 && !builder->first[k])
                                builder->first[k] = disks->pdata[i];
        }
        builder->first[2] = xml_child(builder->devices, "interface");
}

static void build_devices(Builder *builder) {
        guint n = builder->definition->devices->len, i = 0;
        g_autofree Part *parts = g_new0(Part, n + 1);
        for (xmlNode *element = device_elements_first(builder->context->document); element && i < n;
             element = device_elements_next(element), i++)
                parts[i] = (Part){ element, builder->definition->devices->pdata[i] };
        find_boot_devices(builder); /* before anything of them is marked as read */
        check_kinds(builder, parts, n);
        builder_know(builder, builder->devices, "redirfilter");
        build_controllers(builder, parts, n);
        build_hubs(builder, parts, n);
        for (size_t kind = 0; kind < G_N_ELEMENTS(kinds); kind++)
                for (i = 0; i < n && !builder->error; i++)
                        if (xml_is(parts[i].element, kinds[kind].kind))
                                build_part(builder, parts + i, kinds[kind].build);
        for (i = 0; builder->live && i < n && !builder->error; i++)
                if (is_wanted(builder, parts + i))
                        builder_refuse_unknown(builder, parts[i].element);
}

/* What is made. */
typedef enum Extent {
        EVERYTHING, /* or, of a guest that runs, the devices that it lacks */
        MEDIUM,     /* the nodes of one disk */
        LIMITS,     /* its limits; those of a network card are only checked */
} Extent;

static void build_part_of_device(Builder *builder, Extent extent, guint device, char **node) {
        xmlNode *element = device_elements_at(builder->context->document, device);
        const DeviceDefinition *part = builder->definition->devices->pdata[device];
        builder->at = element;
        builder->alias = part->alias;
        if (xml_is(element, "interface")) {
                build_bandwidth_check(builder, element);
                if (xml_child(element, "bandwidth"))
                        builder_refuse_unknown(builder, xml_child(element, "bandwidth"));
        } else if (extent == MEDIUM)
                *node = g_strdup(build_disk_nodes(builder, element, part));
        else {
                build_io_limits(builder, element, part);
                if (xml_child(element, "iotune"))
                        builder_refuse_unknown(builder, xml_child(element, "iotune"));
        }
}

static void build_process(Builder *builder) {
        const Definition *definition = builder->definition;
        g_ptr_array_add(builder->line->arguments, g_strdup(builder->context->emulator));
        builder_add(builder, "-name", "guest=%s,debug-threads=on", builder_escape(builder, definition->name));
        builder_add(builder, "-uuid", "%s", definition->uuid);
        builder_add(builder, "-S", NULL);
        builder_add(builder, "-no-user-config", NULL);
        builder_add(builder, "-nodefaults", NULL);
        builder_add(builder, "-sandbox", QEMU_SANDBOX);
        if (builder->files)
                builder_add(builder, "-chardev", "socket,id=monitor,fd=%d,server=on,wait=off", builder->context->monitor);
        else
                builder_add(builder, "-chardev", "socket,id=monitor,path=monitor.sock,server=on,wait=off");
        builder_add(builder, "-mon", "chardev=monitor,mode=control");
        builder_add(builder, "-msg", "timestamp=on");
        if (builder->context->incoming)
                builder_add(builder, "-incoming", "defer");
        /* What follows from these is the driver's to do: the machine waits. */
        builder_add(builder, "-action", "shutdown=pause,panic=pause,reboot=%s",
                    definition->on_reboot == ACTION_DESTROY ? "shutdown" : "reset");
}

char *command_line_emulator(const Definition *definition) {
        return definition->emulator[0] ? g_strdup(definition->emulator) : capabilities_default_emulator(definition->architecture);
}

static void build_all(Builder *builder) {
        build_process(builder);
        build_machine(builder);
        build_firmware(builder);
        build_memory(builder);
        build_cpus(builder);
        build_numa(builder);
        build_boot(builder);
        build_devices(builder);
        if (!builder->has_display)
                builder_add(builder, "-display", "none");
        builder_add(builder, "-machine", "%s", builder->machine->str);
        build_passthrough_arguments(builder);
        if (!builder->error)
                builder_refuse_unknown(builder, builder->root);
}

/* DEVICE: of MEDIUM and LIMITS. */
static CommandLine *build(const CommandLineContext *context, GPtrArray *files, Extent extent, guint device, char **node,
                          GError **error) {
        CommandLine *line = g_new0(CommandLine, 1);
        line->arguments = g_ptr_array_new_with_free_func(g_free);
        line->environment = g_ptr_array_new_with_free_func(g_free);
        line->fds = g_array_new(FALSE, FALSE, sizeof(int));
        line->consoles = g_ptr_array_new_with_free_func(g_free);
        line->paths = g_ptr_array_new_with_free_func(g_free);
        line->commands = g_ptr_array_new_with_free_func((GDestroyNotify) monitor_request_free);
        line->fd_sets = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        g_autoptr(GStringChunk) strings = g_string_chunk_new(4096);
        g_autoptr(GString) machine = g_string_new(NULL), cpu = g_string_new(NULL);
        Builder builder = {
                .context = context,
                .definition = context->definition,
                .root = xmlDocGetRootElement(context->document),
                .files = files,
                .line = line,
                .strings = strings,
                .machine = machine,
                .cpu = cpu,
                .kind = machine_kind_of(xmlDocGetRootElement(context->document)),
                .kvm = strcmp(context->definition->type, "kvm") == 0,
                .live = context->running != NULL,
                .n_fdsets = context->last_fdset,
        };
        /* QEMU has the sets of what was fetched for it already. */
        for (guint i = 0; builder.live && files && i < files->len; i++)
                builder.n_fdsets = MAX(builder.n_fdsets, ((const File *) files->pdata[i])->set);
        builder.devices = builder_element(&builder, builder.root, "devices");
        xmlNode *audio = xml_child(builder.devices, "audio");
        if (audio)
                builder.default_audio =
                                builder_format(&builder, "audio%s",
                                               builder_get(&builder, audio, "@id") ? builder_get(&builder, audio, "@id") : "1");
        /* What was defined has been checked: a start need not do it again. */
        if (extent == EVERYTHING && !builder.files)
                check_document(context->document, &builder.error);
        if (extent != EVERYTHING)
                build_part_of_device(&builder, extent, device, node);
        else if (builder.live)
                build_devices(&builder);
        else
                build_all(&builder);
        g_ptr_array_add(line->arguments, NULL);
        g_ptr_array_add(line->environment, NULL);
        if (!builder.error)
                return line;
        g_propagate_error(error, builder.error);
        command_line_free(line);
        return NULL;
}

CommandLine *command_line_build(const CommandLineContext *context, GPtrArray *files, GError **error) {
        return build(context, files, EVERYTHING, 0, NULL, error);
}

CommandLine *command_line_build_medium(const CommandLineContext *context, guint device, GPtrArray *files, char **node,
                                       GError **error) {
        *node = NULL;
        return build(context, files, MEDIUM, device, node, error);
}

CommandLine *command_line_build_limits(const CommandLineContext *context, guint device, GError **error) {
        return build(context, NULL, LIMITS, device, NULL, error);
}

char *command_line_text(const CommandLine *line) {
        g_autoptr(GString) text = g_string_new(NULL);
        for (guint i = 0; i + 1 < line->environment->len; i++) {
                g_autofree char *quoted = g_shell_quote(line->environment->pdata[i]);
                g_string_append_printf(text, "%s \\\n", quoted);
        }
        for (guint i = 0; i + 1 < line->arguments->len; i++) {
                const char *argument = line->arguments->pdata[i];
                bool plain = *argument && !strpbrk(argument, " \t\n'\"\\$`*?[]{}()<>|&;#~!");
                g_autofree char *quoted = plain ? g_strdup(argument) : g_shell_quote(argument);
                /* An option and its value share a line. */
                g_string_append_printf(text, "%s%s", i == 0 ? "" : argument[0] == '-' ? " \\\n" : " ", quoted);
        }
        return g_string_free(g_steal_pointer(&text), FALSE);
}

void command_line_free(CommandLine *line) {
        for (guint i = 0; i < line->fds->len; i++)
                close(g_array_index(line->fds, int, i));
        g_ptr_array_unref(line->arguments);
        g_ptr_array_unref(line->environment);
        g_array_unref(line->fds);
        g_ptr_array_unref(line->consoles);
        g_ptr_array_unref(line->paths);
        g_ptr_array_unref(line->commands);
        g_hash_table_unref(line->fd_sets);
        g_free(line);
}
