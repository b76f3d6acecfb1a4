/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/host/host-device.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-device.h>

#include "bus.h"
#include "log.h"

#define PCI "/sys/bus/pci"
#define USB "/sys/bus/usb"
#define VFIO_DRIVER "vfio-pci"

/* What may share a device's IOMMU group: bridges have nothing to protect. PCI code and ID assignment specification. */
#define PCI_CLASS_BRIDGE 0x06

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_device, sd_device_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_device_enumerator, sd_device_enumerator_unref)

void host_device_free(HostDevice *device) {
        g_free(device->uuid);
        g_free(device->alias);
        g_free(device->name);
        autofd_close(&device->fd);
        g_free(device);
}

char *host_device_text(const HostDevice *device) {
        if (!device->is_usb)
                return g_strdup_printf("%04x:%02x:%02x.%x", device->domain, device->bus, device->slot, device->function);
        return device->vendor || device->product ? g_strdup_printf("%04x:%04x", device->vendor, device->product)
                                                 : g_strdup_printf("%u.%u", device->bus, device->device);
}

/* sysfs */

static bool write_attribute(const char *path, const char *text) {
        g_autofd int fd = open(path, O_WRONLY | O_CLOEXEC);
        return fd >= 0 && write(fd, text, strlen(text)) >= 0;
}

/* The last part of where a link leads; NULL where there is none. */
static char *read_link(const char *directory, const char *name) {
        g_autofree char *path = g_build_filename(directory, name, NULL), *target = g_file_read_link(path, NULL);
        return target ? g_path_get_basename(target) : NULL;
}

static char *read_attribute(const char *directory, const char *name) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        char *text = NULL;
        return g_file_get_contents(path, &text, NULL, NULL) ? g_strchomp(text) : NULL;
}

/* PCI */

/* Moves a device to another driver: OVERRIDE's, or, where that is empty, the one that the kernel finds for it. */
static void rebind(const char *name, const char *override) {
        g_autofree char *directory = g_build_filename(PCI "/devices", name, NULL),
                        *wish = g_build_filename(directory, "driver_override", NULL),
                        *unbind = g_build_filename(directory, "driver/unbind", NULL);
        write_attribute(wish, *override ? override : "\n");
        write_attribute(unbind, name); /* it may have no driver */
        write_attribute(PCI "/drivers_probe", name);
}

static char *group_path(const char *name) {
        g_autofree char *directory = g_build_filename(PCI "/devices", name, NULL), *group = read_link(directory, "iommu_group");
        return group ? g_build_filename("/dev/vfio", group, NULL) : NULL;
}

/* The node of the group, which only QEMU's user may open. It is in /dev, where no one else can put another in its place. */
static bool give_group(const char *path, uid_t uid, GError **error) {
        g_autofd int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        return (fd >= 0 && fchownat(fd, "", uid, 0, AT_EMPTY_PATH) == 0) ||
               virtbus_error_set_errno(error, errno, "%s, the device's IOMMU group, cannot be given to QEMU", path);
}

static bool give_back_pci(const char *name, const char *note) {
        g_autofree char *path = group_path(name);
        if (path)
                give_group(path, 0, NULL);
        if (strcmp(note, "managed") == 0)
                rebind(name, "");
        return true;
}

/* All devices of a group go to the guest or are used by nobody. */
static bool check_group(const char *name, GError **error) {
        g_autofree char *devices = g_build_filename(PCI "/devices", name, "iommu_group/devices", NULL);
        g_autoptr(GDir) listing = g_dir_open(devices, 0, NULL);
        if (!listing)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                         "PCI device %s is in no IOMMU group: this machine's IOMMU is off (intel_iommu=on or "
                                         "amd_iommu=on on the kernel's command line), or it has none",
                                         name);
        for (const char *other; (other = g_dir_read_name(listing));) {
                g_autofree char *directory = g_build_filename(devices, other, NULL), *driver = read_link(directory, "driver"),
                                *class = read_attribute(directory, "class");
                bool is_bridge = class && g_ascii_strtoull(class, NULL, 16) >> 16 == PCI_CLASS_BRIDGE;
                if (strcmp(other, name) != 0 && driver && strcmp(driver, VFIO_DRIVER) != 0 && !is_bridge)
                        return virtbus_error_set(error, VIRTBUS_ERROR_RESOURCE_BUSY,
                                                 "PCI device %s shares its IOMMU group with %s, which the host uses (driver %s): "
                                                 "give both to " VFIO_DRIVER,
                                                 name, other, driver);
        }
        return true;
}

