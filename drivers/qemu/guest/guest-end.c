/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/guest-end.h"

#include <string.h>

#include "bus.h"
#include "domain/domain-run.h"
#include "domain/operation.h"
#include "log.h"
#include "qemu/command/node-name.h"
#include "qemu/guest/device-helpers.h"
#include "qemu/guest/guest-log.h"
#include "qemu/guest/guest-tpm.h"
#include "qemu/guest/qemu-words.h"

char *guest_last_words(const Guest *guest) {
        g_autofree char *path = guest_log_path(guest->domain->connection, guest->domain->uuid);
        g_autofree char *tail = guest_log_tail(path, guest->log_start);
        return qemu_words(guest->line, tail);
}

static void end_guest(Guest *guest, const char *unused, const GError *error) {
        Domain *domain = guest->domain;
        Operation *operation = guest->operation;
        bool clean = guest->ended_well;
        (void) unused;
        if (!operation && !clean && error && !domain->persistent) /* its log goes with it */
                log_error("%s", error->message);
        guest_free(guest);
        if (operation)
                operation_finish(operation, error);
        else
                domain_stopped(domain, clean ? REASON_SHUTDOWN : REASON_FAILED, error);
}

static void return_everything(Guest *guest, const GError *error) {
        guest_return_everything(guest, error, end_guest);
}

static void end_helpers(Guest *guest, const GError *error) {
        device_helpers_end(guest, error, return_everything);
}

void guest_finish(Guest *guest, const GError *error) {
        if (guest->has_ended)
                return; /* it is being done already */
        guest->has_ended = true;
        guest_drop_opening(guest);
        guest_tpm_end(guest, error, end_helpers);
}

/* The disk that QEMU has spoken of, by the name of its node; or NULL. */
static const DeviceDefinition *find_disk(const Domain *domain, const char *words) {
        const GPtrArray *devices = domain_definition(domain)->devices;
        for (guint i = 0; i < devices->len; i++) {
                const DeviceDefinition *device = devices->pdata[i];
                g_autofree char *prefix = node_name_prefix(device->alias), *node = g_strconcat("\"", prefix, NULL);
                if (device->device_class == DEVICE_DISK && strstr(words, node))
                        return device;
        }
        return NULL;
}

/* Why QEMU has ended, as far as it has said so. */
static void tell_end(Domain *domain, const char *words, GError **error) {
        g_autofree char *log = guest_log_path(domain->connection, domain->uuid);
        bool cannot_lock = qemu_cannot_lock(words), cannot_unlock = qemu_cannot_unlock(words);
        const DeviceDefinition *disk = cannot_lock || cannot_unlock ? find_disk(domain, words) : NULL;
        g_autoptr(xmlDoc) document = disk && cannot_unlock ? definition_document(domain_definition(domain), NULL) : NULL;
        if (disk && cannot_lock)
                qemu_fail_locked(domain, disk->alias, disk->target, disk->source, error);
        else if (qemu_cannot_open_key(words))
                qemu_fail_key(domain, words, error);
        else if (document)
                qemu_fail_passphrase(domain, definition_find_element(document, domain_definition(domain), disk->alias), error);
        else
                domain_fail(domain, error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "QEMU has ended%s%s%s%s", *words ? ": " : "", words,
                            domain->persistent ? "; its log is " : "", domain->persistent ? log : "");
}

void guest_on_ended(void *data, int status) {
        Guest *guest = data;
        Domain *domain = guest->domain;
        g_autofree char *tail = guest_last_words(guest);
        g_autoptr(GError) error = g_steal_pointer(&guest->failure);
        if (!error && domain->state == DOMAIN_STOPPING)
                domain_fail(domain, &error, VIRTBUS_ERROR_CANCELLED, "it was destroyed");
        else if (!error)
                tell_end(domain, tail, &error);
        if (guest->monitor) /* whoever waits for an answer of it gets none */
                monitor_end(guest->monitor, error);
        guest->ended_well = status == 0;
        guest_finish(guest, error);
}

void guest_destroy(Domain *domain) {
        Guest *guest = domain->run;
        if (guest->process) {
                process_end(guest->process);
                return;
        }
        /* Its files are still being opened, which may never end. */
        g_autoptr(GError) error = NULL;
        domain_fail(domain, &error, VIRTBUS_ERROR_CANCELLED, "it was destroyed while it started");
        guest_finish(guest, error);
}

/* Its QEMU is left to a later driver. That finds the folders and claims of one that there will not be, but not the sockets that
 * were made for it where its document says. */
void guest_release(Domain *domain) {
        Guest *guest = domain->run;
        if (!guest->process && !guest->has_ended)
                guest_remove_sockets(guest, 0, NULL);
        guest_free(guest);
}
