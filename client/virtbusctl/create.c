/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Making a domain without a document: what a current system wants to find in its machine. */

#include <stdio.h>
#include <string.h>

#include "ctl.h"

#define MEMORY_DEFAULT "1G"

/* The ports of a new machine: what it has from the start takes some of them, what is attached while it runs the others. */
#define ROOT_PORTS 14

/* Disks that are named by a letter. */
#define DISKS_MAX 26

/* How often a guest's system is asked for the statistics of its memory, in seconds. */
#define MEMORY_STATISTICS_SECONDS 10

/* What is made, as it was understood. */
typedef struct Plan {
        guint64 memory, cpus;
        GPtrArray *disks; /* DiskSpec */
        DiskSpec *cdrom;
        const char *const *networks;
        unsigned boot_disks[DISKS_MAX], boot_cdrom,
                        boot_network; /* their places in the order of what is booted, the first card's; 0: not */
        char *type;
} Plan;

static void plan_clear(Plan *plan) {
        g_clear_pointer(&plan->disks, g_ptr_array_unref);
        g_clear_pointer(&plan->cdrom, disk_spec_free);
        g_clear_pointer(&plan->type, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Plan, plan_clear)

/* Understanding */

static const char *const default_networks[] = { "user", NULL };

static bool has_network(const Plan *plan) {
        return strcmp(plan->networks[0], "none") != 0;
}

/* Gives the next places to the devices of one kind; false where there is none. */
static bool place_kind(Plan *plan, const char *kind, unsigned *n) {
        if (strcmp(kind, "hd") == 0) {
                for (guint i = 0; i < plan->disks->len; i++)
                        plan->boot_disks[i] = ++*n;
                return plan->disks->len > 0;
        }
        bool is_cdrom = strcmp(kind, "cdrom") == 0;
        *(is_cdrom ? &plan->boot_cdrom : &plan->boot_network) = *n + 1;
        *n += is_cdrom ? 1 : g_strv_length((char **) plan->networks);
        return is_cdrom ? plan->cdrom != NULL : has_network(plan);
}

/* The order of what is booted. If none is given: the disks, then the CD, so that an empty disk is installed from the CD, and
 * what was installed boots. The network, where there is nothing else. */
static bool choose_boot(const Ctl *ctl, Plan *plan, GError **error) {
        static const char *const kinds[] = { "hd", "cdrom", "network", NULL };
        g_auto(GStrv) order = g_strsplit(!ctl->boot ? "" : *ctl->boot ? ctl->boot : ",", ",", -1);
        unsigned n = 0;
        for (char **kind = order; *kind; kind++) {
                if (!g_strv_contains(kinds, *kind))
                        return ctl_invalid(error, "--boot=%s: '%s' is not one of hd, cdrom, network", ctl->boot, *kind);
                if (g_strv_contains((const char *const *) kind + 1, *kind))
                        return ctl_invalid(error, "--boot=%s: '%s' is there twice", ctl->boot, *kind);
                if (!place_kind(plan, *kind, &n))
                        return ctl_invalid(error, "--boot=%s: the domain has no %s; give it one by %s", ctl->boot, *kind,
                                           strcmp(*kind, "hd") == 0      ? "--disk"
                                           : strcmp(*kind, "cdrom") == 0 ? "--cdrom"
                                                                         : "--network");
        }
        if (ctl->boot || ctl->kernel)
                return true;
        for (size_t i = 0; i < 2; i++)
                if (i == 0 ? plan->disks->len > 0 : plan->cdrom != NULL)
                        place_kind(plan, kinds[i], &n);
        if (n == 0 && has_network(plan))
                place_kind(plan, "network", &n);
        return true;
}

static bool check_display(const Ctl *ctl, GError **error) {
        static const char *const kinds[] = { "vnc", "spice", "none", NULL };
        return !ctl->display || g_strv_contains(kinds, ctl->display) ||
               ctl_invalid(error, "--display=%s is not one of vnc, spice, none", ctl->display);
}

static bool check_networks(const Plan *plan, GError **error) {
        g_autoptr(GString) network = g_string_new(NULL);
        for (const char *const *text = plan->networks; *text; text++)
                if (strcmp(*text, "none") == 0 && plan->networks[1])
                        return ctl_invalid(error, "--network=none: there are others beside it");
                else if (!network_add(network, *text, 0, error))
                        return false;
        return true;
}

static bool check_kernel(const Ctl *ctl, GError **error) {
        return ctl->kernel || (!ctl->initrd && !ctl->cmdline) ||
               ctl_invalid(error, "--initrd and --cmdline are those of a kernel; give it by --kernel=FILE");
}

/* The longest name of a domain. */
#define NAME_BYTES_MAX 255

/* virsh's create takes a document. */
static bool check_name(const char *name, GError **error) {
        bool is_name = strlen(name) <= NAME_BYTES_MAX;
        for (const char *c = name; *c; c++)
                is_name &= *c != '/' && !g_ascii_iscntrl(*c);
        if (g_str_has_suffix(name, ".xml"))
                return ctl_invalid(error,
                                   "'%s' is the name of a document: define --transient runs it and forgets it; create takes a "
                                   "domain's name",
                                   name);
        return is_name || ctl_invalid(error, "'%.64s' cannot be a name: use 1 to %d bytes without '/' and control characters",
                                      name, NAME_BYTES_MAX);
}

/* Reads all that was typed, before anything is made. */
static bool read_plan(const Ctl *ctl, Plan *plan, GError **error) {
        plan->cpus = 1;
        plan->networks = ctl->networks ? (const char *const *) ctl->networks : default_networks;
        plan->disks = g_ptr_array_new_with_free_func((GDestroyNotify) disk_spec_free);
        if (!ctl_read_size(ctl->memory ? ctl->memory : MEMORY_DEFAULT, &plan->memory) || plan->memory == 0)
                return ctl_invalid(error, "--memory=%s is not a size, such as 512M or 2G", ctl->memory);
        if (plan->memory < MEMORY_LIKELY_MIN)
                return ctl_invalid(error, "--memory=%s: that is %s bytes; say %sM for mebibytes", ctl->memory, ctl->memory,
                                   ctl->memory);
        if (ctl->cpus && !g_ascii_string_to_unsigned(ctl->cpus, 10, 1, 512, &plan->cpus, NULL))
                return ctl_invalid(error, "--cpus=%s is not a number from 1 to 512", ctl->cpus);
        if ((ctl->disks ? g_strv_length(ctl->disks) : 0) + !!ctl->cdrom > DISKS_MAX)
                return ctl_invalid(error, "more than %d disks need a document; see define", DISKS_MAX);
        for (char **text = ctl->disks; text && *text; text++) {
                DiskSpec *spec = disk_spec_read(ctl, *text, error);
                if (!spec) {
                        g_prefix_error(error, "--disk=%s: ", *text);
                        return false;
                }
                g_ptr_array_add(plan->disks, spec);
        }
        if (ctl->cdrom && !(plan->cdrom = disk_spec_read(ctl, ctl->cdrom, error))) {
                g_prefix_error(error, "--cdrom=%s: ", ctl->cdrom);
                return false;
        }
        if (plan->cdrom && plan->cdrom->is_missing && plan->cdrom->size == 0)
                return ctl_invalid(error, "--cdrom=%s: there is no file %s; look how it is spelt", ctl->cdrom, plan->cdrom->path);
        if (plan->cdrom && plan->cdrom->size > 0)
                return ctl_invalid(error, "--cdrom=%s: size= makes an empty image, which nothing boots from", ctl->cdrom);
        return check_networks(plan, error) && check_display(ctl, error) && check_kernel(ctl, error) &&
               choose_boot(ctl, plan, error);
}

/* KVM where the hypervisor has it: it is asked, as it may be on another machine. A guest that is emulated unasked is told of. */
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
        if (strstr(xml, "<domain>kvm</domain>"))
                return g_strdup("kvm");
        ctl_say("this guest is emulated, which is slow, as its host cannot use KVM: load kvm_intel or kvm_amd, and put the user "
                "virtbus-qemu into the group of /dev/kvm; with --emulate, this is not said");
        return g_strdup("qemu");
}

