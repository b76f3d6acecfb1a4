/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/from-native.h"

#include <string.h>

#include "qemu/command/native-card.h"
#include "qemu/command/native-character.h"
#include "qemu/command/native-cpu.h"
#include "qemu/command/native-device.h"
#include "qemu/command/native-disk.h"
#include "qemu/command/native-display.h"
#include "qemu/command/native-firmware.h"
#include "qemu/command/native-host.h"
#include "qemu/command/native-machine.h"
#include "qemu/command/native-reader.h"

/* The machine */

static void read_boot(NativeReader *reader, const char *text) {
        static const char *const devices[][2] = { { "a", "fd" }, { "c", "hd" }, { "d", "cdrom" }, { "n", "network" } };
        g_autoptr(GHashTable) properties = native_parse(reader, text, "order");
        g_autofree char *order = native_take(properties, "order"), *menu = native_take(properties, "menu");
        for (const char *c = order; c && *c; c++)
                for (size_t i = 0; i < G_N_ELEMENTS(devices); i++)
                        if (*c == devices[i][0][0])
                                native_set(xml_add(reader->os, "boot", NULL), "dev", devices[i][1]);
        if (menu)
                native_set(xml_add(reader->os, "bootmenu", NULL), "enable", strcmp(menu, "on") == 0 ? "yes" : "no");
        g_autofree char *timeout = native_take(properties, "splash-time"), *reboot = native_take(properties, "reboot-timeout");
        if (timeout && menu)
                native_set(xml_child(reader->os, "bootmenu"), "timeout", timeout);
        if (reboot)
                native_set(xml_add(reader->os, "bios", NULL), "rebootTimeout", reboot);
        native_drop(properties, "strict splash"); /* a picture */
        native_check_empty(reader, properties, "-boot");
}

static void read_rtc(NativeReader *reader, const char *text) {
        g_autoptr(GHashTable) properties = native_parse(reader, text, "base");
        g_autofree char *base = native_take(properties, "base"), *drift = native_take(properties, "driftfix");
        xmlNode *clock = xml_ensure_child(reader->root, "clock");
        bool known = !base || strcmp(base, "utc") == 0 || strcmp(base, "localtime") == 0;
        native_set(clock, "offset", known && base ? base : "utc");
        if (!known)
                native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-rtc: base '%.32s' has no counterpart here; use utc or localtime",
                            base);
        if (g_strcmp0(drift, "slew") == 0) {
                xmlNode *timer = xml_add(clock, "timer", NULL);
                native_set(timer, "name", "rtc");
                native_set(timer, "tickpolicy", "catchup");
        }
        native_drop(properties, "clock");
        native_check_empty(reader, properties, "-rtc");
}

static void read_name(NativeReader *reader, const char *text) {
        g_autoptr(GHashTable) properties = native_parse(reader, text, "guest");
        g_autofree char *name = native_take(properties, "guest");
        xmlNodeSetContent(xml_ensure_child(reader->root, "name"), (const xmlChar *) (name ? name : ""));
}

static void read_file(NativeReader *reader, const char *element, const char *text) {
        xml_add(reader->os, element, text);
}

static void read_kernel(NativeReader *reader, const char *text) {
        read_file(reader, "kernel", text);
}

static void read_initrd(NativeReader *reader, const char *text) {
        read_file(reader, "initrd", text);
}

static void read_append(NativeReader *reader, const char *text) {
        read_file(reader, "cmdline", text);
}

static void read_bios(NativeReader *reader, const char *text) {
        read_file(reader, "loader", text);
}

static void read_uuid(NativeReader *reader, const char *text) {
        xmlNodeSetContent(xml_ensure_child(reader->root, "uuid"), (const xmlChar *) text);
}

static void read_acceleration(NativeReader *reader, const char *text) {
        reader->kvm |= g_str_has_prefix(text, "kvm");
}

