/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Domains' documents: made, changed, brought over from libvirt. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl.h"

/* Where libvirt keeps the definitions of its QEMU guests; autostart/ has a link for each that is started with the machine. */
#define LIBVIRT_FOLDER "/etc/libvirt/qemu"

#define MEMORY_DEFAULT "1G"

/* The ports of a new machine: what it has from the start takes six of them, what is attached while it runs the others. */
#define ROOT_PORTS 14

/* Disks that are named by a letter. */
#define DISKS_MAX 26

/* Defines a document, or, with --transient, runs it; its domain's object, or NULL. */
static char *define_at(Ctl *ctl, VirtbusConnection *connection, const char *xml, GError **error) {
        const char *option = ctl->transient ? (ctl->paused ? "paused" : NULL) : ctl->unsupported ? "unsupported" : NULL;
        GVariant *options = ctl_options(option, NULL);
        g_autoptr(GVariant) answer = ctl_call(ctl, g_dbus_proxy_get_object_path(G_DBUS_PROXY(connection)),
                                              "org.virtbus1.Connection", ctl->transient ? "CreateDomain" : "DefineDomain",
                                              g_variant_new("(s@a{sv})", xml, options), NULL, NULL, error);
        char *path = NULL;
        if (answer)
                g_variant_get(answer, "(o)", &path);
        else if (error && *error)
                g_dbus_error_strip_remote_error(*error);
        return path;
}

static char *define(Ctl *ctl, const char *xml, GError **error) {
        g_autoptr(VirtbusConnection) connection = ctl_connection(ctl, error);
        return connection ? define_at(ctl, connection, xml, error) : NULL;
}

bool ctl_read_file(const char *path, char **text, GError **error) {
        if (strcmp(path, "-") == 0) {
                g_autoptr(GIOChannel) channel = g_io_channel_unix_new(STDIN_FILENO);
                g_io_channel_set_encoding(channel, NULL, NULL);
                return g_io_channel_read_to_end(channel, text, NULL, error) == G_IO_STATUS_NORMAL;
        }
        return g_file_get_contents(path, text, NULL, error);
}

static int start_at(Ctl *ctl, const char *path) {
        return ctl_do(ctl, path, "org.virtbus1.Domain", "Start",
                      g_variant_new("(@a{sv})", ctl_options(ctl->paused ? "paused" : NULL, NULL)));
}

static int set_autostart(Ctl *ctl, const char *path, bool on) {
        return ctl_do(ctl, path, "org.freedesktop.DBus.Properties", "Set",
                      g_variant_new("(ssv)", "org.virtbus1.Domain", "Autostart", g_variant_new_boolean(on)));
}

/* What --start and --autostart ask for. */
static int follow_up(Ctl *ctl, const char *path) {
        int status = ctl->autostart ? set_autostart(ctl, path, true) : EXIT_DONE;
        return status == EXIT_DONE && ctl->start && !ctl->transient ? start_at(ctl, path) : status;
}

int verb_define(Ctl *ctl, char **arguments) {
        for (char **file = arguments; *file; file++) {
                g_autofree char *text = NULL, *path = NULL;
                g_autoptr(GError) error = NULL;
                if (!ctl_read_file(*file, &text, &error) || !(path = define(ctl, text, &error))) {
                        g_prefix_error(&error, "%s: ", *file);
                        return ctl_fail(g_steal_pointer(&error));
                }
                int status = follow_up(ctl, path);
                if (status != EXIT_DONE)
                        return status;
        }
        return EXIT_DONE;
}

int verb_autostart(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        if (!domain)
                return status;
        bool on = g_strcmp0(arguments[1], "on") == 0;
        if (!on && g_strcmp0(arguments[1], "off") != 0) {
                fprintf(stderr, "virtbusctl: '%s' is neither on nor off\n", arguments[1]);
                return EXIT_USAGE;
        }
        return set_autostart(ctl, ctl_path(domain), on);
}

int verb_undefine(Ctl *ctl, char **arguments) {
        return ctl_do_each(ctl, arguments, "Undefine",
                           g_variant_new("(@a{sv})",
                                         ctl_options(ctl->nvram ? "nvram" : NULL, ctl->nvram ? "managed_save" : NULL, NULL)));
}

/* Editing */

static bool run_editor(const char *path, GError **error) {
        static const char *const variables[] = { "VIRTBUS_EDITOR", "VISUAL", "EDITOR" };
        const char *editor = NULL;
        for (size_t i = 0; i < G_N_ELEMENTS(variables) && !(editor && *editor); i++)
                editor = getenv(variables[i]);
        g_autofree char *quoted = g_shell_quote(path),
                        *command = g_strdup_printf("%s %s", editor && *editor ? editor : "editor", quoted);
        int status = system(command); /* its value may have arguments, as everywhere */
        if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return true;
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "the editor '%s' has failed; choose another by $EDITOR",
                    editor && *editor ? editor : "editor");
        return false;
}

