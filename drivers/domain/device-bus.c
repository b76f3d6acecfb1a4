/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/device-bus.h"

#include <inttypes.h>
#include <string.h>

#include "bus.h"
#include "domain/agent/leases.h"
#include "domain/change-options.h"
#include "domain/connection.h"
#include "domain/disk-image-bus.h"
#include "domain/disk-jobs.h"
#include "domain/disk-size.h"
#include "domain/offers.h"
#include "domain/operation.h"
#include "domain/operations/device-change.h"
#include "options.h"
#include "vtables.h"

DEVICE_VTABLE(Device, device);
DEVICE_DISK_VTABLE(Device, disk);
DEVICE_NETWORK_INTERFACE_VTABLE(Device, network_interface);
DEVICE_CONSOLE_VTABLE(Device, console);
DEVICE_GRAPHICS_VTABLE(Device, graphics);

static void device_get_xml(Call *call, Device *self) {
        g_autofree char *xml = definition_device_text(domain_definition(self->domain), self->index);
        reply_device_get_xml(call, xml);
}

static void device_detach(Call *call, Device *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = change_options_read(options, CHANGE_HAS_TIMEOUT, &error);
        if (!change) {
                call_fail(call, error);
                return;
        }
        change->alias = g_strdup(self->definition->alias);
        domain_operate(self->domain, change_new(&detach_class, call, change));
}

static void device_update(Call *call, Device *self, const char *xml, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) parsed = xml_parse(xml, NULL, &error);
        DeviceChange *change = parsed ? change_options_read(options, CHANGE_HAS_FORCE, &error) : NULL;
        if (!change || !offers_check_fds(self->domain->connection, change->fds, &error)) {
                call_fail(call, error);
                g_clear_pointer(&change, device_change_free);
                return;
        }
        change->alias = g_strdup(self->definition->alias);
        change->element = g_steal_pointer(&parsed);
        domain_operate(self->domain, change_new(&update_class, call, change));
}

/* Changes parts of a device's element. */
static void edit(Call *call, const Device *self, DeviceChange *change) {
        change->alias = g_strdup(self->definition->alias);
        domain_operate(self->domain, change_new(&update_class, call, change));
}

/* A medium is in a group only where it has a name, by which it is shown. */
static bool check_group(const Device *self, const DeviceChange *change, const char *path, GError **error) {
        if (change->group && (!path[0] || !change->group[0] || !xml_is_text(change->group)))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "fdgroup is the name of a group of descriptors, of a medium that has a path");
        return offers_check_fds(self->domain->connection, change->fds, error);
}

static void disk_change_media(Call *call, Device *self, const char *path, const char *format, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        bool removable = strcmp(self->definition->type, "cdrom") == 0 || strcmp(self->definition->type, "floppy") == 0;
        DeviceChange *change = NULL;
        if (!removable)
                domain_fail(self->domain, &error, VIRTBUS_ERROR_OPERATION_INVALID,
                            "device '%s' is a %s, whose medium stays: detach it, and attach another", self->definition->alias,
                            self->definition->type);
        else if (!xml_is_text(path) || !xml_is_text(format))
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "the path or the format has a character that a document cannot have");
        else if (!path[0] || path_check(path, &error))
                change = change_options_read(options, CHANGE_HAS_GROUP, &error);
        if (!change || !check_group(self, change, path, &error)) {
                call_fail(call, error);
                g_clear_pointer(&change, device_change_free);
                return;
        }
        bool is_block = g_str_has_prefix(path, "/dev/");
        device_change_drop(change, "backingStore");
        if (path[0]) {
                xmlNode *source = device_change_put(change, "source");
                xml_set_attribute(source, is_block ? "dev" : "file", path);
                if (change->group)
                        xml_set_attribute(source, "fdgroup", change->group);
        } else
                device_change_drop(change, "source");
        device_change_set(change, "@type", is_block ? "block" : "file");
        device_change_set(change, "driver/@type", path[0] ? (format[0] ? format : "raw") : NULL);
        edit(call, self, change);
}

/* The elements of <iotune> that are numbers. */
static bool is_io_limit(const char *name) {
        static const char *const starts[] = { "total_bytes_sec", "read_bytes_sec", "write_bytes_sec",
                                              "total_iops_sec",  "read_iops_sec",  "write_iops_sec" };
        static const char *const ends[] = { "", "_max", "_max_length", NULL };
        for (size_t i = 0; i < G_N_ELEMENTS(starts); i++)
                if (g_str_has_prefix(name, starts[i]))
                        return g_strv_contains(ends, name + strlen(starts[i]));
        return strcmp(name, "size_iops_sec") == 0;
}

