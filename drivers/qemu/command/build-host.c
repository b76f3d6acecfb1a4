/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/build-host.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/vhost.h>
#include <string.h>
#include <sys/ioctl.h>

#include "qemu/command/build-character.h"
#include "qemu/command/build-memory.h"
#include "qemu/command/build-network-source.h"
#include "qemu/command/builder-device.h"
#include "qemu/command/builder-read.h"
#include "qemu/command/builder-write.h"

#define MIB (UINT64_C(1024) * 1024)

/* As many as QEMU can have. */
#define CRYPTO_QUEUES_MAX 64

/* 0 to 2 are the hypervisor's, the loopback's and the host's: vsock(7). Whoever has more guests than these names addresses. */
#define VSOCK_ADDRESS_FIRST 3
#define VSOCK_ADDRESS_LAST 65535

/* Folders of the host */

/* How many threads a virtiofsd may have for a guest's requests. */
#define VIRTIOFSD_THREADS_MAX 1024

/* What the driver's own virtiofsd is to share, and how: guest/virtiofsd.h runs it. */
static void read_folder(Builder *builder, xmlNode *element) {
        const char *path = builder_require(builder, element, "source/@dir"),
                   *binary = builder_get(builder, element, "binary/@path");
        if (path && path[0] != '/')
                builder_invalid(builder, builder_element(builder, element, "source"),
                                "dir is '%.128s'; it must be the whole path of a folder", path);
        if (binary && binary[0] != '/')
                builder_invalid(builder, builder_element(builder, element, "binary"),
                                "path is '%.128s'; it must be the whole path of a program", binary);
        builder_switch(builder, element, "binary/@xattr");
        builder_switch(builder, element, "binary/lock/@posix");
        builder_switch(builder, element, "binary/lock/@flock");
        builder_choose(builder, element, "binary/cache/@mode", "none always");
        builder_choose(builder, element, "binary/sandbox/@mode", "namespace chroot");
        builder_number(builder, element, "binary/thread_pool/@size", 0, VIRTIOFSD_THREADS_MAX, 0);
        builder_element(builder, element, "readonly");
        if (builder_element(builder, element, "idmap"))
                builder_not_here(builder, builder_element(builder, element, "idmap"),
                                 "users of a shared folder that are mapped: leave out <idmap>");
}

