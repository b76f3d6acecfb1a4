/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/errand.h"

#include <string.h>

#include "errors.h"
#include "interface-info.h"

struct Errand {
        ErrandDone done;
        void *data;
        sd_bus_slot *slot;
        char *what;
        GList *link;
};

static GQueue errands = G_QUEUE_INIT; /* Errand */

void errand_cancel(Errand *errand) {
        g_queue_delete_link(&errands, errand->link);
        sd_bus_slot_unref(errand->slot);
        g_free(errand->what);
        g_free(errand);
}

static void finish(Errand *errand, sd_bus_message *answer, const GError *error) {
        ErrandDone done = errand->done;
        void *data = errand->data;
        errand_cancel(errand);
        done(data, answer, error);
}

/* The error of any kind that says that there is no such object, as its annotation in introspection/ names it; NULL: it is
 * another. */
static const char *no_such_object(const char *name) {
        if (strcmp(name, SD_BUS_ERROR_UNKNOWN_OBJECT) == 0)
                return SD_BUS_ERROR_UNKNOWN_OBJECT;
        for (size_t i = 0; interfaces[i]; i++)
                if (interfaces[i]->subject && g_strcmp0(interfaces[i]->subject->no_such, name) == 0)
                        return interfaces[i]->subject->no_such;
        return NULL;
}

static void set_error(GError **error, const sd_bus_error *failure) {
        static const char *const denials[] = { SD_BUS_ERROR_ACCESS_DENIED, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                                               NULL };
        const char *last = strrchr(failure->name, '.'), *no_such = no_such_object(failure->name);
        const char *message = failure->message ? failure->message : failure->name;
        int code = last ? virtbus_error_from_short_name(last + 1) : -1;
        if (code >= 0)
                virtbus_error_set(error, (VirtbusError) code, "%s", message);
        else if (no_such)
                virtbus_error_set_named(error, no_such, "%s", message);
        else if (g_strv_contains(denials, failure->name))
                virtbus_error_set(error, VIRTBUS_ERROR_ACCESS_DENIED, "%s", message);
        else
                virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "%s", message);
}

static int on_answer(sd_bus_message *answer, void *data, sd_bus_error *unused) {
        const sd_bus_error *failure = sd_bus_message_get_error(answer);
        Errand *errand = data;
        g_autoptr(GError) error = NULL;
        (void) unused;
        if (failure && strcmp(failure->name, SD_BUS_ERROR_NO_REPLY) == 0) /* sd-bus's own */
                virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "%s: virtbusd has ended", errand->what);
        else if (failure)
                set_error(&error, failure);
        finish(errand, failure ? NULL : answer, error);
        return 0;
}

Errand *errand_begin(Objects *objects, const char *on_behalf, const char *path, const char *interface, const char *member,
                     ErrandDone done, void *data, GError **error, const char *signature, ...) {
        sd_bus *peer = objects_peer(objects);
        g_autoptr(sd_bus_message) message = NULL;
        g_autofree char *what = g_strdup_printf("%s of %s", member, path);
        if (!peer) {
                virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "%s: virtbusd is not there, which it goes through",
                                  what);
                return NULL;
        }
        Errand *errand = g_new(Errand, 1);
        *errand = (Errand){ .done = done, .data = data, .what = g_steal_pointer(&what) };
        g_queue_push_tail(&errands, errand);
        errand->link = errands.tail;
        int r = sd_bus_message_new_method_call(peer, &message, NULL, path, interface, member);
        if (r >= 0 && on_behalf)
                r = sd_bus_message_set_sender(message, on_behalf);
        va_list arguments;
        va_start(arguments, signature);
        if (r >= 0 && *signature)
                r = sd_bus_message_appendv(message, signature, arguments);
        va_end(arguments);
        if (r >= 0)
                r = sd_bus_call_async(peer, &errand->slot, message, on_answer, errand,
                                      UINT64_MAX); /* virtbusd has the deadline */
        if (r >= 0)
                return errand;
        virtbus_error_set_errno(error, -r, "%s cannot be asked for", errand->what);
        errand_cancel(errand);
        return NULL;
}

void errands_fail(void) {
        Errand *errand;
        while ((errand = g_queue_peek_head(&errands))) {
                g_autoptr(GError) error = NULL;
                virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "%s: virtbusd has ended", errand->what);
                finish(errand, NULL, error);
        }
}

unsigned errands_pending(void) {
        return g_queue_get_length(&errands);
}
