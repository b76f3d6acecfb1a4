/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test/machine.h"

#include "bus.h"
#include "domain/agent/addresses.h"
#include "domain/domain-run.h"
#include "domain/operations/device-change.h"
#include "vtables.h"

static int on_detached(sd_event_source *source, uint64_t usec, void *data) {
        Machine *machine = data;
        Domain *domain = machine->domain;
        Operation *operation = g_steal_pointer(&machine->operation);
        const DeviceChange *change = device_change_of(operation);
        g_autoptr(GError) error = laboratory_take_failure(domain, TEST_DETACH);
        (void) source;
        (void) usec;
        if (!error && laboratory_delay(domain, TEST_DETACH) > change->timeout)
                domain_fail(domain, &error, VIRTBUS_ERROR_TIMEOUT, "the guest did not release device '%s' in time",
                            change->alias);
        if (!error)
                domain_device_gone(domain, change->alias);
        operation_finish(operation, error);
        return 0;
}

static void attach(Operation *operation) {
        machine_operate(operation, TEST_ATTACH);
}

static void detach(Operation *operation) {
        Machine *machine = operation->domain->run;
        machine->operation = operation;
        machine_add_timer(operation->domain, &machine->timer,
                          MIN(laboratory_delay(operation->domain, TEST_DETACH), device_change_of(operation)->timeout),
                          on_detached);
}

static void update(Operation *operation) {
        machine_operate(operation, TEST_UPDATE);
}

static void resize(Operation *operation) {
        machine_operate(operation, TEST_RESIZE);
}

static void resize_disk(Domain *domain, const DeviceDefinition *device, const DiskSize *size, Call *call) {
        g_autoptr(GError) error = laboratory_take_failure(domain, TEST_RESIZE);
        (void) device;
        (void) size;
        if (error)
                call_fail(call, error);
        else
                reply_device_disk_resize(call);
}

/* How large a test machine's disks say that they are, in bytes; nothing of them takes room. */
#define DISK_BYTES (UINT64_C(1) << 30)

static void get_disk_info(Domain *domain, const DeviceDefinition *device, Call *call) {
        g_autoptr(GError) error = NULL;
        if (!device->source[0])
                domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID, "disk '%s' has no image", device->alias);
        if (error)
                call_fail(call, error);
        else
                reply_device_disk_get_info(call, DISK_BYTES, 0, DISK_BYTES);
}

/* A card of a test machine has one address of those that are for documentation, RFC 5737; its agent knows of none. */
static void get_addresses(Domain *domain, const DeviceDefinition *device, bool agent, Call *call) {
        const Machine *machine = domain->run;
        if (agent)
                addresses_ask_agent(domain, machine->object, device->mac, call);
        else {
                GArray *addresses = addresses_new();
                addresses_add(addresses, "192.0.2.1", 0);
                addresses_reply(call, addresses);
        }
}

const HypervisorDevices machine_devices = {
        .attach = attach,
        .detach = detach,
        .update = update,
        .resize = resize,
        .resize_disk = resize_disk,
        .get_disk_info = get_disk_info,
        .get_addresses = get_addresses,
};
