/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/update.h"

#include <inttypes.h>
#include <string.h>

#include "base/xml-compare.h"
#include "domain/card-port.h"
#include "domain/domain-status.h"
#include "domain/operations/device-change.h"
#include "log.h"
#include "qemu/command/files-plan.h"
#include "qemu/command/node-name.h"
#include "qemu/guest/guest-fetch.h"
#include "qemu/guest/isolation.h"
#include "qemu/guest/nodes.h"
#include "qemu/guest/plugging.h"
#include "vtables.h"

/* What of a device can be another while the guest runs: parts of its element, as DeviceEdit's places. */
static const struct {
        const char *kind;
        const char *parts[6];
} changeable[] = {
        { "disk", { "iotune" } },      { "interface", { "link", "bandwidth", "filterref" } },
        { "graphics", { "@passwd" } }, { "memballoon", { "stats" } },
        { "memory", { "target" } },
};

/* Of a drive. */
static const char *const medium_parts[] = { "@type", "source", "driver", "backingStore", NULL };

static bool is_drive(const DeviceDefinition *device) {
        return strcmp(device->type, "cdrom") == 0 || strcmp(device->type, "floppy") == 0;
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
                                xml_strip(elements[i], changeable[k].parts[j]);
                for (size_t j = 0; is_drive(device) && medium_parts[j]; j++)
                        xml_strip(elements[i], medium_parts[j]);
        }
        g_autofree char *one = xml_canonical(elements[0]), *two = xml_canonical(elements[1]);
        if (strcmp(one, two) == 0)
                return true;
        for (xmlAttr *attribute = elements[0]->properties; attribute; attribute = attribute->next) {
                g_autofree char *name = g_strdup_printf("@%s", (const char *) attribute->name);
                if (xml_differs(elements[0], elements[1], name))
                        return domain_fail(
                                        guest->domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                                        "device '%s': its attribute %s cannot change while the guest runs; use the option config",
                                        device->alias, (const char *) attribute->name);
        }
        const char *what = "element";
        for (size_t i = 0; i < 2; i++)
                for (xmlNode *child = xml_child(elements[i], NULL); child; child = xml_next(child, NULL))
                        if (xml_differs(elements[0], elements[1], (const char *) child->name))
                                what = (const char *) child->name;
        return domain_fail(guest->domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                           "device '%s': its <%s> cannot change while the guest runs; use the option config", device->alias,
                           what);
}

/* The old medium's nodes and files. */
static void remove_old_medium(Guest *guest) {
        const Medium *medium = guest->medium;
        Cleanup *cleanup = cleanup_new(guest, medium->alias);
        cleanup->one_base = true;
        cleanup->first_layer = medium->first_layer >= DISK_LAYERS_OTHER ? 0 : DISK_LAYERS_OTHER;
        cleanup->last_fdset = medium->last_fdset;
        cleanup_run(cleanup);
}

/* QEMU's words, which have no code of their own. */
static bool is_of_locked_tray(const GError *error) {
        return strstr(error->message, "is locked and force was not specified") ||
               (strstr(error->message, "Tray of device") && strstr(error->message, "is not open"));
}

static void run_update(Guest *guest, Script *script);

/* What the card's element is to be. */
static const xmlNode *next_element(const Guest *guest) {
        const DeviceChange *change = device_change_of(plugging_operation(guest));
        return definition_find_element(change->document, change->next, change->alias);
}

/* What is of the card's port comes first: it is what may fail. */

static void end_port_change(Guest *guest) {
        g_clear_pointer(&guest->plugging->port, port_change_free);
}

static void finish_update(Guest *guest, const GError *error);

static void on_port_changed(void *data, const GError *error) {
        Guest *guest = data;
        guest->plugging->port_has_changed = port_change_has_begun(guest->plugging->port);
        end_port_change(guest);
        if (error)
                finish_update(guest, error);
        else
                run_update(guest, guest_script_new(guest));
}

