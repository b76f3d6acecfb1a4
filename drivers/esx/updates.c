/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esx/updates.h"

#include <string.h>

#include "base/xml.h"
#include "errors.h"
#include "esx/autostart.h"
#include "esx/inventory.h"
#include "esx/task-jobs.h"
#include "esx/tasks.h"

static const char *const host_properties[] = { "summary.hardware.cpuModel",
                                               "summary.hardware.cpuMhz",
                                               "summary.hardware.numCpuPkgs",
                                               "summary.hardware.numCpuCores",
                                               "summary.hardware.numCpuThreads",
                                               "summary.hardware.memorySize",
                                               "summary.hardware.uuid",
                                               "name",
                                               NULL };

/* What is told */

static void take_host(Esx *esx, const xmlNode *object) {
        for (xmlNode *change = xml_child(object, "changeSet"); change; change = xml_next(change, "changeSet")) {
                g_autofree char *name = xml_text_at(change, "name");
                for (size_t i = 0; host_properties[i]; i++)
                        if (strcmp(host_properties[i], name) == 0)
                                g_hash_table_insert(esx->facts, (char *) host_properties[i], xml_text_at(change, "val"));
        }
}

static bool take_object(Esx *esx, const xmlNode *object, GError **error) {
        g_auto(VimReference) reference = { 0 };
        g_autofree char *kind = xml_text_at(object, "kind");
        if (!vim_reference_read(&reference, xml_child(object, "obj")))
                return virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                         "its answer is not what it must be: an update is of nothing");
        const xmlNode *changes = strcmp(kind, "leave") == 0 ? NULL : object;
        esx->watch.has_updates = true;
        if (strcmp(reference.type, "VirtualMachine") == 0)
                inventory_update(esx, &reference, changes);
        else if (strcmp(reference.type, "Task") == 0)
                tasks_update(esx, reference.value, changes);
        else if (strcmp(reference.type, "HostSystem") == 0 && changes)
                take_host(esx, changes);
        else if (strcmp(reference.type, "HostAutoStartManager") == 0 && changes) {
                autostart_update(esx, &reference, changes);
                inventory_show_autostart(esx);
        }
        return true;
}

static bool on_element(void *data, xmlNode *element, GError **error) {
        Esx *esx = data;
        if (xml_is(element, "objectSet"))
                return take_object(esx, element, error);
        if (xml_is(element, "version")) {
                g_free(esx->update_version);
                esx->update_version = xml_text(element);
        } else if (xml_is(element, "truncated")) {
                g_autofree char *text = xml_text_at(element, "");
                esx->watch.is_truncated = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
        }
        return true;
}

static const char *const opened[] = { "returnval", "filterSet", NULL };

bool updates_read(Esx *esx, const char *text, size_t length, GError **error) {
        g_auto(SoapFault) fault = { 0 };
        if (!soap_read(text, length, &(SoapReader){ on_element, esx, opened }, &fault, error))
                return false;
        inventory_show(esx, !esx->watch.has_updates);
        task_jobs_show(esx);
        return true;
}

/* Waiting */

static void wait_for_updates(Esx *esx);

static void on_updates(void *data, const GError *error) {
        Esx *esx = data;
        if (error) {
                g_autoptr(GError) cut = NULL;
                virtbus_error_set(&cut, virtbus_error_code(error), "cannot follow what changes there: %s", error->message);
                session_cut(esx, cut, false);
                return;
        }
        if (!esx->watch.ready)
                inventory_show(esx, !esx->watch.has_updates);
        else if (!esx->watch.is_truncated) {
                inventory_finish(esx);
                esx->watch.ready(esx);
                esx->watch.ready = NULL;
        }
        task_jobs_show(esx);
        tasks_check(esx);
        esx->told_all(esx, !esx->watch.has_updates);
        wait_for_updates(esx);
}

