/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "router.h"

#include <errno.h>
#include <string.h>

#include "bus.h"
#include "errors.h"
#include "interfaces.h"
#include "introspect.h"
#include "bounds.h"
#include "forward.h"
#include "log.h"
#include "manager.h"
#include "pack.h"
#include "part.h"
#include "paths.h"

#define INTROSPECTABLE "org.freedesktop.DBus.Introspectable"
#define PROPERTIES "org.freedesktop.DBus.Properties"
#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"
#define MANAGED_OBJECTS "org.virtbus1.ManagedObjects"

#define TOO_MUCH_WAITS "The calls of your user that wait are too many, or too large; call again when some have been answered."

typedef enum CallKind {
        CALL_INTROSPECT,
        CALL_GET,
        CALL_GET_ALL,
        CALL_SET,
        CALL_GET_MANAGED_OBJECTS,
        CALL_GET_PART,
        CALL_METHOD,
} CallKind;

/* The methods of interfaces that every object has, or every one that manages objects. */
static const struct {
        const char *interface, *member, *signature;
        CallKind kind;
} standard_methods[] = {
        { PROPERTIES, "Get", "ss", CALL_GET },
        { PROPERTIES, "GetAll", "s", CALL_GET_ALL },
        { PROPERTIES, "Set", "ssv", CALL_SET },
        { OBJECT_MANAGER, "GetManagedObjects", "", CALL_GET_MANAGED_OBJECTS },
        { MANAGED_OBJECTS, "GetPart", "sa{sv}", CALL_GET_PART },
        { INTROSPECTABLE, "Introspect", "", CALL_INTROSPECT },
};

/* What a call means. Valid until the mirror changes. */
typedef struct Target {
        CallKind kind;
        Object *object;     /* NULL only for Introspect */
        const Block *block; /* of Get, Set and a method; of GetAll, NULL for all interfaces */
        bool empty;         /* GetAll of an interface without properties */
        size_t property;
        const MethodInfo *method;
        const char *action; /* polkit's; NULL where none is needed */
} Target;

/* A call that waits for something before it can be answered. */
typedef struct Request {
        Router *router;
        Caller *caller;
        sd_bus_message *message;
        Charge charge;
        JournalEntry *entry; /* of what polkit is asked about; NULL: none, or written */
        Target target;       /* as it was last found */
        uint64_t structure;  /* of the mirror then; 0: not yet */
        /* What polkit was asked: whether this may be done to this object. NULL: it was not. */
        const char *decided_action;
        uint64_t decided_subject; /* its serial */
        /* What it waited for, and what came of it: */
        uint64_t generation; /* of polkit's decisions */
        Verdict verdict;
        GHashTable *opened; /* what a survey has found that the caller may read */
        uint64_t asked;     /* the place of the last object of a part that it was about */
        sd_bus_error error; /* it is denied */
} Request;

static Request *request_new(Router *router, Caller *caller, sd_bus_message *message, const Charge *charge) {
        Request *request = g_new(Request, 1);
        *request = (Request){
                .router = router,
                .caller = caller_begin_call(caller, charge),
                .message = sd_bus_message_ref(message),
                .charge = *charge,
        };
        return request;
}

static void request_free(Request *request) {
        caller_end_call(request->caller, &request->charge);
        g_clear_pointer(&request->entry, journal_entry_free);
        g_clear_pointer(&request->opened, g_hash_table_unref);
        sd_bus_error_free(&request->error);
        sd_bus_message_unref(request->message);
        g_free(request);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Request, request_free)

/* Understanding */

static bool is_standard_interface(const char *name) {
        return strcmp(name, PROPERTIES) == 0 || strcmp(name, OBJECT_MANAGER) == 0 || strcmp(name, MANAGED_OBJECTS) == 0 ||
               strcmp(name, INTROSPECTABLE) == 0 || strcmp(name, "org.freedesktop.DBus.Peer") == 0;
}

static bool manages_objects(const Object *object) {
        for (size_t i = 0; i < object->n_blocks; i++)
                if (object->blocks[i].interface->manages_objects)
                        return true;
        return false;
}

static int unknown_interface(sd_bus_error *error, const char *path, const char *name) {
        return sd_bus_error_setf(error, SD_BUS_ERROR_UNKNOWN_INTERFACE, "Object %s has no interface '%s'.", path, name);
}