static bool ask_again(void) {
        char line[16] = "";
        if (!isatty(STDIN_FILENO))
                return false;
        fprintf(stderr, "Edit it again [Y/n]? ");
        return fgets(line, sizeof line, stdin) && line[0] != 'n' && line[0] != 'N';
}

int verb_edit(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        if (!domain)
                return status;
        g_autoptr(GVariant) answer = ctl_call(ctl, ctl_path(domain), "org.virtbus1.Domain", "GetXMLWithSecrets",
                                              g_variant_new("(@a{sv})", ctl_options("inactive", NULL)), NULL, NULL, &error);
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        const char *before;
        g_variant_get(answer, "(&s)", &before);
        g_autofree char *path = NULL;
        bool has_told = false;
        int fd = g_file_open_tmp("virtbus-XXXXXX.xml", &path, &error);
        if (fd < 0)
                return ctl_fail(g_steal_pointer(&error));
        close(fd);
        if (!g_file_set_contents_full(path, before, -1, G_FILE_SET_CONTENTS_NONE, 0600, &error))
                return ctl_fail(g_steal_pointer(&error));
        for (;;) {
                g_autofree char *text = NULL, *defined = NULL;
                g_clear_error(&error);
                has_told = false;
                if (!run_editor(path, &error) || !g_file_get_contents(path, &text, NULL, &error))
                        break;
                if (strcmp(text, before) == 0) {
                        fprintf(stderr, "Nothing has changed.\n");
                        unlink(path);
                        return EXIT_DONE;
                }
                defined = define_at(ctl, virtbus_client_get_connection_of(ctl->client, domain), text, &error);
                if (defined) {
                        unlink(path);
                        if (virtbus_domain_get_active(domain))
                                fprintf(stderr, "It counts from the next start on.\n");
                        return EXIT_DONE;
                }
                fprintf(stderr, "virtbusctl: %s\n", error->message);
                has_told = true;
                if (!ask_again())
                        break;
        }
        if (!has_told)
                ctl_fail(g_steal_pointer(&error));
        fprintf(stderr, "Your text is kept in %s\n", path);
        return EXIT_FAILED;
}

/* Making one without a document */

void ctl_read_image(const char *text, char **path, char **format) {
        static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
        const char *comma = strrchr(text, ','); /* one that is within a name is followed by more than a word */
        bool is_given = comma && comma[1] && !comma[1 + strspn(comma + 1, letters)];
        g_autofree char *name = is_given ? g_strndup(text, (gsize) (comma - text)) : g_strdup(text);
        *path = g_canonicalize_filename(name, NULL);
        *format = g_strdup(is_given ? comma + 1 : g_str_has_suffix(name, ".qcow2") ? "qcow2" : "raw");
}

static void add_disk(GString *xml, const char *device, const char *value, const char *target, const char *bus) {
        g_autofree char *path = NULL, *format = NULL;
        ctl_read_image(value, &path, &format);
        bool is_block = g_str_has_prefix(path, "/dev/");
        g_autofree char *text = g_markup_printf_escaped(
                        "<disk type='%s' device='%s'><driver type='%s'/><source %s='%s'/><target dev='%s' bus='%s'/></disk>",
                        is_block ? "block" : "file", device, format, is_block ? "dev" : "file", path, target, bus);
        g_string_append(xml, text);
}