static bool take_io_limit(const char *name, uint64_t value, void *limits) {
        if (!is_io_limit(name))
                return false;
        if (value > 0) {
                g_autofree char *text = g_strdup_printf("%" PRIu64, value);
                xml_add(limits, name, text);
        }
        return true;
}

static void disk_set_io_limits(Call *call, Device *self, sd_bus_message *arguments) {
        g_autoptr(GError) error = NULL;
        DeviceChange *given = device_change_new(false, false), *change = NULL;
        xmlNode *limits = device_change_put(given, "iotune");
        int r = change_options_read_limits(arguments, "SetIOLimits", take_io_limit, limits, &error);
        if (r >= 0 && !error)
                change = change_options_read(arguments, 0, &error);
        if (change && limits->children)
                device_change_take_edits(change, given);
        else if (change)
                device_change_drop(change, "iotune");
        device_change_free(given);
        if (r < 0) {
                call_fail_errno(call, r);
                return;
        }
        if (!change) {
                call_fail(call, error);
                return;
        }
        edit(call, self, change);
}

static void network_interface_set_link(Call *call, Device *self, bool up, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        DeviceChange *change = change_options_read(options, 0, &error);
        if (!change) {
                call_fail(call, error);
                return;
        }
        xml_set_attribute(device_change_put(change, "link"), "state", up ? "up" : "down");
        edit(call, self, change);
}

/* The limits of a card, as the document names and counts them: rates in kilobytes a second, bursts in kibibytes. */
static const struct {
        const char *name, *direction, *attribute;
        uint64_t unit;
} bandwidths[] = {
        { "inbound_average", "inbound", "average", 1000 }, { "inbound_peak", "inbound", "peak", 1000 },
        { "inbound_burst", "inbound", "burst", 1024 },     { "outbound_average", "outbound", "average", 1000 },
        { "outbound_peak", "outbound", "peak", 1000 },     { "outbound_burst", "outbound", "burst", 1024 },
};

static bool take_bandwidth(const char *name, uint64_t value, void *data) {
        uint64_t *values = data;
        for (size_t i = 0; i < G_N_ELEMENTS(bandwidths); i++)
                if (strcmp(name, bandwidths[i].name) == 0) {
                        values[i] = value / bandwidths[i].unit + (value % bandwidths[i].unit > 0);
                        return true;
                }
        return false;
}

#define N_OF_DIRECTION (G_N_ELEMENTS(bandwidths) / 2)

/* VALUES: those of a direction; its place among all is FIRST. */
static bool check_bandwidth(size_t first, const uint64_t *values, GError **error) {
        uint64_t average = values[0], peak = values[1], burst = values[2];
        const char *direction = bandwidths[first].direction;
        if (average == 0 && (peak > 0 || burst > 0))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s_average is missing", direction);
        return peak == 0 || peak >= average ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "%s_peak is below %s_average", direction, direction);
}

static void put_bandwidth(xmlNode *bandwidth, size_t first, const uint64_t *values) {
        xmlNode *element = values[0] > 0 ? xml_add(bandwidth, bandwidths[first].direction, NULL) : NULL;
        for (size_t i = 0; element && i < N_OF_DIRECTION; i++)
                if (values[i] > 0) {
                        g_autofree char *text = g_strdup_printf("%" PRIu64, values[i]);
                        xml_set_attribute(element, bandwidths[first + i].attribute, text);
                }
}

static void network_interface_set_bandwidth(Call *call, Device *self, sd_bus_message *arguments) {
        g_autoptr(GError) error = NULL;
        uint64_t values[G_N_ELEMENTS(bandwidths)] = { 0 };
        bool any = false;
        int r = change_options_read_limits(arguments, "SetBandwidth", take_bandwidth, values, &error);
        if (r < 0) {
                call_fail_errno(call, r);
                return;
        }
        for (size_t i = 0; !error && i < G_N_ELEMENTS(bandwidths); i += N_OF_DIRECTION)
                if (check_bandwidth(i, values + i, &error))
                        any |= values[i] > 0;
        DeviceChange *change = error ? NULL : change_options_read(arguments, 0, &error);
        if (!change) {
                call_fail(call, error);
                return;
        }
        if (any) {
                xmlNode *bandwidth = device_change_put(change, "bandwidth");
                for (size_t i = 0; i < G_N_ELEMENTS(bandwidths); i += N_OF_DIRECTION)
                        put_bandwidth(bandwidth, i, values + i);
        } else
                device_change_drop(change, "bandwidth");
        edit(call, self, change);
}

#define DEVICE_PROPERTY(type, prefix, name, member) \
        static type prefix##_get_##name(const Device *self) { \
                return self->definition->member; \
        }
