/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/objects.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "errors.h"
#include "log.h"
#include "paths.h"

#define OBJECTS_PER_SIGNAL 256

struct Objects {
        GHashTable *by_path;
        GQueue order;     /* parents before children */
        ObjectsGate gate; /* or NULL */
        void *gate_data;
        sd_bus *peer;
};

struct Published {
        Objects *objects;
        GList *link;
        Published *beside; /* another part of the object, or NULL */
        void *self;
        const Vtable *vtables[VTABLES_MAX + 1];
        char path[];
};

static GQueue pending_calls = G_QUEUE_INIT; /* Call */

/* Calls */

/* The answer to a call could not be made: there was no descriptor left for one in it, for example. */
static int answer_failure(const Call *call, int failure) {
        g_autoptr(GError) error = NULL;
        virtbus_error_set_errno(&error, -failure, "%s of %s: whatever was done, its answer cannot be made",
                                sd_bus_message_get_member(call->message), sd_bus_message_get_path(call->message));
        return virtbus_error_reply(call->message, error);
}

static void call_end(Call *call, int r) {
        /* The service is gone, and nobody waits; or it was told Cancelled already. */
        bool is_awaited = r < 0 && r != -ENOTCONN && r != -ECONNRESET && !call->is_cancelled;
        if (is_awaited && answer_failure(call, r) < 0)
                log_warning("%s of %s could not be answered: %s", sd_bus_message_get_member(call->message),
                            sd_bus_message_get_path(call->message), g_strerror(-r));
        sd_bus_message_unref(call->message);
        g_queue_delete_link(&pending_calls, call->link);
        g_free(call);
}

static int send_answer(const Call *call, sd_bus_message *answer) {
        return call->is_cancelled ? 0 : sd_bus_send(NULL, answer, NULL);
}

const char *call_sender(const Call *call) {
        return sd_bus_message_get_sender(call->message);
}

bool call_is_awaited(const Call *call) {
        return sd_bus_is_open(sd_bus_message_get_bus(call->message)) > 0;
}

void call_reply(Call *call, const char *signature, ...) {
        g_autoptr(sd_bus_message) reply = NULL;
        g_assert(strcmp(signature, call->out) == 0);
        int r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0 && signature[0]) {
                va_list arguments;
                va_start(arguments, signature);
                r = sd_bus_message_appendv(reply, signature, arguments);
                va_end(arguments);
        }
        if (r >= 0)
                r = send_answer(call, reply);
        call_end(call, r);
}

void call_reply_strings(Call *call, char **strings) {
        g_autoptr(sd_bus_message) reply = NULL;
        int r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = sd_bus_message_append_strv(reply, strings);
        if (r >= 0)
                r = send_answer(call, reply);
        call_end(call, r);
}

void call_reply_bytes(Call *call, const void *data, size_t size) {
        g_autoptr(sd_bus_message) reply = NULL;
        int r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = sd_bus_message_append_array(reply, 'y', data, size);
        if (r >= 0)
                r = send_answer(call, reply);
        call_end(call, r);
}

int call_begin_answer(const Call *call, sd_bus_message **answer) {
        return sd_bus_message_new_method_return(call->message, answer);
}

void call_send_answer(Call *call, sd_bus_message *answer) {
        int r = send_answer(call, answer);
        call_end(call, r);
}

void call_fail(Call *call, const GError *error) {
        int r = call->is_cancelled ? 0 : virtbus_error_reply(call->message, error);
        call_end(call, r);
}

void call_fail_errno(Call *call, int r) {
        g_autoptr(GError) error = NULL;
        virtbus_error_set_errno(&error, -r, "%s: its arguments cannot be read", sd_bus_message_get_member(call->message));
        call_fail(call, error);
}

unsigned calls_pending(void) {
        return g_queue_get_length(&pending_calls);
}

void calls_cancel_below(const char *path, const Call *but, const GError *error) {
        for (GList *link = pending_calls.head; link; link = link->next) {
                Call *call = link->data;
                if (call == but || !path_is_under(sd_bus_message_get_path(call->message), path))
                        continue;
                if (!call->is_cancelled)
                        virtbus_error_reply(call->message, error);
                call->is_cancelled = true;
        }
}

void calls_cancel(const GError *error) {
        calls_cancel_below(MANAGER_PATH, NULL, error);
}

/* Objects */