/* The document */

static void add_element(GString *xml, const char *name, const char *text) {
        g_autofree char *element = text ? g_markup_printf_escaped("<%s>%s</%s>", name, text, name) : NULL;
        g_string_append(xml, element ? element : "");
}

static void add_os(const Ctl *ctl, GString *xml) {
        const struct { const char *name, *path; } files[] = { { "kernel", ctl->kernel }, { "initrd", ctl->initrd } };
        g_string_append_printf(xml, "<os%s><type machine='q35'>hvm</type>", ctl->uefi ? " firmware='efi'" : "");
        for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
                g_autofree char *path = files[i].path ? g_canonicalize_filename(files[i].path, NULL) : NULL;
                add_element(xml, files[i].name, path);
        }
        add_element(xml, "cmdline", ctl->cmdline);
        g_string_append(xml, "</os>");
}

static void add_disks(const Plan *plan, GString *xml) {
        char letters[G_MAXUINT8] = ""; /* the next one of each prefix */
        bool has_scsi = false;
        for (guint i = 0; i < plan->disks->len; i++) {
                const DiskSpec *spec = plan->disks->pdata[i];
                const char *prefix = disk_spec_prefix(spec, "virtio");
                char *letter = letters + prefix[0];
                g_autofree char *target = g_strdup_printf("%s%c", prefix, 'a' + *letter);
                ++*letter;
                has_scsi |= g_strcmp0(spec->bus, "scsi") == 0;
                disk_spec_write(spec, xml, &(DiskPlace){ "disk", target, "virtio", plan->boot_disks[i] });
        }
        if (plan->cdrom) {
                g_autofree char *target = g_strdup_printf("sd%c", 'a' + letters['s']);
                disk_spec_write(plan->cdrom, xml, &(DiskPlace){ "cdrom", target, "sata", plan->boot_cdrom });
        }
        if (has_scsi)
                g_string_append(xml, "<controller type='scsi' model='virtio-scsi'/>");
}

