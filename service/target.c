/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "target.h"

#include <string.h>

#include "errors.h"
#include "interfaces.h"
#include "manager.h"
#include "pack.h"
#include "part.h"
#include "peer-socket.h"

#define INTROSPECTABLE "org.freedesktop.DBus.Introspectable"
#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"

/* The methods of interfaces that every object has, or every one that manages objects. */
static const struct {
        const char *interface, *member, *signature;
        CallKind kind;
} standard_methods[] = {
        { TARGET_PROPERTIES, "Get", "ss", CALL_GET },
        { TARGET_PROPERTIES, "GetAll", "s", CALL_GET_ALL },
        { TARGET_PROPERTIES, "Set", "ssv", CALL_SET },
        { OBJECT_MANAGER, "GetManagedObjects", "", CALL_GET_MANAGED_OBJECTS },
        { TARGET_MANAGED_OBJECTS, "GetPart", "sa{sv}", CALL_GET_PART },
        { TARGET_MANAGED_OBJECTS, "GetColumns", PART_COLUMNS_SIGNATURE, CALL_GET_PART },
        { INTROSPECTABLE, "Introspect", "", CALL_INTROSPECT },
};

static bool is_standard_interface(const char *name) {
        return strcmp(name, TARGET_PROPERTIES) == 0 || strcmp(name, OBJECT_MANAGER) == 0 ||
               strcmp(name, TARGET_MANAGED_OBJECTS) == 0 || strcmp(name, INTROSPECTABLE) == 0 ||
               strcmp(name, "org.freedesktop.DBus.Peer") == 0;
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

static int resolve_part(Mirror *mirror, const Target *target, sd_bus_message *message, sd_bus_error *error) {
        Part part;
        return part_read(&part, mirror, target->object, message, error);
}

static int resolve_standard(Mirror *mirror, Target *target, size_t which, sd_bus_message *message, sd_bus_error *error) {
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
                return target->kind == CALL_GET_PART ? resolve_part(mirror, target, message, error) : 0;
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
static int check_part(Drivers *drivers, const Object *object, const char *interface, sd_bus_error *error) {
        const InterfaceInfo *info = object && interface ? interface_find(interface) : NULL;
        if (!info || !info->host_driver || object->source || object_block(object, info))
                return 0;
        return driver_check(drivers_named(drivers, info->host_driver), object->path, error);
}

int target_resolve(Mirror *mirror, Drivers *drivers, sd_bus_message *message, Target *target, sd_bus_error *error) {
        const char *path = sd_bus_message_get_path(message);
        const char *interface = sd_bus_message_get_interface(message), *member = sd_bus_message_get_member(message);
        *target = (Target){ .object = mirror_find(mirror, path) };
        const char *opened = manager_connection(drivers, message);
        Driver *driver = target->object && !opened ? target->object->source : drivers_find(drivers, opened ? opened : path);
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
                        return resolve_standard(mirror, target, i, message, error);
        }
        if (!target->object)
                return sd_bus_error_setf(error, SD_BUS_ERROR_UNKNOWN_OBJECT, "There is no object %s.", path);
        r = check_part(drivers, target->object, interface, error);
        if (r >= 0)
                r = resolve_method(target, interface, member, message, error);
        if (r >= 0 && manager_is_lookup(drivers, message))
                target->action = NULL;
        return r;
}

int target_check_read_only(const Caller *caller, const Target *target, sd_bus_message *message, sd_bus_error *error) {
        if (!caller->read_only || !target->action || strcmp(target->action, ACTION_READ) == 0)
                return 0;
        return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
                                 "%s of %s changes something, or shows secrets, and this connection is for reading only: use the "
                                 "socket whose name does not end with -ro.",
                                 sd_bus_message_get_member(message), sd_bus_message_get_path(message));
}

int target_check_descriptors(const Target *target, sd_bus_message *message, unsigned n, sd_bus_error *error) {
        unsigned wanted = 0, more = target->kind == CALL_METHOD ? target->method->option_descriptors : 0;
        for (const char *type = target->kind == CALL_METHOD ? target->method->in_signature : ""; *type; type++)
                wanted += *type == 'h';
        if (more > 0 && n > wanted + more)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "%s takes at most %u descriptors, not %u.",
                                         sd_bus_message_get_member(message), wanted + more, n);
        return n >= wanted && n <= wanted + more
                               ? 0
                               : sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "%s takes %u descriptors, not %u.",
                                                   sd_bus_message_get_member(message), wanted, n);
}

/* What it is about */

bool target_is_list(const Target *target) {
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

bool target_names_all(const Target *target, sd_bus_message *message) {
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

GPtrArray *target_objects(Mirror *mirror, const Target *target, sd_bus_message *message) {
        GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
        const char *path = NULL;
        if (target_is_list(target) && target->kind != CALL_GET_PART) {
                const Object *list = mirror_find_nearest(mirror, sd_bus_message_get_path(message));
                for (const Object *child = list ? list->first_child : NULL; child; child = child->next)
                        g_ptr_array_add(paths, g_strdup(child->path));
        }
        if (target->kind != CALL_METHOD || g_strcmp0(target->action, ACTION_READ) != 0 || !target->method->objects)
                return paths;
        sd_bus_message_rewind(message, true);
        const Object *found = target->method->key >= 0 ? look_up(target->object, target->method, message) : NULL;
        if (found)
                g_ptr_array_add(paths, g_strdup(found->path));
        else if (target_names_all(target, message))
                add_children(target->object, target->method->objects, paths);
        else if (target->method->key < 0 && sd_bus_message_enter_container(message, 'a', "o") >= 0)
                while (sd_bus_message_read_basic(message, 'o', &path) > 0)
                        g_ptr_array_add(paths, g_strdup(path));
        sd_bus_message_rewind(message, true);
        return paths;
}