/* Finds the block of an interface that a Properties call names; an empty name stands for any that has the property. */
static int find_property(Target *target, const char *interface, const char *property, sd_bus_error *error) {
        const Object *object = target->object;
        bool found = interface[0] == '\0';
        for (size_t i = 0; i < object->n_blocks; i++) {
                const InterfaceInfo *info = object->blocks[i].interface;
                if (interface[0] && strcmp(info->name, interface) != 0)
                        continue;
                found = true;
                int index = interface_property(info, property);
                if (index < 0)
                        continue;
                target->block = &object->blocks[i];
                target->property = (size_t) index;
                return 0;
        }
        if (!found && !is_standard_interface(interface))
                return unknown_interface(error, object->path, interface);
        return sd_bus_error_setf(error, SD_BUS_ERROR_UNKNOWN_PROPERTY, "Interface '%s' of %s has no property '%s'.", interface,
                                 object->path, property);
}

static int resolve_get_all(Target *target, const char *interface, sd_bus_error *error) {
        const InterfaceInfo *info = interface_find(interface);
        if (!interface[0])
                return 0;
        target->empty = is_standard_interface(interface);
        target->block = info ? object_block(target->object, info) : NULL;
        return target->block || target->empty ? 0 : unknown_interface(error, target->object->path, interface);
}

static int resolve_set(Target *target, sd_bus_message *message, sd_bus_error *error) {
        const PropertyInfo *property = &target->block->interface->properties[target->property];
        const char *contents;
        if (!property->write_action)
                return sd_bus_error_setf(error, SD_BUS_ERROR_PROPERTY_READ_ONLY, "Property %s of %s can only be read.",
                                         property->name, target->object->path);
        int r = sd_bus_message_peek_type(message, NULL, &contents);
        if (r < 0)
                return r;
        if (strcmp(contents, property->signature) != 0)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "Property %s is of type '%s', not '%s'.",
                                         property->name, property->signature, contents);
        target->action = property->write_action;
        return 0;
}

static int resolve_part(Router *router, const Target *target, sd_bus_message *message, sd_bus_error *error) {
        Part part;
        return part_read(&part, router->mirror, target->object, message, error);
}

static int resolve_standard(Router *router, Target *target, size_t which, sd_bus_message *message, sd_bus_error *error) {
        const char *interface, *property;
        int r;
        target->kind = standard_methods[which].kind;
        if (!sd_bus_message_has_signature(message, standard_methods[which].signature))
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "%s takes arguments of type '%s', not '%s'.",
                                         standard_methods[which].member, standard_methods[which].signature,
                                         sd_bus_message_get_signature(message, true));
        if (target->kind == CALL_INTROSPECT)
                return 0;
        target->action = object_is_public(target->object) ? NULL : ACTION_READ;
        if ((target->kind == CALL_GET_MANAGED_OBJECTS || target->kind == CALL_GET_PART) && !manages_objects(target->object))
                return unknown_interface(error, target->object->path, standard_methods[which].interface);
        if (target->kind == CALL_GET_MANAGED_OBJECTS || target->kind == CALL_GET_PART)
                return target->kind == CALL_GET_PART ? resolve_part(router, target, message, error) : 0;
        r = sd_bus_message_read(message, "s", &interface);
        if (r < 0)
                return r;
        if (target->kind == CALL_GET_ALL)
                return resolve_get_all(target, interface, error);
        r = sd_bus_message_read(message, "s", &property);
        if (r >= 0)
                r = find_property(target, interface, property, error);
        return r < 0 || target->kind == CALL_GET ? r : resolve_set(target, message, error);
}

static int resolve_method(Target *target, const char *interface, const char *member, sd_bus_message *message,
                          sd_bus_error *error) {
        const Object *object = target->object;
        bool found = !interface;
        target->kind = CALL_METHOD;
        for (size_t i = 0; i < object->n_blocks && !target->method; i++) {
                const InterfaceInfo *info = object->blocks[i].interface;
                if (interface && strcmp(info->name, interface) != 0)
                        continue;
                found = true;
                target->block = &object->blocks[i];
                target->method = interface_method(info, member);
        }
        if (!found && !is_standard_interface(interface))
                return unknown_interface(error, object->path, interface);
        if (!target->method)
                return sd_bus_error_setf(error, SD_BUS_ERROR_UNKNOWN_METHOD, "Object %s has no method '%s'%s%s.", object->path,
                                         member, interface ? " on interface " : "", interface ? interface : "");
        if (!sd_bus_message_has_signature(message, target->method->in_signature))
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "%s takes arguments of type '%s', not '%s'.", member,
                                         target->method->in_signature, sd_bus_message_get_signature(message, true));
        target->action = target->method->action;
        return 0;
}

