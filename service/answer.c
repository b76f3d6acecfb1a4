/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "answer.h"

#include <errno.h>
#include <string.h>

#include "bounds.h"
#include "bus.h"
#include "errors.h"
#include "forward.h"
#include "interfaces.h"
#include "introspect.h"
#include "log.h"
#include "manager.h"
#include "part.h"

bool view_may_see(const Object *object, void *data) {
        const View *view = data;
        return view->everything || readers_may_read(view->router->readers, view->caller, object, view->opened);
}

static int refuse_answer(sd_bus_error *error) {
        return sd_bus_error_setf(error, virtbus_error_name(VIRTBUS_ERROR_LIMIT_EXCEEDED),
                                 "Your user has not read earlier answers yet; read them, then call again.");
}

/* Who would be sent more than the bus carries in one message gets an error instead: otherwise everybody would lose us. */
static int refuse_size(const char *path, size_t bytes, sd_bus_error *error) {
        return sd_bus_error_setf(error, virtbus_error_name(VIRTBUS_ERROR_LIMIT_EXCEEDED),
                                 "What %s manages is %zu MiB, and a message carries at most %d: read it in parts, "
                                 "with " TARGET_MANAGED_OBJECTS ".GetPart.",
                                 path, bytes >> 20, ANSWER_BYTES_MAX >> 20);
}

static int answer_introspect(View *view, sd_bus_message *message, sd_bus_error *error) {
        g_autoptr(sd_bus_message) reply = NULL;
        const char *path = sd_bus_message_get_path(message);
        g_autofree char *xml = introspect(view->router->mirror, path, view_may_see, view);
        if (!xml)
                return sd_bus_error_setf(error, SD_BUS_ERROR_UNKNOWN_OBJECT, "There is no object %s.", path);
        size_t length = strlen(xml);
        if (length > ANSWER_BYTES_MAX)
                return refuse_size(path, length, error);
        if (!caller_may_be_answered(view->caller, length))
                return refuse_answer(error);
        int r = sd_bus_message_new_method_return(message, &reply);
        /* Written in place: to look through it for what is not UTF-8 would be the most of the work, and everybody may ask for
         * it. */
        char *space;
        if (r >= 0)
                r = sd_bus_message_append_string_space(reply, length, &space);
        if (r < 0)
                return r;
        memcpy(space, xml, length + 1); /* with the zero at its end, for which there is space */
        return caller_answer(view->caller, reply, length);
}