void build_filesystem(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        const char *type = builder_choose(builder, element, "@type", "mount bind"),
                   *driver = builder_get(builder, element, "driver/@type"),
                   *tag = builder_require(builder, element, "target/@dir"),
                   *mode = builder_choose(builder, element, "@accessmode", "passthrough mapped squash");
        const char *id = builder_format(builder, "fsdev-%s", part->alias);
        builder_know(builder, element, "@model @multidevs @fmode @dmode driver/@name");
        (void) type;
        if (g_strcmp0(driver, "virtiofs") == 0) {
                const char *chardev = builder_format(builder, "chr-vu-%s", part->alias),
                           *socket = builder_get(builder, element, "source/@socket");
                if (!socket)
                        read_folder(builder, element);
                else if (builder_element(builder, element, "binary") || builder_get(builder, element, "source/@dir"))
                        builder_invalid(builder, element,
                                        "where its source is a socket, whoever runs virtiofsd there gives it its folder and "
                                        "options: "
                                        "leave out <binary> and dir");
                File *file = builder_file(builder, element);
                JsonObject *backend = json_make("backend", 's', "socket", "id", 's', chardev, NULL);
                if (file && file->fd >= 0)
                        json_add(backend, "fd", 's', builder_pass(builder, steal_fd(&file->fd)), NULL);
                else
                        json_add(backend, "path", 's', socket ? socket : builder_format(builder, "%s-fs.sock", part->alias),
                                 NULL);
                builder_add_options(builder, "-chardev", backend);
                JsonObject *device = builder_virtio_device_new(builder, element, part, "vhost-user-fs");
                uint64_t queue = builder_number(builder, element, "driver/@queue", 1, 1024, 0);
                uint64_t order = builder_number(builder, element, "boot/@order", 1, DEVICES_MAX, 0);
                json_add(device, "chardev", 's', chardev, "tag", 's', tag, NULL);
                if (queue > 0)
                        json_add(device, "queue-size", 'i', (gint64) queue, NULL);
                if (order > 0)
                        json_add(device, "bootindex", 'i', (gint64) order, NULL);
                builder_add_device(builder, element, device);
                return;
        }
        if (driver && strcmp(driver, "path") != 0 && strcmp(driver, "default") != 0)
                builder_unsupported(builder, builder_element(builder, element, "driver"),
                                    "QEMU 7.2 shares folders by driver path and virtiofs, not '%.32s'", driver);
        const char *path = builder_require(builder, element, "source/@dir"),
                   *policy = builder_choose(builder, element, "driver/@wrpolicy", "immediate");
        JsonObject *backend = json_make("driver", 's', "local", "security_model", 's',
                                        g_strcmp0(mode, "mapped") == 0   ? "mapped"
                                        : g_strcmp0(mode, "squash") == 0 ? "none"
                                                                         : "passthrough",
                                        "writeout", 's', policy, "id", 's', id, "path", 's', path, NULL);
        static const char *const modes[] = { "fmode", "dmode" };
        for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
                const char *bits = builder_get(builder, element, builder_format(builder, "@%s", modes[i]));
                if (bits)
                        json_add(backend, modes[i], 's', builder_format(builder, "%04lo", strtoul(bits, NULL, 8)), NULL);
        }
        static const Property properties[] = { { "@multidevs", "multidevs", PROPERTY_STRING } };
        builder_copy_properties(builder, element, backend, properties, G_N_ELEMENTS(properties));
        if (builder_element(builder, element, "readonly"))
                json_add(backend, "readonly", 'b', TRUE, NULL);
        builder_not_here(builder, element, "a folder shared by 9p: QEMU's user cannot reach it; use virtiofs");
        builder_add_options(builder, "-fsdev", backend);
        JsonObject *device = builder_virtio_device_new(builder, element, part, "virtio-9p");
        json_add(device, "fsdev", 's', id, "mount_tag", 's', tag, NULL);
        builder_add_device(builder, element, device);
}

/* Memory that can be plugged */