static void change_port(Guest *guest) {
        g_autoptr(GError) error = NULL;
        guest->plugging->port = card_port_change(guest->domain, guest_fetch_sender(guest), guest->plugging->old,
                                                 next_element(guest), on_port_changed, guest, &error);
        if (error)
                plugging_finish(guest, error);
}

static void on_port_back(void *data, const GError *unset) {
        Guest *guest = data;
        g_autoptr(GError) error = g_steal_pointer(&guest->plugging->error);
        if (unset)
                log_error("domain '%s': the port of a card stays as it was to be: %s", domain_name(guest->domain),
                          unset->message);
        end_port_change(guest);
        plugging_finish(guest, error);
}

/* Else the port is what it was. */
static void finish_update(Guest *guest, const GError *error) {
        Plugging *plugging = guest->plugging;
        if (error && plugging && plugging->port_has_changed && plugging_operation(guest)) {
                plugging->port_has_changed = false;
                plugging->error = g_error_copy(error);
                plugging->port = card_port_change(guest->domain, guest_fetch_sender(guest), plugging->old, plugging->old,
                                                  on_port_back, guest, NULL);
                if (plugging->port)
                        return;
        }
        plugging_finish(guest, error);
}

static void on_updated(void *data, const GError *error) {
        Guest *guest = data;
        Plugging *plugging = guest->plugging;
        const Operation *operation = plugging_operation(guest);
        g_autoptr(GError) failure = NULL;
        if (error && plugging->changes_medium && operation && is_of_locked_tray(error)) {
                domain_fail(guest->domain, &failure, VIRTBUS_ERROR_RESOURCE_BUSY,
                            "the guest has locked the drive '%s', and is asked to open it: call again when it has, or pass the "
                            "option force",
                            device_change_of(operation)->alias);
                error = failure;
        }
        if (error || !plugging->changes_medium || !operation) {
                finish_update(guest, error);
                return;
        }
        guest->medium->is_done = true;
        domain_save_status(guest->domain);
        plugging->alias = g_strdup(device_change_of(operation)->alias);
        remove_old_medium(guest);
}

/* What follows a medium, or stands alone. */
static bool add_settings(Guest *guest, const Operation *operation, Script *script, GError **error) {
        const DeviceChange *change = device_change_of(operation);
        Domain *domain = guest->domain;
        /* What was there when this began: nothing else can have changed it but its own leaving. */
        const xmlNode *old = definition_find_device(domain->live, change->alias) ? guest->plugging->old : NULL;
        const xmlNode *new = definition_find_element(change->document, change->next, change->alias);
        const DeviceDefinition *device = definition_find_device(change->next, change->alias);
        g_autofree char *path = g_strdup_printf("/machine/peripheral/%s", change->alias);
        if (!old || !new || !device)
                return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID, "device '%s' is gone already", change->alias);
        if (strcmp(device->kind, "disk") == 0 && xml_differs(old, new, "iotune")) {
                CommandLineContext context = guest_context(guest, change->document, change->next, domain->live);
                CommandLine *line = command_line_build_limits(&context, guest->plugging->device, error);
                if (!line)
                        return false;
                plugging_take_commands(script, line);
                command_line_free(line);
        } else if (strcmp(device->kind, "interface") == 0) {
                if (xml_differs(old, new, "link"))
                        script_add_command(script, "set_link",
                                           json_make("name", 's', change->alias, "up", 'b',
                                                     !xml_attribute_is(xml_child(new, "link"), "state", "down"), NULL));
        } else if (strcmp(device->kind, "graphics") == 0 && xml_differs(old, new, "@passwd")) {
                g_autofree char *password = xml_attribute(new, "passwd");
                script_add_command(script, "set_password",
                                   json_make("protocol", 's', device->type, "password", 's', password ? password : "", NULL));
        } else if (strcmp(device->kind, "memballoon") == 0 && xml_differs(old, new, "stats")) {
                uint64_t period = 0;
                if (!xml_number_attribute(xml_child(new, "stats"), "period", 0, G_MAXINT32, &period, error))
                        return false;
                script_add_command(script, "qom-set",
                                   json_make("path", 's', path, "property", 's', "guest-stats-polling-interval", "value", 'i',
                                             (gint64) period, NULL));
        } else if (strcmp(device->kind, "memory") == 0 && xml_differs(old, new, "target")) {
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
        if (add_settings(guest, plugging_operation(guest), script, &error)) {
                script_run(script, on_updated, guest);
                return;
        }
        g_hash_table_remove(guest->scripts, script);
        finish_update(guest, error);
}

