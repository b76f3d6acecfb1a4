/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/guest-notices.h"

#include <string.h>

#include "domain/device-elements.h"
#include "domain/domain-signal.h"
#include "qemu/command/node-name.h"
#include "qemu/guest/hotplug.h"

/* A word of QEMU's, and the one that is told; the last row is NULL. */
typedef struct Word {
        const char *qemu, *told;
} Word;

/* NULL for one that is not known. */
static const char *translate(const Word *words, const char *word) {
        for (; word && words->qemu; words++)
                if (strcmp(words->qemu, word) == 0)
                        return words->told;
        return NULL;
}

static bool is_true(JsonObject *object, const char *name) {
        JsonNode *node = object ? json_object_get_member(object, name) : NULL;
        return json_node_is_basic(node) && json_node_get_boolean(node);
}

static void on_reset(Guest *guest, JsonObject *arguments) {
        static const char *const no_reboots[] = { "none", "subsystem-reset", "snapshot-load", NULL };
        const char *reason = json_string(arguments, "reason");
        if (!reason || !g_strv_contains(no_reboots, reason))
                domain_signal_rebooted(guest->domain);
}

/* What a clock with an adjustment of its own has begun with counts too. */
static gint64 clock_adjustment(const Domain *domain) {
        g_autoptr(xmlDoc) document = definition_document(domain->live, NULL);
        const xmlNode *clock = document ? xml_find(xmlDocGetRootElement(document), "clock") : NULL;
        g_autofree char *text = xml_attribute_is(clock, "offset", "variable") ? xml_attribute(clock, "adjustment") : NULL;
        return text ? g_ascii_strtoll(text, NULL, 10) : 0;
}

/* No clock is set to further away: a thousand years. */
#define CLOCK_OFFSET_MAX (INT64_C(1000) * 366 * 24 * 3600)

static void on_clock(Guest *guest, JsonObject *arguments) {
        gint64 offset = json_int(arguments, "offset", 0), adjustment = clock_adjustment(guest->domain);
        domain_signal_clock(guest->domain, CLAMP(offset, -CLOCK_OFFSET_MAX, CLOCK_OFFSET_MAX) +
                                                           CLAMP(adjustment, -CLOCK_OFFSET_MAX, CLOCK_OFFSET_MAX));
}

static void on_watchdog(Guest *guest, JsonObject *arguments) {
        static const Word actions[] = {
                { "none", "none" },         { "pause", "pause" }, { "reset", "reset" },           { "poweroff", "poweroff" },
                { "shutdown", "shutdown" }, { "debug", "debug" }, { "inject-nmi", "inject-nmi" }, { NULL, NULL }
        };
        const char *action = translate(actions, json_string(arguments, "action"));
        if (action)
                domain_signal_watchdog(guest->domain, action);
}

static void on_memory_failure(Guest *guest, JsonObject *arguments) {
        static const Word recipients[] = { { "hypervisor", "hypervisor" }, { "guest", "guest" }, { NULL, NULL } };
        static const Word actions[] = {
                { "ignore", "ignored" }, { "inject", "injected" }, { "fatal", "fatal" }, { "reset", "reset" }, { NULL, NULL }
        };
        const char *recipient = translate(recipients, json_string(arguments, "recipient")),
                   *action = translate(actions, json_string(arguments, "action"));
        JsonObject *flags = json_member(arguments, "flags");
        if (recipient && action)
                domain_signal_memory_failure(guest->domain, recipient, action, is_true(flags, "action-required"),
                                             is_true(flags, "recursive"));
}

static void on_suspended_to_disk(Guest *guest, JsonObject *unused) {
        (void) unused;
        domain_signal_suspended_to_disk(guest->domain);
}

/* QEMU names the node, whose name begins with the disk's. */
static void on_io_error(Guest *guest, JsonObject *arguments) {
        static const Word actions[] = { { "ignore", "ignored" }, { "report", "reported" }, { "stop", "paused" }, { NULL, NULL } };
        const char *node = json_string(arguments, "node-name"), *action = translate(actions, json_string(arguments, "action"));
        for (guint i = 0; node && action && i < guest->domain->live->devices->len; i++) {
                const DeviceDefinition *device = guest->domain->live->devices->pdata[i];
                g_autofree char *prefix = node_name_prefix(device->alias);
                if (device->device_class == DEVICE_DISK && node_name_layer(prefix, node) >= 0)
                        domain_signal_io_failed(guest->domain, device->alias, action,
                                                is_true(arguments, "nospace") ? "no-space" : "failed");
        }
}

static void on_memory_size(Guest *guest, JsonObject *arguments) {
        const char *alias = json_string(arguments, "id");
        gint64 size = json_int(arguments, "size", -1);
        if (alias && size >= 0)
                domain_signal_memory_size(guest->domain, alias, (uint64_t) size);
}

/* Devices that stay */

static void on_kept(Guest *guest, JsonObject *arguments) {
        const char *alias = json_string(arguments, "device");
        if (alias)
                domain_signal_detach_failed(guest->domain, alias);
}

static void on_acpi_status(Guest *guest, JsonObject *arguments) {
        JsonObject *info = json_member(arguments, "info");
        if (hotplug_is_refused(info))
                on_kept(guest, info);
}

/* Displays */

/* How long what a client says of itself may be, in bytes; a longer text is left out. */
#define CLIENT_TEXT_MAX 1024

static const char *text_of(JsonObject *object, const char *name) {
        const char *text = json_string(object, name);
        return text && strlen(text) <= CLIENT_TEXT_MAX ? text : "";
}

