/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esx/tasks.h"

#include <string.h>

#include "base/xml.h"
#include "errors.h"
#include "log.h"

/* Somebody who waits for one. */
struct EsxWait {
        Esx *esx;
        VimReference task; /* none yet: it is being begun; then: */
        VimCall *call;     /* of that, or of a look at it */
        bool is_looking;
        TaskDone done;
        void *data;
};

const char *const tasks_properties[] = { "info.state",      "info.error",  "info.result",        "info.progress",
                                         "info.cancelable", "info.entity", "info.descriptionId", NULL };

/* Nothing is told of it any more. */
static void task_free(void *data) {
        EsxTask *task = data;
        g_autoptr(GError) error = NULL;
        if (task->job) {
                virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                  "the server tells no more of the task: how it ends is not known");
                job_end(task->job, error);
        }
        vim_reference_clear(&task->reference);
        vim_reference_clear(&task->entity);
        g_free(task->description);
        g_free(task->state);
        g_free(task->fault);
        g_free(task->text);
        vim_reference_clear(&task->result);
        g_free(task);
}

static void wait_free(EsxWait *wait) {
        g_hash_table_remove(wait->esx->waits, wait);
        if (wait->call)
                vim_cancel(wait->call);
        vim_reference_clear(&wait->task);
        g_free(wait);
}

void tasks_forget(EsxWait *wait) {
        wait_free(wait);
}

static void end(EsxWait *wait, const VimReference *result, const GError *error) {
        TaskDone done = wait->done;
        void *data = wait->data;
        wait_free(wait);
        done(data, result, error);
}

/* Ends it where its task has ended; true then. */
static bool settle(EsxWait *wait) {
        const EsxTask *task = wait->task.value ? g_hash_table_lookup(wait->esx->tasks, wait->task.value) : NULL;
        g_autoptr(GError) error = NULL;
        if (!task || !task->state)
                return false;
        bool is_done = strcmp(task->state, "success") == 0;
        if (!is_done && strcmp(task->state, "error") != 0)
                return false;
        if (!is_done)
                vim_fault_set(&error, task->fault ? task->fault : "", task->text);
        g_auto(VimReference) result = { 0 };
        if (is_done && task->result.value)
                vim_reference_set(&result, task->result.type, task->result.value);
        end(wait, result.value ? &result : NULL, error);
        return true;
}

/* What is told */

static void take_change(EsxTask *task, const char *name, const xmlNode *value) {
        if (strcmp(name, "info.state") == 0) {
                g_free(task->state);
                task->state = xml_text(value);
        } else if (strcmp(name, "info.error") == 0) {
                g_autofree char *text = xml_text_at(value, "localizedMessage");
                g_free(task->fault);
                g_free(task->text);
                task->fault = value ? soap_type(xml_child(value, "fault")) : NULL;
                task->text = soap_plain(text);
        } else if (strcmp(name, "info.result") == 0 && value)
                vim_reference_read(&task->result, value);
        else if (strcmp(name, "info.entity") == 0 && value)
                vim_reference_read(&task->entity, value);
        else if (strcmp(name, "info.progress") == 0) {
                g_autofree char *text = xml_text_at(value, "");
                task->progress = (unsigned) MIN(g_ascii_strtoull(text, NULL, 10), 100);
        } else if (strcmp(name, "info.cancelable") == 0) {
                g_autofree char *text = xml_text_at(value, "");
                task->is_cancelable = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
        } else if (strcmp(name, "info.descriptionId") == 0) {
                g_autofree char *text = xml_text_at(value, "");
                g_free(task->description);
                task->description = soap_plain(text);
        }
}

static EsxTask *take(Esx *esx, const char *reference, const xmlNode *object) {
        EsxTask *task = g_hash_table_lookup(esx->tasks, reference);
        if (!task && g_hash_table_size(esx->tasks) >= TASKS_MAX)
                return NULL;
        if (!task) {
                task = g_new0(EsxTask, 1);
                task->esx = esx;
                vim_reference_set(&task->reference, "Task", reference);
                g_hash_table_insert(esx->tasks, g_strdup(reference), task);
        }
        for (xmlNode *change = xml_child(object, NULL); change; change = xml_next(change, NULL))
                if (xml_is(change, "changeSet") || xml_is(change, "propSet")) {
                        g_autofree char *name = xml_text_at(change, "name");
                        take_change(task, name, xml_child(change, "val"));
                }
        return task;
}

