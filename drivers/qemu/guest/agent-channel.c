/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/agent-channel.h"

#include <string.h>

#include "bus.h"
#include "log.h"

static void set_connected(Guest *guest, bool connected) {
        guest_object_set_connected(guest->object, connected);
        if (connected)
                GUEST_EACH(guest, agent_came);
}

/* Whether the guest had opened its agent's port before this driver was there. */
static void on_ports_known(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        JsonArray *chardevs = json_array(answer, "return");
        for (guint i = 0; !error && chardevs && i < json_array_get_length(chardevs); i++) {
                JsonObject *chardev = json_object_at(chardevs, i);
                const char *label = json_string(chardev, "label");
                JsonNode *open = chardev ? json_object_get_member(chardev, "frontend-open") : NULL;
                if (label && g_str_has_prefix(label, "char") && g_strcmp0(label + strlen("char"), guest->agent_alias) == 0 &&
                    json_node_is_basic(open) && guest->object)
                        set_connected(guest, json_node_get_boolean(open));
        }
}

/* What goes on when the agent's socket is connected to, or cannot be. */
typedef struct AgentSearch {
        char *alias; /* of its channel */
        void (*done)(Guest *guest);
} AgentSearch;

static void on_agent_connected(Guest *guest, int fd, void *data) {
        AgentSearch *search = data;
        if (guest && fd < 0)
                log_warning("domain '%s': the socket of its agent's %s cannot be opened: %s", domain_name(guest->domain),
                            search->alias, g_strerror(-fd));
        if (guest && fd >= 0 && !guest->object && !guest->has_ended) {
                g_free(guest->agent_alias);
                guest->agent_alias = g_strdup(search->alias);
                guest->object = guest_object_new(guest->domain, fd);
                guest_object_restore_timeout(guest->object, guest->agent_timeout);
                monitor_command(guest->monitor, "query-chardev", NULL, -1, on_ports_known, guest);
        } else
                autofd_close(&fd);
        if (guest && search->done)
                search->done(guest);
        g_free(search->alias);
        g_free(search);
}

/* Connects to the agent's socket, once: QEMU has said hello, so that it listens. Then DONE, which may be NULL. */
void agent_channel_find(Guest *guest, const xmlDoc *document, void (*done)(Guest *guest)) {
        guint i;
        xmlNode *channel = guest->object || !document ? NULL : guest_object_channel((xmlDoc *) document, &i);
        g_autofree char *path = xml_attribute(xml_child(channel, "source"), "path");
        if (!channel) {
                if (done)
                        done(guest);
                return;
        }
        AgentSearch *search = g_new0(AgentSearch, 1);
        *search = (AgentSearch){ g_strdup(((DeviceDefinition *) guest->domain->live->devices->pdata[i])->alias), done };
        guest_connect(guest, path ? path : "", on_agent_connected, search);
}

void agent_channel_find_live(Guest *guest, void (*done)(Guest *guest)) {
        g_autoptr(xmlDoc) document = definition_document(guest->domain->live, NULL);
        agent_channel_find(guest, document, done);
}

/* The guest has opened or closed a port of its virtio-serial bus. */
static void on_port_changed(Guest *guest, JsonObject *arguments) {
        JsonNode *open = arguments ? json_object_get_member(arguments, "open") : NULL;
        if (guest->object && json_node_is_basic(open) && g_strcmp0(json_string(arguments, "id"), guest->agent_alias) == 0)
                set_connected(guest, json_node_get_boolean(open));
}

static const MonitorEvent events[] = {
        { "VSERPORT_CHANGE", PHASE_BEGINNING | PHASE_SETTING_OUT | PHASE_FINDING | PHASE_RUNNING, on_port_changed },
        { NULL, 0, NULL },
};

const GuestModule agent_channel_module = {
        .events = events,
};
