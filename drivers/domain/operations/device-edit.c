/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/device-edit.h"

#include <string.h>

#include "base/xml.h"

static void edit_free(DeviceEdit *edit) {
        g_free(edit->place);
        g_free(edit->value);
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
        g_free(change->xml);
        g_free(change->path);
        g_free(change->cpus);
        g_free(change->nodes);
        g_free(change->metadata_uri);
        g_free(change->metadata);
        g_free(change);
}

void device_change_edit(DeviceChange *change, const char *place, const char *value) {
        DeviceEdit *edit = g_new0(DeviceEdit, 1);
        *edit = (DeviceEdit){ .place = g_strdup(place), .value = g_strdup(value) };
        g_ptr_array_add(change->edits, edit);
}

static void edit_attribute(xmlNode *device, const char *place, const char *value) {
        const char *at = strchr(place, '@');
        g_autofree char *child = at > place ? g_strndup(place, (size_t) (at - place - 1)) : NULL;
        xmlNode *element = !child ? device : value ? xml_ensure_child(device, child) : xml_child(device, child);
        xmlAttr *attribute = element ? xmlHasProp(element, (const xmlChar *) at + 1) : NULL;
        if (value)
                xml_set_attribute(element, at + 1, value);
        else if (attribute)
                xmlRemoveProp(attribute);
}

/* Adds a part of a device, or of the whole domain: what names and describes it is at a domain's beginning, as in libvirt. */
static void add_part(xmlNode *parent, xmlNode *element) {
        static const char *const head[] = { "name", "uuid", "genid", "title", "description" };
        xmlNode *place = NULL;
        bool is_of_head = false;
        for (size_t i = 0; i < G_N_ELEMENTS(head) && !is_of_head; i++) {
                xmlNode *before = xml_child(parent, head[i]);
                is_of_head = xml_is(element, head[i]);
                if (before)
                        place = before;
        }
        if (is_of_head && place && xml_is(parent, "domain"))
                xmlAddNextSibling(place, element);
        else
                xmlAddChild(parent, element);
}

static void edit_element(xmlNode *device, const char *place, const char *value) {
        const char *slash = strchr(place, '/'), *name = slash ? slash + 1 : place;
        if (slash) {
                g_autofree char *parent = g_strndup(place, (size_t) (slash - place));
                device = value ? xml_ensure_child(device, parent) : xml_child(device, parent);
        }
        if (!device)
                return;
        xmlNode *old = xml_child(device, name);
        g_autoptr(xmlDoc) parsed = value ? xml_parse(value, name, NULL) : NULL;
        xmlNode *element = parsed ? xmlDocCopyNode(xmlDocGetRootElement(parsed), device->doc, 1) : NULL;
        if (element && old)
                xmlAddPrevSibling(old, element);
        else if (element)
                add_part(device, element);
        if (old)
                xml_remove(old);
}

void device_change_apply_edits(const DeviceChange *change, xmlNode *element) {
        for (guint i = 0; i < change->edits->len; i++) {
                const DeviceEdit *edit = change->edits->pdata[i];
                (strchr(edit->place, '@') ? edit_attribute : edit_element)(element, edit->place, edit->value);
        }
}