static bool take_pci(HostDevice *device, GError **error) {
        g_autofree char *name = host_device_text(device), *directory = g_build_filename(PCI "/devices", name, NULL);
        if (!g_file_test(directory, G_FILE_TEST_IS_DIR))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "there is no PCI device %s on this machine",
                                         name);
        if (!check_group(name, error))
                return false;
        g_autofree char *driver = read_link(directory, "driver"), *group = group_path(name);
        bool moves = device->managed && g_strcmp0(driver, VFIO_DRIVER) != 0;
        if (!device->managed && g_strcmp0(driver, VFIO_DRIVER) != 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_RESOURCE_BUSY,
                                         "PCI device %s is used by the host (driver %s): give it to " VFIO_DRIVER
                                         ", or use managed='yes'",
                                         name, driver ? driver : "none");
        const Claim claim = { .kind = &host_device_pci_claims,
                              .name = name,
                              .uuid = device->uuid,
                              .alias = device->alias,
                              .note = moves ? "managed" : NULL };
        if (!claim_take(device->connection, &claim, error))
                return false;
        device->name = g_strdup(name);
        if (moves)
                rebind(name, VFIO_DRIVER);
        g_autofree char *now = read_link(directory, "driver");
        if (g_strcmp0(now, VFIO_DRIVER) != 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                         "PCI device %s cannot be given to " VFIO_DRIVER ": is that module loaded (modprobe "
                                         "vfio-pci)?",
                                         name);
        return give_group(group, device->uid, error);
}

/* USB */

/* What had driven the device's interfaces may do so again: where QEMU was killed, nobody has told the kernel. */
static bool give_back_usb(const char *name, const char *note) {
        g_autofree char *directory = g_build_filename(USB "/devices", name, NULL), *prefix = g_strconcat(name, ":", NULL);
        g_autoptr(GDir) listing = g_dir_open(directory, 0, NULL);
        (void) note;
        for (const char *entry; listing && (entry = g_dir_read_name(listing));) {
                g_autofree char *interface = g_build_filename(directory, entry, NULL), *driver = read_link(interface, "driver");
                if (g_str_has_prefix(entry, prefix) && !driver)
                        write_attribute(USB "/drivers_probe", entry);
        }
        return true;
}

static unsigned usb_number(sd_device *found, const char *attribute, int base) {
        const char *text;
        return sd_device_get_sysattr_value(found, attribute, &text) >= 0 ? (unsigned) strtoul(text, NULL, base) : 0;
}

static bool is_wanted(const HostDevice *device, sd_device *found) {
        bool has_place = device->bus || device->device, has_kind = device->vendor || device->product || !has_place;
        return (!has_place ||
                (usb_number(found, "busnum", 10) == device->bus && usb_number(found, "devnum", 10) == device->device)) &&
               (!has_kind ||
                (usb_number(found, "idVendor", 16) == device->vendor && usb_number(found, "idProduct", 16) == device->product));
}

static bool find_usb(HostDevice *device, char **name, GError **error) {
        g_autoptr(sd_device_enumerator) enumerator = NULL;
        g_autofree char *kind = g_strdup_printf("%04x:%04x", device->vendor, device->product),
                        *place = g_strdup_printf("bus %u device %u", device->bus, device->device),
                        *both = g_strdup_printf("%s at %s", kind, place);
        bool has_place = device->bus || device->device, has_kind = device->vendor || device->product;
        const char *what = has_place && has_kind ? both : has_place ? place : kind;
        unsigned bus = 0, number = 0;
        int r = sd_device_enumerator_new(&enumerator);
        if (r >= 0)
                r = sd_device_enumerator_allow_uninitialized(enumerator);
        if (r >= 0)
                r = sd_device_enumerator_add_match_subsystem(enumerator, "usb", true);
        if (r < 0)
                return virtbus_error_set_errno(error, -r, "USB devices cannot be listed");
        for (sd_device *found = sd_device_enumerator_get_device_first(enumerator); found;
             found = sd_device_enumerator_get_device_next(enumerator)) {
                const char *type = NULL, *sysname = NULL;
                if (sd_device_get_devtype(found, &type) < 0 || g_strcmp0(type, "usb_device") != 0 || !is_wanted(device, found) ||
                    sd_device_get_sysname(found, &sysname) < 0)
                        continue;
                if (*name)
                        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                                 "this machine has more than one USB device %s: choose one by <address bus='%u' "
                                                 "device='%u'/>",
                                                 what, bus, number);
                *name = g_strdup(sysname);
                bus = usb_number(found, "busnum", 10);
                number = usb_number(found, "devnum", 10);
        }
        device->absent = *name == NULL;
        if (*name) {
                device->bus = bus;
                device->device = number;
        }
        return *name ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "there is no USB device %s on this machine", what);
}

static bool take_usb(HostDevice *device, GError **error) {
        g_autofree char *name = NULL;
        if (!find_usb(device, &name, error))
                return false;
        const Claim claim = { .kind = &host_device_usb_claims, .name = name, .uuid = device->uuid, .alias = device->alias };
        if (!claim_take(device->connection, &claim, error))
                return false;
        device->name = g_strdup(name);
        g_autofree char *node = g_strdup_printf("/dev/bus/usb/%03u/%03u", device->bus, device->device);
        device->fd = open(node, O_RDWR | O_CLOEXEC);
        return device->fd >= 0 || virtbus_error_set_errno(error, errno, "%s cannot be opened", node);
}

bool host_device_take(HostDevice *device, GError **error) {
        return (device->is_usb ? take_usb : take_pci)(device, error);
}

void host_device_give_back(const HostDevice *device) {
        if (device->name)
                claims_give_back(device->connection, device->uuid, device->alias);
}

const ClaimKind host_device_pci_claims = { "pci", "PCI device", give_back_pci };
const ClaimKind host_device_usb_claims = { "usb", "USB device", give_back_usb };
