/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmx/vmx-complete.h"

#include "base/xml.h"

/* An address that VMware takes as one that people may set, the same each time that a document is read. */
static void complete_mac(xmlNode *interface, unsigned index, const char *uuid) {
        if (xml_child(interface, "mac"))
                return;
        g_autofree char *what = g_strdup_printf("%s %u", uuid, index),
                        *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, what, -1);
        unsigned number = (unsigned) g_ascii_strtoull((char[]){ sum[0], sum[1], sum[2], sum[3], sum[4], sum[5], '\0' }, NULL, 16);
        g_autofree char *address =
                        g_strdup_printf("00:50:56:%02x:%02x:%02x", number >> 16 & 0x3f, number >> 8 & 0xff, number & 0xff);
        xmlNode *mac = xmlNewDocNode(interface->doc, NULL, (const xmlChar *) "mac", NULL), *first = xml_child(interface, NULL);
        xml_set_attribute(mac, "address", address);
        if (first)
                xmlAddPrevSibling(first, mac);
        else
                xmlAddChild(interface, mac);
}

void vmx_complete(xmlDoc *document) {
        const xmlNode *root = xmlDocGetRootElement(document);
        xmlNode *name = xml_child(root, "name"), *uuid = xml_child(root, "uuid");
        if (name && (!uuid || !uuid->children)) {
                g_autofree char *fresh = g_uuid_string_random();
                if (!uuid)
                        uuid = xmlAddNextSibling(name, xmlNewDocNode(document, NULL, (const xmlChar *) "uuid", NULL));
                xmlNodeSetContent(uuid, (const xmlChar *) fresh);
        }
        g_autofree char *text = uuid ? xml_text(uuid) : NULL;
        unsigned index = 0;
        for (xmlNode *interface = xml_child(xml_child(root, "devices"), "interface"); interface;
             interface = xml_next(interface, "interface"))
                complete_mac(interface, index++, text ? text : "");
}