void tasks_update(Esx *esx, const char *reference, const xmlNode *object) {
        EsxTask *task = object ? take(esx, reference, object) : NULL;
        if (task)
                task->is_followed = true;
        else
                g_hash_table_remove(esx->tasks, reference);
}

static bool is_followed(const EsxWait *wait) {
        const EsxTask *task = g_hash_table_lookup(wait->esx->tasks, wait->task.value);
        return task && task->is_followed;
}

/* A look at one that is not among those that are told of */

static bool on_seen(void *data, xmlNode *element, GError **error) {
        const EsxWait *wait = data;
        (void) error;
        if (xml_is(element, "objects"))
                take(wait->esx, wait->task.value, element);
        return true;
}

static void on_looked(void *data, const GError *error) {
        EsxWait *wait = data;
        wait->call = NULL;
        wait->is_looking = false;
        if (error)
                end(wait, NULL, error);
        else
                settle(wait);
}

static void look(EsxWait *wait) {
        static const char *const opened[] = { "returnval", NULL };
        g_autoptr(GString) body = g_string_new("<specSet><propSet><type>Task</type>");
        for (size_t i = 0; tasks_properties[i]; i++)
                soap_put(body, "pathSet", NULL, tasks_properties[i]);
        g_string_append(body, "</propSet><objectSet>");
        vim_put_reference(body, "obj", &wait->task);
        g_string_append(body, "</objectSet></specSet><options/>");
        wait->is_looking = true;
        wait->call = vim_call(wait->esx->vim,
                              &(VimQuestion){ .method = "RetrievePropertiesEx",
                                              .object = &wait->esx->content.property_collector,
                                              .arguments = body->str,
                                              .each = on_seen,
                                              .opened = opened },
                              on_looked, wait);
}

/* Each may end, and have others end. */
void tasks_check(Esx *esx) {
        g_autoptr(GList) waits = g_hash_table_get_keys(esx->waits);
        for (GList *link = waits; link; link = link->next) {
                EsxWait *wait = link->data;
                if (!g_hash_table_contains(esx->waits, wait) || !wait->task.value || settle(wait))
                        continue;
                if (!wait->is_looking && !is_followed(wait))
                        look(wait);
        }
}

/* Beginning */

static bool on_reference(void *data, xmlNode *element, GError **error) {
        EsxWait *wait = data;
        return vim_reference_read(&wait->task, element) ||
               virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "its answer is not what it must be: it names no task");
}

static void on_begun(void *data, const GError *error) {
        EsxWait *wait = data;
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        wait->call = NULL;
        if (!failure && !wait->task.value)
                virtbus_error_set(&failure, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                  "its answer is not what it must be: it names no task");
        if (failure)
                end(wait, NULL, failure);
        else if (!settle(wait) && !is_followed(wait))
                look(wait); /* it may have ended before it was told of */
}

EsxWait *tasks_begin(Esx *esx, const char *method, const VimReference *object, const char *arguments, TaskDone done, void *data) {
        EsxWait *wait = g_new0(EsxWait, 1);
        wait->esx = esx;
        wait->done = done;
        wait->data = data;
        g_hash_table_add(esx->waits, wait);
        wait->call = vim_call(esx->vim,
                              &(VimQuestion){ .method = method, .object = object, .arguments = arguments, .each = on_reference },
                              on_begun, wait);
        return wait;
}

void tasks_end(Esx *esx, const GError *error) {
        g_autoptr(GList) waits = g_hash_table_get_keys(esx->waits);
        g_hash_table_remove_all(esx->tasks);
        for (GList *link = waits; link; link = link->next)
                if (g_hash_table_contains(esx->waits, link->data)) {
                        ((EsxWait *) link->data)->call = NULL; /* it went with the session */
                        end(link->data, NULL, error);
                }
}

void tasks_open(Esx *esx) {
        esx->tasks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, task_free);
        esx->waits = g_hash_table_new(NULL, NULL);
}

void tasks_close(Esx *esx) {
        g_hash_table_unref(esx->tasks);
        g_hash_table_unref(esx->waits);
}
