/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/device-edit.h"

#include <string.h>

#include "domain/definition-edit.h"

static void edit_free(DeviceEdit *edit) {
        g_free(edit->place);
        g_free(edit->value);
        if (edit->part)
                xmlFreeNode(edit->part);
        g_free(edit);
}

DeviceChange *device_change_new(bool live, bool config) {
        DeviceChange *change = g_new0(DeviceChange, 1);
        *change = (DeviceChange){ .live = live, .config = config, .timeout = DETACH_TIMEOUT_DEFAULT };
        change->edits = g_ptr_array_new_with_free_func((GDestroyNotify) edit_free);
        change->gone = g_ptr_array_new_with_free_func(g_free);
        return change;
}

void device_change_free(DeviceChange *change) {
        g_ptr_array_unref(change->edits);
        g_ptr_array_unref(change->gone);
        g_clear_pointer(&change->document, xmlFreeDoc);
        g_clear_pointer(&change->next, definition_unref);
        g_clear_pointer(&change->known, definition_unref);
        g_clear_pointer(&change->persistent, definition_unref);
        g_free(change->alias);
        g_clear_pointer(&change->element, xmlFreeDoc);
        g_clear_pointer(&change->fds, g_ptr_array_unref);
        g_free(change->group);
        g_free(change->path);
        g_free(change->cpus);
        g_free(change->nodes);
        g_clear_pointer(&change->listed_vcpus, g_array_unref);
        g_free(change->metadata_uri);
        g_clear_pointer(&change->metadata, xmlFreeDoc);
        g_free(change);
}

static DeviceEdit *add_edit(DeviceChange *change, const char *place) {
        DeviceEdit *edit = g_new0(DeviceEdit, 1);
        edit->place = g_strdup(place);
        g_ptr_array_add(change->edits, edit);
        return edit;
}

void device_change_set(DeviceChange *change, const char *place, const char *value) {
        add_edit(change, place)->value = g_strdup(value);
}

xmlNode *device_change_put(DeviceChange *change, const char *place) {
        const char *slash = strchr(place, '/');
        return add_edit(change, place)->part = xmlNewNode(NULL, (const xmlChar *) (slash ? slash + 1 : place));
}

void device_change_drop(DeviceChange *change, const char *place) {
        add_edit(change, place);
}

void device_change_take_edits(DeviceChange *change, DeviceChange *other) {
        GPtrArray *own = change->edits;
        change->edits = other->edits;
        other->edits = own;
}

void device_change_apply_edits(const DeviceChange *change, xmlNode *element) {
        for (guint i = 0; i < change->edits->len; i++) {
                const DeviceEdit *edit = change->edits->pdata[i];
                if (strchr(edit->place, '@'))
                        definition_edit_attribute(element, edit->place, edit->value);
                else
                        definition_edit_part(element, edit->place, edit->part);
        }
}