static int append_all(const Object *object, sd_bus_message *reply) {
        int r = sd_bus_message_open_container(reply, 'a', "{sv}");
        for (size_t i = 0; r >= 0 && i < object->n_blocks; i++) {
                const Block *block = &object->blocks[i];
                for (size_t property = 0; r >= 0 && property < block->interface->n_properties; property++) {
                        r = sd_bus_message_open_container(reply, 'e', "sv");
                        if (r >= 0)
                                r = sd_bus_message_append(reply, "s", block->interface->properties[property].name);
                        if (r >= 0)
                                r = block_append_property(block, property, reply);
                        if (r >= 0)
                                r = sd_bus_message_close_container(reply);
                }
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_children(View *view, const Object *object, sd_bus_message *reply) {
        int r = sd_bus_message_open_container(reply, 'a', "{oa{sa{sv}}}");
        for (const Object *child = object->first_child; r >= 0 && child; child = child->next) {
                if (!view_may_see(child, view))
                        continue;
                r = sd_bus_message_open_container(reply, 'e', "oa{sa{sv}}");
                if (r >= 0)
                        r = sd_bus_message_append_basic(reply, 'o', child->path);
                if (r >= 0)
                        r = blocks_append(child->blocks, child->n_blocks, reply);
                if (r >= 0)
                        r = sd_bus_message_close_container(reply);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* About how large an object is in a message. */
static size_t object_bytes(const Object *object) {
        size_t bytes = strlen(object->path) + 32;
        for (size_t i = 0; i < object->n_blocks; i++)
                bytes += object->blocks[i].size + 48 + 40 * object->blocks[i].interface->n_properties;
        return bytes;
}

/* About how large an answer from the mirror is. */
static size_t answer_bytes(View *view, const Target *target) {
        if (target->kind != CALL_GET_MANAGED_OBJECTS)
                return object_bytes(target->object);
        size_t bytes = 0;
        for (const Object *child = target->object->first_child; child; child = child->next)
                if (view_may_see(child, view))
                        bytes += object_bytes(child);
        return bytes;
}

/* How large GetManagedObjects' answer is. */
static size_t exact_bytes(View *view, const Object *object) {
        size_t offset = 8; /* the array's size, up to its first entry */
        for (const Object *child = object->first_child; child; child = child->next)
                if (view_may_see(child, view))
                        offset = object_measure(child, offset);
        return offset;
}

static int answer_part(View *view, const Target *target, sd_bus_message *message, sd_bus_error *error) {
        g_autoptr(sd_bus_message) reply = NULL;
        Part part;
        int r = part_read(&part, view->router->mirror, target->object, message, error);
        if (r < 0)
                return r;
        part_measure(&part, view->asked, view_may_see, view);
        if (!caller_may_be_answered(view->caller, part.bytes))
                return refuse_answer(error);
        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = part_append(&part, view_may_see, view, reply);
        return r < 0 ? r : caller_answer(view->caller, reply, part.bytes);
}

static int answer_from_mirror(View *view, const Target *target, sd_bus_message *message, sd_bus_error *error) {
        g_autoptr(sd_bus_message) reply = NULL;
        size_t bytes = answer_bytes(view, target);
        if (bytes > ANSWER_BYTES_MAX / 2 && target->kind == CALL_GET_MANAGED_OBJECTS)
                bytes = exact_bytes(view, target->object);
        if (bytes > ANSWER_BYTES_MAX)
                return refuse_size(target->object->path, bytes, error);
        if (!caller_may_be_answered(view->caller, bytes))
                return refuse_answer(error);
        int r = sd_bus_message_new_method_return(message, &reply);
        if (r < 0)
                return r;
        if (target->kind == CALL_GET)
                r = block_append_property(target->block, target->property, reply);
        else if (target->kind == CALL_GET_MANAGED_OBJECTS)
                r = append_children(view, target->object, reply);
        else if (target->empty)
                r = sd_bus_message_append(reply, "a{sv}", 0);
        else if (target->block)
                r = block_append_properties(target->block, reply);
        else
                r = append_all(target->object, reply);
        return r < 0 ? r : caller_answer(view->caller, reply, bytes);
}

JournalEntry *answer_journal_entry(Router *router, const Caller *caller, const Target *target) {
        if (!journal_wants(target->action) || !target->object)
                return NULL;
        const InterfaceInfo *interface = target->block->interface;
        return journal_begin(router->journal, caller, target->object, interface->name,
                             target->method ? target->method->name : NULL,
                             target->method ? NULL : interface->properties[target->property].name);
}

/* The objects that a narrowed call is about; NULL for one that is not. */
static GPtrArray *narrow(View *view, const Target *target, sd_bus_message *message) {
        if (!view->narrowed || !target_names_all(target, message))
                return NULL;
        GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
        for (const Object *child = target->object->first_child; child; child = child->next)
                if (object_block(child, target->method->objects) && view_may_see(child, view))
                        g_ptr_array_add(paths, g_strdup(child->path));
        return paths;
}

/* Forwards a method call, charged with what it is narrowed to. */
static int forward(View *view, Driver *driver, const Target *target, sd_bus_message *message, sd_bus_error *error) {
        g_autoptr(GPtrArray) objects = narrow(view, target, message);
        Charge charge = *view->charge, more = { 0 };
        for (guint i = 0; objects && i < objects->len; i++)
                more.bytes += 2 * (strlen(objects->pdata[i]) + 8); /* once more on its way */
        if (objects && !callers_have_room(view->router->callers, view->caller, &more))
                return sd_bus_error_setf(error, virtbus_error_name(VIRTBUS_ERROR_LIMIT_EXCEEDED), ANSWER_TOO_MUCH_WAITS);
        charge_add(&charge, &more);
        driver_forward(driver, view->caller, view->own_rights, message, &charge, target->method,
                       answer_journal_entry(view->router, view->caller, target), g_steal_pointer(&objects));
        return 0;
}

/* The driver that a method or property of an interface is for; NULL where that is the service itself. */
static Driver *driver_of(Router *router, const Target *target) {
        const char *part = target->block ? target->block->interface->host_driver : NULL;
        if (!target->object || target->object->source)
                return target->object ? target->object->source : NULL;
        return part ? drivers_named(router->drivers, part) : NULL;
}

int answer_call(View *view, const Target *target, sd_bus_message *message, sd_bus_error *error) {
        Driver *driver = driver_of(view->router, target);
        switch (target->kind) {
        case CALL_INTROSPECT:
                return answer_introspect(view, message, error);
        case CALL_GET:
        case CALL_GET_ALL:
        case CALL_GET_MANAGED_OBJECTS:
                return sd_bus_message_get_expect_reply(message) > 0 ? answer_from_mirror(view, target, message, error) : 0;
        case CALL_GET_PART:
                return sd_bus_message_get_expect_reply(message) > 0 ? answer_part(view, target, message, error) : 0;
        case CALL_SET:
                driver_set(driver, view->caller, message, view->charge, target->block->interface,
                           answer_journal_entry(view->router, view->caller, target));
                return 0;
        case CALL_METHOD:
                if (driver)
                        return forward(view, driver, target, message, error);
                sd_bus_message_rewind(message, true);
                if (target->block->interface != &interface_manager) /* of the connection that several drivers share */
                        return sd_bus_error_setf(error, virtbus_error_name(VIRTBUS_ERROR_UNSUPPORTED),
                                                 "%s of %s: no driver of this connection does that.", target->method->name,
                                                 target->object->path);
                /* Where a driver has named the scheme only since, nobody was asked. */
                Driver *opener = target->action ? manager_opener(view->router->drivers, message) : NULL;
                if (opener)
                        return forward(view, opener, target, message, error);
                if (manager_is_manage(message))
                        authority_let_manage(view->router->authority, view->caller);
                return manager_call(view->router->drivers, message);
        }
        return -EINVAL;
}

void answer_failure(sd_bus_message *message, int r, const sd_bus_error *error) {
        if (sd_bus_error_is_set(error))
                r = sd_bus_reply_method_error(message, error);
        else if (r < 0)
                r = sd_bus_reply_method_errno(message, r, NULL);
        if (r < 0)
                log_warning("a call of %s could not be answered: %s", sd_bus_message_get_member(message), g_strerror(-r));
}
