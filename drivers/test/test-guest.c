/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test/test-guest.h"

#include <string.h>

#include "domain/domain-event.h"
#include "domain/domain-run.h"
#include "domain/domain-signal.h"
#include "test/machine.h"

/* The first device of a class, or of any; NULL where there is none. */
static const char *find_alias(const Domain *domain, DeviceClass class) {
        const GPtrArray *devices = domain->live->devices;
        for (guint i = 0; i < devices->len; i++) {
                const DeviceDefinition *device = devices->pdata[i];
                if (class == DEVICE_OTHER || device->device_class == class)
                        return device->alias;
        }
        return NULL;
}

static void shut_down(Domain *domain, const char *unused) {
        (void) unused;
        domain_guest_event(domain, GUEST_SHUTDOWN);
}

static void reboot(Domain *domain, const char *unused) {
        (void) unused;
        domain_signal_rebooted(domain);
        domain_guest_event(domain, GUEST_REBOOT);
}

static void crash(Domain *domain, const char *unused) {
        (void) unused;
        domain_guest_event(domain, GUEST_CRASH);
}

static void fall_asleep(Domain *domain, const char *unused) {
        (void) unused;
        domain_guest_event(domain, GUEST_SLEEP);
}

static void wake(Domain *domain, const char *unused) {
        (void) unused;
        domain_guest_event(domain, GUEST_WAKE);
}

static void die(Domain *domain, const char *unused) {
        (void) unused;
        machine_free(domain);
        domain_stopped(domain, REASON_FAILED, NULL);
}

static void set_clock(Domain *domain, const char *unused) {
        (void) unused;
        domain_signal_clock(domain, 3600);
}

static void starve_watchdog(Domain *domain, const char *unused) {
        (void) unused;
        domain_signal_watchdog(domain, "pause");
        if (domain->state != DOMAIN_RUNNING)
                return;
        machine_set_running(domain->run, false);
        domain_changed(domain, DOMAIN_PAUSED, REASON_WATCHDOG);
}

static void fail_memory(Domain *domain, const char *unused) {
        (void) unused;
        domain_signal_memory_failure(domain, "guest", "injected", true, false);
}

static void suspend_to_disk(Domain *domain, const char *unused) {
        (void) unused;
        domain_signal_suspended_to_disk(domain);
}

static void lose_control(Domain *domain, const char *unused) {
        (void) unused;
        domain_signal_control_lost(domain, "it was told to be silent");
}

static void fail_disk(Domain *domain, const char *alias) {
        domain_disk_failed(domain, alias, "no-space");
        domain_signal_io_failed(domain, alias, "reported", "no-space");
}

static void move_tray(Domain *domain, const char *alias) {
        domain_tray_moved(domain, alias, !domain_tray_is_open(domain, alias));
}

static void connect_client(Domain *domain, const char *alias) {
        const char *type = definition_find_device(domain->live, alias)->type;
        const DisplayClient client = { "connected", { "ipv4", "127.0.0.1", "5900" }, { "ipv4", "127.0.0.1", "40000" }, "none", "",
                                       "" };
        domain_signal_display_client(domain, type, &client);
}

static void change_size(Domain *domain, const char *alias) {
        domain_signal_memory_size(domain, alias, 1024 * 1024);
}

static void keep_device(Domain *domain, const char *alias) {
        domain_signal_detach_failed(domain, alias);
}

#define NO_DEVICE (-1)

static const struct {
        const char *name;
        void (*happen)(Domain *domain, const char *alias);
        int class; /* of the device that it is about: DEVICE_OTHER is any */
} events[] = {
        { "shutdown", shut_down, NO_DEVICE },
        { "reboot", reboot, NO_DEVICE },
        { "crash", crash, NO_DEVICE },
        { "sleep", fall_asleep, NO_DEVICE },
        { "wake", wake, NO_DEVICE },
        { "die", die, NO_DEVICE },
        { "clock", set_clock, NO_DEVICE },
        { "watchdog", starve_watchdog, NO_DEVICE },
        { "memory-failure", fail_memory, NO_DEVICE },
        { "suspend-to-disk", suspend_to_disk, NO_DEVICE },
        { "control-lost", lose_control, NO_DEVICE },
        { "io-error", fail_disk, DEVICE_DISK },
        { "tray", move_tray, DEVICE_DISK },
        { "client", connect_client, DEVICE_GRAPHICS },
        { "size", change_size, DEVICE_OTHER },
        { "detach-failed", keep_device, DEVICE_OTHER },
};

bool test_guest_event(Domain *domain, const char *event, GError **error) {
        for (size_t i = 0; i < G_N_ELEMENTS(events); i++) {
                if (strcmp(events[i].name, event) != 0)
                        continue;
                const char *alias = events[i].class == NO_DEVICE ? NULL : find_alias(domain, (DeviceClass) events[i].class);
                if (events[i].class != NO_DEVICE && !alias)
                        return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID, "it has no device for the event '%s'",
                                           event);
                events[i].happen(domain, alias);
                return true;
        }
        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "there is no event '%.32s'", event);
}