void build_memory_device(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        static const struct {
                const char *model, *driver;
        } models[] = {
                { "dimm", "pc-dimm" },
                { "nvdimm", "nvdimm" },
                { "virtio-pmem", "virtio-pmem-pci" },
                { "virtio-mem", "virtio-mem-pci" },
        };
        const char *model = builder_require(builder, element, "@model"), *id = builder_format(builder, "mem%s", part->alias),
                   *driver = NULL;
        uint64_t size = builder_size(builder, element, "target/size", "KiB", 0);
        uint64_t node = builder_number(builder, element, "target/node", 0, 1023, UINT64_MAX);
        for (size_t i = 0; i < G_N_ELEMENTS(models); i++)
                if (strcmp(model, models[i].model) == 0)
                        driver = models[i].driver;
        if (!driver) {
                builder_unsupported(builder, element, "QEMU has no memory device of model '%.32s'", model);
                return;
        }
        if (!builder_element(builder, builder->root, "maxMemory"))
                builder_invalid(builder, element, "memory devices need a <maxMemory slots='...'>");
        if (builder->kind->is_x86 && !builder_element(builder, builder->root, "cpu/numa") && strcmp(model, "virtio-pmem") != 0)
                builder_invalid(builder, element, "memory devices need at least one NUMA cell: <cpu><numa><cell .../>");
        builder_know(builder, element, "@access @discard source uuid target/@dynamicMemslots");
        uint64_t unit = MAX(builder->kind->memory_unit, 2) * MIB, aligned = (size + unit - 1) / unit * unit,
                 label = builder_size(builder, element, "target/label/size", "KiB", 0);
        if (builder->kind->memory_unit > 0 && strcmp(model, "nvdimm") == 0 && size >= label + unit)
                aligned = (size - label) / unit * unit + label; /* what is beside the label is whole, and no more than there is */
        build_memory_backend(builder, id, element, aligned, node == UINT64_MAX ? -1 : (int) node, true);
        JsonObject *device = builder_device_new(driver, part);
        json_add(device, "memdev", 's', id, NULL);
        if (node != UINT64_MAX)
                json_add(device, "node", 'i', (gint64) node, NULL);
        if (label > 0)
                json_add(device, "label-size", 'i', (gint64) label, NULL);
        if (strcmp(model, "nvdimm") == 0 && builder_get(builder, element, "uuid"))
                json_add(device, "uuid", 's', builder_get(builder, element, "uuid"), NULL);
        if (builder_element(builder, element, "target/readonly"))
                json_add(device, "unarmed", 'b', TRUE, NULL);
        uint64_t block = builder_size(builder, element, "target/block", "KiB", 0),
                 requested = builder_size(builder, element, "target/requested", "KiB", 0);
        if (block > 0)
                json_add(device, "block-size", 'i', (gint64) block, NULL);
        if (requested > 0)
                json_add(device, "requested-size", 'i', (gint64) requested, NULL);
        xmlNode *address = builder_element(builder, element, "address");
        if (address && builder_is(builder, address, "@type", "dimm")) {
                json_add(device, "slot", 'i', (gint64) builder_number(builder, address, "@slot", 0, 255, 0), NULL);
                if (builder_get(builder, address, "@base"))
                        json_add(device, "addr", 'i', (gint64) builder_number(builder, address, "@base", 0, G_MAXINT64, 0), NULL);
        }
        if (!builder->error && builder->machine && strcmp(model, "nvdimm") == 0 && !strstr(builder->machine->str, ",nvdimm=on"))
                g_string_append(builder->machine, ",nvdimm=on");
        builder_add_device(builder, element, device);
}

void build_memballoon(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        static const Property properties[] = {
                { "@autodeflate", "deflate-on-oom", PROPERTY_BOOL },
                { "@freePageReporting", "free-page-reporting", PROPERTY_BOOL },
        };
        builder_know(builder, element, "@model alias");
        if (strcmp(part->model, "none") == 0) {
                builder_know_turned_off(builder, element);
                return;
        }
        if (!g_str_has_prefix(part->model, "virtio")) {
                builder_unsupported(builder, element, "QEMU has a memory balloon of model virtio, not '%.32s'", part->model);
                return;
        }
        JsonObject *device = builder_virtio_device_new(builder, element, part, "virtio-balloon");
        builder_copy_properties(builder, element, device, properties, G_N_ELEMENTS(properties));
        uint64_t period = builder_number(builder, element, "stats/@period", 0, G_MAXINT32, 0);
        if (period > 0)
                builder_add_command(builder, "qom-set",
                                    json_make("path", 's', builder_format(builder, "/machine/peripheral/%s", part->alias),
                                              "property", 's', "guest-stats-polling-interval", "value", 'i', (gint64) period,
                                              NULL));
        builder_add_device(builder, element, device);
}