/* Media */

static void save(const Guest *guest, xmlNode *saved) {
        const Medium *medium = guest->medium;
        if (!medium)
                return;
        xmlNode *element = xml_add(saved, "medium", medium->element);
        g_autofree char *layer = g_strdup_printf("%u", medium->first_layer), *fdset = g_strdup_printf("%u", medium->last_fdset);
        xml_set_attribute(element, "alias", medium->alias);
        xml_set_attribute(element, "drive", medium->drive);
        if (medium->old_node)
                xml_set_attribute(element, "old-node", medium->old_node);
        xml_set_attribute(element, "first-layer", layer);
        xml_set_attribute(element, "last-fdset", fdset);
        xml_set_attribute(element, "done", medium->is_done ? "yes" : "no");
}

static void load(Guest *guest, xmlNode *saved) {
        xmlNode *element = xml_child(saved, "medium");
        uint64_t layer = 0, fdset = 0;
        if (!element || !xml_number_attribute(element, "first-layer", 0, G_MAXINT32, &layer, NULL) ||
            !xml_number_attribute(element, "last-fdset", 0, G_MAXINT32, &fdset, NULL))
                return;
        guest->medium = g_new0(Medium, 1);
        *guest->medium = (Medium){
                .alias = xml_attribute(element, "alias"),
                .drive = xml_attribute(element, "drive"),
                .old_node = xml_attribute(element, "old-node"),
                .element = xml_text(element),
                .first_layer = (unsigned) layer,
                .last_fdset = (unsigned) fdset,
                .is_done = xml_attribute_is(element, "done", "yes"),
        };
        if (!guest->medium->alias || !guest->medium->drive || !guest->medium->element) /* damaged: nothing is left to be done */
                g_clear_pointer(&guest->medium, medium_free);
}

static JsonObject *drive_arguments(const Medium *medium, const char *node) {
        return json_make("id", 's', medium->drive, "node-name", 's', node, NULL);
}

/* The last driver ended when the new medium was in the drive: the document follows. */
static void roll_forward(Guest *guest) {
        const Medium *medium = guest->medium;
        Definition *live = guest->domain->live;
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = definition_document(live, &error),
                          parsed = document ? xml_parse(medium->element, NULL, &error) : NULL;
        xmlNode *old = parsed ? definition_find_element(document, live, medium->alias) : NULL;
        if (old) {
                xmlNode *element = xmlDocCopyNode(xmlDocGetRootElement(parsed), document, 1);
                xmlReplaceNode(old, element);
                xmlFreeNode(old);
        }
        g_autoptr(Definition) next = old ? definition_from_document(document, &error) : NULL;
        if (next)
                domain_set_live(guest->domain, next);
        else
                log_error("domain '%s': the medium of '%s' is another than its document says: %s", domain_name(guest->domain),
                          medium->alias, error ? error->message : "it has no such device");
        remove_old_medium(guest);
        g_clear_pointer(&guest->medium, medium_free);
        domain_save_status(guest->domain);
}

static void on_rolled_back(void *data, const GError *unused) {
        Guest *guest = data;
        const Medium *medium = guest->medium;
        Cleanup *cleanup = cleanup_new(guest, medium->alias);
        (void) unused;
        cleanup->one_base = true;
        cleanup->first_layer = medium->first_layer;
        cleanup->before_fdset = medium->last_fdset;
        cleanup_run(cleanup);
        g_clear_pointer(&guest->medium, medium_free);
        domain_save_status(guest->domain);
}