/* What an object lacks may be the part of a driver that has failed. */
static int check_part(Router *router, const Object *object, const char *interface, sd_bus_error *error) {
        const InterfaceInfo *info = object && interface ? interface_find(interface) : NULL;
        if (!info || !info->host_driver || object->source || object_block(object, info))
                return 0;
        return driver_check(drivers_named(router->drivers, info->host_driver), object->path, error);
}

/* Finds out what a call means; sets an error, or returns a negative errno, where it means nothing. */
static int resolve(Router *router, sd_bus_message *message, Target *target, sd_bus_error *error) {
        const char *path = sd_bus_message_get_path(message);
        const char *interface = sd_bus_message_get_interface(message), *member = sd_bus_message_get_member(message);
        *target = (Target){ .object = mirror_find(router->mirror, path) };
        const char *opened = manager_connection(router->drivers, message);
        Driver *driver = target->object && !opened ? target->object->source
                                                   : drivers_find(router->drivers, opened ? opened : path);
        int r = driver_check(driver, path, error);
        if (r >= 0)
                r = sd_bus_message_rewind(message, true);
        if (r < 0)
                return r;
        for (size_t i = 0; i < G_N_ELEMENTS(standard_methods); i++) {
                if (strcmp(standard_methods[i].member, member) != 0 ||
                    (interface && strcmp(standard_methods[i].interface, interface) != 0))
                        continue;
                if (target->object || standard_methods[i].kind == CALL_INTROSPECT)
                        return resolve_standard(router, target, i, message, error);
        }
        if (!target->object)
                return sd_bus_error_setf(error, SD_BUS_ERROR_UNKNOWN_OBJECT, "There is no object %s.", path);
        r = check_part(router, target->object, interface, error);
        if (r >= 0)
                r = resolve_method(target, interface, member, message, error);
        if (r >= 0 && manager_is_lookup(router->drivers, message))
                target->action = NULL;
        return r;
}

/* The same for a call that goes on after it has waited: what has been found is still so where nothing has come or gone. */
static int resolve_again(Request *request, sd_bus_error *error) {
        const Mirror *mirror = request->router->mirror;
        if (request->structure == mirror_structure(mirror)) {
                Driver *driver = request->target.object ? request->target.object->source : NULL;
                return driver_check(driver, sd_bus_message_get_path(request->message), error);
        }
        int r = resolve(request->router, request->message, &request->target, error);
        request->structure = r < 0 ? 0 : mirror_structure(mirror);
        return r;
}

/* What polkit has allowed is this action on this object, not what else has come to its path since. */
static int check_decided(const Request *request, sd_bus_error *error) {
        if (!request->decided_action || (g_strcmp0(request->decided_action, request->target.action) == 0 &&
                                         request->decided_subject == decision_serial(request->target.object)))
                return 0;
        return sd_bus_error_setf(error, virtbus_error_name(VIRTBUS_ERROR_RESOURCE_BUSY),
                                 "%s of %s: another object has come to its path while polkit was asked; call again",
                                 sd_bus_message_get_member(request->message), sd_bus_message_get_path(request->message));
}

/* What an answer is made of */

/* Who looks, and what polkit has opened for this one look. */
typedef struct View {
        Router *router;
        Caller *caller;
        const Charge *charge; /* of the call */
        GHashTable *opened;
        bool everything; /* the whole list was decided about */
        uint64_t asked;  /* of a part, see Request */
        bool narrowed;   /* a method that stands for all objects does so for those that may be read */
} View;

static bool may_see(const Object *object, void *data) {
        const View *view = data;
        return view->everything || readers_may_read(view->router->readers, view->caller, object, view->opened);
}

/* True where a call is answered with what the caller may read of many objects. */
static bool is_list(const Target *target) {
        return target->kind == CALL_INTROSPECT || target->kind == CALL_GET_MANAGED_OBJECTS || target->kind == CALL_GET_PART;
}

/* The object below the called one that a method's first argument names by a property's value; NULL where there is none. */
static const Object *look_up(const Object *object, const MethodInfo *method, sd_bus_message *message) {
        const char *text = NULL;
        uint32_t number = 0;
        size_t key = (size_t) method->key;
        int r = method->objects->properties[key].signature[0] == 's' ? sd_bus_message_read(message, "s", &text)
                                                                     : sd_bus_message_read(message, "u", &number);
        for (const Object *child = r < 0 ? NULL : object->first_child; child; child = child->next) {
                const Block *block = object_block(child, method->objects);
                if (block && (text ? strcmp(pack_string(block_value(block, key)), text) == 0
                                   : pack_uint32(block_value(block, key)) == number))
                        return child;
        }
        return NULL;
}