static bool add_network(GString *xml, const char *value) {
        static const char *const kinds[][2] = { { "bridge", "bridge" }, { "direct", "dev" } };
        g_auto(GStrv) parts = g_strsplit(value, "=", 2);
        if (strcmp(value, "none") == 0)
                return true;
        if (strcmp(value, "user") == 0) {
                g_string_append(xml, "<interface type='user'><model type='virtio'/></interface>");
                return true;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
                if (strcmp(parts[0], kinds[i][0]) == 0 && parts[1]) {
                        g_autofree char *text = g_markup_printf_escaped(
                                        "<interface type='%s'><source %s='%s'/><model type='virtio'/></interface>", kinds[i][0],
                                        kinds[i][1], parts[1]);
                        g_string_append(xml, text);
                        return true;
                }
        return false;
}

static int wrong_network(const Ctl *ctl) {
        fprintf(stderr, "virtbusctl: --network=%s is none of user, none, bridge=NAME, direct=INTERFACE\n", ctl->network);
        return EXIT_USAGE;
}

/* KVM where the hypervisor has it: it is asked, as it may be on another machine. */
static char *choose_type(Ctl *ctl, VirtbusConnection *connection, GError **error) {
        const char *name = virtbus_connection_get_name(connection), *xml;
        if (strcmp(name, "qemu") != 0)
                return g_strdup(name);
        if (ctl->emulate)
                return g_strdup("qemu");
        g_autoptr(GVariant) answer =
                        ctl_call(ctl, g_dbus_proxy_get_object_path(G_DBUS_PROXY(connection)), "org.virtbus1.Connection",
                                 "GetDomainCapabilities", g_variant_new("(ssss)", "", "", "q35", ""), NULL, NULL, error);
        if (!answer)
                return NULL;
        g_variant_get(answer, "(&s)", &xml);
        return g_strdup(strstr(xml, "<domain>kvm</domain>") ? "kvm" : "qemu");
}

/* An image that is not there is no mistake yet. */
static void tell_missing(const Ctl *ctl, const char *value) {
        g_autofree char *path = NULL, *format = NULL;
        ctl_read_image(value, &path, &format);
        if (!ctl->host && !ctl->machine && !g_file_test(path, G_FILE_TEST_EXISTS))
                fprintf(stderr, "virtbusctl: %s is not there yet; qemu-img(1) makes images\n", path);
}

int verb_create(Ctl *ctl, char **arguments) {
        g_autoptr(GString) xml = g_string_new(NULL);
        g_autoptr(GError) error = NULL;
        guint64 memory, cpus = 1;
        if (!ctl_read_size(ctl->memory ? ctl->memory : MEMORY_DEFAULT, &memory) || memory == 0) {
                fprintf(stderr, "virtbusctl: --memory=%s is no size, such as 512M or 2G\n", ctl->memory);
                return EXIT_USAGE;
        }
        if (ctl->cpus && !g_ascii_string_to_unsigned(ctl->cpus, 10, 1, 512, &cpus, NULL)) {
                fprintf(stderr, "virtbusctl: --cpus=%s is no number from 1 to 512\n", ctl->cpus);
                return EXIT_USAGE;
        }
        g_autoptr(VirtbusConnection) connection = ctl_connection(ctl, &error);
        if (!connection)
                return ctl_fail(g_steal_pointer(&error));
        g_autofree char *type = choose_type(ctl, connection, &error);
        if (!type)
                return ctl_fail(g_steal_pointer(&error));
        g_autofree char *head = g_markup_printf_escaped(
                        "<domain type='%s'><name>%s</name><memory unit='b'>%" G_GUINT64_FORMAT "</memory><vcpu>%" G_GUINT64_FORMAT
                        "</vcpu><os><type machine='q35'>hvm</type></os><features><acpi/><apic/></features><devices>",
                        type, arguments[0], memory, cpus);
        g_string_append(xml, head);
        if (ctl->disks && g_strv_length(ctl->disks) > DISKS_MAX) {
                fprintf(stderr, "virtbusctl: more than %d disks need a document; see define\n", DISKS_MAX);
                return EXIT_USAGE;
        }
        char target[] = "vda";
        for (char **disk = ctl->disks; disk && *disk; disk++, target[2]++) {
                add_disk(xml, "disk", *disk, target, "virtio");
                tell_missing(ctl, *disk);
        }
        if (ctl->cdrom) {
                add_disk(xml, "cdrom", ctl->cdrom, "sda", "sata");
                tell_missing(ctl, ctl->cdrom);
        }
        if (!add_network(xml, ctl->network ? ctl->network : "user"))
                return wrong_network(ctl);
        g_string_append(xml,
                        "<serial type='pty'/><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
                        "<graphics type='vnc'><listen type='none'/></graphics><video><model type='virtio'/></video>"
                        "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>");
        g_string_append(xml, "<controller type='pci' model='pcie-root'/>");
        for (int i = 0; i < ROOT_PORTS; i++)
                g_string_append(xml, "<controller type='pci' model='pcie-root-port'/>");
        g_string_append(xml, "</devices></domain>");
        g_autofree char *path = define(ctl, xml->str, &error);
        return path ? follow_up(ctl, path) : ctl_fail(g_steal_pointer(&error));
}

/* From libvirt */

int verb_import(Ctl *ctl, char **arguments) {
        static const char *const headings[] = { "FILE", "RESULT", NULL };
        const char *folder = arguments[0] ? arguments[0] : LIBVIRT_FOLDER;
        g_autoptr(GError) error = NULL;
        g_autoptr(GDir) listing = g_dir_open(folder, 0, &error);
        if (!listing)
                return ctl_fail(g_steal_pointer(&error));
        g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
        for (const char *name; (name = g_dir_read_name(listing));)
                if (g_str_has_suffix(name, ".xml"))
                        g_ptr_array_add(files, g_strdup(name));
        g_ptr_array_sort(files, (GCompareFunc) (void (*)(void)) g_strcmp0);
        g_autoptr(Table) table = table_new(headings);
        int status = EXIT_DONE;
        for (guint i = 0; i < files->len; i++) {
                const char *name = files->pdata[i];
                g_autofree char *file = g_build_filename(folder, name, NULL),
                                *link = g_build_filename(folder, "autostart", name, NULL), *text = NULL, *path = NULL;
                g_autoptr(GError) failure = NULL;
                if (g_file_get_contents(file, &text, NULL, &failure))
                        path = define(ctl, text, &failure);
                if (path && g_file_test(link, G_FILE_TEST_EXISTS) && set_autostart(ctl, path, true) != EXIT_DONE)
                        status = EXIT_FAILED;
                char **cells = g_new0(char *, 3);
                cells[0] = g_strdup(name);
                cells[1] = g_strdup(path ? "imported" : failure->message);
                table_add(table, cells);
                if (!path)
                        status = EXIT_FAILED;
        }
        table_print(ctl, table, "definition");
        return status;
}

/* Devices */

/* The first name of a disk, such as vdb, that a domain has not given. */
static char *free_target(Ctl *ctl, VirtbusDomain *domain, GError **error) {
        g_autoptr(GPtrArray) devices = ctl_devices(ctl, domain, error);
        if (!devices)
                return NULL;
        for (char letter = 'a'; letter <= 'z'; letter++) {
                g_autofree char *target = g_strdup_printf("vd%c", letter);
                bool is_free = true;
                for (guint i = 0; i < devices->len; i++) {
                        g_autoptr(VirtbusDeviceDisk) disk = virtbus_object_get_device_disk(devices->pdata[i]);
                        is_free &= !disk || g_strcmp0(virtbus_device_disk_get_target(disk), target) != 0;
                }
                if (is_free)
                        return g_steal_pointer(&target);
        }
        g_set_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                    "domain '%s' has 26 disks; say the next one's name in a file", virtbus_domain_get_name(domain));
        return NULL;
}

