/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/domain-signal.h"

#include <string.h>

#include "interfaces.h"

#define EMIT(domain, ...) \
        do { \
                if ((domain)->published) \
                        published_emit((domain)->published, &interface_domain, __VA_ARGS__); \
        } while (0)

void domain_signal_rebooted(const Domain *domain) {
        EMIT(domain, "Rebooted", NULL);
}

void domain_signal_clock(const Domain *domain, int64_t offset) {
        EMIT(domain, "ClockChanged", "x", offset);
}

void domain_signal_watchdog(const Domain *domain, const char *action) {
        EMIT(domain, "WatchdogExpired", "s", action);
}

void domain_signal_memory_failure(const Domain *domain, const char *recipient, const char *action, bool must_act,
                                  bool recursive) {
        EMIT(domain, "MemoryFailed", "ssbb", recipient, action, must_act, recursive);
}

void domain_signal_suspended_to_disk(const Domain *domain) {
        EMIT(domain, "SuspendedToDisk", NULL);
}

void domain_signal_control_lost(const Domain *domain, const char *message) {
        EMIT(domain, "ControlLost", "s", message);
}

void domain_signal_metadata(const Domain *domain, const char *uri) {
        EMIT(domain, "MetadataChanged", "s", uri);
}

static const Device *find_device(const Domain *domain, const char *alias) {
        for (guint i = 0; i < domain->devices->len; i++) {
                const Device *device = domain->devices->pdata[i];
                if (strcmp(device->definition->alias, alias) == 0)
                        return device;
        }
        return NULL;
}

void domain_signal_detach_failed(const Domain *domain, const char *alias) {
        const Device *device = find_device(domain, alias);
        if (device)
                published_emit(device->published, &interface_device, "DetachFailed", NULL);
}

void domain_signal_memory_size(const Domain *domain, const char *alias, uint64_t bytes) {
        const Device *device = find_device(domain, alias);
        if (device)
                published_emit(device->published, &interface_device, "SizeChanged", "t", bytes);
}

static const Device *find_disk(const Domain *domain, const char *alias) {
        const Device *device = find_device(domain, alias);
        return device && device->device_class == DEVICE_DISK ? device : NULL;
}

void domain_signal_io_failed(const Domain *domain, const char *alias, const char *action, const char *reason) {
        const Device *disk = find_disk(domain, alias);
        if (disk)
                published_emit(disk->published, &interface_device_disk, "IOFailed", "sss", disk->definition->source, action,
                               reason);
}

void domain_signal_image_missing(const Domain *domain, const char *alias, bool left_out) {
        const Device *disk = find_disk(domain, alias);
        if (disk)
                published_emit(disk->published, &interface_device_disk, "ImageMissing", "sb", disk->definition->source, left_out);
}

void domain_signal_display_client(const Domain *domain, const char *type, const DisplayClient *client) {
        const DisplayEnd *local = &client->local, *remote = &client->remote;
        for (guint i = 0; i < domain->devices->len; i++) {
                const Device *device = domain->devices->pdata[i];
                if (device->device_class != DEVICE_GRAPHICS || strcmp(device->definition->type, type) != 0)
                        continue;
                published_emit(device->published, &interface_device_graphics, "ClientChanged", "s(sss)(sss)sss", client->phase,
                               local->family, local->host, local->service, remote->family, remote->host, remote->service,
                               client->authentication, client->certificate, client->sasl);
                return;
        }
}