#define DEVICE_STRING(prefix, name, member) DEVICE_PROPERTY(const char *, prefix, name, member)

DEVICE_STRING(device, alias, alias)
DEVICE_STRING(device, kind, kind)
DEVICE_STRING(device, model, model)
static const char *disk_get_error(const Device *self) {
        GHashTable *errors = self->domain->disk_errors;
        const char *error = errors ? g_hash_table_lookup(errors, self->definition->alias) : NULL;
        return error ? error : "";
}

static bool disk_get_tray_open(const Device *self) {
        return domain_tray_is_open(self->domain, self->definition->alias);
}

DEVICE_STRING(disk, target, target)
DEVICE_STRING(disk, bus, bus)
DEVICE_STRING(disk, type, type)
DEVICE_STRING(disk, source_type, source_type)
DEVICE_STRING(disk, source, source)
DEVICE_STRING(disk, format, format)
DEVICE_PROPERTY(bool, disk, read_only, read_only)
DEVICE_PROPERTY(uint32_t, disk, boot_order, boot)
DEVICE_STRING(network_interface, mac, mac)
DEVICE_STRING(network_interface, type, type)
DEVICE_STRING(network_interface, source, source)
DEVICE_STRING(network_interface, host_interface, target)
DEVICE_PROPERTY(uint32_t, network_interface, boot_order, boot)
DEVICE_STRING(console, type, type)
DEVICE_STRING(console, path, source)
DEVICE_STRING(console, name, name)
DEVICE_STRING(console, target_type, target)
DEVICE_PROPERTY(uint32_t, console, port, port)
DEVICE_STRING(graphics, type, type)
DEVICE_STRING(graphics, socket, source)

/* Consoles and displays can be opened while the domain is active and past its start. */
static bool check_open(const Device *self, GError **error) {
        const Domain *domain = self->domain;
        if (domain_is_up(domain))
                return true;
        return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID, "it is %s; to open its %s '%s' start it first",
                           domain_state_name(domain->state), self->definition->kind, self->definition->alias);
}

static void console_open(Call *call, Device *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        bool force = false;
        if (!options_read(options, &error, "force", 'b', &force, NULL) || !check_open(self, &error))
                call_fail(call, error);
        else
                self->domain->connection->hypervisor->consoles->open_console(self->domain, self->definition, force, call);
}

static void graphics_open(Call *call, Device *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        if (!options_read(options, &error, NULL) || !check_open(self, &error))
                call_fail(call, error);
        else
                self->domain->connection->hypervisor->consoles->open_graphics(self->domain, self->definition, call);
}

static void network_interface_get_addresses(Call *call, Device *self, const char *source, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        bool agent = strcmp(source, "agent") == 0, lease = strcmp(source, "lease") == 0;
        if (!agent && !lease && strcmp(source, "arp") != 0)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "source is '%.32s'; it must be agent, lease or arp",
                                  source);
        if (error || !options_read(options, &error, NULL) ||
            !offers_check_domain(self->domain,
                                 lease ? !self->domain->connection->hypervisor->remote /* whose networks are not ours */
                                       : HYPERVISOR_HAS(self->domain->connection->hypervisor, devices, get_addresses),
                                 "GetAddresses from that source", &error) ||
            !check_open(self, &error))
                call_fail(call, error);
        else if (lease) {
                const Connection *connection = self->domain->connection;
                const LeasesPlace place = { .objects = connection->objects,
                                            .network = strcmp(self->definition->type, "network") == 0 ? self->definition->source
                                                                                                      : NULL,
                                            .bridge = self->definition->bridge };
                leases_answer(connection->worker, &place, self->definition->mac, call);
        } else
                self->domain->connection->hypervisor->devices->get_addresses(self->domain, self->definition, agent, call);
}

static void disk_resize(Call *call, Device *self, uint64_t bytes, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        Domain *domain = self->domain;
        DiskSize size = { .bytes = bytes };
        if (options_read(options, &error, "add", 'b', &size.adds, "shrink", 'b', &size.shrinks, NULL) &&
            offers_check_domain(domain, HYPERVISOR_HAS(domain->connection->hypervisor, devices, resize_disk), "Resize", &error) &&
            (domain->state == DOMAIN_SHUTOFF || check_open(self, &error)))
                disk_size_check(&size, &error);
        if (!error)
                disk_jobs_check_none(domain, self->definition->alias, "it is resized", &error);
        if (error)
                call_fail(call, error);
        else
                domain->connection->hypervisor->devices->resize_disk(domain, self->definition, &size, call);
}