/* Power states, and ticks that were missed; what else -global sets is the machine's inside. */
static void read_global(NativeReader *reader, const char *text) {
        static const char *const states[][2] = { { "disable_s3=", "suspend-to-mem" }, { "disable_s4=", "suspend-to-disk" } };
        const char *dot = strchr(text, '.'), *policy = strstr(text, ".lost_tick_policy=");
        if (policy && g_str_has_prefix(text, "kvm-pit.")) {
                xmlNode *timer = xml_add(xml_ensure_child(reader->root, "clock"), "timer", NULL);
                native_set(timer, "name", "pit");
                native_set(timer, "tickpolicy", strchr(policy, '=') + 1);
                return;
        }
        for (size_t i = 0; dot && i < G_N_ELEMENTS(states); i++)
                if (g_str_has_prefix(dot + 1, states[i][0]) &&
                    (g_str_has_prefix(text, "PIIX4_PM.") || g_str_has_prefix(text, "ICH9-LPC."))) {
                        xmlNode *pm = xml_ensure_child(reader->root, "pm");
                        native_set(xml_add(pm, states[i][1], NULL), "enabled", g_str_has_suffix(text, "=0") ? "yes" : "no");
                        return;
                }
        native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "-global %.64s has no counterpart here", text);
}

static void enable_usb(NativeReader *reader, const char *text) {
        (void) text;
        reader->usb = true;
}

static void forbid_reboot(NativeReader *reader, const char *text) {
        (void) text;
        xmlNodeSetContent(xml_ensure_child(reader->root, "on_reboot"), (const xmlChar *) "destroy");
}

static void read_monitor(NativeReader *reader, const char *text) {
        g_autoptr(GHashTable) properties = native_parse(reader, text, "chardev");
        native_find_backend(reader, "chardev",
                            g_hash_table_lookup(properties, "chardev")); /* the driver has a monitor of its own */
}

static void ignore(NativeReader *reader, const char *text) {
        (void) reader;
        (void) text;
}

static void keep_no_defaults(NativeReader *reader, const char *text) {
        (void) text;
        reader->nodefaults = true;
}

static void read_no_graphics(NativeReader *reader, const char *text) {
        (void) text;
        reader->no_display = reader->no_graphics = true;
}

static void read_watchdog_action(NativeReader *reader, const char *text) {
        g_free(reader->watchdog_action);
        reader->watchdog_action = g_strdup(text);
}

/* What QEMU does when something has happened; a guest that ends, or crashes, is the driver's. */
static void read_action(NativeReader *reader, const char *text) {
        g_autoptr(GHashTable) properties = native_parse(reader, text, NULL);
        g_autofree char *watchdog = native_take(properties, "watchdog"), *reboot = native_take(properties, "reboot");
        if (watchdog)
                read_watchdog_action(reader, watchdog);
        if (g_strcmp0(reboot, "shutdown") == 0)
                forbid_reboot(reader, text);
        native_drop(properties, "shutdown panic");
        native_check_empty(reader, properties, "-action");
}

static void read_local_time(NativeReader *reader, const char *text) {
        (void) text;
        native_set(xml_ensure_child(reader->root, "clock"), "offset", "localtime");
}

static void enable_kvm(NativeReader *reader, const char *text) {
        (void) text;
        reader->kvm = true;
}

static void disable_acpi(NativeReader *reader, const char *text) {
        (void) text;
        reader->acpi = false;
}

