/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/hotplug.h"

#include <inttypes.h>
#include <string.h>

#include "domain/domain-status.h"
#include "domain/operations/device-change.h"
#include "qemu/command/build-network.h"
#include "qemu/command/build-tls.h"
#include "qemu/command/files-plan.h"
#include "qemu/guest/agent-channel.h"
#include "qemu/guest/console.h"
#include "qemu/guest/device-helpers.h"
#include "qemu/guest/isolation.h"
#include "qemu/guest/nodes.h"
#include "qemu/guest/plugging.h"
#include "vtables.h"

/* Attach */

static void on_attached(Guest *guest) {
        plugging_finish(guest, NULL);
        agent_channel_find_live(guest, NULL);
}

static void on_terminals(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        Operation *operation = plugging_operation(guest);
        if (!error)
                guest_take_terminals(guest, answer);
        if (operation)
                guest_write_terminals(guest, device_change_of(operation)->next, device_change_of(operation)->document);
        on_attached(guest);
}

static void on_plugged(void *data, const GError *error) {
        Guest *guest = data;
        if (error) {
                plugging_finish(guest, error);
                return;
        }
        CommandLine *line = guest->plugging->line;
        if (line->consoles->len > 0)
                monitor_command(guest->monitor, "query-chardev", NULL, -1, on_terminals, guest);
        else
                on_attached(guest);
}

static CommandLineContext attach_context(Guest *guest, const Operation *operation) {
        const DeviceChange *change = device_change_of(operation);
        CommandLineContext context = guest_context(guest, change->document, change->next, guest->domain->live);
        context.last_fdset = guest->plugging->last_fdset;
        return context;
}

/* QEMU sees what the device needs. */
static void on_reached(Guest *guest, const GError *error) {
        if (error) {
                plugging_finish(guest, error);
                return;
        }
        if (guest->plugging->line->locks_memory)
                guest_lock_memory(guest);
        Script *script = guest_script_new(guest);
        plugging_take_commands(script, guest->plugging->line);
        script_run(script, on_plugged, guest);
}

static void fail_to_save(const Guest *guest, GError **error) {
        domain_fail(guest->domain, error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                    "cannot write to %s that it gets a device: make space there", guest->domain->connection->runtime_directory);
}

/* What the device needs beside QEMU serves. */
static void on_attach_helpers(Guest *guest, const GError *error) {
        g_autoptr(GPtrArray) files = g_steal_pointer(&guest->plugging->files);
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        if (!failure) {
                CommandLineContext context = attach_context(guest, plugging_operation(guest));
                nodes_number(guest, context.document, context.definition, files, 0);
                guest->plugging->line = command_line_build(&context, files, &failure);
                if (guest->plugging->line)
                        nodes_remember(guest, guest->plugging->line);
        }
        if (failure)
                plugging_finish(guest, failure);
        else
                isolation_show(guest, guest->plugging->line, on_reached);
}

static void on_attach_files(Guest *guest, GPtrArray *files, const GError *error) {
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        guest->plugging->first_socket = guest->sockets->len + 1;
        if (!failure) {
                guest_keep_sockets(guest, files, NULL);
                device_helpers_make(guest, files, &failure);
        }
        if (!failure && device_helpers_wanted(files) && !domain_save_status(guest->domain)) /* its helper is found again */
                fail_to_save(guest, &failure);
        if (failure) {
                plugging_finish(guest, failure);
                return;
        }
        guest->plugging->files = g_ptr_array_ref(files);
        device_helpers_go(guest, on_attach_helpers);
}

static void on_fdsets_known(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        if (error) {
                plugging_finish(guest, error);
                return;
        }
        guest->plugging->last_fdset = plugging_last_fdset(answer);
        guest->attaching = g_strdup(device_change_of(plugging_operation(guest))->alias);
        g_autoptr(GError) failure = NULL;
        if (!domain_save_status(guest->domain)) { /* no driver after this one would know what QEMU has */
                fail_to_save(guest, &failure);
                plugging_finish(guest, failure);
                return;
        }
        CommandLineContext context = attach_context(guest, plugging_operation(guest));
        guest_open_files(guest, files_plan(&context), on_attach_files);
}

static void begin_attach(Guest *guest) {
        monitor_command(guest->monitor, "query-fdsets", NULL, -1, on_fdsets_known, guest);
}

void hotplug_attach(Operation *operation) {
        const Plugging *plugging = plugging_begin(operation);
        if (plugging)
                plugging_when_clean(plugging->guest, device_change_of(operation)->alias, begin_attach);
}

