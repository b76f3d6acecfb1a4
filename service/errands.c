/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "errands.h"

#include <errno.h>
#include <string.h>

#include "bounds.h"
#include "decisions.h"
#include "errors.h"
#include "forward.h"
#include "interface-info.h"
#include "interfaces.h"
#include "log.h"
#include "pack.h"
#include "paths.h"

/* What stands for a driver itself where a sender has the name of a caller; and before the name of each driver that a call has
 * come through. */
#define DRIVER_ITSELF "driver"
#define VIA CALLER_VIA

typedef struct Errand {
        Router *router;
        Driver *from;
        sd_bus_message *message; /* NULL: it has been answered */
        sd_event_source *expiry; /* until it is forwarded */
        Caller *caller;          /* on whose behalf; NULL: the driver's own */
        char *sender;            /* as the driver is told that is asked */
        GStrv through;           /* the drivers that it has come through, the asking one last */
        Driver *to;
        const MethodInfo *method;
        uint64_t subject;    /* what polkit decides about: see decision_serial */
        JournalEntry *entry; /* or NULL */
} Errand;

static void errand_free(Errand *errand) {
        if (errand->message)
                driver_end_errand(errand->from);
        sd_event_source_disable_unref(errand->expiry);
        g_clear_pointer(&errand->caller, caller_unref);
        g_clear_pointer(&errand->entry, journal_entry_free);
        sd_bus_message_unref(errand->message);
        g_strfreev(errand->through);
        g_free(errand->sender);
        g_free(errand);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Errand, errand_free)

static void errand_fail(Errand *errand, const sd_bus_error *error) {
        if (!errand->message)
                return;
        sd_bus_reply_method_error(errand->message, error);
        if (errand->entry)
                journal_end(g_steal_pointer(&errand->entry), error->name, NULL);
        errand->message = sd_bus_message_unref(errand->message);
        driver_end_errand(errand->from);
}

static int refuse(sd_bus_error *error, VirtbusError code, const char *format, ...) G_GNUC_PRINTF(3, 4);

static int refuse(sd_bus_error *error, VirtbusError code, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        int r = sd_bus_error_setfv(error, virtbus_error_name(code), format, arguments);
        va_end(arguments);
        return r;
}

/* Who asks */

static int refuse_who_left(const Errand *errand, sd_bus_error *error) {
        return refuse(error, VIRTBUS_ERROR_CANCELLED, "the caller on whose behalf the %s driver asks has left",
                      driver_name(errand->from));
}

/* A driver that asks for itself is the user that it is. */
static int check_itself(const Errand *errand, uid_t uid, sd_bus_error *error) {
        const Driver *first = drivers_named(errand->router->drivers, errand->through[0]);
        if (first && driver_user(first) == uid)
                return 0;
        return refuse(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "the %s driver is not of user %u", errand->through[0],
                      (unsigned) uid);
}

/* Reads the sender of a driver's call: ":uUSER.NAME", with ".via-DRIVER" for each that it has come through so far. */
static int read_sender(Errand *errand, sd_bus_error *error) {
        const char *sender = sd_bus_message_get_sender(errand->message), *own = driver_name(errand->from);
        g_autoptr(GPtrArray) through = g_ptr_array_new_with_free_func(g_free);
        g_autofree char *itself = caller_encode(driver_user(errand->from), DRIVER_ITSELF, false),
                        *name = g_strdup(sender ? sender : itself);
        uid_t uid;
        bool own_rights;
        for (char *dot; (dot = strrchr(name, '.')) && g_str_has_prefix(dot + 1, VIA); *dot = '\0')
                g_ptr_array_insert(through, 0, g_strdup(dot + 1 + strlen(VIA)));
        g_ptr_array_add(through, g_strdup(own));
        errand->sender = g_strdup_printf("%s." VIA "%s", sender ? sender : itself, own);
        g_ptr_array_add(through, NULL);
        errand->through = (GStrv) g_ptr_array_steal(through, NULL);
        const char *dot = strchr(name, '.');
        if (!caller_decode(name, &uid, &own_rights) || !dot)
                return refuse(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                              "'%.64s' is not the sender of a call; the %s driver has to name one as it came", name, own);
        if (strcmp(dot + 1, DRIVER_ITSELF) == 0)
                return check_itself(errand, uid, error);
        g_autofree char *unique = g_strconcat(":", dot + 1, NULL);
        Caller *caller = callers_find(errand->router->callers, unique);
        if (!caller || !caller->identified || caller->uid != uid || !caller_is_there(caller))
                return refuse_who_left(errand, error);
        errand->caller = caller_ref(caller);
        return 0;
}

/* What is asked */