/* True for a method whose first argument names objects, of which it names none: it is about all. */
static bool names_all(const Target *target, sd_bus_message *message) {
        if (target->kind != CALL_METHOD || !target->method->objects || target->method->key >= 0)
                return false;
        sd_bus_message_rewind(message, true);
        bool empty = sd_bus_message_enter_container(message, 'a', "o") >= 0 && sd_bus_message_at_end(message, false) > 0;
        sd_bus_message_rewind(message, true);
        return empty;
}

static void add_children(const Object *object, const InterfaceInfo *interface, GPtrArray *paths) {
        for (const Object *child = object->first_child; child; child = child->next)
                if (object_block(child, interface))
                        g_ptr_array_add(paths, g_strdup(child->path));
}

/* The paths of the objects that a call is about, where that is not just the one that is called: what a list has in it, or what
 * the arguments name. */
static GPtrArray *objects_of_call(Router *router, const Target *target, sd_bus_message *message) {
        GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
        const char *path = NULL;
        if (is_list(target) && target->kind != CALL_GET_PART) {
                const Object *list = mirror_find_nearest(router->mirror, sd_bus_message_get_path(message));
                for (const Object *child = list ? list->first_child : NULL; child; child = child->next)
                        g_ptr_array_add(paths, g_strdup(child->path));
        }
        if (target->kind != CALL_METHOD || g_strcmp0(target->action, ACTION_READ) != 0 || !target->method->objects)
                return paths;
        sd_bus_message_rewind(message, true);
        const Object *found = target->method->key >= 0 ? look_up(target->object, target->method, message) : NULL;
        if (found)
                g_ptr_array_add(paths, g_strdup(found->path));
        else if (names_all(target, message))
                add_children(target->object, target->method->objects, paths);
        else if (target->method->key < 0 && sd_bus_message_enter_container(message, 'a', "o") >= 0)
                while (sd_bus_message_read_basic(message, 'o', &path) > 0)
                        g_ptr_array_add(paths, g_strdup(path));
        sd_bus_message_rewind(message, true);
        return paths;
}

/* The same for a part of a list. A person is asked only where nothing of a list may be read: of all of it, by the first part. */
static GPtrArray *objects_of_part(Request *request, bool *interactive) {
        GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Part part;
        if (part_read(&part, request->router->mirror, request->target.object, request->message, &error) >= 0) {
                *interactive &= part.after == 0;
                request->asked = part_append_paths(&part, PART_QUESTIONS_MAX, paths);
                part.after = request->asked;
                if (*interactive && request->asked)
                        part_append_paths(&part, SIZE_MAX, paths);
        }
        sd_bus_error_free(&error);
        return paths;
}

/* Answering */

static int refuse_answer(sd_bus_error *error) {
        return sd_bus_error_setf(error, virtbus_error_name(VIRTBUS_ERROR_LIMIT_EXCEEDED),
                                 "Your user has not read earlier answers yet; read them, then call again.");
}

/* Who would be sent more than the bus carries in one message gets an error instead: otherwise everybody would lose us. */
static int refuse_size(const char *path, size_t bytes, sd_bus_error *error) {
        return sd_bus_error_setf(
                        error, virtbus_error_name(VIRTBUS_ERROR_LIMIT_EXCEEDED),
                        "What %s manages is %zu MiB, and a message carries at most %d: read it in parts, with " MANAGED_OBJECTS
                        ".GetPart.",
                        path, bytes >> 20, ANSWER_BYTES_MAX >> 20);
}

static int answer_introspect(View *view, sd_bus_message *message, sd_bus_error *error) {
        g_autoptr(sd_bus_message) reply = NULL;
        const char *path = sd_bus_message_get_path(message);
        g_autofree char *xml = introspect(view->router->mirror, path, may_see, view);
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
                if (!may_see(child, view))
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
                if (may_see(child, view))
                        bytes += object_bytes(child);
        return bytes;
}

/* How large GetManagedObjects' answer is. */
static size_t exact_bytes(View *view, const Object *object) {
        size_t offset = 8; /* the array's size, up to its first entry */
        for (const Object *child = object->first_child; child; child = child->next)
                if (may_see(child, view))
                        offset = object_measure(child, offset);
        return offset;
}

