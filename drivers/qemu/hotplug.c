/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Devices of a guest that runs: what cold start does by arguments is done by commands, by the same functions, and undone where
 * one of them fails. A device has left when QEMU says so, whoever asked for it; what was behind it goes then. */

#include <inttypes.h>
#include <string.h>

#include "bandwidth.h"
#include "device-change.h"
#include "guest.h"
#include "scope.h"
#include "script.h"
#include "threads.h"
#include "vtables.h"

/* What the operation at work has prepared. */
typedef struct Plugging {
        Guest *guest;
        CommandLine *line; /* what was opened */
        guint device;      /* UPDATE: its place in the new definition */
        bool changes_medium;
        const xmlNode *bandwidth; /* UPDATE: the element of an interface, whose is another */
        char *drive;           /* of a medium: what commands call the drive */
        char *node, *old_node; /* the top nodes of the new and the old one, or NULL */
        unsigned last_fdset, first_layer;
        char *alias;           /* whose detaching is waited for */
        GError *error;         /* RESIZE: what is told when all is as it was again */
        GPtrArray *processors; /* RESIZE: char *, that are to be taken away after that one */
} Plugging;

/* What was behind a device that has left, or behind a medium that was taken out: being removed. */
typedef struct Cleanup {
        Guest *guest;
        char *alias, *prefix;
        Script *script;
        unsigned last_fdset; /* only those up to it: of an old medium */
        bool one_base;       /* only the nodes that are counted from first_layer */
        unsigned first_layer;
} Cleanup;

static void plugging_free(Plugging *plugging) {
        if (plugging->line)
                command_line_free(plugging->line, false);
        g_free(plugging->drive);
        g_free(plugging->node);
        g_free(plugging->old_node);
        g_free(plugging->alias);
        g_clear_pointer(&plugging->processors, g_ptr_array_unref);
        g_clear_error(&plugging->error);
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
}

/* The operation on devices that is at work, or NULL. */
static Operation *changing(const Guest *guest) {
        Operation *operation = guest->domain->operation;
        return operation && operation->change ? operation : NULL;
}

static void finish_returned(Guest *guest, const char *unused, const GError *error) {
        Operation *operation = changing(guest);
        (void) unused;
        g_autoptr(GError) named = NULL;
        guest->detach_timeout = sd_event_source_disable_unref(guest->detach_timeout);
        g_clear_pointer(&guest->plugging, plugging_free);
        if (guest->attaching) {
                g_clear_pointer(&guest->attaching, g_free);
                if (error) /* else the new device is written down now, in one go with this */
                        domain_save_status(guest->domain);
        }
        if (error && !strstr(error->message, domain_name(guest->domain)))
                domain_fail(guest->domain, &named, (VirtbusError) error->code, "%s", error->message);
        if (operation)
                operation_finish(operation, named ? named : error);
}

/* A device that could not be attached holds nothing. */
static void finish(Guest *guest, const GError *error) {
        const Operation *operation = changing(guest);
        guest->detach_timeout = sd_event_source_disable_unref(guest->detach_timeout);
        if (error && operation && operation->kind == OPERATION_ATTACH && operation->change->alias)
                guest_return_things(guest, operation->change->alias, error, finish_returned);
        else
                finish_returned(guest, NULL, error);
}