/* The error of a kind's own that says that there is no object at a path of its form, CONNECTION/NOUN/NAME. */
static const char *no_such_object(const char *path) {
        g_auto(GStrv) parts = g_strsplit(path_is_under(path, MANAGER_PATH) ? path + strlen(MANAGER_PATH) : "", "/", 5);
        for (size_t i = 0; g_strv_length(parts) > 3 && interfaces[i]; i++) {
                const SubjectInfo *subject = interfaces[i]->subject;
                if (subject && subject->no_such && strcmp(subject->noun, parts[2]) == 0)
                        return subject->no_such;
        }
        return SD_BUS_ERROR_UNKNOWN_OBJECT;
}

static bool names(const char *drivers, const char *name) {
        g_auto(GStrv) list = g_strsplit(drivers ? drivers : "", " ", -1);
        return g_strv_contains((const char *const *) list, name) || g_strv_contains((const char *const *) list, "*");
}

static int check_circle(const Errand *errand, sd_bus_error *error) {
        const char *to = driver_name(errand->to);
        if (!g_strv_contains((const char *const *) errand->through, to) && g_strv_length(errand->through) <= ERRAND_DRIVERS_MAX)
                return 0;
        g_autofree char *way = g_strjoinv(", ", errand->through);
        return refuse(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "drivers call one another in a circle, or more than %d: %s, %s",
                      ERRAND_DRIVERS_MAX, way, to);
}

/* Finds the method and the driver that answers it. */
static int resolve(Errand *errand, const Object **object, sd_bus_error *error) {
        Router *router = errand->router;
        const char *path = sd_bus_message_get_path(errand->message), *member = sd_bus_message_get_member(errand->message);
        const char *interface = sd_bus_message_get_interface(errand->message);
        const InterfaceInfo *info = interface ? interface_find(interface) : NULL;
        *object = mirror_find(router->mirror, path);
        errand->to = *object ? (*object)->source : drivers_find(router->drivers, path);
        if (!errand->to && info && info->host_driver)
                errand->to = drivers_named(router->drivers, info->host_driver);
        bool is_own = info == &interface_manager; /* the service answers it: it has been decided on then */
        int r = driver_check(errand->to, path, error);
        if (r < 0)
                return r;
        if (!*object)
                return sd_bus_error_setf(error, no_such_object(path), "There is no object %s.", path);
        if (!info || !object_block(*object, info))
                return sd_bus_error_setf(error, SD_BUS_ERROR_UNKNOWN_INTERFACE, "Object %s has no interface '%s'.", path,
                                         interface ? interface : "");
        errand->method = interface_method(info, member);
        if (!errand->method || (!errand->to && !is_own))
                return sd_bus_error_setf(error, SD_BUS_ERROR_UNKNOWN_METHOD, "Object %s has no method '%s'.", path, member);
        if (!sd_bus_message_has_signature(errand->message, errand->method->in_signature))
                return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "%s takes arguments of type '%s'.", member,
                                         errand->method->in_signature);
        if (!names(errand->method->driver_may, driver_name(errand->from)))
                return refuse(error, VIRTBUS_ERROR_ACCESS_DENIED, "the %s driver may not call %s.%s: DriverMay does not name it",
                              driver_name(errand->from), interface, member);
        return is_own ? 0 : check_circle(errand, error);
}

static int check_caller(const Errand *errand, sd_bus_error *error) {
        const Caller *caller = errand->caller;
        if (caller && !caller_is_there(caller))
                return refuse_who_left(errand, error);
        if (caller && caller->read_only && errand->method->action && strcmp(errand->method->action, ACTION_READ) != 0)
                return refuse(error, VIRTBUS_ERROR_ACCESS_DENIED, "the caller's connection is for reading only");
        return 0;
}

/* What the driver says of what it asks for, as polkit's rules are told it; NULL: nothing. To be freed. */
static GStrv details_of(const Errand *errand) {
        g_auto(GStrv) names = g_strsplit(errand->method->details ? errand->method->details : "", " ", -1);
        g_autoptr(GPtrArray) details = g_ptr_array_new_with_free_func(g_free);
        for (size_t i = 0; names[i]; i++) {
                const char *value;
                if (sd_bus_message_read(errand->message, "s", &value) <= 0)
                        break;
                g_ptr_array_add(details, g_strdup(names[i]));
                g_ptr_array_add(details, g_strdup(value));
        }
        sd_bus_message_rewind(errand->message, true);
        g_ptr_array_add(details, NULL);
        return (GStrv) g_ptr_array_steal(details, NULL);
}

/* The way of an errand */

