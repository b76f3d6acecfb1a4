/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/agent/addresses.h"

#include <arpa/inet.h>

#include "domain/connection.h"

#define PREFIX_MAX 128

static void clear(void *item) {
        g_free(((Address *) item)->text);
}

GArray *addresses_new(void) {
        GArray *addresses = g_array_new(FALSE, FALSE, sizeof(Address));
        g_array_set_clear_func(addresses, clear);
        return addresses;
}

void addresses_add(GArray *addresses, const char *text, uint32_t prefix) {
        uint8_t binary[sizeof(struct in6_addr)];
        if (addresses->len >= ADDRESSES_MAX || (inet_pton(AF_INET, text, binary) != 1 && inet_pton(AF_INET6, text, binary) != 1))
                return;
        Address address = { .text = g_strdup(text), .prefix = MIN(prefix, PREFIX_MAX) };
        g_array_append_val(addresses, address);
}

void addresses_reply(Call *call, GArray *addresses) {
        g_autoptr(sd_bus_message) answer = NULL;
        int r = call_begin_answer(call, &answer);
        if (r >= 0)
                r = sd_bus_message_open_container(answer, 'a', "(su)");
        for (guint i = 0; r >= 0 && i < addresses->len; i++) {
                const Address *address = &g_array_index(addresses, Address, i);
                r = sd_bus_message_append(answer, "(su)", address->text, address->prefix);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(answer);
        g_array_unref(addresses);
        if (r >= 0)
                call_send_answer(call, answer);
        else
                call_fail_errno(call, r);
}

typedef struct Question {
        Call *call;
        char *mac;
} Question;

/* The agent's answer is a guest's: nothing in it is sure. */
static void on_interfaces(void *data, JsonNode *answer, const GError *error) {
        Question *question = data;
        JsonArray *found = answer && json_node_type(answer) == JSON_ARRAY ? json_node_get_array(answer) : NULL;
        if (error)
                call_fail(question->call, error);
        else {
                GArray *addresses = addresses_new();
                for (guint i = 0; found && i < json_array_get_length(found); i++) {
                        JsonObject *interface = json_object_at(found, i);
                        const char *mac = json_string(interface, "hardware-address");
                        JsonArray *list = json_array(interface, "ip-addresses");
                        for (guint k = 0;
                             mac && g_ascii_strcasecmp(mac, question->mac) == 0 && list && k < json_array_get_length(list); k++) {
                                JsonObject *address = json_object_at(list, k);
                                const char *text = json_string(address, "ip-address");
                                if (text)
                                        addresses_add(addresses, text,
                                                      (uint32_t) CLAMP(json_int(address, "prefix", 0), 0, PREFIX_MAX));
                        }
                }
                addresses_reply(question->call, addresses);
        }
        g_free(question->mac);
        g_free(question);
}

void addresses_ask_agent(const Domain *domain, GuestObject *object, const char *mac, Call *call) {
        if (!object) {
                g_autoptr(GError) error = NULL;
                domain_fail(domain, &error, VIRTBUS_ERROR_AGENT_UNAVAILABLE,
                            "it has no channel %s to an agent; give it one, or ask for arp", AGENT_CHANNEL);
                call_fail(call, error);
                return;
        }
        Question *question = g_new0(Question, 1);
        *question = (Question){ .call = call, .mac = g_strdup(mac) };
        guest_object_ask(object, "guest-network-get-interfaces", on_interfaces, question);
}
