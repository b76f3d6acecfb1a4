/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/monitor/script.h"

#include <string.h>

typedef struct Step {
        MonitorRequest *request, *undo;
} Step;

struct Script {
        Monitor *monitor;
        GHashTable *owners;
        GPtrArray *steps; /* Step */
        guint next;
        bool tolerant, undoing;
        GError *error;
        ScriptDone done;
        void *data;
};

static void step_free(Step *step) {
        g_clear_pointer(&step->request, monitor_request_free);
        g_clear_pointer(&step->undo, monitor_request_free);
        g_free(step);
}

Script *script_new(Monitor *monitor, GHashTable *owners) {
        Script *script = g_new0(Script, 1);
        *script = (Script){ .monitor = monitor, .owners = owners };
        script->steps = g_ptr_array_new_with_free_func((GDestroyNotify) step_free);
        g_hash_table_add(owners, script);
        return script;
}

void script_free(Script *script) {
        g_ptr_array_unref(script->steps);
        g_clear_error(&script->error);
        g_free(script);
}

MonitorRequest *script_undo_of(const MonitorRequest *request) {
        static const struct {
                const char *name, *undo, *member;
        } pairs[] = {
                { "blockdev-add", "blockdev-del", "node-name" },
                { "object-add", "object-del", "id" },
                { "netdev_add", "netdev_del", "id" },
                { "chardev-add", "chardev-remove", "id" },
                { "add-fd", "remove-fd", "fdset-id" },
                { "getfd", "closefd", "fdname" },
                { "device_add", "device_del", "id" },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++)
                if (strcmp(request->name, pairs[i].name) == 0) {
                        JsonObject *arguments = json_object_new();
                        json_object_set_member(arguments, pairs[i].member,
                                               json_node_copy(json_object_get_member(request->arguments, pairs[i].member)));
                        return monitor_request_new(pairs[i].undo, arguments, -1);
                }
        return NULL;
}

void script_add(Script *script, MonitorRequest *request) {
        Step *step = g_new0(Step, 1);
        *step = (Step){ .request = request, .undo = script_undo_of(request) };
        g_ptr_array_add(script->steps, step);
}

void script_add_command(Script *script, const char *name, JsonObject *arguments) {
        script_add(script, monitor_request_new(name, arguments ? arguments : json_object_new(), -1));
}

void script_undo_by(Script *script, const char *name, JsonObject *arguments) {
        Step *step = script->steps->pdata[script->steps->len - 1];
        if (step->undo)
                monitor_request_free(step->undo);
        step->undo = monitor_request_new(name, arguments, -1);
}

void script_ignore_errors(Script *script) {
        script->tolerant = true;
}

static void go_on(Script *script);

static void on_answered(void *data, JsonObject *answer, const GError *error) {
        Script *script = data;
        (void) answer;
        if (script->undoing || script->tolerant || !error)
                script->next += script->undoing ? 0 : 1;
        else {
                script->error = g_error_copy(error);
                script->undoing = true;
        }
        go_on(script);
}

static void finish(Script *script) {
        ScriptDone done = script->done;
        void *data = script->data;
        g_autoptr(GError) error = g_steal_pointer(&script->error);
        g_hash_table_steal(script->owners, script);
        script_free(script);
        done(data, error);
}

static void go_on(Script *script) {
        MonitorRequest *request = NULL;
        if (script->undoing)
                while (script->next > 0 && !(request = ((Step *) script->steps->pdata[--script->next])->undo))
                        ;
        else if (script->next < script->steps->len)
                request = ((Step *) script->steps->pdata[script->next])->request;
        if (!request)
                finish(script);
        else
                monitor_command(script->monitor, request->name, json_object_ref(request->arguments), request->fd, on_answered,
                                script);
}

void script_run(Script *script, ScriptDone done, void *data) {
        script->done = done;
        script->data = data;
        go_on(script);
}
