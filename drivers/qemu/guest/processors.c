/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/processors.h"

#include <inttypes.h>

#include "domain/vcpu-list.h"

/* QEMU lists the places of processors, the last first; those that are taken say by what. */
bool processors_add(Script *script, JsonArray *places, uint32_t id) {
        guint length = places ? json_array_get_length(places) : 0;
        JsonObject *place = id < length ? json_object_at(places, length - 1 - id) : NULL;
        const char *type = json_string(place, "type");
        JsonObject *properties = json_member(place, "props");
        if (!type || !properties || json_string(place, "qom-path"))
                return false;
        g_autofree char *name = g_strdup_printf("vcpu%u", id);
        JsonObject *device = json_make("driver", 's', type, "id", 's', name, NULL);
        g_autoptr(GList) names = json_object_get_members(properties);
        for (GList *link = names; link; link = link->next)
                json_object_set_member(device, link->data, json_node_copy(json_object_get_member(properties, link->data)));
        script_add_command(script, "device_add", device);
        return true;
}

bool processors_are_listed(const Guest *guest) {
        uint32_t n = guest->domain->live->vcpus;
        return vcpu_list_first(xmlDocGetRootElement(guest->document), n) < n;
}

void processors_plug(Guest *guest, JsonObject *answer, ScriptDone then) {
        const xmlNode *root = xmlDocGetRootElement(guest->document);
        g_autoptr(GError) failure = NULL;
        Script *script = guest_script_new(guest);
        for (uint32_t id = 0; !failure && id < guest->domain->live->max_vcpus; id++)
                if (vcpu_list_is_plugged(root, id) && !processors_add(script, json_array(answer, "return"), id))
                        domain_fail(guest->domain, &failure, VIRTBUS_ERROR_UNSUPPORTED,
                                    "element <vcpus>: the machine has no free place for processor %" PRIu32
                                    ": those that are not hotpluggable must be the first",
                                    id);
        if (failure) {
                g_hash_table_remove(guest->scripts, script);
                then(guest, failure);
        } else
                script_run(script, then, guest);
}