/* Microseconds that an answer may take at most; *SECONDS: how long it is asked to wait for something to tell. */
static uint64_t patience_of(const Esx *esx, unsigned *seconds) {
        uint64_t timeout = esx->connection->answer_timeout;
        *seconds = timeout > 0 ? (unsigned) CLAMP(timeout / 2000000, 1, UPDATES_SILENCE) : UPDATES_SILENCE;
        return *seconds * UINT64_C(1000000) + (timeout > 0 ? timeout / 2 : UPDATES_PATIENCE);
}

static void wait_for_updates(Esx *esx) {
        g_autoptr(GString) arguments = g_string_new(NULL);
        unsigned seconds;
        uint64_t patience = patience_of(esx, &seconds);
        esx->watch.has_updates = esx->watch.is_truncated = false;
        soap_put(arguments, "version", NULL, esx->update_version ? esx->update_version : "");
        g_string_append_printf(arguments,
                               "<options><maxWaitSeconds>%u</maxWaitSeconds><maxObjectUpdates>%d</maxObjectUpdates></options>",
                               seconds, UPDATES_OBJECTS_MAX);
        vim_call(esx->vim,
                 &(VimQuestion){ .method = "WaitForUpdatesEx",
                                 .object = &esx->content.property_collector,
                                 .arguments = arguments->str,
                                 .each = on_element,
                                 .opened = opened,
                                 .patience = patience,
                                 .bytes_max = VIM_UPDATE_BYTES_MAX },
                 on_updates, esx);
}

/* The filter */

static void put_properties(GString *arguments, const char *type, const char *const *properties) {
        g_string_append_printf(arguments, "<propSet><type>%s</type><all>false</all>", type);
        for (size_t i = 0; properties[i]; i++)
                soap_put(arguments, "pathSet", NULL, properties[i]);
        g_string_append(arguments, "</propSet>");
}

/* What a property of an object leads to. */
static void put_way(GString *arguments, const char *type, const char *path) {
        g_string_append_printf(arguments,
                               "<selectSet xsi:type=\"TraversalSpec\"><name>%s.%s</name><type>%s</type><path>%s</path>"
                               "<skip>false</skip></selectSet>",
                               type, path, type, path);
}

/* A place from where: itself where it is no more than that, and what its property leads to. */
static void put_place(GString *arguments, const VimReference *place, const char *path, bool is_itself) {
        g_string_append(arguments, "<objectSet>");
        vim_put_reference(arguments, "obj", place);
        g_string_append_printf(arguments, "<skip>%s</skip>", is_itself ? "false" : "true");
        put_way(arguments, place->type, path);
        g_string_append(arguments, "</objectSet>");
}

static void on_filter(void *data, const GError *error) {
        Esx *esx = data;
        if (error) {
                session_cut(esx, error, false);
                return;
        }
        inventory_begin(esx);
        wait_for_updates(esx);
}

void updates_begin(Esx *esx, void (*ready)(Esx *esx)) {
        g_autoptr(GString) arguments = g_string_new("<spec>");
        esx->watch.ready = ready;
        put_properties(arguments, "VirtualMachine", inventory_properties);
        put_properties(arguments, "Task", tasks_properties);
        if (esx->host.value)
                put_properties(arguments, "HostSystem", host_properties);
        if (esx->host.value)
                put_properties(arguments, "HostAutoStartManager", autostart_properties);
        bool is_host = strcmp(esx->scope.type, "HostSystem") == 0;
        put_place(arguments, &esx->scope, is_host ? "vm" : "view", false);
        if (esx->host.value)
                put_place(arguments, &esx->host, "configManager.autoStartManager", true);
        put_place(arguments, &esx->content.task_manager, "recentTask", false);
        g_string_append(arguments, "</spec><partialUpdates>false</partialUpdates>");
        vim_call(esx->vim,
                 &(VimQuestion){ .method = "CreateFilter",
                                 .object = &esx->content.property_collector,
                                 .arguments = arguments->str },
                 on_filter, esx);
}
