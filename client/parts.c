/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parts.h"

#define MANAGED_OBJECTS "org.virtbus1.ManagedObjects"

/* How a part is asked for. */
typedef struct Question {
        const char *interface, *method;
        GVariant *arguments; /* floating, or NULL */
        const GVariantType *answer;
} Question;

/* AFTER is what the part before called it, "" for the first one; NULL: the whole. */
static Question question_of(const PartsList *list, const char *after) {
        static const char *const all[] = { NULL };
        const char *const *properties = list->properties ? list->properties : all;
        GVariantBuilder wanted;
        GVariantDict options;
        if (!after)
                return (Question){ "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL,
                                   G_VARIANT_TYPE("(a{oa{sa{sv}}})") };
        if (list->table)
                return (Question){ MANAGED_OBJECTS, "GetColumns", g_variant_new("(ss^as)", after, list->interface, properties),
                                   G_VARIANT_TYPE("(aoa{sv}s)") };
        g_variant_builder_init(&wanted, G_VARIANT_TYPE("a{sas}"));
        g_variant_builder_add(&wanted, "{s^as}", list->interface, properties);
        g_variant_dict_init(&options, NULL);
        g_variant_dict_insert_value(&options, "properties", g_variant_builder_end(&wanted));
        return (Question){ MANAGED_OBJECTS, "GetPart", g_variant_new("(s@a{sv})", after, g_variant_dict_end(&options)),
                           G_VARIANT_TYPE("(a{oa{sa{sv}}}s)") };
}

static gboolean is_without_parts(const PartsList *list, const GError *error) {
        return !list->table && (g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD) ||
                                g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_INTERFACE));
}

/* What the next part is called by; NULL: there is none. Children of an answer are taken one by one: formats with "&" would have
 * the whole of it copied first. */
static char *next_of(GVariant *part) {
        gsize n = g_variant_n_children(part);
        g_autoptr(GVariant) next = n > 1 ? g_variant_get_child_value(part, n - 1) : NULL;
        gsize length = 0;
        const char *name = next ? g_variant_get_string(next, &length) : NULL;
        return length > 0 ? g_strdup(name) : NULL;
}

static void take_part(const PartsList *list, GVariant *part) {
        g_autoptr(GVariant) objects = g_variant_get_child_value(part, 0);
        if (list->table) {
                g_autoptr(GVariant) columns = g_variant_get_child_value(part, 1);
                list->table(list->data, objects, columns);
                return;
        }
        for (gsize i = 0; i < g_variant_n_children(objects); i++) {
                g_autoptr(GVariant) object = g_variant_get_child_value(objects, i), path = g_variant_get_child_value(object, 0),
                                    interfaces = g_variant_get_child_value(object, 1);
                list->each(list->data, g_variant_get_string(path, NULL), interfaces);
        }
}

static void call(const PartsList *list, const char *after, GCancellable *cancellable, GAsyncReadyCallback callback,
                 gpointer data) {
        Question question = question_of(list, after);
        g_dbus_connection_call(list->bus, list->service, list->path, question.interface, question.method, question.arguments,
                               question.answer, list->flags, list->timeout, cancellable, callback, data);
}

/* A call that a context of its own waits for. */
typedef struct Asked {
        GVariant *part;
        GError *error;
        gboolean is_answered;
} Asked;

static void on_answered(GObject *source, GAsyncResult *result, gpointer data) {
        Asked *asked = data;
        asked->part = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &asked->error);
        asked->is_answered = TRUE;
}

static void begin_to_ask(const PartsList *list, GMainContext *context, const char *after, GCancellable *cancellable,
                         Asked *asked) {
        *asked = (Asked){ 0 };
        g_main_context_push_thread_default(context);
        call(list, after, cancellable, on_answered, asked);
        g_main_context_pop_thread_default(context);
}

static GVariant *wait_for_part(GMainContext *context, Asked *asked, GError **error) {
        while (!asked->is_answered)
                g_main_context_iteration(context, TRUE);
        if (asked->error)
                g_propagate_error(error, asked->error);
        return asked->part;
}

gboolean parts_load_sync(const PartsList *list, GCancellable *cancellable, GError **error) {
        g_autoptr(GMainContext) context = g_main_context_new();
        g_autoptr(GError) failure = NULL;
        Asked asked;
        begin_to_ask(list, context, "", cancellable, &asked);
        GVariant *part = wait_for_part(context, &asked, &failure);
        if (!part && is_without_parts(list, failure)) {
                g_clear_error(&failure);
                begin_to_ask(list, context, NULL, cancellable, &asked);
                part = wait_for_part(context, &asked, &failure);
        }
        while (part) {
                g_autoptr(GVariant) taken = part;
                g_autofree char *next = next_of(taken);
                if (next) /* the service is at work while this part is taken */
                        begin_to_ask(list, context, next, cancellable, &asked);
                take_part(list, taken);
                part = next ? wait_for_part(context, &asked, &failure) : NULL;
        }
        if (!failure)
                return TRUE;
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
}

/* Without waiting */

static PartsList *list_copy(const PartsList *list) {
        PartsList *copy = g_new(PartsList, 1);
        *copy = *list;
        g_object_ref(copy->bus);
        copy->service = g_strdup(list->service);
        copy->path = g_strdup(list->path);
        copy->interface = g_strdup(list->interface);
        copy->properties = (const char *const *) g_strdupv((char **) list->properties);
        return copy;
}

static void list_free(gpointer data) {
        PartsList *list = data;
        g_object_unref(list->bus);
        g_free((char *) list->service);
        g_free((char *) list->path);
        g_free((char *) list->interface);
        g_strfreev((char **) list->properties);
        g_free(list);
}

static void on_part(GObject *source, GAsyncResult *result, gpointer data);

/* The task is held by what waits for the answer. */
static void ask(GTask *task, const char *after) {
        call(g_task_get_task_data(task), after, g_task_get_cancellable(task), on_part, g_object_ref(task));
}

static void on_part(GObject *source, GAsyncResult *result, gpointer data) {
        g_autoptr(GTask) task = data;
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) part = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
        g_autofree char *next = part ? next_of(part) : NULL;
        if (g_task_return_error_if_cancelled(task))
                return;
        if (next) /* the service is at work while this part is taken */
                ask(task, next);
        if (part)
                take_part(g_task_get_task_data(task), part);
        if (part && !next)
                g_task_return_boolean(task, TRUE);
        else if (!part && is_without_parts(g_task_get_task_data(task), error))
                ask(task, NULL);
        else if (!part)
                g_task_return_error(task, g_steal_pointer(&error));
}

void parts_load(const PartsList *list, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data) {
        g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, data);
        g_task_set_task_data(task, list_copy(list), list_free);
        ask(task, "");
}

gboolean parts_load_finish(GAsyncResult *result, GError **error) {
        return g_task_propagate_boolean(G_TASK(result), error);
}