static void disk_get_info(Call *call, Device *self, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        Domain *domain = self->domain;
        if (options_read(options, &error, NULL) &&
            offers_check_domain(domain, HYPERVISOR_HAS(domain->connection->hypervisor, devices, get_disk_info), "GetInfo",
                                &error) &&
            (domain->state == DOMAIN_SHUTOFF || check_open(self, &error)))
                domain->connection->hypervisor->devices->get_disk_info(domain, self->definition, call);
        else
                call_fail(call, error);
}

/* Publishing */

static const Vtable *const device_vtables[][4] = {
        [DEVICE_OTHER] = { &device_vtable, NULL },
        [DEVICE_DISK] = { &device_vtable, &disk_vtable, NULL },
        [DEVICE_NETWORK_INTERFACE] = { &device_vtable, &network_interface_vtable, NULL },
        [DEVICE_CONSOLE] = { &device_vtable, &console_vtable, NULL },
        [DEVICE_GRAPHICS] = { &device_vtable, &graphics_vtable, NULL },
};

/* What a device's class has besides what the hypervisor lacks. */
static const Vtable *const *vtables_of(const Domain *domain, DeviceClass class) {
        const Hypervisor *hypervisor = domain->connection->hypervisor;
        static const Vtable *with_image[4];
        if (class == DEVICE_DISK && HYPERVISOR_HAS(hypervisor, disk_jobs, begin)) {
                memcpy(with_image, device_vtables[DEVICE_DISK], sizeof with_image);
                with_image[2] = disk_image_vtable();
                return with_image;
        }
        bool lacks = (class == DEVICE_CONSOLE && !HYPERVISOR_HAS(hypervisor, consoles, open_console)) ||
                     (class == DEVICE_GRAPHICS && !HYPERVISOR_HAS(hypervisor, consoles, open_graphics));
        return device_vtables[lacks ? DEVICE_OTHER : class];
}

static void device_withdraw(Device *device) {
        published_withdraw(device->published);
        g_free(device);
}

/* Takes the device of an alias out of OLD; most are where they were, but for those that went before. */
static Device *take_device(GPtrArray *old, const char *alias, guint *next) {
        for (guint i = 0; i < old->len; i++) {
                void **place = old->pdata + (*next + i) % old->len;
                Device *device = *place;
                if (!device || strcmp(device->definition->alias, alias) != 0)
                        continue;
                *place = NULL;
                *next += i + 1;
                return device;
        }
        return NULL;
}

/* What was published is that of the definition before, which is still there. */
void device_bus_publish(Domain *domain) {
        const Definition *definition = domain_definition(domain);
        g_autoptr(GPtrArray) old = g_steal_pointer(&domain->devices);
        guint next = 0;
        domain->devices = g_ptr_array_sized_new(definition->devices->len);
        for (guint i = 0; i < definition->devices->len; i++) {
                DeviceDefinition *part = definition->devices->pdata[i];
                const Vtable *const *vtables = vtables_of(domain, part->device_class);
                Device *device = take_device(old, part->alias, &next);
                if (device && device->device_class != part->device_class)
                        g_clear_pointer(&device, device_withdraw);
                if (device) {
                        const Device before = *device;
                        device->definition = part;
                        device->index = i;
                        for (size_t j = 0; vtables[j]; j++)
                                published_differs(device->published, vtables[j], &before);
                } else {
                        device = g_new0(Device, 1);
                        *device = (Device){
                                .domain = domain, .definition = part, .device_class = part->device_class, .index = i
                        };
                        g_autofree char *path = domain_device_path(domain, part->alias);
                        device->published = objects_publish(domain->connection->objects, path, device, vtables);
                }
                g_ptr_array_add(domain->devices, device);
        }
        for (guint i = 0; i < old->len; i++)
                if (old->pdata[i])
                        device_withdraw(old->pdata[i]);
}

void device_bus_withdraw(Domain *domain) {
        for (guint i = 0; i < domain->devices->len; i++)
                device_withdraw(domain->devices->pdata[i]);
        g_ptr_array_set_size(domain->devices, 0);
}

static void announce_disks(const Domain *domain, int property) {
        for (guint i = 0; i < domain->devices->len; i++) {
                const Device *device = domain->devices->pdata[i];
                if (device->device_class == DEVICE_DISK)
                        published_changed(device->published, &disk_vtable, (const int[]){ property, -1 });
        }
}

void device_bus_announce_errors(Domain *domain) {
        announce_disks(domain, DEVICE_DISK_ERROR);
}

void device_bus_announce_trays(Domain *domain) {
        announce_disks(domain, DEVICE_DISK_TRAY_OPEN);
}
