/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/monitor-command.h"

#include <string.h>

#include "bus.h"
#include "domain/domain-run.h"
#include "qemu/command/builder.h"
#include "qemu/guest/dirty-rate.h"
#include "vtables.h"

/* A call that waits for QEMU's answer. */
typedef struct CustomCommand {
        Domain *domain;
        Call *call;
        bool human;
        JsonObject *asked; /* the caller's own object, whose id is in the answer; or NULL */
} CustomCommand;

static void custom_command_free(CustomCommand *command) {
        if (command->asked)
                json_object_unref(command->asked);
        domain_unref(command->domain);
        g_free(command);
}

static void drop(void *data) {
        CustomCommand *command = data;
        g_autoptr(GError) error = NULL;
        virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        call_fail(command->call, error);
        custom_command_free(command);
}

/* QEMU's answer as it is, but with the caller's id: also one that refuses the command. */
static void on_answer(void *data, JsonObject *answer, const GError *error) {
        CustomCommand *command = data;
        bool is_refused = answer && json_object_has_member(answer, "error");
        if (error && (command->human || !is_refused)) {
                g_autoptr(GError) named = domain_name_error(command->domain, error);
                call_fail(command->call, named);
        } else if (command->human) {
                const char *text = json_string(answer, "return");
                reply_domain_monitor_command(command->call, text ? text : "");
        } else {
                json_object_remove_member(answer, "id");
                if (json_object_has_member(command->asked, "id"))
                        json_object_set_member(answer, "id", json_node_copy(json_object_get_member(command->asked, "id")));
                g_autofree char *text = json_text(answer);
                reply_domain_monitor_command(command->call, text);
        }
        custom_command_free(command);
}

/* The command's name and arguments, of an object as QMP has it. */
static JsonObject *read_command(const char *text, const char **name, JsonNode **node, GError **error) {
        g_autoptr(GError) failure = NULL;
        *node = json_parse(text, -1, &failure);
        JsonObject *object = *node ? json_node_get_object(*node) : NULL;
        if (!object) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "the command is not an object as QMP has it: %s",
                                  failure->message);
                return NULL;
        }
        g_autoptr(GList) members = json_object_get_members(object);
        *name = json_string(object, "execute");
        for (GList *link = members; link; link = link->next) {
                static const char *const known[] = { "execute", "arguments", "id", NULL };
                if (g_strv_contains(known, link->data))
                        continue;
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "the command has a member '%.32s'; it is an object of execute, arguments and id",
                                  (const char *) link->data);
                return NULL;
        }
        if (!*name || !**name || (json_object_has_member(object, "arguments") && !json_member(object, "arguments"))) {
                virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "the command must be a JSON object with \"execute\", a name, and perhaps \"arguments\", an "
                                  "object");
                return NULL;
        }
        JsonObject *arguments = json_member(object, "arguments");
        return arguments ? json_object_ref(arguments) : json_object_new();
}

void monitor_command_answer(Domain *domain, const char *text, bool human, Call *call) {
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonNode) node = NULL;
        const char *name = "human-monitor-command";
        JsonObject *arguments = human ? json_make("command-line", 's', text, NULL) : read_command(text, &name, &node, &error);
        if (!arguments || !guest_check_monitor(domain, &error)) {
                if (arguments)
                        json_object_unref(arguments);
                call_fail(call, error);
                return;
        }
        Guest *guest = domain->run;
        CustomCommand *command = g_new0(CustomCommand, 1);
        *command = (CustomCommand){ .domain = domain_ref(domain), .call = call, .human = human };
        command->asked = human ? NULL : json_object_ref(json_node_get_object(node));
        domain_taint(domain, TAINT_CUSTOM_MONITOR);
        dirty_rate_forget(guest); /* it may be measured by that */
        monitor_ask(guest->monitor, name, arguments, on_answer, command, drop);
}

static bool has_passthrough(const xmlNode *root, const char *name) {
        for (const xmlNode *element = root->children; element; element = element->next)
                if (element->type == XML_ELEMENT_NODE && strcmp((const char *) element->name, name) == 0 && element->ns &&
                    strcmp((const char *) element->ns->href, QEMU_NAMESPACE) == 0)
                        return true;
        return false;
}

void monitor_command_note_document(Guest *guest) {
        Domain *domain = guest->domain;
        xmlNode *root = xmlDocGetRootElement(guest->document);
        const xmlNode *cpu = xml_child(root, "cpu");
        bool has_drive = false;
        for (guint i = 0; i < domain->live->devices->len; i++) {
                const DeviceDefinition *device = domain->live->devices->pdata[i];
                has_drive |= device->device_class == DEVICE_DISK && strcmp(device->type, "cdrom") == 0 &&
                             strcmp(device->source_type, "block") == 0 && device->source[0];
        }
        const struct {
                DomainTaint taint;
                bool is_so;
        } all[] = {
                { TAINT_CUSTOM_ARGV, has_passthrough(root, "commandline") },
                { TAINT_CUSTOM_DEVICE, has_passthrough(root, "override") },
                { TAINT_HIGH_PRIVILEGES, guest->uid == 0 },
                { TAINT_HOST_CPU, cpu && xml_attribute_is(cpu, "mode", "host-passthrough") },
                { TAINT_CUSTOM_DTB, xml_find(root, "os/dtb") != NULL },
                { TAINT_CDROM_PASSTHROUGH, has_drive },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(all); i++)
                if (all[i].is_so)
                        domain_taint(domain, all[i].taint);
}