static DisplayEnd end_of(JsonObject *end) {
        static const Word families[] = { { "ipv4", "ipv4" }, { "ipv6", "ipv6" }, { "unix", "unix" }, { NULL, NULL } };
        const char *family = translate(families, json_string(end, "family")), *port = text_of(end, "port");
        return (DisplayEnd){ family ? family : "", text_of(end, "host"), *port ? port : text_of(end, "service") };
}

static void tell_client(const Guest *guest, const char *type, const char *phase, JsonObject *arguments) {
        JsonObject *server = json_member(arguments, "server"), *remote = json_member(arguments, "client");
        const DisplayClient client = { phase,
                                       end_of(server),
                                       end_of(remote),
                                       text_of(server, "auth"),
                                       text_of(remote, "x509_dname"),
                                       text_of(remote, "sasl_username") };
        domain_signal_display_client(guest->domain, type, &client);
}

#define ON_CLIENT(type, phase) \
        static void on_##type##_##phase(Guest *guest, JsonObject *arguments) { \
                tell_client(guest, #type, #phase, arguments); \
        }
ON_CLIENT(vnc, connected)
ON_CLIENT(vnc, initialized)
ON_CLIENT(vnc, disconnected)
ON_CLIENT(spice, connected)
ON_CLIENT(spice, initialized)
ON_CLIENT(spice, disconnected)

/* Trays */

/* The drive that a name of QEMU's is one of: its own, or the path of a part of it. */
static const DeviceDefinition *find_drive(const Guest *guest, const char *name) {
        for (guint i = 0; name && i < guest->domain->live->devices->len; i++) {
                const DeviceDefinition *device = guest->domain->live->devices->pdata[i];
                g_autofree char *part = g_strdup_printf("/%s/", device->alias), *end = g_strdup_printf("/%s", device->alias);
                if (device->device_class == DEVICE_DISK &&
                    (strcmp(name, device->alias) == 0 || strstr(name, part) || g_str_has_suffix(name, end)))
                        return device;
        }
        return NULL;
}

static void on_tray(Guest *guest, JsonObject *arguments) {
        const DeviceDefinition *drive = find_drive(guest, json_string(arguments, "id"));
        if (drive)
                domain_tray_moved(guest->domain, drive->alias, is_true(arguments, "tray-open"));
}

static void on_drives(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        JsonArray *drives = json_array(answer, "return");
        for (guint i = 0; !error && drives && i < json_array_get_length(drives); i++) {
                JsonObject *known = json_object_at(drives, i);
                const DeviceDefinition *drive = find_drive(guest, json_string(known, "qdev"));
                if (drive)
                        domain_tray_moved(guest->domain, drive->alias, is_true(known, "tray_open"));
        }
}

/* What has been missed of a guest that has such drives. */
static void recover(Guest *guest) {
        bool any = false;
        for (guint i = 0; i < guest->domain->live->devices->len; i++) {
                const DeviceDefinition *device = guest->domain->live->devices->pdata[i];
                any |= device->device_class == DEVICE_DISK && strcmp(device->type, "disk") != 0;
        }
        if (any)
                monitor_command(guest->monitor, "query-block", NULL, -1, on_drives, guest);
}

/* Images that are missing */

void guest_notices_missing(const Domain *domain, xmlDoc *document) {
        guint i = 0;
        for (xmlNode *element = device_elements_first(document); element; element = device_elements_next(element), i++)
                if (xml_attribute_is(xml_child(element, "source"), "missing", "yes"))
                        domain_signal_image_missing(domain, ((const DeviceDefinition *) domain->live->devices->pdata[i])->alias,
                                                    !xml_attribute_is(element, "device", "cdrom") &&
                                                                    !xml_attribute_is(element, "device", "floppy"));
}

#define PHASES_UP (PHASE_SETTING_OUT | PHASE_FINDING | PHASE_RUNNING)

static const MonitorEvent events[] = {
        { "RESET", PHASES_UP, on_reset },
        { "RTC_CHANGE", PHASES_UP, on_clock },
        { "WATCHDOG", PHASES_UP, on_watchdog },
        { "MEMORY_FAILURE", PHASES_UP, on_memory_failure },
        { "SUSPEND_DISK", PHASES_UP, on_suspended_to_disk },
        { "BLOCK_IO_ERROR", PHASES_UP, on_io_error },
        { "MEMORY_DEVICE_SIZE_CHANGE", PHASES_UP, on_memory_size },
        { "DEVICE_UNPLUG_GUEST_ERROR", PHASES_UP, on_kept },
        { "MEM_UNPLUG_ERROR", PHASES_UP, on_kept },
        { "ACPI_DEVICE_OST", PHASES_UP, on_acpi_status },
        { "DEVICE_TRAY_MOVED", PHASES_UP, on_tray },
        { "VNC_CONNECTED", PHASES_UP, on_vnc_connected },
        { "VNC_INITIALIZED", PHASES_UP, on_vnc_initialized },
        { "VNC_DISCONNECTED", PHASES_UP, on_vnc_disconnected },
        { "SPICE_CONNECTED", PHASES_UP, on_spice_connected },
        { "SPICE_INITIALIZED", PHASES_UP, on_spice_initialized },
        { "SPICE_DISCONNECTED", PHASES_UP, on_spice_disconnected },
        { NULL, 0, NULL },
};

const GuestModule guest_notices_module = {
        .events = events,
        .recover = recover,
};