static void add_display(const Ctl *ctl, GString *xml) {
        const char *display = ctl->display ? ctl->display : "vnc";
        if (strcmp(display, "none") == 0)
                return;
        g_string_append_printf(xml, "<graphics type='%s'><listen type='none'/></graphics><video><model type='virtio'/></video>",
                               display);
        if (strcmp(display, "spice") == 0)
                g_string_append(xml, "<channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>");
}

static char *write_document(const Ctl *ctl, const Plan *plan, const char *name) {
        GString *xml = g_string_new(NULL);
        g_autofree char *head = g_markup_printf_escaped("<domain type='%s'><name>%s</name><memory unit='b'>%" G_GUINT64_FORMAT
                                                        "</memory><vcpu>%" G_GUINT64_FORMAT "</vcpu>",
                                                        plan->type, name, plan->memory, plan->cpus);
        g_string_append(xml, head);
        add_os(ctl, xml);
        /* What emulates can do all that it emulates: current systems want more than the oldest processor has. */
        g_string_append_printf(xml, "<features><acpi/><apic/></features><cpu mode='%s'/><devices>",
                               strcmp(plan->type, "kvm") == 0 ? "host-passthrough" : "maximum");
        add_disks(plan, xml);
        for (unsigned i = 0; plan->networks[i]; i++)
                network_add(xml, plan->networks[i], plan->boot_network > 0 ? plan->boot_network + i : 0, NULL);
        add_display(ctl, xml);
        if (ctl->tpm)
                g_string_append(xml, "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>");
        g_string_append_printf(xml,
                               "<serial type='pty'/><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/>"
                               "</channel><controller type='usb' model='qemu-xhci'/><input type='tablet' bus='usb'/>"
                               "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
                               "<memballoon model='virtio'><stats period='%d'/></memballoon>"
                               "<controller type='pci' model='pcie-root'/>",
                               MEMORY_STATISTICS_SECONDS);
        for (int i = 0; i < ROOT_PORTS; i++)
                g_string_append(xml, "<controller type='pci' model='pcie-root-port'/>");
        g_string_append(xml, "</devices></domain>");
        return g_string_free(xml, FALSE);
}

/* An image that does not exist is not a mistake yet. */
static void tell_missing(const DiskSpec *spec) {
        if (spec->is_missing && spec->size == 0)
                ctl_say("%s is not there yet; qemu-img(1) makes images, or add ,size=20G here", spec->path);
}

static bool make_images(const Plan *plan, GError **error) {
        for (guint i = 0; i < plan->disks->len; i++)
                if (!disk_spec_make(plan->disks->pdata[i], error))
                        return false;
        return true;
}

int verb_create(Ctl *ctl, char **arguments) {
        g_autoptr(GError) error = NULL;
        g_auto(Plan) plan = { 0 };
        if (!check_name(arguments[0], &error) || !read_plan(ctl, &plan, &error)) {
                ctl_say("%s", error->message);
                return EXIT_USAGE;
        }
        g_autoptr(VirtbusConnection) connection = ctl_connection(ctl, &error);
        if (!connection || !(plan.type = choose_type(ctl, connection, &error)))
                return ctl_fail(g_steal_pointer(&error));
        g_autofree char *xml = write_document(ctl, &plan, arguments[0]);
        g_autofree char *path = make_images(&plan, &error) ? ctl_define(ctl, connection, xml, &error) : NULL;
        if (!path) {
                g_ptr_array_foreach(plan.disks, (GFunc) (void (*)(void)) disk_spec_unmake, NULL);
                return ctl_fail(g_steal_pointer(&error));
        }
        g_ptr_array_foreach(plan.disks, (GFunc) (void (*)(void)) tell_missing, NULL);
        int status = ctl_follow_up(ctl, path);
        ctl_print_defined(ctl, (const char *const[]){ path, NULL });
        return status;
}