static int answer_part(View *view, const Target *target, sd_bus_message *message, sd_bus_error *error) {
        g_autoptr(sd_bus_message) reply = NULL;
        Part part;
        int r = part_read(&part, view->router->mirror, target->object, message, error);
        if (r < 0)
                return r;
        part_measure(&part, view->asked, may_see, view);
        if (!caller_may_be_answered(view->caller, part.bytes))
                return refuse_answer(error);
        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = part_append(&part, may_see, view, reply);
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

/* Begins the journal's entry of a call; NULL where it has none. */
static JournalEntry *entry_of(Router *router, const Caller *caller, const Target *target) {
        if (!journal_wants(target->action) || !target->object)
                return NULL;
        const InterfaceInfo *interface = target->block->interface;
        return journal_begin(router->journal, caller, target->object, interface->name,
                             target->method ? target->method->name : NULL,
                             target->method ? NULL : interface->properties[target->property].name);
}

/* The objects that a narrowed call is about; NULL for one that is not. */
static GPtrArray *narrow(View *view, const Target *target, sd_bus_message *message) {
        if (!view->narrowed || !names_all(target, message))
                return NULL;
        GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
        for (const Object *child = target->object->first_child; child; child = child->next)
                if (object_block(child, target->method->objects) && may_see(child, view))
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
                return sd_bus_error_setf(error, virtbus_error_name(VIRTBUS_ERROR_LIMIT_EXCEEDED), TOO_MUCH_WAITS);
        charge_add(&charge, &more);
        driver_forward(driver, view->caller, message, &charge, target->method, entry_of(view->router, view->caller, target),
                       g_steal_pointer(&objects));
        return 0;
}

/* The driver that a method or property of an interface is for; NULL where that is the service itself. */
static Driver *driver_of(Router *router, const Target *target) {
        const char *part = target->block ? target->block->interface->host_driver : NULL;
        if (!target->object || target->object->source)
                return target->object ? target->object->source : NULL;
        return part ? drivers_named(router->drivers, part) : NULL;
}

static int answer(View *view, const Target *target, sd_bus_message *message, sd_bus_error *error) {
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
                           entry_of(view->router, view->caller, target));
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
                return opener ? forward(view, opener, target, message, error) : manager_call(view->router->drivers, message);
        }
        return -EINVAL;
}

/* Every call gets an answer, whatever went wrong. */
static void answer_failure(sd_bus_message *message, int r, const sd_bus_error *error) {
        if (sd_bus_error_is_set(error))
                r = sd_bus_reply_method_error(message, error);
        else if (r < 0)
                r = sd_bus_reply_method_errno(message, r, NULL);
        if (r < 0)
                log_warning("a call of %s could not be answered: %s", sd_bus_message_get_member(message), g_strerror(-r));
}

/* The way of a call */

/* Answers a call that is allowed. */
static void proceed(Request *request, GHashTable *opened, bool narrowed) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        View view = { .router = request->router, .caller = request->caller, .charge = &request->charge, .opened = opened };
        const Target *target = &request->target;
        int r = resolve_again(request, &error);
        if (r >= 0)
                r = check_decided(request, &error);
        if (sd_bus_error_is_set(&error) && request->entry)
                journal_end(g_steal_pointer(&request->entry), error.name, NULL);
        view.asked = request->asked;
        view.narrowed = narrowed;
        view.everything = r >= 0 && is_list(target) && target->action;
        if (r >= 0)
                r = answer(&view, target, request->message, &error);
        answer_failure(request->message, r, &error);
        sd_bus_error_free(&error);
}

/* Goes on with a call whose waiting is over. What waited for the same answer may be hundreds of calls: each goes on in a turn
 * of its own, lest all their answers be ahead of the next caller's. */
static void go_on(Request *request, BacklogResume resume) {
        request->generation = authority_generation(request->router->authority);
        backlog_resume(request->router->backlog, request->caller, resume, request);
}

static bool is_outdated(const Request *request) {
        return !request->router->ending && request->generation != authority_generation(request->router->authority);
}

static void on_identified(Caller *caller, void *data);

static void after_decision(void *data) {
        Request *waiting = data;
        if (!sd_bus_error_is_set(&waiting->error) && caller_is_there(waiting->caller) && is_outdated(waiting)) {
                on_identified(waiting->caller, waiting);
                return;
        }
        g_autoptr(Request) request = waiting;
        const sd_bus_error *error = sd_bus_error_is_set(&request->error) ? &request->error : NULL;
        if (!caller_is_there(request->caller))
                return;
        if (error && request->entry)
                journal_end(g_steal_pointer(&request->entry), error->name, NULL);
        if (error)
                answer_failure(request->message, 0, error);
        else
                proceed(request, NULL, false);
}