/* Else the old one goes back to where it was. */
static void on_drives_known(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        const Medium *medium = guest->medium;
        JsonObject *drive = json_find(json_array(answer, "return"), "qdev", medium->drive);
        const char *inserted = json_string(json_member(drive, "inserted"), "node-name");
        if (error)
                return; /* it has ended */
        Script *script = guest_script_new(guest);
        script_ignore_errors(script);
        if (g_strcmp0(inserted, medium->old_node) != 0) {
                JsonObject *open = drive_arguments(medium, NULL);
                json_add(open, "force", 'b', TRUE, NULL);
                script_add_command(script, "blockdev-open-tray", open);
                script_add_command(script, "blockdev-remove-medium", drive_arguments(medium, NULL));
                if (medium->old_node)
                        script_add_command(script, "blockdev-insert-medium", drive_arguments(medium, medium->old_node));
        }
        script_add_command(script, "blockdev-close-tray", drive_arguments(medium, NULL));
        script_run(script, on_rolled_back, guest);
}

static void recover(Guest *guest) {
        if (!guest->medium)
                return;
        if (guest->medium->is_done)
                roll_forward(guest);
        else
                monitor_command(guest->monitor, "query-block", NULL, -1, on_drives_known, guest);
}

/* QEMU sees what the new medium needs: the old one out, the new one in. */
static void on_medium_reached(Guest *guest, const GError *error) {
        Plugging *plugging = guest->plugging;
        if (error) {
                plugging_finish(guest, error);
                return;
        }
        const DeviceChange *change = device_change_of(plugging_operation(guest));
        Medium *medium = guest->medium;
        medium->last_fdset = plugging->last_fdset;
        medium->element = xml_element_text(definition_find_element(change->document, change->next, change->alias));
        domain_save_status(guest->domain);
        Script *script = guest_script_new(guest);
        plugging_take_commands(script, plugging->line);
        JsonObject *open = drive_arguments(medium, NULL);
        json_add(open, "force", 'b', change->force, NULL);
        script_add_command(script, "blockdev-open-tray", open);
        script_undo_by(script, "blockdev-close-tray", drive_arguments(medium, NULL));
        if (medium->old_node) {
                script_add_command(script, "blockdev-remove-medium", drive_arguments(medium, NULL));
                script_undo_by(script, "blockdev-insert-medium", drive_arguments(medium, medium->old_node));
        }
        if (plugging->node) {
                script_add_command(script, "blockdev-insert-medium", drive_arguments(medium, plugging->node));
                script_undo_by(script, "blockdev-remove-medium", drive_arguments(medium, NULL));
                script_add_command(script, "blockdev-close-tray", drive_arguments(medium, NULL));
        }
        run_update(guest, script);
}

static void on_medium_files(Guest *guest, GPtrArray *files, const GError *error) {
        Plugging *plugging = guest->plugging;
        const Operation *operation = plugging_operation(guest);
        const DeviceChange *change = device_change_of(operation);
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        if (!failure) {
                CommandLineContext context = guest_context(guest, change->document, change->next, guest->domain->live);
                context.last_fdset = plugging->last_fdset;
                context.first_layer = guest->medium->first_layer;
                nodes_number(guest, change->document, change->next, files, context.first_layer);
                plugging->line = command_line_build_medium(&context, plugging->device, files, &plugging->node, &failure);
                if (plugging->line)
                        nodes_remember(guest, plugging->line);
        }
        if (failure)
                plugging_finish(guest, failure);
        else
                isolation_show(guest, plugging->line, on_medium_reached);
}

static void on_medium_fdsets(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        const Operation *operation = plugging_operation(guest);
        if (error) {
                plugging_finish(guest, error);
                return;
        }
        guest->plugging->last_fdset = plugging_last_fdset(answer);
        CommandLineContext context = guest_context(guest, device_change_of(operation)->document,
                                                   device_change_of(operation)->next, guest->domain->live);
        guest_open_files(guest, files_plan_medium(&context, guest->plugging->device), on_medium_files);
}