static Plugging *begin(Operation *operation) {
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
static unsigned last_fdset(JsonObject *answer) {
        JsonArray *sets = json_array(answer, "return");
        gint64 last = 0;
        for (guint i = 0; sets && i < json_array_get_length(sets); i++)
                last = MAX(last, json_int(json_object_at(sets, i), "fdset-id", 0));
        return (unsigned) CLAMP(last, 0, G_MAXINT32);
}

/* Moves the commands of a line into a script. */
static void take_commands(Script *script, CommandLine *line) {
        while (line->commands->len > 0)
                script_add(script, g_ptr_array_steal_index(line->commands, 0));
}

/* Attach */

static void keep_paths(Guest *guest, CommandLine *line) {
        for (guint i = 0; i < line->paths->len; i++)
                g_ptr_array_add(guest->paths, g_strdup(line->paths->pdata[i]));
        g_ptr_array_set_size(line->paths, 0);
}

static void on_attached(Guest *guest) {
        finish(guest, NULL);
        guest_find_agent(guest);
}

static void on_terminals(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        Operation *operation = changing(guest);
        if (!error)
                guest_take_terminals(guest, answer);
        if (operation)
                guest_write_terminals(guest, operation->change->next, operation->change->document);
        on_attached(guest);
}

static void on_plugged(void *data, const GError *error) {
        Guest *guest = data;
        if (error) {
                finish(guest, error);
                return;
        }
        CommandLine *line = guest->plugging->line;
        keep_paths(guest, line);
        if (line->consoles->len > 0)
                monitor_command(guest->monitor, "query-chardev", NULL, -1, on_terminals, guest);
        else
                on_attached(guest);
}

static CommandLineContext attach_context(Guest *guest, const Operation *operation) {
        const DeviceChange *change = operation->change;
        CommandLineContext context = guest_context(guest, change->document, change->next, guest->domain->live);
        context.last_fdset = guest->plugging->last_fdset;
        return context;
}

static void on_attach_files(Guest *guest, GPtrArray *files, const GError *error) {
        Operation *operation = changing(guest);
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        if (!failure) {
                CommandLineContext context = attach_context(guest, operation);
                guest->plugging->line = command_line_build(&context, files, &failure);
        }
        if (failure) {
                finish(guest, failure);
                return;
        }
        if (guest->plugging->line->locks_memory)
                guest_lock_memory(guest);
        guest->attaching = g_strdup(operation->change->alias);
        domain_save_status(guest->domain);
        Script *script = guest_script_new(guest);
        take_commands(script, guest->plugging->line);
        script_run(script, on_plugged, guest);
}

static void on_fdsets_known(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        if (error) {
                finish(guest, error);
                return;
        }
        guest->plugging->last_fdset = last_fdset(answer);
        CommandLineContext context = attach_context(guest, changing(guest));
        guest_open_files(guest, command_line_plan(&context), on_attach_files);
}

void hotplug_attach(Operation *operation) {
        Plugging *plugging = begin(operation);
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
                finish(guest, NULL);
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
                finish(guest, NULL);
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
                if (g_strcmp0(whose, cleanup->alias) == 0 && id >= 0 && id <= cleanup->last_fdset)
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

static Cleanup *cleanup_new(Guest *guest, const char *alias) {
        Cleanup *cleanup = g_new0(Cleanup, 1);
        *cleanup = (Cleanup){
                .guest = guest,
                .alias = g_strdup(alias),
                .prefix = command_line_node_prefix(alias),
                .script = guest_script_new(guest),
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
        xmlNode *element = rest ? device_change_element(rest, live, cleanup->alias) : NULL;
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
        command_line_free(line, false);
}

static void remove_socket(Guest *guest, const DeviceDefinition *device) {
        for (guint i = 0; i < guest->paths->len; i++)
                if (device->source && strcmp(guest->paths->pdata[i], device->source) == 0) {
                        unlink(device->source);
                        g_ptr_array_remove_index(guest->paths, i);
                        return;
                }
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

static void list_nodes(Cleanup *cleanup) {
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
        list_nodes(cleanup);
}

/* Whether QEMU has a device of that name. */
static bool is_listed(JsonArray *properties, const char *alias) {
        for (guint i = 0; properties && i < json_array_get_length(properties); i++)
                if (g_strcmp0(json_string(json_object_at(properties, i), "name"), alias) == 0)
                        return true;
        return false;
}

static void on_devices_listed(void *data, JsonObject *answer, const GError *error) {
        static const char *const kinds[] = { "disk", "interface", "hostdev", "rng", NULL }; /* these are always devices of QEMU's */
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
        monitor_command(guest->monitor, "qom-list", json_make("path", 's', "/machine/peripheral", NULL), -1, on_devices_listed,
                        guest);
}

static void unplug_next(Guest *guest);

/* Detach */

void hotplug_on_deleted(Guest *guest, JsonObject *arguments) {
        const char *alias = json_string(arguments, "device");
        const DeviceDefinition *device = alias ? definition_find_device(guest->domain->live, alias) : NULL;
        if (!alias)
                return; /* a part of another one */
        if (guest->plugging && guest->plugging->processors && g_strcmp0(guest->plugging->alias, alias) == 0) {
                domain_vcpus_changed(guest->domain, guest->domain->live->vcpus - 1);
                unplug_next(guest);
                return;
        }
        Cleanup *cleanup = cleanup_new(guest, alias);
        if (device) { /* else one whose attaching has failed half-way */
                remove_back_ends(cleanup);
                remove_socket(guest, device);
        } else
                remove_named_back_ends(cleanup);
        if (guest->plugging && g_strcmp0(guest->plugging->alias, alias) == 0)
                guest->detach_timeout = sd_event_source_disable_unref(guest->detach_timeout);
        if (g_strcmp0(guest->agent_alias, alias) == 0)
                guest_close_agent(guest);
        g_hash_table_remove(guest->terminals, alias);
        g_hash_table_remove(guest->streams, alias);
        list_nodes(cleanup);
}

void hotplug_on_refused(Guest *guest, JsonObject *arguments) {
        const char *alias = json_string(arguments, "device");
        g_autoptr(GError) error = NULL;
        if (!guest->plugging || !alias || g_strcmp0(guest->plugging->alias, alias) != 0)
                return;
        domain_fail(guest->domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "the guest refuses to let go of device '%s'", alias);
        finish(guest, error);
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
        finish(guest, error);
}

static int on_detach_timeout(sd_event_source *source, uint64_t usec, void *data) {
        Guest *guest = data;
        g_autoptr(GError) error = NULL;
        (void) source;
        (void) usec;
        domain_fail(guest->domain, &error, VIRTBUS_ERROR_TIMEOUT,
                    "the guest did not let go of device '%s' in time; if it does later, the device goes then",
                    guest->plugging->alias);
        finish(guest, error);
        return 0;
}

static void on_detach_begun(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        (void) answer;
        /* Asked again while the guest is at it: its event counts all the same. */
        if (error && guest->plugging && guest->plugging->alias && !strstr(error->message, "already in the process of unplug"))
                finish(guest, error);
}

void hotplug_detach(Operation *operation) {
        Plugging *plugging = begin(operation);
        if (!plugging)
                return;
        Guest *guest = plugging->guest;
        plugging->alias = g_strdup(operation->change->alias);
        sd_event_add_time_relative(guest->domain->connection->event, &guest->detach_timeout, CLOCK_MONOTONIC,
                                   operation->change->timeout, 0, on_detach_timeout, guest);
        monitor_command(guest->monitor, "device_del", json_make("id", 's', plugging->alias, NULL), -1, on_detach_begun, guest);
}

/* Update */

/* What of a device can be another while the guest runs: parts of its element, as DeviceEdit's places. */
static const struct {
        const char *kind;
        const char *parts[6];
} changeable[] = {
        { "disk", { "iotune" } },      { "interface", { "link", "bandwidth" } }, { "graphics", { "@passwd" } },
        { "memballoon", { "stats" } }, { "memory", { "target" } },
};

/* Of a drive. */
static const char *const medium_parts[] = { "@type", "source", "driver", "backingStore", NULL };

static bool is_drive(const DeviceDefinition *device) {
        return strcmp(device->type, "cdrom") == 0 || strcmp(device->type, "floppy") == 0;
}

static void strip(xmlNode *element, const char *part) {
        xmlAttr *attribute = part[0] == '@' ? xmlHasProp(element, (const xmlChar *) part + 1) : NULL;
        xmlNode *child = part[0] == '@' ? NULL : xml_child(element, part);
        if (attribute)
                xmlRemoveProp(attribute);
        if (child) {
                xml_remove(child);
        }
}

static int compare_elements(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* An element's text whatever the order of its attributes and children is. */
static char *canonical(const xmlNode *element) {
        g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func(g_free);
        g_autofree char *text = xml_child(element, NULL) ? NULL : xml_text(element);
        for (xmlAttr *attribute = element->properties; attribute; attribute = attribute->next) {
                g_autofree char *value = xml_attribute(element, (const char *) attribute->name);
                g_ptr_array_add(parts, g_strdup_printf("@%s='%s'", (const char *) attribute->name, value));
        }
        for (xmlNode *child = xml_child(element, NULL); child; child = xml_next(child, NULL))
                g_ptr_array_add(parts, canonical(child));
        g_ptr_array_sort(parts, compare_elements);
        g_ptr_array_add(parts, NULL);
        g_autofree char *inside = g_strjoinv(" ", (char **) parts->pdata);
        return g_strdup_printf("<%s %s %s>", (const char *) element->name, inside, text ? text : "");
}

/* One part of an element, "" where it has none. */
static char *part_text(const xmlNode *element, const char *part) {
        if (part[0] == '@') {
                char *value = xml_attribute(element, part + 1);
                return value ? value : g_strdup("");
        }
        const xmlNode *child = xml_child(element, part);
        return child ? canonical(child) : g_strdup("");
}

static bool differs(const xmlNode *old, const xmlNode *new, const char *part) {
        g_autofree char *one = part_text(old, part), *two = part_text(new, part);
        return strcmp(one, two) != 0;
}

/* Refuses a change of what cannot change. */
static bool check_update(const Guest *guest, const DeviceDefinition *device, const xmlNode *old, const xmlNode *new,
                         GError **error) {
        g_autoptr(xmlDoc) scratch = xmlNewDoc((const xmlChar *) "1.0");
        xmlNode *elements[] = { xmlDocCopyNode((xmlNode *) old, scratch, 1), xmlDocCopyNode((xmlNode *) new, scratch, 1) };
        xmlNode *root = xmlNewDocNode(scratch, NULL, (const xmlChar *) "scratch", NULL);
        xmlDocSetRootElement(scratch, root);
        for (size_t i = 0; i < 2; i++) {
                xmlAddChild(root, elements[i]);
                for (size_t k = 0; k < G_N_ELEMENTS(changeable); k++)
                        for (size_t j = 0; strcmp(changeable[k].kind, device->kind) == 0 && changeable[k].parts[j]; j++)
                                strip(elements[i], changeable[k].parts[j]);
                for (size_t j = 0; is_drive(device) && medium_parts[j]; j++)
                        strip(elements[i], medium_parts[j]);
        }
        g_autofree char *one = canonical(elements[0]), *two = canonical(elements[1]);
        if (strcmp(one, two) == 0)
                return true;
        for (xmlAttr *attribute = elements[0]->properties; attribute; attribute = attribute->next) {
                g_autofree char *name = g_strdup_printf("@%s", (const char *) attribute->name);
                if (differs(elements[0], elements[1], name))
                        return domain_fail(
                                        guest->domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                                        "device '%s': its attribute %s cannot change while the guest runs; use the option config",
                                        device->alias, (const char *) attribute->name);
        }
        const char *what = "element";
        for (size_t i = 0; i < 2; i++)
                for (xmlNode *child = xml_child(elements[i], NULL); child; child = xml_next(child, NULL))
                        if (differs(elements[0], elements[1], (const char *) child->name))
                                what = (const char *) child->name;
        return domain_fail(guest->domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                           "device '%s': its <%s> cannot change while the guest runs; use the option config", device->alias,
                           what);
}

/* The kernel answers at once. */
static bool set_bandwidth(const DeviceDefinition *live, const xmlNode *element, GError **error) {
        Bandwidth bandwidth = bandwidth_of(element);
        return bandwidth_set(live->target, strcmp(live->type, "direct") == 0, &bandwidth, error);
}

static void on_updated(void *data, const GError *error) {
        Guest *guest = data;
        Plugging *plugging = guest->plugging;
        const Operation *operation = changing(guest);
        g_autoptr(GError) failure = NULL;
        if (!error && operation && plugging->bandwidth &&
            !set_bandwidth(definition_find_device(guest->domain->live, operation->change->alias), plugging->bandwidth, &failure))
                error = failure;
        if (error || !plugging->changes_medium || !operation) {
                finish(guest, error);
                return;
        }
        /* The old medium's nodes and files. */
        Cleanup *cleanup = cleanup_new(guest, operation->change->alias);
        cleanup->one_base = true;
        cleanup->first_layer = plugging->first_layer >= DISK_LAYERS_OTHER ? 0 : DISK_LAYERS_OTHER;
        cleanup->last_fdset = plugging->last_fdset;
        plugging->alias = g_strdup(operation->change->alias);
        list_nodes(cleanup);
}

/* What follows a medium, or stands alone. */
static bool add_settings(Guest *guest, const Operation *operation, Script *script, GError **error) {
        const DeviceChange *change = operation->change;
        Domain *domain = guest->domain;
        g_autoptr(xmlDoc) document = xml_parse(domain->live->xml, "domain", error);
        const xmlNode *old = document ? device_change_element(document, domain->live, change->alias) : NULL;
        const xmlNode *new = device_change_element(change->document, change->next, change->alias);
        const DeviceDefinition *device = definition_find_device(change->next, change->alias);
        g_autofree char *path = g_strdup_printf("/machine/peripheral/%s", change->alias);
        if (!old || !new || !device)
                return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID, "device '%s' is gone already", change->alias);
        if (strcmp(device->kind, "disk") == 0 && differs(old, new, "iotune")) {
                CommandLineContext context = guest_context(guest, change->document, change->next, domain->live);
                CommandLine *line = command_line_build_limits(&context, guest->plugging->device, error);
                if (!line)
                        return false;
                take_commands(script, line);
                command_line_free(line, true);
        } else if (strcmp(device->kind, "interface") == 0) {
                if (differs(old, new, "bandwidth")) {
                        CommandLineContext context = guest_context(guest, change->document, change->next, domain->live);
                        CommandLine *line = command_line_build_limits(&context, guest->plugging->device, error);
                        if (!line)
                                return false;
                        command_line_free(line, true);
                        guest->plugging->bandwidth = new;
                }
                if (differs(old, new, "link"))
                        script_add_command(script, "set_link",
                                           json_make("name", 's', change->alias, "up", 'b',
                                                     !xml_attribute_is(xml_child(new, "link"), "state", "down"), NULL));
        } else if (strcmp(device->kind, "graphics") == 0 && differs(old, new, "@passwd")) {
                g_autofree char *password = xml_attribute(new, "passwd");
                script_add_command(script, "set_password",
                                   json_make("protocol", 's', device->type, "password", 's', password ? password : "", NULL));
        } else if (strcmp(device->kind, "memballoon") == 0 && differs(old, new, "stats")) {
                uint64_t period = 0;
                if (!xml_number_attribute(xml_child(new, "stats"), "period", 0, G_MAXINT32, &period, error))
                        return false;
                script_add_command(script, "qom-set",
                                   json_make("path", 's', path, "property", 's', "guest-stats-polling-interval", "value", 'i',
                                             (gint64) period, NULL));
        } else if (strcmp(device->kind, "memory") == 0 && differs(old, new, "target")) {
                const xmlNode *requested = xml_find(new, "target/requested");
                g_autofree char *text = xml_text(requested), *unit = xml_attribute(requested, "unit");
                uint64_t size = 0, factor = xml_unit(unit ? unit : "KiB");
                if (!requested || factor == 0 || !xml_number(requested, "its size", text, 0, INT64_MAX / factor, &size, error))
                        return error && *error ? false
                                               : domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                                                             "device '%s': of memory only what is requested of a virtio-mem can "
                                                             "change while the guest runs",
                                                             change->alias);
                script_add_command(script, "qom-set",
                                   json_make("path", 's', path, "property", 's', "requested-size", "value", 'i',
                                             (gint64) (size * factor), NULL));
        }
        return true;
}

static void run_update(Guest *guest, Script *script) {
        g_autoptr(GError) error = NULL;
        if (add_settings(guest, changing(guest), script, &error)) {
                script_run(script, on_updated, guest);
                return;
        }
        g_hash_table_remove(guest->scripts, script);
        finish(guest, error);
}

static JsonObject *drive_arguments(const Plugging *plugging, const char *node) {
        return json_make("id", 's', plugging->drive, "node-name", 's', node, NULL);
}

/* The new medium is open: the old one out, the new one in. */
static void on_medium_files(Guest *guest, GPtrArray *files, const GError *error) {
        Plugging *plugging = guest->plugging;
        const Operation *operation = changing(guest);
        const DeviceChange *change = operation->change;
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        if (!failure) {
                CommandLineContext context = guest_context(guest, change->document, change->next, guest->domain->live);
                context.last_fdset = plugging->last_fdset;
                context.first_layer = plugging->first_layer;
                plugging->line = command_line_build_medium(&context, plugging->device, files, &plugging->node, &failure);
        }
        if (failure) {
                finish(guest, failure);
                return;
        }
        Script *script = guest_script_new(guest);
        take_commands(script, plugging->line);
        JsonObject *open = drive_arguments(plugging, NULL);
        json_add(open, "force", 'b', change->force, NULL);
        script_add_command(script, "blockdev-open-tray", open);
        script_undo_by(script, "blockdev-close-tray", drive_arguments(plugging, NULL));
        if (plugging->old_node) {
                script_add_command(script, "blockdev-remove-medium", drive_arguments(plugging, NULL));
                script_undo_by(script, "blockdev-insert-medium", drive_arguments(plugging, plugging->old_node));
        }
        if (plugging->node) {
                script_add_command(script, "blockdev-insert-medium", drive_arguments(plugging, plugging->node));
                script_undo_by(script, "blockdev-remove-medium", drive_arguments(plugging, NULL));
                script_add_command(script, "blockdev-close-tray", drive_arguments(plugging, NULL));
        }
        run_update(guest, script);
}

static void on_medium_fdsets(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        const Operation *operation = changing(guest);
        if (error) {
                finish(guest, error);
                return;
        }
        guest->plugging->last_fdset = last_fdset(answer);
        CommandLineContext context =
                        guest_context(guest, operation->change->document, operation->change->next, guest->domain->live);
        guest_open_files(guest, command_line_plan_medium(&context, guest->plugging->device), on_medium_files);
}

/* Finds the drive: commands know it by what is said here. */
static void on_block_known(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        Plugging *plugging = guest->plugging;
        const Operation *operation = changing(guest);
        JsonArray *drives = json_array(answer, "return");
        const char *alias = operation->change->alias;
        g_autofree char *part = g_strdup_printf("/%s/", alias), *prefix = command_line_node_prefix(alias);
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        for (guint i = 0; drives && i < json_array_get_length(drives); i++) {
                JsonObject *drive = json_object_at(drives, i);
                const char *name = json_string(drive, "qdev"), *medium = json_string(json_member(drive, "inserted"), "node-name");
                if (!name || (strcmp(name, alias) != 0 && !strstr(name, part)))
                        continue;
                plugging->drive = g_strdup(name);
                plugging->old_node = g_strdup(medium);
                int layer = medium ? command_line_node_layer(prefix, medium) : -1;
                if (layer >= 0 && layer < DISK_LAYERS_OTHER)
                        plugging->first_layer = DISK_LAYERS_OTHER;
        }
        if (!failure && !plugging->drive)
                domain_fail(guest->domain, &failure, VIRTBUS_ERROR_HYPERVISOR_FAILED, "QEMU knows no drive '%s'", alias);
        if (failure)
                finish(guest, failure);
        else
                monitor_command(guest->monitor, "query-fdsets", NULL, -1, on_medium_fdsets, guest);
}

void hotplug_update(Operation *operation) {
        const DeviceChange *change = operation->change;
        const Definition *live = operation->domain->live;
        g_autoptr(GError) error = NULL;
        Plugging *plugging = begin(operation);
        if (!plugging)
                return;
        Guest *guest = plugging->guest;
        g_autoptr(xmlDoc) document = xml_parse(live->xml, "domain", &error);
        const xmlNode *old = document ? device_change_element(document, live, change->alias) : NULL;
        const xmlNode *new = device_change_element(change->document, change->next, change->alias);
        const DeviceDefinition *device = definition_find_device(live, change->alias);
        if (!error && (!old || !new || !device))
                domain_fail(operation->domain, &error, VIRTBUS_ERROR_UNSUPPORTED,
                            "device '%s' would be another one; detach it, and attach that", change->alias);
        if (error || !check_update(guest, device, old, new, &error)) {
                finish(guest, error);
                return;
        }
        while (strcmp(((DeviceDefinition *) change->next->devices->pdata[plugging->device])->alias, change->alias) != 0)
                plugging->device++;
        for (size_t i = 0; is_drive(device) && medium_parts[i]; i++)
                plugging->changes_medium |= differs(old, new, medium_parts[i]);
        if (plugging->changes_medium)
                monitor_command(guest->monitor, "query-block", NULL, -1, on_block_known, guest);
        else
                run_update(guest, guest_script_new(guest));
}

/* Memory and processors */

static void on_ballooned(void *data, JsonObject *answer, const GError *error) {
        (void) answer;
        finish(data, error);
}

static void on_processors_plugged(void *data, const GError *error) {
        finish(data, error);
}

/* Asks for the next processor; done when there is none. */
static void unplug_next(Guest *guest) {
        Plugging *plugging = guest->plugging;
        guest->detach_timeout = sd_event_source_disable_unref(guest->detach_timeout);
        g_clear_pointer(&plugging->alias, g_free);
        if (plugging->processors->len == 0) {
                finish(guest, NULL);
                return;
        }
        plugging->alias = g_strdup(plugging->processors->pdata[0]);
        g_ptr_array_remove_index(plugging->processors, 0);
        sd_event_add_time_relative(guest->domain->connection->event, &guest->detach_timeout, CLOCK_MONOTONIC,
                                   DETACH_TIMEOUT_DEFAULT, 0, on_detach_timeout, guest);
        monitor_command(guest->monitor, "device_del", json_make("id", 's', plugging->alias, NULL), -1, on_detach_begun, guest);
}

/* QEMU lists the places of processors, the last first; those that are taken say by what. */
static void on_processors_known(void *data, JsonObject *answer, const GError *error) {
        static const char path[] = "/machine/peripheral/";
        Guest *guest = data;
        Operation *operation = changing(guest);
        JsonArray *places = json_array(answer, "return");
        uint32_t wanted = operation->change->vcpus, has = guest->domain->live->vcpus;
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        g_autoptr(GPtrArray) removed = g_ptr_array_new_with_free_func(g_free);
        Script *script = guest_script_new(guest);
        uint32_t n = 0, left = wanted > has ? wanted - has : has - wanted;
        guint length = !failure && places ? json_array_get_length(places) : 0;
        for (guint i = 0; i < length && n < left; i++) {
                guint number = wanted > has ? length - 1 - i : i;
                JsonObject *place = json_object_at(places, number);
                const char *taken = json_string(place, "qom-path"), *type = json_string(place, "type");
                JsonObject *properties = json_member(place, "props");
                g_autofree char *id = g_strdup_printf("vcpu%u", length - 1 - number);
                if (wanted > has && !taken && type && properties) {
                        JsonObject *device = json_make("driver", 's', type, "id", 's', id, NULL);
                        g_autoptr(GList) names = json_object_get_members(properties);
                        for (GList *link = names; link; link = link->next)
                                json_object_set_member(device, link->data,
                                                       json_node_copy(json_object_get_member(properties, link->data)));
                        script_add_command(script, "device_add", device);
                        n++;
                } else if (wanted < has && taken && g_str_has_prefix(taken, path)) {
                        g_ptr_array_add(removed, g_strdup(taken + strlen(path)));
                        n++;
                }
        }
        if (!failure && n < left)
                domain_fail(guest->domain, &failure, VIRTBUS_ERROR_UNSUPPORTED,
                            wanted > has ? "the machine has no place for more processors; use the option config"
                                         : "processors that it started with cannot be taken away while it runs; use the option "
                                           "config");
        if (!failure && wanted > has) {
                script_run(script, on_processors_plugged, guest);
                return;
        }
        g_hash_table_remove(guest->scripts, script);
        if (failure)
                finish(guest, failure);
        else {
                guest->plugging->processors = g_steal_pointer(&removed);
                unplug_next(guest);
        }
}

/* What the document says of threads, which may have limits of their own. */
static void place_threads(Guest *guest, xmlDoc *document, ThreadsPlaced placed) {
        if (threads_are_placed(document) || guest->has_thread_groups)
                threads_place(guest, xmlCopyDoc(document, 1), placed);
        else
                placed(guest, NULL);
}

/* What holds on the host is one whole: where a part of it is refused, all is set again as it was. */
static void on_set_back(Guest *guest, const GError *unused) {
        g_autoptr(GError) error = g_steal_pointer(&guest->plugging->error);
        (void) unused;
        finish(guest, error);
}

static void set_back_threads(Guest *guest, const GError *unused) {
        g_autoptr(xmlDoc) document = xml_parse(guest->domain->live->xml, "domain", NULL);
        (void) unused;
        place_threads(guest, document, on_set_back);
}

static void on_host_side_set(Guest *guest, const GError *error) {
        const Operation *operation = changing(guest);
        if (!error || !operation) {
                finish(guest, error);
                return;
        }
        g_autoptr(xmlDoc) document = xml_parse(guest->domain->live->xml, "domain", NULL);
        guest->plugging->error = g_error_copy(error);
        if (operation->change->edits->len > 0 || operation->change->nodes)
                scope_set_limits(guest, document, set_back_threads);
        else
                set_back_threads(guest, NULL);
}

static void on_limits_set(Guest *guest, const GError *error) {
        const Operation *operation = changing(guest);
        if (error || !operation)
                on_host_side_set(guest, error);
        else
                place_threads(guest, operation->change->document, on_host_side_set);
}

static void on_io_threads_changed(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        const Operation *operation = changing(guest);
        (void) answer;
        if (error || !operation)
                finish(guest, error);
        else
                place_threads(guest, operation->change->document, finish);
}

void hotplug_resize(Operation *operation) {
        const DeviceChange *change = operation->change;
        Plugging *plugging = begin(operation);
        if (!plugging)
                return;
        Guest *guest = plugging->guest;
        if (change->vcpus > 0 && change->vcpus < guest->domain->live->vcpus && strcmp(guest->domain->live->type, "kvm") != 0) {
                /* QEMU 7.2 counts the threads that TCG has ever had, and ends when there are too many. */
                g_autoptr(GError) error = NULL;
                domain_fail(guest->domain, &error, VIRTBUS_ERROR_UNSUPPORTED,
                            "QEMU cannot take away processors that it emulates (type 'qemu') while the guest runs; use the "
                            "option "
                            "config");
                finish(guest, error);
                return;
        }
        if (change->cpus) {
                place_threads(guest, change->document, on_host_side_set);
                return;
        }
        if (change->io_thread != IO_THREAD_SAME) {
                bool adds = change->io_thread == IO_THREAD_ADDED;
                g_autofree char *id = g_strdup_printf("iothread%u", change->thread);
                JsonObject *thread = json_make("id", 's', id, adds ? "qom-type" : NULL, 's', "iothread", NULL);
                monitor_command(guest->monitor, adds ? "object-add" : "object-del", thread, -1, on_io_threads_changed, guest);
                return;
        }
        if (change->edits->len > 0 || change->nodes) {
                scope_set_limits(guest, change->document, on_limits_set);
                return;
        }
        if (change->vcpus > 0) {
                monitor_command(guest->monitor, "query-hotpluggable-cpus", NULL, -1, on_processors_known, guest);
                return;
        }
        /* How much it has, QEMU tells when it changes. */
        definition_set_memory(xmlDocGetRootElement(change->document), guest->domain->live->memory);
        monitor_command(guest->monitor, "balloon", json_make("value", 'i', (gint64) change->memory, NULL), -1, on_ballooned,
                        guest);
}

/* Resize */

static void on_resized(void *data, JsonObject *answer, const GError *error) {
        Call *call = data;
        (void) answer;
        if (error)
                call_fail(call, error);
        else
                reply_device_disk_resize(call);
}

void hotplug_resize_disk(Domain *domain, const DeviceDefinition *device, uint64_t bytes, Call *call) {
        Guest *guest = domain->run;
        g_autoptr(GError) error = NULL;
        if (!guest_check_monitor(domain, &error)) {
                call_fail(call, error);
                return;
        }
        g_autofree char *prefix = command_line_node_prefix(device->alias), *node = g_strdup_printf("%s0-format", prefix);
        monitor_command(guest->monitor, "block_resize", json_make("node-name", 's', node, "size", 'i', (gint64) bytes, NULL), -1,
                        on_resized, call);
}