static void on_decided(void *data, const sd_bus_error *error) {
        Request *request = data;
        if (error)
                sd_bus_error_set(&request->error, error->name, error->message);
        go_on(request, after_decision);
}

static bool may_read_all(View *view, const GPtrArray *paths) {
        for (guint i = 0; i < paths->len; i++) {
                const Object *object = mirror_find(view->router->mirror, paths->pdata[i]);
                if (object && !may_see(object, view))
                        return false;
        }
        return true;
}

static bool may_read_some(View *view, const GPtrArray *paths) {
        for (guint i = 0; i < paths->len; i++) {
                const Object *object = mirror_find(view->router->mirror, paths->pdata[i]);
                if (object && may_see(object, view))
                        return true;
        }
        return false;
}

static void decide(Request *request) {
        const Target *target = &request->target;
        request->decided_action = target->action;
        request->decided_subject = decision_serial(target->object);
        if (!request->entry)
                request->entry = entry_of(request->router, request->caller, target);
        g_auto(GStrv) details = target->action ? manager_details(request->router->drivers, request->message) : NULL;
        if (target->action)
                authority_check(request->router->authority, request->caller, request->message, target->action, target->object,
                                (const char *const *) details, on_decided, request);
        else
                on_decided(request, NULL);
}

static int survey_failure(sd_bus_message *message, Verdict verdict, sd_bus_error *error) {
        const struct {
                const char *name, *reason;
        } failures[] = {
                [VERDICT_NO] = { SD_BUS_ERROR_ACCESS_DENIED,
                                 "no password was given, or it was wrong; ask an administrator for a rule" },
                [VERDICT_FAILED] = { SD_BUS_ERROR_ACCESS_DENIED, "polkit gave no answer; see that its service runs" },
                [VERDICT_BUSY] = { virtbus_error_name(VIRTBUS_ERROR_LIMIT_EXCEEDED),
                                   "polkit has too many questions; call again" },
                [VERDICT_CANCELLED] = { virtbus_error_name(VIRTBUS_ERROR_CANCELLED), "virtbusd is ending; call again" },
        };
        if (verdict == VERDICT_YES)
                return 0;
        return sd_bus_error_setf(error, failures[verdict].name, "%s of %s is not authorized (polkit action " ACTION_READ "): %s",
                                 sd_bus_message_get_member(message), sd_bus_message_get_path(message), failures[verdict].reason);
}

/* What is about several objects is decided by those; where they do not decide it, by the object that is called. */
static void after_survey(void *data) {
        Request *request = data;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        g_autoptr(GHashTable) opened = g_steal_pointer(&request->opened);
        View view = { .router = request->router, .caller = request->caller, .opened = opened };
        const Target *target = &request->target;
        if (!request->caller->gone && request->verdict == VERDICT_YES && is_outdated(request)) {
                on_identified(request->caller, request);
                return;
        }
        int r = request->caller->gone ? -ENOTCONN : resolve_again(request, &error);
        if (r >= 0)
                r = survey_failure(request->message, request->verdict, &error);
        if (r < 0) {
                answer_failure(request->message, r, &error);
                request_free(request);
        } else {
                g_autoptr(GPtrArray) paths = objects_of_call(request->router, target, request->message);
                bool all = is_list(target) || may_read_all(&view, paths);
                if (all || (names_all(target, request->message) && may_read_some(&view, paths))) {
                        proceed(request, opened, !all);
                        request_free(request);
                } else
                        decide(request);
        }
        sd_bus_error_free(&error);
}

static void on_surveyed(void *data, GHashTable *opened, Verdict verdict) {
        Request *request = data;
        request->opened = g_hash_table_ref(opened);
        request->verdict = verdict;
        go_on(request, after_survey);
}

static void on_identified(Caller *caller, void *data) {
        Request *request = data;
        Router *router = request->router;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        const Target *target = &request->target;
        int r = -ENOTCONN;
        if (router->ending)
                r = sd_bus_error_setf(&error, virtbus_error_name(VIRTBUS_ERROR_CANCELLED), "virtbusd is ending; call again.");
        else if (caller->identified && callers_are_over(request->router->callers, caller))
                r = sd_bus_error_setf(&error, virtbus_error_name(VIRTBUS_ERROR_LIMIT_EXCEEDED), TOO_MUCH_WAITS);
        else if (caller->identified)
                r = resolve_again(request, &error);
        if (r < 0) {
                answer_failure(request->message, r, &error);
                request_free(request);
        } else {
                bool asks_list = target->kind == CALL_GET_MANAGED_OBJECTS || target->kind == CALL_GET_PART;
                bool interactive = asks_list && sd_bus_message_get_allow_interactive_authorization(request->message) > 0;
                g_autoptr(GPtrArray) paths = target->kind == CALL_GET_PART ? objects_of_part(request, &interactive)
                                                                           : objects_of_call(router, target, request->message);
                bool has_parts = is_list(target) ? !target->action : paths->len > 0;
                if (has_parts && !authority_trusts(router->authority, caller))
                        readers_survey(router->readers, caller, paths, asks_list ? target->object : NULL, interactive,
                                       on_surveyed, request);
                else
                        decide(request);
        }
        sd_bus_error_free(&error);
}

