/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/metadata.h"

#include <string.h>

#include "errors.h"

/* Gives an element of no namespace that one. */
static bool adopt(xmlNode *root, const char *uri, const char *key, GError **error) {
        xmlNs *ns = xmlNewNs(root, (const xmlChar *) uri, *key ? (const xmlChar *) key : NULL);
        xmlSetNs(root, ns);
        return ns ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "'%.64s' is the prefix of another namespace there", key);
}

bool metadata_parse(const char *uri, const char *key, const char *xml, xmlDoc **metadata, GError **error) {
        *metadata = NULL;
        if (!*uri)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "metadata needs a namespace that says whose it is");
        if (strlen(xml) > METADATA_BYTES_MAX)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "the element has %zu bytes; it may have %d",
                                         strlen(xml), METADATA_BYTES_MAX);
        if (!*xml)
                return true;
        g_autoptr(xmlDoc) parsed = xml_parse(xml, NULL, error);
        if (!parsed)
                return false;
        xmlNode *root = xmlDocGetRootElement(parsed);
        if (root->ns && strcmp((const char *) root->ns->href, uri) != 0)
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "the element <%.64s> is of namespace '%.256s'",
                                         (const char *) root->name, (const char *) root->ns->href);
        if (*key && xmlValidateNCName((const xmlChar *) key, 0) != 0)
                return virtbus_error_set(
                                error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                "'%.64s' is not a prefix of a namespace: begin it with a letter, and use letters, digits, "
                                "'-', '_' and '.'",
                                key);
        if (!root->ns && !adopt(root, uri, key, error))
                return false;
        *metadata = g_steal_pointer(&parsed);
        return true;
}