void build_shmem(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        const char *model = builder_choose(builder, element, "model/@type", "ivshmem ivshmem-plain ivshmem-doorbell"),
                   *name = builder_require(builder, element, "@name");
        uint64_t size = builder_size(builder, element, "size", "B", SHARED_MEMORY_DEFAULT);
        xmlNode *server = builder_element(builder, element, "server"), *address = builder_element(builder, element, "address");
        int events = builder_switch(builder, element, "msi/@ioeventfd");
        builder_choose(builder, element, "@role", "master peer");
        if (size & (size - 1))
                builder_invalid(builder, builder_element(builder, element, "size"), "the size must be a power of two");
        else if (size < MIB)
                builder_invalid(builder, builder_element(builder, element, "size"), "the size must be 1 MiB at least");
        if (address && !builder_is(builder, address, "@type", "pci"))
                builder_invalid(builder, address, "shared memory has an address of type pci only");
        if (!model || strcmp(model, "ivshmem") == 0) {
                builder_unsupported(builder, element, "QEMU 7.2 has no model ivshmem: use ivshmem-plain or ivshmem-doorbell");
                return;
        }
        builder_know(builder, element, "msi/@enabled");
        JsonObject *device = builder_device_new(model, part);
        if (strcmp(model, "ivshmem-plain") == 0) {
                const char *memory = builder_format(builder, "shmmem-%s", part->alias);
                if (server)
                        builder_invalid(builder, server, "ivshmem-plain has no server");
                if (strchr(name, '/') || name[0] == '.')
                        builder_invalid(builder, element,
                                        "'%.64s' cannot be the name of shared memory: leave out '/' and a '.' in front", name);
                builder_add_json(builder, "-object",
                                 json_make("qom-type", 's', "memory-backend-file", "id", 's', memory, "mem-path", 's',
                                           builder_format(builder, "/dev/shm/%s", name), "size", 'i', (gint64) size, "share", 'b',
                                           TRUE, NULL));
                json_add(device, "memdev", 's', memory, NULL);
                if (builder_get(builder, element, "@role"))
                        json_add(device, "master", 'b', builder_is(builder, element, "@role", "master"), NULL);
        } else {
                uint64_t vectors = builder_number(builder, element, "msi/@vectors", 0, 65535, 0);
                const char *path = server ? builder_get(builder, server, "@path") : NULL;
                if (!server)
                        builder_invalid(builder, element, "ivshmem-doorbell needs a <server path='...'/>");
                builder_add_options(builder, "-chardev",
                                    json_make("backend", 's', "socket", "id", 's', build_chardev_id(builder, part), "path", 's',
                                              path ? path : builder_format(builder, "/run/%s.sock", name), NULL));
                json_add(device, "chardev", 's', build_chardev_id(builder, part), NULL);
                if (vectors > 0)
                        json_add(device, "vectors", 'i', (gint64) vectors, NULL);
                if (events >= 0)
                        json_add(device, "ioeventfd", 'b', events, NULL);
        }
        builder_add_device(builder, element, device);
}

void build_watchdog(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        const char *model = builder_choose(builder, element, "@model", "i6300esb ib700 itco diag288"),
                   *action = builder_choose(builder, element, "@action", "reset shutdown poweroff pause none dump inject-nmi");
        if (!model) {
                builder_invalid(builder, element, "its attribute model is missing");
                return;
        }
        if (g_strcmp0(action, "dump") == 0) { /* the driver's to do, once the guest has been stopped */
                builder_not_here(builder, element, "a watchdog that dumps it");
                action = "pause";
        }
        if (strcmp(model, "itco") == 0) {
                if (!builder->kind->is_q35)
                        builder_unsupported(builder, element, "the iTCO watchdog is part of machine q35");
                builder_add(builder, "-global", "ICH9-LPC.noreboot=off");
                builder_know(builder, element, "alias");
        } else
                builder_add_device(builder, element, builder_device_new(model, part));
        if (builder->live)
                builder_add_command(builder, "watchdog-set-action", json_make("action", 's', action ? action : "reset", NULL));
        else
                builder_add(builder, "-watchdog-action", "%s", action ? action : "reset");
}

/* Where pseries keeps what its firmware remembers. */
void build_nvram(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        (void) part;
        xmlNode *address = builder_element(builder, element, "address");
        builder_know(builder, address, "@type");
        builder_know(builder, element, "alias");
        builder_add(builder, "-global", "spapr-nvram.reg=0x%" PRIx64, builder_number(builder, address, "@reg", 0, UINT32_MAX, 0));
}