/* Finds the drive: commands know it by what is said here. */
static void on_block_known(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        const Operation *operation = plugging_operation(guest);
        JsonArray *drives = json_array(answer, "return");
        const char *alias = device_change_of(operation)->alias;
        g_autofree char *part = g_strdup_printf("/%s/", alias), *prefix = node_name_prefix(alias);
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        Medium *medium = guest->medium = g_new0(Medium, 1);
        medium->alias = g_strdup(alias);
        for (guint i = 0; drives && !medium->drive && i < json_array_get_length(drives); i++) {
                JsonObject *drive = json_object_at(drives, i);
                const char *name = json_string(drive, "qdev"), *node = json_string(json_member(drive, "inserted"), "node-name");
                if (!name || (strcmp(name, alias) != 0 && !strstr(name, part)))
                        continue;
                medium->drive = g_strdup(name);
                medium->old_node = g_strdup(node);
                int layer = node ? node_name_layer(prefix, node) : -1;
                if (layer >= 0 && layer < DISK_LAYERS_OTHER)
                        medium->first_layer = DISK_LAYERS_OTHER;
        }
        if (!failure && !medium->drive)
                domain_fail(guest->domain, &failure, VIRTBUS_ERROR_HYPERVISOR_FAILED, "QEMU knows no drive '%s'", alias);
        if (failure)
                plugging_finish(guest, failure);
        else
                monitor_command(guest->monitor, "query-fdsets", NULL, -1, on_medium_fdsets, guest);
}

/* Of a card: its bandwidth is checked before anything changes. */
static void update_port(Guest *guest) {
        const DeviceChange *change = device_change_of(plugging_operation(guest));
        g_autoptr(GError) error = NULL;
        CommandLineContext context = guest_context(guest, change->document, change->next, guest->domain->live);
        CommandLine *line = command_line_build_limits(&context, guest->plugging->device, &error);
        if (!line)
                plugging_finish(guest, error);
        else
                change_port(guest);
        g_clear_pointer(&line, command_line_free);
}

void update_device(Operation *operation) {
        const DeviceChange *change = device_change_of(operation);
        const Definition *live = operation->domain->live;
        g_autoptr(GError) error = NULL;
        Plugging *plugging = plugging_begin(operation);
        if (!plugging)
                return;
        Guest *guest = plugging->guest;
        plugging->document = definition_document(live, &error);
        /* The images of a disk are not compared as far as they were found: an author need not name them. */
        g_autoptr(xmlDoc) asked = xmlCopyDoc(change->document, 1);
        disk_chain_forget(asked);
        if (plugging->document)
                disk_chain_forget(plugging->document);
        const xmlNode *old = plugging->old =
                        plugging->document ? definition_find_element(plugging->document, live, change->alias) : NULL;
        const xmlNode *new = definition_find_element(asked, change->next, change->alias);
        const DeviceDefinition *device = definition_find_device(live, change->alias);
        if (!error && (!old || !new || !device))
                domain_fail(operation->domain, &error, VIRTBUS_ERROR_UNSUPPORTED,
                            "device '%s' would be another one; detach it, and attach that", change->alias);
        if (error || !check_update(guest, device, old, new, &error)) {
                plugging_finish(guest, error);
                return;
        }
        while (strcmp(((DeviceDefinition *) change->next->devices->pdata[plugging->device])->alias, change->alias) != 0)
                plugging->device++;
        for (size_t i = 0; is_drive(device) && medium_parts[i]; i++)
                plugging->changes_medium |= xml_differs(old, new, medium_parts[i]);
        xmlNode *disk = device->images ? definition_find_element(change->document, change->next, change->alias) : NULL;
        if (disk && !plugging->changes_medium)
                disk_chain_write(disk, device->images);
        if (plugging->changes_medium)
                monitor_command(guest->monitor, "query-block", NULL, -1, on_block_known, guest);
        else if (strcmp(device->kind, "interface") == 0 &&
                 (xml_differs(old, new, "filterref") || xml_differs(old, new, "bandwidth")))
                update_port(guest);
        else
                run_update(guest, guest_script_new(guest));
}

const GuestModule update_module = {
        .save = save,
        .load = load,
        .recover = recover,
};