/* What the service itself is asked is whether something may be: it may. */
static void answer_allowed(Errand *errand) {
        sd_bus_reply_method_return(errand->message, "");
        if (errand->entry)
                journal_end(g_steal_pointer(&errand->entry), NULL, NULL);
        errand->message = sd_bus_message_unref(errand->message);
        driver_end_errand(errand->from);
}

static void on_decided(void *data, const sd_bus_error *denied, bool own_rights) {
        g_autoptr(Errand) errand = data;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        const char *action = errand->method->action;
        const Object *object = NULL;
        (void) own_rights;
        if (!errand->message)
                return;
        int r = denied ? sd_bus_error_copy(&error, denied) : resolve(errand, &object, &error);
        if (r >= 0 && (g_strcmp0(action, errand->method->action) != 0 || decision_serial(object) != errand->subject))
                r = refuse(&error, VIRTBUS_ERROR_RESOURCE_BUSY, "the object is another one meanwhile; call again");
        if (r >= 0)
                r = check_caller(errand, &error);
        if (r < 0)
                errand_fail(errand, &error);
        else if (!errand->to)
                answer_allowed(errand);
        else {
                driver_forward_errand(errand->to, errand->from, errand->sender, errand->message, errand->method,
                                      g_steal_pointer(&errand->entry));
                errand->message = sd_bus_message_unref(errand->message);
        }
        sd_bus_error_free(&error);
}

static void on_settled(void *data) {
        Errand *errand = data;
        Router *router = errand->router;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        const Object *object;
        int r = !errand->message ? -ECANCELED : router->ending ? -ESHUTDOWN : resolve(errand, &object, &error);
        if (r == -ESHUTDOWN)
                refuse(&error, VIRTBUS_ERROR_CANCELLED, "virtbusd is ending");
        if (r >= 0)
                r = check_caller(errand, &error);
        if (r < 0) {
                errand_fail(errand, &error);
                errand_free(errand);
        } else {
                errand->subject = decision_serial(object);
                if (errand->caller && journal_wants(errand->method->action))
                        errand->entry = journal_begin(router->journal, errand->caller, object,
                                                      sd_bus_message_get_interface(errand->message), errand->method->name, NULL);
                g_auto(GStrv) details = details_of(errand);
                if (errand->caller && errand->method->action && !authority_trusts(router->authority, errand->caller))
                        authority_check(router->authority, errand->caller, errand->message, errand->method->action, NULL, object,
                                        (const char *const *) details, on_decided, errand);
                else
                        on_decided(errand, NULL, false);
        }
        sd_bus_error_free(&error);
}

static int on_expiry(sd_event_source *source, uint64_t usec, void *data) {
        Errand *errand = data;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        (void) source;
        (void) usec;
        refuse(&error, VIRTBUS_ERROR_TIMEOUT, "%s of %s: the driver that it needs, or polkit, has not answered in time",
               sd_bus_message_get_member(errand->message), sd_bus_message_get_path(errand->message));
        errand_fail(errand, &error); /* what it waits for frees it */
        sd_bus_error_free(&error);
        return 0;
}

void errands_take(void *data, Driver *from, sd_bus_message *message) {
        Router *router = data;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        const char *path = sd_bus_message_get_path(message);
        if (!driver_begin_errand(from)) {
                sd_bus_reply_method_errorf(message, virtbus_error_name(VIRTBUS_ERROR_LIMIT_EXCEEDED),
                                           "the %s driver waits for %d answers of other drivers already", driver_name(from),
                                           ERRANDS_PER_DRIVER_MAX);
                return;
        }
        Errand *errand = g_new(Errand, 1);
        *errand = (Errand){ .router = router, .from = from, .message = sd_bus_message_ref(message) };
        int r = read_sender(errand, &error);
        bool is_own = strcmp(path, MANAGER_PATH) == 0;
        if (r >= 0 && !is_own && !drivers_want(router->drivers, path))
                r = sd_bus_error_setf(&error, no_such_object(path), "No driver is installed that has %s.", path);
        if (r >= 0 && sd_event_add_time_relative(sd_bus_get_event(router->bus), &errand->expiry, CLOCK_MONOTONIC,
                                                 drivers_errand_timeout(router->drivers), 0, on_expiry, errand) < 0)
                r = refuse(&error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "the service has no room for a deadline");
        if (r >= 0 && is_own)
                on_settled(errand);
        else if (r >= 0 && drivers_when_settled(router->drivers, path, on_settled, errand) < 0)
                r = refuse(&error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "too many calls wait for the drivers");
        if (r < 0) {
                log_debug("driver %s: its call is refused: %s", driver_name(from), error.message);
                errand_fail(errand, &error);
                errand_free(errand);
        }
        sd_bus_error_free(&error);
}