/* Options; those without a function say how QEMU is run and watched, or are back ends that were read before. */
static const struct {
        const char *name;
        bool has_value;
        void (*read)(NativeReader *reader, const char *text);
} options[] = {
        { "name", true, read_name },
        { "uuid", true, read_uuid },
        { "machine", true, native_machine_option },
        { "M", true, native_machine_option },
        { "accel", true, read_acceleration },
        { "enable-kvm", false, enable_kvm },
        { "no-acpi", false, disable_acpi },
        { "m", true, native_machine_memory },
        { "smp", true, native_machine_processors },
        { "cpu", true, native_cpu_option },
        { "kernel", true, read_kernel },
        { "initrd", true, read_initrd },
        { "append", true, read_append },
        { "bios", true, read_bios },
        { "boot", true, read_boot },
        { "drive", true, native_disk_option },
        { "hda", true, native_disk_hda },
        { "hdb", true, native_disk_hdb },
        { "hdc", true, native_disk_hdc },
        { "hdd", true, native_disk_hdd },
        { "fda", true, native_disk_fda },
        { "fdb", true, native_disk_fdb },
        { "pflash", true, native_disk_pflash },
        { "cdrom", true, native_disk_cdrom },
        { "nic", true, native_card_nic },
        { "net", true, native_card_net },
        { "device", true, native_device_option },
        { "global", true, read_global },
        { "serial", true, native_character_serial },
        { "parallel", true, native_character_parallel },
        { "soundhw", true, native_device_sound },
        { "usbdevice", true, native_device_usb },
        { "watchdog", true, native_device_option },
        { "watchdog-action", true, read_watchdog_action },
        { "smbios", true, native_firmware_smbios },
        { "fw_cfg", true, native_firmware_config },
        { "numa", true, native_machine_node },
        { "mem-path", true, native_machine_memory_path },
        { "mem-prealloc", false, native_machine_preallocate },
        { "no-hpet", false, native_machine_no_hpet },
        { "localtime", false, read_local_time },
        { "virtfs", true, native_host_virtfs },
        { "fsdev", true, ignore },
        { "tpmdev", true, ignore },
        { "spice", true, native_display_spice },
        { "k", true, native_display_keymap },
        { "vnc", true, native_display_vnc },
        { "vga", true, native_display_vga },
        { "rtc", true, read_rtc },
        { "netdev", true, ignore },
        { "chardev", true, ignore },
        { "blockdev", true, ignore },
        { "object", true, ignore },
        { "audiodev", true, native_display_audio },
        { "S", false, ignore },
        { "no-user-config", false, ignore },
        { "nodefaults", false, keep_no_defaults },
        { "nographic", false, read_no_graphics },
        { "daemonize", false, ignore },
        { "no-shutdown", false, ignore },
        { "no-reboot", false, forbid_reboot },
        { "usb", false, enable_usb },
        { "pidfile", true, ignore },
        { "monitor", true, ignore },
        { "qmp", true, ignore },
        { "mon", true, read_monitor },
        { "msg", true, ignore },
        { "sandbox", true, ignore },
        { "display", true, native_display_option },
        { "action", true, read_action },
        { "overcommit", true, ignore },
        { "runas", true, ignore },
        { "add-fd", true, ignore },
        { "D", true, ignore },
        { "no-fd-bootchk", false, ignore },
        { "no-quit", false, ignore },
        { "iscsi", true, ignore }, /* who QEMU is to iSCSI servers: a disk's <initiator> */
        { "id", true, ignore },    /* of Proxmox's QEMU: the number of its machine */
};

/* An option without its dashes: one or two; -1 where there is no such option. */
static int find_option(const char *word) {
        const char *name = word + (word[1] == '-' ? 2 : 1);
        for (size_t i = 0; word[0] == '-' && i < G_N_ELEMENTS(options); i++)
                if (strcmp(name, options[i].name) == 0)
                        return (int) i;
        return -1;
}

/* Calls FUNCTION for each option. */
static void each_option(NativeReader *reader, char **words,
                        void (*function)(NativeReader *reader, size_t option, const char *value)) {
        for (size_t i = 1; words[i] && !reader->error; i++) {
                int option = find_option(words[i]);
                if (option < 0 && words[i][0] != '-') { /* a file: the first disk */
                        option = find_option("-hda");
                        function(reader, (size_t) option, words[i]);
                        continue;
                }
                if (option < 0) {
                        native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "the option %.64s has no counterpart in a document",
                                    words[i]);
                        return;
                }
                if (options[option].has_value && !words[i + 1]) {
                        native_fail(reader, VIRTBUS_ERROR_INVALID_ARGUMENT, "the option %s has no value", words[i]);
                        return;
                }
                function(reader, (size_t) option, options[option].has_value ? words[++i] : NULL);
        }
}