/* What is behind a device */

/* QEMU may have none: then that fails, and is passed over. */
static void close_port_holder(Cleanup *cleanup) {
        g_autofree char *name = build_port_holder_name(cleanup->alias);
        script_add_command(cleanup->script, "closefd", json_make("fdname", 's', name, NULL));
}

/* Back ends, which are named by what would be made for the device now. */
static void remove_back_ends(Cleanup *cleanup) {
        Guest *guest = cleanup->guest;
        const Definition *live = guest->domain->live;
        g_autoptr(xmlDoc) document = definition_document(live, NULL), rest = definition_document(live, NULL);
        xmlNode *element = rest ? definition_find_element(rest, live, cleanup->alias) : NULL;
        if (!document || !element)
                return;
        xml_remove(element);
        g_autoptr(Definition) without = definition_from_document(rest, NULL);
        if (!without)
                return;
        CommandLineContext context = guest_context(guest, document, live, without);
        CommandLine *line = command_line_build(&context, NULL, NULL);
        if (!line)
                return;
        cleanup->has_named = true;
        for (guint i = line->commands->len; i-- > 0;) {
                const MonitorRequest *request = line->commands->pdata[i];
                static const char *const others[] = { "device_add", "blockdev-add", "add-fd", "getfd", NULL };
                MonitorRequest *undo = g_strv_contains(others, request->name) ? NULL : script_undo_of(request);
                if (undo)
                        script_add(cleanup->script, undo);
        }
        command_line_free(line);
        close_port_holder(cleanup);
}

static void remove_socket(Guest *guest, const DeviceDefinition *device) {
        if (strcmp(device->type, "unix") == 0 && device->source[0])
                guest_remove_sockets(guest, 0, device->source);
}

