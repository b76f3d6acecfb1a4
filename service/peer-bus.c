/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer-bus.h"

#include <glib.h>
#include <string.h>

#include "paths.h"

/* org.freedesktop.DBus.StartServiceByName: it runs already. */
#define ALREADY_RUNNING 2u

bool peer_bus_is_service(const char *name) {
        return strcmp(name, BUS_NAME) == 0 || strcmp(name, PEER_BUS_SERVICE) == 0;
}

static int answer_hello(PeerBus *self, sd_bus_message *call, const char *name) {
        (void) name;
        if (self->has_called)
                return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_FAILED, "Hello is the first call, and called once.");
        self->greeted = true;
        return sd_bus_reply_method_return(call, "s", self->name);
}

static int answer_add_match(PeerBus *self, sd_bus_message *call, const char *rule) {
        (void) rule; /* everything is sent: its library picks what it wants */
        self->n_matches++;
        return sd_bus_reply_method_return(call, "");
}

static int answer_remove_match(PeerBus *self, sd_bus_message *call, const char *rule) {
        (void) rule;
        self->n_matches -= self->n_matches > 0;
        return sd_bus_reply_method_return(call, "");
}

static int answer_get_name_owner(PeerBus *self, sd_bus_message *call, const char *name) {
        if (peer_bus_is_service(name))
                return sd_bus_reply_method_return(call, "s", PEER_BUS_SERVICE);
        if (strcmp(name, PEER_BUS_NAME) == 0 || strcmp(name, self->name) == 0)
                return sd_bus_reply_method_return(call, "s", name);
        return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                                          "There is only " BUS_NAME " on this connection, no '%.255s'.", name);
}

static int answer_name_has_owner(PeerBus *self, sd_bus_message *call, const char *name) {
        return sd_bus_reply_method_return(call, "b",
                                          peer_bus_is_service(name) || strcmp(name, PEER_BUS_NAME) == 0 ||
                                                          strcmp(name, self->name) == 0);
}

static int answer_list_names(PeerBus *self, sd_bus_message *call, const char *name) {
        (void) name;
        return sd_bus_reply_method_return(call, "as", 4, PEER_BUS_NAME, BUS_NAME, PEER_BUS_SERVICE, self->name);
}

static int answer_list_activatable_names(PeerBus *self, sd_bus_message *call, const char *name) {
        (void) self;
        (void) name;
        return sd_bus_reply_method_return(call, "as", 0);
}

static int answer_start_service(PeerBus *self, sd_bus_message *call, const char *name) {
        return peer_bus_is_service(name) ? sd_bus_reply_method_return(call, "u", ALREADY_RUNNING)
                                         : answer_get_name_owner(self, call, name);
}

static int answer_get_id(PeerBus *self, sd_bus_message *call, const char *name) {
        sd_id128_t id;
        (void) self;
        (void) name;
        int r = sd_bus_get_bus_id(sd_bus_message_get_bus(call), &id);
        return r < 0 ? r : sd_bus_reply_method_return(call, "s", SD_ID128_TO_STRING(id));
}

static const struct {
        const char *member, *signature;
        int (*answer)(PeerBus *self, sd_bus_message *call, const char *argument);
} bus_methods[] = {
        { "Hello", "", answer_hello },
        { "AddMatch", "s", answer_add_match },
        { "RemoveMatch", "s", answer_remove_match },
        { "GetNameOwner", "s", answer_get_name_owner },
        { "NameHasOwner", "s", answer_name_has_owner },
        { "ListNames", "", answer_list_names },
        { "ListActivatableNames", "", answer_list_activatable_names },
        { "StartServiceByName", "su", answer_start_service },
        { "GetId", "", answer_get_id },
};

static int answer(PeerBus *self, sd_bus_message *call) {
        const char *argument = "";
        for (size_t i = 0; i < G_N_ELEMENTS(bus_methods); i++) {
                if (!sd_bus_message_is_method_call(call, PEER_BUS_NAME, bus_methods[i].member) ||
                    !sd_bus_message_has_signature(call, bus_methods[i].signature))
                        continue;
                int r = bus_methods[i].signature[0] ? sd_bus_message_read(call, "s", &argument) : 0;
                return r < 0 ? r : bus_methods[i].answer(self, call, argument);
        }
        return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_UNKNOWN_METHOD,
                                          "This connection has no bus behind it that knows '%s'.",
                                          sd_bus_message_get_member(call));
}

int peer_bus_answer(PeerBus *self, sd_bus_message *call) {
        int r = answer(self, call);
        self->has_called = true;
        return r;
}

bool peer_bus_is_heard(const PeerBus *self) {
        return self->has_called && (!self->greeted || self->n_matches > 0);
}
