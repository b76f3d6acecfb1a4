/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parts.h"

/* How a part is asked for. */
typedef struct Question {
        const char *interface, *method;
        GVariant *arguments; /* floating, or NULL */
        const GVariantType *answer;
} Question;

/* AFTER is what the part before called it, "" for the first one; NULL: the whole. */
static Question question_of(const PartsList *list, const char *after) {
        static const char *const all[] = { NULL };
        GVariantBuilder wanted;
        GVariantDict options;
        if (!after)
                return (Question){ "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL,
                                   G_VARIANT_TYPE("(a{oa{sa{sv}}})") };
        g_variant_builder_init(&wanted, G_VARIANT_TYPE("a{sas}"));
        g_variant_builder_add(&wanted, "{s^as}", list->interface, list->properties ? list->properties : all);
        g_variant_dict_init(&options, NULL);
        g_variant_dict_insert_value(&options, "properties", g_variant_builder_end(&wanted));
        return (Question){ "org.virtbus1.ManagedObjects", "GetPart",
                           g_variant_new("(s@a{sv})", after, g_variant_dict_end(&options)), G_VARIANT_TYPE("(a{oa{sa{sv}}}s)") };
}

static gboolean is_without_parts(const GError *error) {
        return g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD) ||
               g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_INTERFACE);
}

/* What the next part is called by; NULL: there is none. */
static char *next_of(GVariant *part) {
        const char *next = "";
        if (g_variant_n_children(part) > 1)
                g_variant_get_child(part, 1, "&s", &next);
        return *next ? g_strdup(next) : NULL;
}

static void take_part(const PartsList *list, GVariant *part) {
        g_autoptr(GVariant) objects = g_variant_get_child_value(part, 0);
        GVariantIter iterator;
        const char *path;
        GVariant *interfaces;
        g_variant_iter_init(&iterator, objects);
        while (g_variant_iter_next(&iterator, "{&o@a{sa{sv}}}", &path, &interfaces)) {
                list->each(list->data, path, interfaces);
                g_variant_unref(interfaces);
        }
}

static GVariant *ask_sync(const PartsList *list, const char *after, GCancellable *cancellable, GError **error) {
        Question question = question_of(list, after);
        return g_dbus_connection_call_sync(list->bus, list->service, list->path, question.interface, question.method,
                                           question.arguments, question.answer, list->flags, list->timeout, cancellable, error);
}

gboolean parts_load_sync(const PartsList *list, GCancellable *cancellable, GError **error) {
        g_autoptr(GError) failure = NULL;
        GVariant *part = ask_sync(list, "", cancellable, &failure);
        if (!part && is_without_parts(failure)) {
                g_clear_error(&failure);
                part = ask_sync(list, NULL, cancellable, &failure);
        }
        while (part) {
                g_autoptr(GVariant) taken = part;
                g_autofree char *next = next_of(taken);
                take_part(list, taken);
                part = next ? ask_sync(list, next, cancellable, &failure) : NULL;
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
        const PartsList *list = g_task_get_task_data(task);
        Question question = question_of(list, after);
        g_dbus_connection_call(list->bus, list->service, list->path, question.interface, question.method, question.arguments,
                               question.answer, list->flags, list->timeout, g_task_get_cancellable(task), on_part,
                               g_object_ref(task));
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
        else if (!part && is_without_parts(error))
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