static void keep_if_backend(NativeReader *reader, size_t option, const char *value) {
        static const struct {
                const char *option, *kind, *first, *id;
        } kinds[] = { { "netdev", "netdev", "type", "id" },
                      { "chardev", "chardev", "backend", "id" },
                      { "blockdev", "block", "driver", "node-name" },
                      { "object", "object", "qom-type", "id" },
                      { "audiodev", "audio", "driver", "id" },
                      { "fsdev", "folder", "fsdriver", "id" },
                      { "tpmdev", "tpm", "type", "id" },
                      { "drive", "drive", NULL, "id" } };
        reader->q35 |= (strcmp(options[option].name, "machine") == 0 || strcmp(options[option].name, "M") == 0) &&
                       strstr(value, "q35") != NULL;
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
                if (strcmp(options[option].name, kinds[i].option) == 0)
                        native_keep_backend(reader, kinds[i].kind, value, kinds[i].first, kinds[i].id);
}

/* The board, its memory and its processors come first: what others say is of them. */
static bool is_early(size_t option) {
        static const char *const names[] = { "machine", "M", "m", "smp", NULL };
        return g_strv_contains(names, options[option].name);
}

static void read_early(NativeReader *reader, size_t option, const char *value) {
        if (is_early(option))
                options[option].read(reader, value);
}

static void read_option(NativeReader *reader, size_t option, const char *value) {
        if (!is_early(option))
                options[option].read(reader, value);
}

/* What no device that was carried over uses would be lost. */
static void check_used(NativeReader *reader) {
        GHashTableIter iterator;
        void *key, *value;
        g_hash_table_iter_init(&iterator, reader->backends);
        while (g_hash_table_iter_next(&iterator, &key, &value)) {
                const NativeBackend *backend = value;
                if (!backend->used && !g_str_has_prefix(key, "drive:"))
                        native_fail(reader, VIRTBUS_ERROR_UNSUPPORTED, "the %.80s is used by nothing that has a counterpart here",
                                    (const char *) key);
        }
}

/* What a document has unless it says otherwise, and this command line has not. */
static void leave_out_defaults(NativeReader *reader) {
        bool has_balloon = xml_child(reader->devices, "memballoon") != NULL, has_usb = reader->usb;
        for (xmlNode *element = xml_child(reader->devices, NULL); element; element = xml_next(element, NULL))
                has_usb |= xml_attribute_is(element, "type", "usb") || xml_attribute_is(element, "bus", "usb") ||
                           xml_attribute_is(xml_child(element, "target"), "bus", "usb");
        if (!has_balloon)
                native_set(xml_add(reader->devices, "memballoon", NULL), "model", "none");
        if (!has_usb) {
                xmlNode *controller = xml_add(reader->devices, "controller", NULL);
                native_set(controller, "type", "usb");
                native_set(controller, "model", "none");
        }
}