/* On a connection for reading, only what polkit's action for reading stands for is done, whoever asks. */
static int check_read_only(const Caller *caller, const Target *target, sd_bus_message *message, sd_bus_error *error) {
        if (!caller->read_only || !target->action || strcmp(target->action, ACTION_READ) == 0)
                return 0;
        return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
                                 "%s of %s changes something, or shows secrets, and this connection is for reading only: use the "
                                 "socket " PEERS_SOCKET " instead of " PEERS_SOCKET_READ_ONLY ".",
                                 sd_bus_message_get_member(message), sd_bus_message_get_path(message));
}

/* With a call come as many descriptors as its method takes: others would only be held. */
static int check_descriptors(const Target *target, sd_bus_message *message, unsigned n, sd_bus_error *error) {
        unsigned wanted = 0;
        for (const char *type = target->kind == CALL_METHOD ? target->method->in_signature : ""; *type; type++)
                wanted += *type == 'h';
        return n == wanted ? 0
                           : sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "%s takes %u descriptors, not %u.",
                                               sd_bus_message_get_member(message), wanted, n);
}

static void route(Router *router, Caller *caller, sd_bus_message *message, const Charge *charge) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Target target;
        int r = resolve(router, message, &target, &error);
        log_debug("%s: %s of %s: %s", caller->name, sd_bus_message_get_member(message), sd_bus_message_get_path(message),
                  r < 0           ? "it has no meaning"
                  : target.action ? target.action
                                  : "it is public");
        if (r >= 0)
                r = check_descriptors(&target, message, charge->descriptors, &error);
        if (r >= 0)
                r = check_read_only(caller, &target, message, &error);
        View view = { .router = router, .caller = caller, .charge = charge };
        if (r >= 0 && (authority_trusts(router->authority, caller) ||
                       (target.action && authority_knows(router->authority, caller, target.action, target.object))))
                r = answer(&view, &target, message, &error);
        else if (r >= 0) {
                Request *request = request_new(router, caller, message, charge);
                request->target = target;
                request->structure = mirror_structure(router->mirror);
                callers_identify(router->callers, caller, on_identified, request);
        }
        answer_failure(message, r, &error);
        sd_bus_error_free(&error);
}

/* True where the answer depends on drivers that have not sent their objects yet, as just after the service was activated by
 * this very call, or that have failed and are tried again now. Sets *about to the path that the drivers in question have to do
 * with; NULL for all. */
static bool must_wait(Router *router, sd_bus_message *message, const char **about) {
        const char *path = sd_bus_message_get_path(message), *opened = manager_connection(router->drivers, message);
        *about = opened ? opened : path;
        if (drivers_want(router->drivers, *about))
                return !drivers_are_settled(router->drivers, *about);
        *about = NULL;
        if (mirror_find(router->mirror, path) && sd_bus_message_is_method_call(message, PROPERTIES, NULL))
                return false;
        drivers_want(router->drivers, NULL);
        return !drivers_are_settled(router->drivers, NULL);
}

static void take(Router *router, Caller *caller, sd_bus_message *message, const Charge *charge);

static void after_settling(void *data) {
        g_autoptr(Request) request = data;
        if (caller_is_there(request->caller))
                take(request->router, request->caller, request->message, &request->charge);
}

static void on_settled(void *data) {
        go_on(data, after_settling);
}

/* Answers a call when the drivers that it depends on are settled. */
static void take(Router *router, Caller *caller, sd_bus_message *message, const Charge *charge) {
        const char *about;
        if (router->ending) {
                sd_bus_reply_method_errorf(message, virtbus_error_name(VIRTBUS_ERROR_CANCELLED),
                                           "virtbusd is ending; call again.");
                return;
        }
        if (!must_wait(router, message, &about)) {
                route(router, caller, message, charge);
                if (!about) /* what is read of the manager is what was so before that */
                        drivers_want(router->drivers, NULL);
                return;
        }
        Request *request = request_new(router, caller, message, charge);
        if (drivers_when_settled(router->drivers, about, on_settled, request) < 0) {
                request_free(request);
                sd_bus_reply_method_errorf(message, virtbus_error_name(VIRTBUS_ERROR_LIMIT_EXCEEDED),
                                           "Too many calls wait for the drivers; call again.");
        }
}

