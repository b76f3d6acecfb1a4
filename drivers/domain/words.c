/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/words.h"

#include <string.h>

#include "base/xml.h"
#include "domain/definition-edit.h"
#include "domain/definition.h"
#include "domain/metadata.h"
#include "errors.h"

static bool check_length(const char *what, const char *text, size_t most, GError **error) {
        return strlen(text) <= most || virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                                         "the %s has %zu bytes; it may have %zu", what, strlen(text), most);
}

/* Puts a text into the element of that name; an empty one takes it away. */
static bool set_text(DeviceChange *change, const char *name, const char *text, size_t most, GError **error) {
        change->is_words = true;
        if (!check_length(name, text, most, error))
                return false;
        if (!xml_is_text(text))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "the %s has a character that a document cannot have", name);
        if (*text)
                xmlNodeAddContent(device_change_put(change, name), (const xmlChar *) text);
        else
                device_change_drop(change, name);
        return true;
}

bool words_set_title(DeviceChange *change, const char *title, GError **error) {
        if (strchr(title, '\n'))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "the title has more than one line");
        return set_text(change, "title", title, TITLE_BYTES_MAX, error);
}

bool words_set_description(DeviceChange *change, const char *description, GError **error) {
        return set_text(change, "description", description, DESCRIPTION_BYTES_MAX, error);
}

bool words_set_metadata(DeviceChange *change, const char *uri, const char *key, const char *xml, GError **error) {
        change->is_words = true;
        change->metadata_uri = g_strdup(uri);
        return metadata_parse(uri, key, xml, &change->metadata, error);
}

char *words_get_metadata(const char *document, const char *uri) {
        g_autoptr(xmlDoc) parsed = xml_parse_own(document, "domain", NULL);
        xmlNode *element = parsed ? definition_edit_find_metadata(xmlDocGetRootElement(parsed), uri) : NULL;
        return element ? xml_element_alone(element) : g_strdup("");
}
