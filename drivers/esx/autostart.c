/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esx/autostart.h"

#include <string.h>

#include "base/xml.h"
#include "errors.h"

const char *const autostart_properties[] = { "config", NULL };

/* As many are read; a host has at most 1,024 machines. */
#define LIST_MAX 4096

void autostart_update(Esx *esx, const VimReference *reference, const xmlNode *object) {
        const xmlNode *value = xml_find(object, "changeSet/val");
        g_autofree char *enabled = xml_text_at(value, "defaults/enabled");
        unsigned n = 0;
        vim_reference_set(&esx->autostart, reference->type, reference->value);
        esx->starts_machines = strcmp(enabled, "true") == 0 || strcmp(enabled, "1") == 0;
        g_hash_table_remove_all(esx->started);
        for (xmlNode *info = xml_child(value, "powerInfo"); info && n < LIST_MAX; info = xml_next(info, "powerInfo"), n++) {
                g_autofree char *action = xml_text_at(info, "startAction"), *machine = xml_text_at(info, "key");
                if (g_ascii_strcasecmp(action, "powerOn") == 0)
                        g_hash_table_add(esx->started, g_steal_pointer(&machine));
        }
}

bool autostart_has(const Esx *esx, const char *machine) {
        return esx->starts_machines && g_hash_table_contains(esx->started, machine);
}

VimCall *autostart_set(Esx *esx, const VimReference *machine, bool autostart, VimDone done, void *data, GError **error) {
        g_autoptr(GString) arguments = g_string_new("<spec>");
        bool others = g_hash_table_size(esx->started) > (g_hash_table_contains(esx->started, machine->value) ? 1 : 0);
        if (!esx->autostart.value) {
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                  "connection %s is to more than one host, each of which has a list of its own: open "
                                  "vpx://HOST/DATACENTER/CLUSTER/ESX to set autostart",
                                  esx->connection->name);
                return NULL;
        }
        if (autostart && !esx->starts_machines && others) {
                virtbus_error_set(error, VIRTBUS_ERROR_OPERATION_INVALID,
                                  "the host starts no machines at all, and has others on its list, which would be started too; "
                                  "allow "
                                  "automatic starts there first");
                return NULL;
        }
        if (autostart)
                g_string_append(arguments, "<defaults><enabled>true</enabled></defaults>");
        g_string_append(arguments, "<powerInfo>");
        vim_put_reference(arguments, "key", machine);
        g_string_append_printf(
                        arguments,
                        "<startOrder>-1</startOrder><startDelay>-1</startDelay><waitForHeartbeat>systemDefault</waitForHeartbeat>"
                        "<startAction>%s</startAction><stopDelay>-1</stopDelay><stopAction>systemDefault</stopAction>"
                        "</powerInfo></spec>",
                        autostart ? "powerOn" : "none");
        return vim_call(esx->vim,
                        &(VimQuestion){ .method = "ReconfigureAutostart",
                                        .object = &esx->autostart,
                                        .arguments = arguments->str },
                        done, data);
}