static int refuse(sd_bus_message *message, const char *text) {
        return sd_bus_reply_method_errorf(message, virtbus_error_name(VIRTBUS_ERROR_LIMIT_EXCEEDED), "%s", text);
}

void router_turn(void *data, Caller *caller, sd_bus_message *message, const Charge *arrived) {
        Router *router = data;
        /* The message is held once more on its way to a driver. */
        Charge charge = { .calls = 1, .bytes = 2 * arrived->bytes - KEPT_BYTES_PER_CALL, .descriptors = arrived->descriptors };
        if (caller->held.calls >= CALLS_PER_CALLER_MAX)
                refuse(message,
                       "You wait for " G_STRINGIFY(CALLS_PER_CALLER_MAX) " answers already; call again when some have come.");
        else if (callers_have_room(router->callers, caller, &charge))
                take(router, caller, message, &charge);
        else
                refuse(message, TOO_MUCH_WAITS);
}

/* Its calls are charged to its own user, and taken in that one's turns. */
static void on_known(Caller *caller, void *data) {
        Router *router = data;
        backlog_changed(router->backlog, caller);
}

static void on_halted(void *data, Caller *caller) {
        Router *router = data;
        backlog_changed(router->backlog, caller);
}

void router_take(void *data, Caller *caller, sd_bus_message *message, const InletMessage *arrived) {
        Router *router = data;
        Charge charge = { .calls = 1, .bytes = KEPT_BYTES_PER_CALL + arrived->bytes, .descriptors = arrived->descriptors };
        if (arrived->long_header)
                sd_bus_reply_method_errorf(message, virtbus_error_name(VIRTBUS_ERROR_LIMIT_EXCEEDED),
                                           "%s: a header of more than %d bytes: no path is as long",
                                           sd_bus_message_get_member(message), HEADER_BYTES_MAX);
        else if (arrived->cut)
                sd_bus_reply_method_errorf(message, virtbus_error_name(VIRTBUS_ERROR_LIMIT_EXCEEDED),
                                           "%s of %s: arguments of more than %d bytes, or more descriptors than can be had",
                                           sd_bus_message_get_member(message), sd_bus_message_get_path(message), CALL_BYTES_MAX);
        else if (backlog_has_room(router->backlog, caller, &charge))
                backlog_add(router->backlog, caller, message, &charge);
        else if (!caller->halted) /* who does not read is told nothing more */
                refuse(message, TOO_MUCH_WAITS);
        caller_has_called(caller);
        if (!caller->identified && g_queue_is_empty(&caller->identifying))
                callers_identify(router->callers, caller, on_known, router);
}

void router_forget(void *data, Caller *leaving) {
        Router *router = data;
        g_autoptr(Caller) caller = caller_ref(leaving);
        callers_left(router->callers, caller->name);
        backlog_forget(router->backlog, caller);
        authority_cancel(router->authority, caller);
}

static int on_call(sd_bus_message *message, void *data, sd_bus_error *unused) {
        Router *router = data;
        uint8_t type;
        (void) unused;
        const char *sender = sd_bus_message_get_sender(message);
        if (sd_bus_message_get_type(message, &type) < 0 || type != SD_BUS_MESSAGE_METHOD_CALL || !sender ||
            sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Peer", NULL)) /* sd-bus answers that */
                return 0;
        router_take(router, callers_get(router->callers, sender), message, inlet_message(router->inlet));
        return 1;
}

static bool has_more(void *data) {
        const Router *router = data;
        return inlet_has_more(router->inlet);
}

int router_start(Router *router) {
        backlog_read_first(router->backlog, has_more, router);
        int r = backlog_start(router->backlog);
        callers_watch_halted(router->callers, on_halted, router);
        /* Not as a fallback for all paths: sd-bus would look for each path above the one that is called, be they ten thousand. */
        return r < 0 ? r : sd_bus_add_filter(router->bus, NULL, on_call, router);
}

void router_end(Router *router) {
        router->ending = true;
        backlog_end(router->backlog);
        callers_end(router->callers);
        authority_cancel(router->authority, NULL);
        drivers_end(router->drivers);
}