Objects *objects_new(void) {
        Objects *objects = g_new0(Objects, 1);
        objects->by_path = g_hash_table_new(g_str_hash, g_str_equal);
        g_queue_init(&objects->order);
        return objects;
}

void objects_free(Objects *objects) {
        g_hash_table_unref(objects->by_path);
        g_queue_clear_full(&objects->order, g_free);
        g_free(objects);
}

void objects_set_peer(Objects *objects, sd_bus *peer) {
        objects->peer = peer;
}

void objects_set_gate(Objects *objects, ObjectsGate gate, void *data) {
        objects->gate = gate;
        objects->gate_data = data;
}

sd_bus *objects_peer(const Objects *objects) {
        return objects->peer;
}

static int append_property(const Published *published, const Vtable *vtable, size_t i, sd_bus_message *message) {
        const PropertyInfo *property = &vtable->info->properties[i];
        int r = sd_bus_message_open_container(message, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append_basic(message, 's', property->name);
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'v', property->signature);
        if (r >= 0)
                r = vtable->getters[i](published->self, message);
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_interfaces(const Published *published, sd_bus_message *message) {
        int r = 0;
        for (const Vtable *const *vtable = published->vtables; r >= 0 && *vtable; vtable++) {
                r = sd_bus_message_open_container(message, 'e', "sa{sv}");
                if (r >= 0)
                        r = sd_bus_message_append_basic(message, 's', (*vtable)->info->name);
                if (r >= 0)
                        r = sd_bus_message_open_container(message, 'a', "{sv}");
                for (size_t i = 0; r >= 0 && i < (*vtable)->info->n_properties; i++)
                        r = append_property(published, *vtable, i, message);
                if (r >= 0)
                        r = sd_bus_message_close_container(message);
                if (r >= 0)
                        r = sd_bus_message_close_container(message);
        }
        return r;
}

static int append_object(const Published *published, sd_bus_message *message) {
        int r = sd_bus_message_open_container(message, 'r', "oa{sa{sv}}");
        if (r >= 0)
                r = sd_bus_message_append_basic(message, 'o', published->path);
        if (r >= 0)
                r = sd_bus_message_open_container(message, 'a', "{sa{sv}}");
        for (const Published *part = published; r >= 0 && part; part = part->beside)
                r = append_interfaces(part, message);
        if (r >= 0)
                r = sd_bus_message_close_container(message);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

/* Sends up to N objects from LINK on, and sets LINK to what follows. */
static int send_objects(Objects *objects, GList **link, size_t n) {
        g_autoptr(sd_bus_message) signal = NULL;
        int r = sd_bus_message_new_signal(objects->peer, &signal, DRIVER_PATH, DRIVER_INTERFACE, "ObjectsAdded");
        if (r >= 0)
                r = sd_bus_message_open_container(signal, 'a', "(oa{sa{sv}})");
        for (; r >= 0 && *link && n > 0; *link = (*link)->next, n--)
                r = append_object((*link)->data, signal);
        if (r >= 0)
                r = sd_bus_message_close_container(signal);
        return r < 0 ? r : sd_bus_send(objects->peer, signal, NULL);
}

int objects_send_all(Objects *objects) {
        int r = 0;
        for (GList *link = objects->order.head; r >= 0 && link;)
                r = send_objects(objects, &link, OBJECTS_PER_SIGNAL);
        return MIN(r, 0);
}

static void check(int r, const Published *published) {
        if (r < 0 && r != -ENOTCONN && r != -ECONNRESET)
                log_error("cannot send the update of %s: %s", published->path, g_strerror(-r));
}

Published *objects_publish(Objects *objects, const char *path, void *self, const Vtable *const *vtables) {
        size_t length = strlen(path) + 1;
        Published *published = g_malloc0(sizeof *published + length);
        memcpy(published->path, path, length);
        published->objects = objects;
        published->self = self;
        for (size_t i = 0; i < VTABLES_MAX && vtables[i]; i++)
                published->vtables[i] = vtables[i];
        Published *first = g_hash_table_lookup(objects->by_path, path);
        if (first) {
                g_assert(!objects->peer);
                published->beside = g_steal_pointer(&first->beside);
                first->beside = published;
                return published;
        }
        g_queue_push_tail(&objects->order, published);
        published->link = objects->order.tail;
        g_hash_table_insert(objects->by_path, published->path, published);
        if (objects->peer) {
                GList *link = published->link;
                check(send_objects(objects, &link, 1), published);
        }
        return published;
}

void published_withdraw(Published *published) {
        Objects *objects = published->objects;
        Published *first = g_hash_table_lookup(objects->by_path, published->path);
        if (first != published) {
                while (first->beside != published)
                        first = first->beside;
                first->beside = published->beside;
                g_free(published);
                return;
        }
        if (objects->peer)
                check(sd_bus_emit_signal(objects->peer, DRIVER_PATH, DRIVER_INTERFACE, "ObjectsRemoved", "ao", 1,
                                         published->path),
                      published);
        g_hash_table_remove(objects->by_path, published->path);
        g_queue_delete_link(&objects->order, published->link);
        g_free(published);
}

const char *published_path(const Published *published) {
        return published->path;
}

void published_changed(Published *published, const Vtable *vtable, const int *properties) {
        if (!published->objects->peer)
                return;
        g_autoptr(sd_bus_message) signal = NULL;
        int r = sd_bus_message_new_signal(published->objects->peer, &signal, published->path, "org.freedesktop.DBus.Properties",
                                          "PropertiesChanged");
        if (r >= 0)
                r = sd_bus_message_append(signal, "s", vtable->info->name);
        if (r >= 0)
                r = sd_bus_message_open_container(signal, 'a', "{sv}");
        for (size_t i = 0; r >= 0 && (properties ? properties[i] >= 0 : i < vtable->info->n_properties); i++)
                r = append_property(published, vtable, properties ? (size_t) properties[i] : i, signal);
        if (r >= 0)
                r = sd_bus_message_close_container(signal);
        if (r >= 0)
                r = sd_bus_message_append(signal, "as", 0);
        if (r >= 0)
                r = sd_bus_send(published->objects->peer, signal, NULL);
        check(r, published);
}

/* A message that goes nowhere, with the values of all properties in it. */
static int list_values(const Published *published, const Vtable *vtable, const void *self, sd_bus_message **list) {
        g_autoptr(sd_bus_message) message = NULL;
        int r = sd_bus_message_new_signal(published->objects->peer, &message, published->path, vtable->info->name, "Values");
        for (size_t i = 0; r >= 0 && i < vtable->info->n_properties; i++)
                r = vtable->getters[i](self, message);
        if (r >= 0)
                r = sd_bus_message_seal(message, 1, 0);
        if (r >= 0)
                *list = g_steal_pointer(&message);
        return r;
}

/* Steps over a container: 1 where it is empty. */
static int pass_container(sd_bus_message *message, char type, const char *contents) {
        int r = sd_bus_message_enter_container(message, type, contents);
        int is_empty = r < 0 ? r : sd_bus_message_at_end(message, false);
        for (int at_end = is_empty; r >= 0 && at_end == 0;) {
                r = sd_bus_message_skip(message, NULL);
                at_end = r < 0 ? r : sd_bus_message_at_end(message, false);
        }
        r = r < 0 ? r : sd_bus_message_exit_container(message);
        return r < 0 ? r : is_empty;
}

/* Steps over the next value of each: 1 where it is the same, 0 where it is not, or is a container with something in it: nobody
 * compares its parts. */
static int compare_next(sd_bus_message *one, sd_bus_message *other) {
        union {
                uint64_t number;
                const char *text;
        } values[2] = { 0 };
        char type;
        const char *contents;
        int r = sd_bus_message_peek_type(one, &type, &contents);
        if (r <= 0 || contents) {
                r = r < 0 ? r : pass_container(one, type, contents);
                int s = r < 0 ? r : pass_container(other, type, contents);
                return s < 0 ? s : r > 0 && s > 0;
        }
        r = sd_bus_message_read_basic(one, type, values);
        if (r >= 0)
                r = sd_bus_message_read_basic(other, type, values + 1);
        if (r < 0)
                return r;
        return strchr("sog", type) ? strcmp(values[0].text, values[1].text) == 0 : values[0].number == values[1].number;
}

void published_differs(Published *published, const Vtable *vtable, const void *before) {
        if (!published->objects->peer)
                return;
        g_autoptr(sd_bus_message) old = NULL, new = NULL;
        g_autofree int *changed = g_new(int, vtable->info->n_properties + 1);
        size_t n = 0;
        int r = list_values(published, vtable, before, &old);
        if (r >= 0)
                r = list_values(published, vtable, published->self, &new);
        for (size_t i = 0; r >= 0 && i < vtable->info->n_properties; i++) {
                r = compare_next(old, new);
                if (r == 0)
                        changed[n++] = (int) i;
        }
        changed[n] = -1;
        check(MIN(r, 0), published);
        if (r < 0 || n > 0)
                published_changed(published, vtable, r < 0 ? NULL : changed);
}

void published_emit(Published *published, const InterfaceInfo *interface, const char *member, const char *signature, ...) {
        if (!published->objects->peer)
                return;
        va_list arguments;
        va_start(arguments, signature);
        check(sd_bus_emit_signalv(published->objects->peer, published->path, interface->name, member, signature, arguments),
              published);
        va_end(arguments);
}

static const Vtable *find_vtable(const Published *part, const char *interface) {
        for (const Vtable *const *vtable = part->vtables; *vtable; vtable++)
                if (!interface || strcmp((*vtable)->info->name, interface) == 0)
                        return *vtable;
        return NULL;
}

Call *call_take(sd_bus_message *message, const char *out) {
        Call *call = g_new0(Call, 1);
        call->message = sd_bus_message_ref(message);
        call->out = out;
        if (!caller_decode(sd_bus_message_get_sender(message), &call->uid, &call->own_rights))
                call->uid = (uid_t) -1;
        g_queue_push_tail(&pending_calls, call);
        call->link = pending_calls.tail;
        return call;
}

/* Finds the handler of a property write, and the part of the object that has it, and steps into its value. */
static MethodHandler find_setter(const Published **part, sd_bus_message *message) {
        const char *interface, *property;
        if (sd_bus_message_read(message, "ss", &interface, &property) < 0)
                return NULL;
        while (*part && !find_vtable(*part, interface))
                *part = (*part)->beside;
        const Vtable *vtable = *part ? find_vtable(*part, interface) : NULL;
        int index = vtable ? interface_property(vtable->info, property) : -1;
        if (index < 0 || !vtable->setters[index] ||
            sd_bus_message_enter_container(message, 'v', vtable->info->properties[index].signature) < 0)
                return NULL;
        return vtable->setters[index];
}

static MethodHandler find_method_of(const Published *published, sd_bus_message *message, const char **out) {
        const char *interface = sd_bus_message_get_interface(message), *member = sd_bus_message_get_member(message);
        for (const Vtable *const *vtable = published->vtables; *vtable; vtable++) {
                if (interface && strcmp((*vtable)->info->name, interface) != 0)
                        continue;
                const MethodInfo *method = interface_method((*vtable)->info, member);
                if (!method || !sd_bus_message_has_signature(message, method->in_signature))
                        continue;
                *out = method->out_signature;
                return (*vtable)->methods[method - (*vtable)->info->methods];
        }
        return NULL;
}

static MethodHandler find_method(const Published **part, sd_bus_message *message, const char **out) {
        MethodHandler handler = NULL;
        while (*part && !(handler = find_method_of(*part, message, out)))
                *part = (*part)->beside;
        return handler;
}

int objects_dispatch(Objects *objects, sd_bus_message *message) {
        uint8_t type;
        if (sd_bus_message_get_type(message, &type) < 0 || type != SD_BUS_MESSAGE_METHOD_CALL)
                return 0;
        Published *published = g_hash_table_lookup(objects->by_path, sd_bus_message_get_path(message));
        if (!published) { /* removed while the call was on its way */
                sd_bus_reply_method_errorf(message, SD_BUS_ERROR_UNKNOWN_OBJECT, "There is no object %s any more.",
                                           sd_bus_message_get_path(message));
                return 1;
        }
        const char *out = "";
        bool set = sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Properties", "Set");
        const Published *part = published;
        MethodHandler handler = set ? find_setter(&part, message) : find_method(&part, message, &out);
        if (!handler) {
                sd_bus_reply_method_errorf(message, SD_BUS_ERROR_UNKNOWN_METHOD, "Object %s has no such method or property.",
                                           published->path);
                return 1;
        }
        g_autoptr(GError) closed = NULL;
        if (objects->gate && !objects->gate(objects->gate_data, message, &closed)) {
                virtbus_error_reply(message, closed);
                return 1;
        }
        handler(call_take(message, out), part->self);
        return 1;
}