static bool attach(Ctl *ctl, VirtbusDomain *domain, const char *xml, GError **error) {
        g_autoptr(GVariant) answer = ctl_call(ctl, ctl_path(domain), "org.virtbus1.Domain", "AttachDevice",
                                              g_variant_new("(s@a{sv})", xml, ctl_change_options(ctl, false)), NULL, NULL, error);
        return answer != NULL;
}

static bool attach_disk(Ctl *ctl, VirtbusDomain *domain, const char *value, GError **error) {
        g_autofree char *target = free_target(ctl, domain, error);
        g_autoptr(GString) xml = g_string_new(NULL);
        if (!target)
                return false;
        add_disk(xml, "disk", value, target, "virtio");
        return attach(ctl, domain, xml->str, error);
}

int verb_attach(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        g_autoptr(GString) card = g_string_new(NULL);
        g_autofree char *text = NULL;
        if (!domain)
                return status;
        if (!arguments[1] && !ctl->disks && !ctl->network) {
                fprintf(stderr, "virtbusctl: what is to be attached? A FILE with its element, --disk=PATH or --network=KIND\n");
                return EXIT_USAGE;
        }
        if (ctl->network && !add_network(card, ctl->network))
                return wrong_network(ctl);
        bool is_done = !arguments[1] || (ctl_read_file(arguments[1], &text, &error) && attach(ctl, domain, text, &error));
        for (char **disk = ctl->disks; is_done && disk && *disk; disk++)
                is_done = attach_disk(ctl, domain, *disk, &error);
        if (is_done && card->len > 0)
                is_done = attach(ctl, domain, card->str, &error);
        return is_done ? EXIT_DONE : ctl_fail(g_steal_pointer(&error));
}

int verb_detach(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        if (!domain)
                return status;
        g_autoptr(VirtbusObject) device = ctl_find_device(ctl, domain, arguments[1], NULL, &error);
        if (!device)
                return ctl_fail(g_steal_pointer(&error));
        return ctl_do(ctl, g_dbus_object_get_object_path(G_DBUS_OBJECT(device)), "org.virtbus1.Device", "Detach",
                      g_variant_new("(@a{sv})", ctl_change_options(ctl, false)));
}