void build_panic(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        const char *model = builder_choose(builder, element, "@model", "isa pvpanic hyperv pseries s390");
        if (g_strcmp0(model, "hyperv") == 0) {
                g_string_append(builder->cpu, ",hv-crash=on");
                builder_know(builder, element, "alias");
                return;
        }
        if (model && g_strcmp0(model, builder->kind->panic) == 0) { /* the machine's own way */
                builder_know(builder, element, "alias");
                return;
        }
        if (g_strcmp0(model, "pvpanic") == 0) {
                builder_add_device(builder, element, builder_device_new("pvpanic-pci", part));
                return;
        }
        JsonObject *device = json_make("driver", 's', "pvpanic", NULL);
        xmlNode *address = builder_element(builder, element, "address");
        if (address) {
                builder_know(builder, address, "@type @irq");
                if (builder_get(builder, address, "@iobase"))
                        json_add(device, "ioport", 'i', (gint64) builder_number(builder, address, "@iobase", 0, 65535, 0), NULL);
        }
        builder_know(builder, element, "alias");
        builder_add_json(builder, "-device", device);
}

/* Ciphers for the guest, computed in QEMU. */
void build_crypto(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        const char *backend = builder_choose(builder, element, "backend/@model", "builtin lkcf"),
                   *id = builder_format(builder, "obj%s", part->alias);
        builder_choose(builder, element, "@model", "virtio");
        builder_choose(builder, element, "@type", "qemu");
        uint64_t queues = builder_number(builder, element, "backend/@queues", 1, CRYPTO_QUEUES_MAX, 0);
        JsonObject *object = json_make("qom-type", 's',
                                       g_strcmp0(backend, "lkcf") == 0 ? "cryptodev-backend-lkcf" : "cryptodev-backend-builtin",
                                       "id", 's', id, NULL);
        if (!backend)
                builder_invalid(builder, element, "<backend model='builtin'/> is missing");
        if (queues > 0)
                json_add(object, "queues", 'i', (gint64) queues, NULL);
        builder_add_json(builder, "-object", object);
        JsonObject *device = builder_virtio_device_new(builder, element, part, "virtio-crypto");
        json_add(device, "cryptodev", 's', id, NULL);
        builder_add_device(builder, element, device);
}

/* Locks that others are asked for: libvirt's lock managers are not here. */
void build_lease(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        (void) part;
        builder_require(builder, element, "key");
        builder_require(builder, element, "target/@path");
        builder_know(builder, element, "lockspace target/@offset alias");
        builder_not_here(builder, element, "a lease of a lock manager: leave it out");
}

/* The kernel says which addresses are taken; this one is the guest's when it is set. */
static uint64_t choose_vsock_address(int fd) {
        for (uint64_t address = VSOCK_ADDRESS_FIRST; address <= VSOCK_ADDRESS_LAST; address++)
                if (ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, &address) == 0)
                        return address;
                else if (errno != EADDRINUSE)
                        break;
        return 0;
}

void build_vsock(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        int automatic = builder_flag(builder, element, "cid/@auto");
        uint64_t address = builder_number(builder, element, "cid/@address", 3, UINT32_MAX, 0);
        builder_know(builder, element, "@model");
        JsonObject *device = builder_virtio_device_new(builder, element, part, "vhost-vsock");
        File *file = builder_file(builder, element);
        if (file && automatic == 1) {
                address = choose_vsock_address(file->fd);
                if (address == 0)
                        builder_fail(builder, VIRTBUS_ERROR_RESOURCE_BUSY, element, "the host has no vsock address left");
                builder_choose_now(xml_ensure_child(element, "cid"), "address", builder_format(builder, "%" PRIu64, address));
        }
        if (file)
                json_add(device, "vhostfd", 's', builder_pass(builder, steal_fd(&file->fd)), NULL);
        if (address > 0)
                json_add(device, "guest-cid", 'i', (gint64) address, NULL);
        else if (automatic != 1)
                builder_invalid(builder, element, "<cid address='...'/> or <cid auto='yes'/> is missing");
        builder_add_device(builder, element, device);
}