static void finish(NativeReader *reader, const char *emulator) {
        xmlNode *type = xml_ensure_child(reader->os, "type");
        native_set(reader->root, "type", reader->kvm ? "kvm" : "qemu");
        native_set(type, "arch", reader->arch);
        xmlNodeSetContent(type, (const xmlChar *) "hvm");
        bool has_flash = xml_attribute_is(xml_child(reader->os, "loader"), "type", "pflash");
        if (reader->acpi || has_flash) /* which other boards than PCs have from UEFI only */
                xml_ensure_child(reader->features, "acpi");
        if (reader->no_graphics && !reader->nodefaults)
                native_character_no_graphics(reader);
        if (!reader->nodefaults && !reader->has_card)
                native_card_nic(reader, "user");
        native_card_finish(reader);
        native_display_finish(reader, !reader->nodefaults);
        for (xmlNode *watchdog = xml_child(reader->devices, "watchdog"); watchdog; watchdog = xml_next(watchdog, "watchdog"))
                native_set(watchdog, "action", reader->watchdog_action);
        if (!reader->cpu->children && !reader->cpu->properties) {
                xmlUnlinkNode(reader->cpu);
                xmlFreeNode(reader->cpu);
        }
        if (emulator[0] == '/') {
                xmlNode *element =
                                xmlNewDocNode(reader->root->doc, NULL, (const xmlChar *) "emulator", (const xmlChar *) emulator);
                if (reader->devices->children)
                        xmlAddPrevSibling(reader->devices->children, element);
                else
                        xmlAddChild(reader->devices, element);
        }
        leave_out_defaults(reader);
        check_used(reader);
        if (!xml_child(reader->root, "memory"))
                native_machine_memory(reader, "128"); /* QEMU's own */
}

xmlDoc *from_native(const char *text, GError **error) {
        g_auto(GStrv) words = NULL;
        g_autoptr(GError) failure = NULL;
        if (strlen(text) > NATIVE_BYTES_MAX) {
                virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "the command line has more than %d bytes",
                                  NATIVE_BYTES_MAX);
                return NULL;
        }
        if (!g_shell_parse_argv(text, NULL, &words, &failure)) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "this is not a command line: %s", failure->message);
                return NULL;
        }
        /* Variables of the shell, and who runs it. */
        static const char *const before[] = { "sudo", "exec", "env", "nohup", NULL };
        char **command = words;
        while (*command && (g_strv_contains(before, *command) || (strchr(*command, '=') && !strchr("/-", (*command)[0]))))
                command++;
        const char *name = *command ? strrchr(*command, '/') : NULL, *program = name ? name + 1 : *command ? *command : "";
        if (!g_str_has_prefix(program, "qemu-system-") && strcmp(program, "kvm") != 0) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "a command line begins with a QEMU, such as qemu-system-x86_64, not with '%.64s'", program);
                return NULL;
        }
        g_autoptr(xmlDoc) document = xmlNewDoc((const xmlChar *) "1.0");
        NativeReader reader = { .kvm = strcmp(program, "kvm") == 0 };
        reader.arch = strcmp(program, "qemu-system-i386") == 0 ? "i686"
                      : strcmp(program, "kvm") == 0            ? "x86_64"
                                                               : program + strlen("qemu-system-");
        reader.acpi = strcmp(reader.arch, "x86_64") == 0 || strcmp(reader.arch, "i686") == 0;
        reader.memory_bytes = 128 * NATIVE_MIB;
        reader.n_processors = 1;
        reader.hub = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        reader.root = xmlNewDocNode(document, NULL, (const xmlChar *) "domain", NULL);
        xmlDocSetRootElement(document, reader.root);
        xml_add(reader.root, "name", "unnamed");
        reader.os = xml_add(reader.root, "os", NULL);
        reader.features = xml_add(reader.root, "features", NULL);
        reader.cpu = xml_add(reader.root, "cpu", NULL);
        reader.devices = xml_add(reader.root, "devices", NULL);
        reader.controllers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        reader.indices = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_hash_table_unref);
        reader.backends = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) native_backend_free);
        each_option(&reader, command, keep_if_backend);
        each_option(&reader, command, read_early);
        each_option(&reader, command, read_option);
        finish(&reader, *command);
        g_hash_table_unref(reader.hub);
        g_free(reader.watchdog_action);
        g_hash_table_unref(reader.backends);
        g_hash_table_unref(reader.controllers);
        g_hash_table_unref(reader.indices);
        if (!reader.error)
                return g_steal_pointer(&document);
        g_propagate_error(error, reader.error);
        return NULL;
}
