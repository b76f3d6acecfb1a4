/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Devices of a guest that runs: what cold start does by arguments is done by commands, by the same functions, and undone where
 * one of them fails. A device has left when QEMU says so, whoever asked for it; what was behind it goes then. */

#include <inttypes.h>
#include <string.h>

#include "domain/domain-run.h"
#include "domain/domain-status.h"
#include "domain/operations/device-change.h"
#include "qemu/guest/plugging.h"
#include "qemu/guest/qemu-words.h"
#include "vtables.h"

static void plugging_free(Plugging *plugging) {
        if (plugging->line)
                command_line_free(plugging->line);
        g_free(plugging->node);
        g_free(plugging->alias);
        g_clear_pointer(&plugging->processors, g_ptr_array_unref);
        g_clear_error(&plugging->error);
        g_clear_pointer(&plugging->document, xmlFreeDoc);
        g_free(plugging);
}

static void cleanup_free(Cleanup *cleanup) {
        g_free(cleanup->alias);
        g_free(cleanup->prefix);
        g_free(cleanup);
}

void hotplug_free(Guest *guest) {
        sd_event_source_disable_unref(guest->detach_timeout);
        g_free(guest->attaching);
        g_clear_pointer(&guest->plugging, plugging_free);
        g_clear_pointer(&guest->cleanups, g_hash_table_unref);
        g_clear_pointer(&guest->scripts, g_hash_table_unref);
        g_clear_pointer(&guest->medium, medium_free);
}

/* The operation on devices that is at work, or NULL. */
Operation *plugging_operation(const Guest *guest) {
        Operation *operation = guest->domain->operation;
        return device_change_of(operation) ? operation : NULL;
}

static void finish_returned(Guest *guest, const char *unused, const GError *error) {
        Operation *operation = plugging_operation(guest);
        (void) unused;
        guest->detach_timeout = sd_event_source_disable_unref(guest->detach_timeout);
        g_clear_pointer(&guest->plugging, plugging_free);
        if (guest->attaching || guest->medium) {
                g_clear_pointer(&guest->attaching, g_free);
                g_clear_pointer(&guest->medium, medium_free);
                if (error) /* else the new device is written down now, in one go with this */
                        domain_save_status(guest->domain);
        }
        if (operation)
                operation_finish(operation, error);
}

void plugging_finish(Guest *guest, const GError *raw) {
        const Operation *operation = plugging_operation(guest);
        g_autoptr(GError) error = qemu_error(guest->domain, guest->plugging ? guest->plugging->line : NULL, raw);
        guest->detach_timeout = sd_event_source_disable_unref(guest->detach_timeout);
        if (!guest->plugging || guest->plugging->is_finished)
                return; /* told again */
        guest->plugging->is_finished = true;
        collect_forget(guest);
        guest->sizes_asked = 0;
        if (error && guest->plugging->first_socket > 0)
                guest_remove_sockets(guest, guest->plugging->first_socket - 1, NULL);
        if (error && operation_is(operation, &attach_class) && device_change_of(operation)->alias)
                guest_return_things(guest, device_change_of(operation)->alias, error, finish_returned);
        else
                finish_returned(guest, NULL, error);
}

Plugging *plugging_begin(Operation *operation) {
        Guest *guest = operation->domain->run;
        g_autoptr(GError) error = NULL;
        if (!guest_check_monitor(operation->domain, &error)) {
                operation_finish(operation, error);
                return NULL;
        }
        guest->plugging = g_new0(Plugging, 1);
        guest->plugging->guest = guest;
        return guest->plugging;
}

/* The highest number of QEMU's sets of descriptors. */
unsigned plugging_last_fdset(JsonObject *answer) {
        JsonArray *sets = json_array(answer, "return");
        gint64 last = 0;
        for (guint i = 0; sets && i < json_array_get_length(sets); i++)
                last = MAX(last, json_int(json_object_at(sets, i), "fdset-id", 0));
        return (unsigned) CLAMP(last, 0, G_MAXINT32);
}

/* Moves the commands of a line into a script. */
void plugging_take_commands(Script *script, CommandLine *line) {
        while (line->commands->len > 0)
                script_add(script, g_ptr_array_steal_index(line->commands, 0));
}

/* Attach */