/* Of a device that is not in the document: by the names that are given to what is behind one. */
static void remove_named_back_ends(Cleanup *cleanup) {
        static const struct {
                const char *command, *member, *prefix;
        } named[] = {
                { "netdev_del", "id", "host" }, { "chardev-remove", "id", "char" }, { "chardev-remove", "id", "chr-vu-" },
                { "object-del", "id", "obj" },  { "object-del", "id", "mem" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(named); i++) {
                g_autofree char *name = g_strconcat(named[i].prefix, cleanup->alias, NULL);
                script_add_command(cleanup->script, named[i].command, json_make(named[i].member, 's', name, NULL));
        }
        close_port_holder(cleanup);
        g_autofree char *backend = g_strconcat("char", cleanup->alias, NULL), *credentials = build_tls_object_id(backend),
                        *password = build_tls_secret_id(backend);
        script_add_command(cleanup->script, "object-del", json_make("id", 's', credentials, NULL));
        script_add_command(cleanup->script, "object-del", json_make("id", 's', password, NULL));
}

static void on_deleted(Guest *guest, JsonObject *arguments);

/* After a restart */

static void on_half_removed(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        (void) answer;
        if (!error) { /* its event follows */
                g_clear_pointer(&guest->half_attached, g_free);
                domain_save_status(guest->domain);
                plugging_go_on(guest);
                return;
        }
        Cleanup *cleanup = cleanup_new(guest, guest->half_attached);
        remove_named_back_ends(cleanup);
        cleanup_run(cleanup);
}

static void on_devices_listed(void *data, JsonObject *answer, const GError *error) {
        /* These are always devices of QEMU's. */
        static const char *const kinds[] = { "disk", "interface", "hostdev", "rng", "filesystem", NULL };
        Guest *guest = data;
        const Definition *live = guest->domain->live;
        if (error)
                return;
        for (guint i = 0; i < live->devices->len; i++) {
                const DeviceDefinition *device = live->devices->pdata[i];
                if (!g_strv_contains(kinds, device->kind) || json_find(json_array(answer, "return"), "name", device->alias))
                        continue;
                g_autoptr(JsonObject) event = json_make("device", 's', device->alias, NULL);
                on_deleted(guest, event);
        }
}

static void recover(Guest *guest) {
        if (guest->half_attached && definition_find_device(guest->domain->live, guest->half_attached))
                g_clear_pointer(&guest->half_attached, g_free);
        if (guest->half_attached)
                monitor_command(guest->monitor, "device_del", json_make("id", 's', guest->half_attached, NULL), -1,
                                on_half_removed, guest);
        monitor_command(guest->monitor, "qom-list", json_make("path", 's', "/machine/peripheral", NULL), -1, on_devices_listed,
                        guest);
}

/* Detach */

/* What one QEMU can make the driver clean up at the same time: more devices than a machine has places for. */
#define CLEANUPS_MAX 1024

static bool is_being_cleaned(const Guest *guest, const char *alias) {
        return cleanup_is_of(guest, alias) || (guest->cleanups && g_hash_table_size(guest->cleanups) >= CLEANUPS_MAX);
}

static void on_deleted(Guest *guest, JsonObject *arguments) {
        const char *alias = json_string(arguments, "device");
        const DeviceDefinition *device = alias ? definition_find_device(guest->domain->live, alias) : NULL;
        bool is_awaited = alias && guest->plugging && g_strcmp0(guest->plugging->alias, alias) == 0;
        if (!alias || is_being_cleaned(guest, alias))
                return; /* a part of another one; told again */
        if (is_awaited && guest->plugging->has_left) {
                guest->plugging->has_left(guest);
                return;
        }
        Cleanup *cleanup = cleanup_new(guest, alias);
        if (device) { /* else one whose attaching has failed half-way */
                remove_back_ends(cleanup);
                remove_socket(guest, device);
        } else
                remove_named_back_ends(cleanup);
        if (is_awaited)
                guest->detach_timeout = sd_event_source_disable_unref(guest->detach_timeout);
        if (g_strcmp0(guest->agent_alias, alias) == 0)
                guest_close_agent(guest);
        g_hash_table_remove(guest->terminals, alias);
        console_leave(guest, alias);
        cleanup_run(cleanup);
}

static void give_up(Guest *guest, const GError *error) {
        if (guest->plugging && guest->detach_timeout)
                plugging_finish(guest, error);
}

static void on_refused(Guest *guest, JsonObject *arguments) {
        const char *alias = json_string(arguments, "device");
        g_autoptr(GError) error = NULL;
        if (!guest->plugging || !alias || g_strcmp0(guest->plugging->alias, alias) != 0)
                return;
        domain_fail(guest->domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "the guest refuses to release device '%s'", alias);
        plugging_finish(guest, error);
}

/* What the guest's system says of an ejection: ACPI specification, _OST (OSPM status indication). */
#define OST_SOURCE_EJECT 0x3
#define OST_SOURCE_EJECT_BY_SYSTEM 0x103
#define OST_SUCCESS 0
#define OST_IN_PROGRESS 0x84

bool hotplug_is_refused(JsonObject *info) {
        gint64 source = json_int(info, "source", 0), status = json_int(info, "status", OST_IN_PROGRESS);
        return status != OST_SUCCESS && status != OST_IN_PROGRESS &&
               (source == OST_SOURCE_EJECT || source == OST_SOURCE_EJECT_BY_SYSTEM);
}

static void on_acpi_status_told(Guest *guest, JsonObject *info) {
        gint64 status = json_int(info, "status", OST_IN_PROGRESS);
        const char *alias = json_string(info, "device");
        g_autoptr(GError) error = NULL;
        if (!guest->plugging || !alias || g_strcmp0(guest->plugging->alias, alias) != 0 || !hotplug_is_refused(info))
                return;
        domain_fail(guest->domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                    "the guest refuses to release device '%s' (ACPI status 0x%" PRIx64 ")", alias, status);
        plugging_finish(guest, error);
}

void hotplug_detach(Operation *operation) {
        const Plugging *plugging = plugging_begin(operation);
        if (plugging)
                plugging_await_end(plugging->guest, device_change_of(operation)->alias, device_change_of(operation)->timeout);
}

static void on_acpi_status(Guest *guest, JsonObject *arguments) {
        on_acpi_status_told(guest, json_member(arguments, "info"));
}

static void save(const Guest *guest, xmlNode *saved) {
        const char *half = guest->attaching ? guest->attaching : guest->half_attached;
        if (half)
                xml_set_attribute(saved, "attaching", half);
}

static void load(Guest *guest, xmlNode *saved) {
        guest->half_attached = xml_attribute(saved, "attaching");
}

static const MonitorEvent events[] = {
        { "DEVICE_DELETED", PHASE_FINDING | PHASE_RUNNING, on_deleted },
        { "DEVICE_UNPLUG_GUEST_ERROR", PHASE_RUNNING, on_refused },
        { "MEM_UNPLUG_ERROR", PHASE_RUNNING, on_refused },
        { "ACPI_DEVICE_OST", PHASE_RUNNING, on_acpi_status },
        { NULL, 0, NULL },
};

const GuestModule hotplug_module = {
        .events = events,
        .save = save,
        .load = load,
        .recover = recover,
        .give_up = give_up,
};