static void on_attached(Guest *guest) {
        plugging_finish(guest, NULL);
        guest_find_agent(guest);
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

static void on_attach_files(Guest *guest, GPtrArray *files, const GError *error) {
        Operation *operation = plugging_operation(guest);
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        guest->plugging->first_socket = guest->sockets->len + 1;
        if (!failure) {
                guest_keep_sockets(guest, files, NULL);
                CommandLineContext context = attach_context(guest, operation);
                guest->plugging->line = command_line_build(&context, files, &failure);
        }
        if (failure) {
                plugging_finish(guest, failure);
                return;
        }
        if (guest->plugging->line->locks_memory)
                guest_lock_memory(guest);
        guest->attaching = g_strdup(device_change_of(operation)->alias);
        domain_save_status(guest->domain);
        Script *script = guest_script_new(guest);
        plugging_take_commands(script, guest->plugging->line);
        script_run(script, on_plugged, guest);
}

static void on_fdsets_known(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        if (error) {
                plugging_finish(guest, error);
                return;
        }
        guest->plugging->last_fdset = plugging_last_fdset(answer);
        CommandLineContext context = attach_context(guest, plugging_operation(guest));
        guest_open_files(guest, command_line_plan(&context), on_attach_files);
}

void hotplug_attach(Operation *operation) {
        Plugging *plugging = plugging_begin(operation);
        if (plugging)
                monitor_command(plugging->guest->monitor, "query-fdsets", NULL, -1, on_fdsets_known, plugging->guest);
}

/* What is behind a device */

/* The device has left, and holds nothing any more. */
static void on_things_returned(Guest *guest, const char *alias, const GError *unused) {
        (void) unused;
        if (definition_find_device(guest->domain->live, alias))
                domain_device_gone(guest->domain, alias);
        if (guest->plugging && g_strcmp0(guest->plugging->alias, alias) == 0)
                plugging_finish(guest, NULL);
}

static void on_cleaned(void *data, const GError *error) {
        Cleanup *cleanup = data;
        Guest *guest = cleanup->guest;
        g_autofree char *alias = g_steal_pointer(&cleanup->alias);
        bool is_medium = cleanup->one_base;
        (void) error;
        g_hash_table_remove(guest->cleanups, cleanup);
        if (!is_medium)
                guest_return_things(guest, alias, NULL, on_things_returned);
        else if (guest->plugging && g_strcmp0(guest->plugging->alias, alias) == 0)
                plugging_finish(guest, NULL);
}

static void on_fdsets_listed(void *data, JsonObject *answer, const GError *error) {
        Cleanup *cleanup = data;
        JsonArray *sets = json_array(answer, "return");
        for (guint i = 0; !error && sets && i < json_array_get_length(sets); i++) {
                JsonObject *set = json_object_at(sets, i);
                JsonArray *fds = json_array(set, "fds");
                JsonNode *first = fds && json_array_get_length(fds) > 0 ? json_array_get_element(fds, 0) : NULL;
                const char *whose = first && JSON_NODE_HOLDS_OBJECT(first) ? json_string(json_node_get_object(first), "opaque")
                                                                           : NULL;
                gint64 id = json_int(set, "fdset-id", -1);
                if (g_strcmp0(whose, cleanup->alias) == 0 && id > cleanup->before_fdset && id <= cleanup->last_fdset)
                        script_add_command(cleanup->script, "remove-fd", json_make("fdset-id", 'i', id, NULL));
        }
        script_run(cleanup->script, on_cleaned, cleanup);
}

/* The order in which nodes can be removed: a filter, then each image's format before its storage, from the top. */
static int compare_nodes(const void *a, const void *b) {
        /* Both are LAYER-WHAT, and WHAT is cor, format or storage: they come in the alphabet's order. */
        const char *one = *(const char *const *) a, *two = *(const char *const *) b;
        unsigned long layer = strtoul(one, NULL, 10), other_layer = strtoul(two, NULL, 10);
        if (layer != other_layer)
                return layer < other_layer ? -1 : 1;
        return strcmp(one, two);
}

static void on_nodes_listed(void *data, JsonObject *answer, const GError *error) {
        Cleanup *cleanup = data;
        JsonArray *nodes = json_array(answer, "return");
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        for (guint i = 0; !error && nodes && i < json_array_get_length(nodes); i++) {
                const char *name = json_string(json_object_at(nodes, i), "node-name");
                int layer = name ? command_line_node_layer(cleanup->prefix, name) : -1;
                bool other_base = (layer >= DISK_LAYERS_OTHER) != (cleanup->first_layer >= DISK_LAYERS_OTHER);
                if (layer >= 0 && !(cleanup->one_base && other_base))
                        g_ptr_array_add(names, (void *) (name + strlen(cleanup->prefix)));
        }
        g_ptr_array_sort(names, compare_nodes);
        for (guint i = 0; i < names->len; i++) {
                g_autofree char *name = g_strconcat(cleanup->prefix, names->pdata[i], NULL);
                script_add_command(cleanup->script, "blockdev-del", json_make("node-name", 's', name, NULL));
        }
        monitor_command(cleanup->guest->monitor, "query-fdsets", NULL, -1, on_fdsets_listed, cleanup);
}

Cleanup *cleanup_new(Guest *guest, const char *alias) {
        Cleanup *cleanup = g_new0(Cleanup, 1);
        *cleanup = (Cleanup){
                .guest = guest,
                .alias = g_strdup(alias),
                .prefix = command_line_node_prefix(alias),
                .script = guest_script_new(guest),
                .before_fdset = -1,
                .last_fdset = G_MAXUINT,
        };
        script_ignore_errors(cleanup->script);
        if (!guest->cleanups)
                guest->cleanups = g_hash_table_new_full(g_direct_hash, g_direct_equal, (GDestroyNotify) cleanup_free, NULL);
        g_hash_table_add(guest->cleanups, cleanup);
        return cleanup;
}

/* Back ends, which are named by what would be made for the device now. */
static void remove_back_ends(Cleanup *cleanup) {
        Guest *guest = cleanup->guest;
        const Definition *live = guest->domain->live;
        g_autoptr(xmlDoc) document = xml_parse(live->xml, "domain", NULL), rest = xml_parse(live->xml, "domain", NULL);
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
        for (guint i = line->commands->len; i-- > 0;) {
                const MonitorRequest *request = line->commands->pdata[i];
                static const char *const others[] = { "device_add", "blockdev-add", "add-fd", "getfd", NULL };
                MonitorRequest *undo = g_strv_contains(others, request->name) ? NULL : script_undo_of(request);
                if (undo)
                        script_add(cleanup->script, undo);
        }
        command_line_free(line);
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
                { "netdev_del", "id", "host" },
                { "chardev-remove", "id", "char" },
                { "object-del", "id", "obj" },
                { "object-del", "id", "mem" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(named); i++) {
                g_autofree char *name = g_strconcat(named[i].prefix, cleanup->alias, NULL);
                script_add_command(cleanup->script, named[i].command, json_make(named[i].member, 's', name, NULL));
        }
}

void cleanup_run(Cleanup *cleanup) {
        monitor_command(cleanup->guest->monitor, "query-named-block-nodes", json_make("flat", 'b', TRUE, NULL), -1,
                        on_nodes_listed, cleanup);
}

/* After a restart */

static void on_half_removed(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        g_autofree char *alias = g_steal_pointer(&guest->attaching);
        (void) answer;
        domain_save_status(guest->domain);
        if (!error)
                return; /* its event follows */
        Cleanup *cleanup = cleanup_new(guest, alias);
        remove_named_back_ends(cleanup);
        cleanup_run(cleanup);
}

/* Whether QEMU has a device of that name. */
static bool is_listed(JsonArray *properties, const char *alias) {
        for (guint i = 0; properties && i < json_array_get_length(properties); i++)
                if (g_strcmp0(json_string(json_object_at(properties, i), "name"), alias) == 0)
                        return true;
        return false;
}

static void on_devices_listed(void *data, JsonObject *answer, const GError *error) {
        /* These are always devices of QEMU's. */
        static const char *const kinds[] = { "disk", "interface", "hostdev", "rng", NULL };
        Guest *guest = data;
        const Definition *live = guest->domain->live;
        if (error)
                return;
        for (guint i = 0; i < live->devices->len; i++) {
                const DeviceDefinition *device = live->devices->pdata[i];
                if (!g_strv_contains(kinds, device->kind) || is_listed(json_array(answer, "return"), device->alias))
                        continue;
                g_autoptr(JsonObject) event = json_make("device", 's', device->alias, NULL);
                hotplug_on_deleted(guest, event);
        }
}

void hotplug_recover(Guest *guest) {
        if (guest->attaching && definition_find_device(guest->domain->live, guest->attaching))
                g_clear_pointer(&guest->attaching, g_free);
        if (guest->attaching)
                monitor_command(guest->monitor, "device_del", json_make("id", 's', guest->attaching, NULL), -1, on_half_removed,
                                guest);
        if (guest->medium)
                update_recover(guest);
        monitor_command(guest->monitor, "qom-list", json_make("path", 's', "/machine/peripheral", NULL), -1, on_devices_listed,
                        guest);
}

/* Detach */

/* What one QEMU can make the driver clean up at the same time: more devices than a machine has places for. */
#define CLEANUPS_MAX 1024

static bool is_being_cleaned(const Guest *guest, const char *alias) {
        GHashTableIter iterator;
        void *cleanup;
        if (!guest->cleanups)
                return false;
        g_hash_table_iter_init(&iterator, guest->cleanups);
        while (g_hash_table_iter_next(&iterator, &cleanup, NULL))
                if (g_strcmp0(((Cleanup *) cleanup)->alias, alias) == 0 && !((Cleanup *) cleanup)->one_base)
                        return true;
        return g_hash_table_size(guest->cleanups) >= CLEANUPS_MAX;
}

void hotplug_on_deleted(Guest *guest, JsonObject *arguments) {
        const char *alias = json_string(arguments, "device");
        const DeviceDefinition *device = alias ? definition_find_device(guest->domain->live, alias) : NULL;
        bool is_awaited = alias && guest->plugging && g_strcmp0(guest->plugging->alias, alias) == 0;
        if (!alias || is_being_cleaned(guest, alias))
                return; /* a part of another one; told again */
        if (is_awaited && guest->plugging->processors) {
                if (guest->domain->live->vcpus > 1)
                        domain_vcpus_changed(guest->domain, guest->domain->live->vcpus - 1);
                tuning_unplug_next(guest);
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

void hotplug_give_up(Guest *guest, const GError *error) {
        if (guest->plugging && guest->detach_timeout)
                plugging_finish(guest, error);
}

void hotplug_on_refused(Guest *guest, JsonObject *arguments) {
        const char *alias = json_string(arguments, "device");
        g_autoptr(GError) error = NULL;
        if (!guest->plugging || !alias || g_strcmp0(guest->plugging->alias, alias) != 0)
                return;
        domain_fail(guest->domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "the guest refuses to let go of device '%s'", alias);
        plugging_finish(guest, error);
}

/* What the guest's system says of an ejection: ACPI specification, _OST (OSPM status indication). */
#define OST_SOURCE_EJECT 0x3
#define OST_SOURCE_EJECT_BY_SYSTEM 0x103
#define OST_SUCCESS 0
#define OST_IN_PROGRESS 0x84

void hotplug_on_acpi_status(Guest *guest, JsonObject *info) {
        gint64 source = json_int(info, "source", 0), status = json_int(info, "status", OST_IN_PROGRESS);
        const char *alias = json_string(info, "device");
        g_autoptr(GError) error = NULL;
        if (!guest->plugging || !alias || g_strcmp0(guest->plugging->alias, alias) != 0 || status == OST_SUCCESS ||
            status == OST_IN_PROGRESS || (source != OST_SOURCE_EJECT && source != OST_SOURCE_EJECT_BY_SYSTEM))
                return;
        domain_fail(guest->domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                    "the guest refuses to let go of device '%s' (ACPI status 0x%" PRIx64 ")", alias, status);
        plugging_finish(guest, error);
}

static int on_detach_timeout(sd_event_source *source, uint64_t usec, void *data) {
        Guest *guest = data;
        g_autoptr(GError) error = NULL;
        (void) source;
        (void) usec;
        domain_fail(guest->domain, &error, VIRTBUS_ERROR_TIMEOUT,
                    "the guest did not let go of device '%s' in time; if it does later, the device goes then",
                    guest->plugging->alias);
        plugging_finish(guest, error);
        return 0;
}

static void on_detach_begun(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        (void) answer;
        /* Asked again while the guest is at it: its event counts all the same. */
        if (error && guest->plugging && guest->plugging->alias && !strstr(error->message, "already in the process of unplug"))
                plugging_finish(guest, error);
}

void plugging_await_end(Guest *guest, const char *alias, uint64_t timeout) {
        g_free(guest->plugging->alias);
        guest->plugging->alias = g_strdup(alias);
        sd_event_add_time_relative(guest->domain->connection->event, &guest->detach_timeout, CLOCK_MONOTONIC, timeout, 0,
                                   on_detach_timeout, guest);
        monitor_command(guest->monitor, "device_del", json_make("id", 's', alias, NULL), -1, on_detach_begun, guest);
}

void hotplug_detach(Operation *operation) {
        const Plugging *plugging = plugging_begin(operation);
        if (plugging)
                plugging_await_end(plugging->guest, device_change_of(operation)->alias, device_change_of(operation)->timeout);
}
