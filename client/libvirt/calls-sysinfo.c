/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the machine's firmware says of it, as a document of libvirt's. */

#include <libxml/tree.h>
#include <string.h>

#include "calls.h"
#include "documents.h"
#include "machine.h"
#include "rows.h"
#include "style.h"

#define FIRMWARE "/sys/class/dmi/id/"

/* In the document's order. What only root may read is there where this is root's process. */
static const struct {
        const char *element, *entry, *file;
} entries[] = {
        { "bios", "vendor", "bios_vendor" },
        { "bios", "version", "bios_version" },
        { "bios", "date", "bios_date" },
        { "bios", "release", "bios_release" },
        { "system", "manufacturer", "sys_vendor" },
        { "system", "product", "product_name" },
        { "system", "version", "product_version" },
        { "system", "serial", "product_serial" },
        { "system", "uuid", "product_uuid" },
        { "system", "sku", "product_sku" },
        { "system", "family", "product_family" },
        { "baseBoard", "manufacturer", "board_vendor" },
        { "baseBoard", "product", "board_name" },
        { "baseBoard", "version", "board_version" },
        { "baseBoard", "serial", "board_serial" },
        { "baseBoard", "asset", "board_asset_tag" },
        { "chassis", "manufacturer", "chassis_vendor" },
        { "chassis", "version", "chassis_version" },
        { "chassis", "serial", "chassis_serial" },
        { "chassis", "asset", "chassis_asset_tag" },
};

static xmlNode *child_of(xmlNode *root, const char *element) {
        xmlNode *last = xmlLastElementChild(root);
        bool is_it = last && strcmp((const char *) last->name, element) == 0;
        return is_it ? last : xmlNewChild(root, NULL, (const xmlChar *) element, NULL);
}

static void get_sysinfo(Call *call) {
        g_autoptr(xmlDoc) document = xmlNewDoc((const xmlChar *) "1.0");
        xmlNode *root = xmlNewDocNode(document, NULL, (const xmlChar *) "sysinfo", NULL);
        xmlDocSetRootElement(document, root);
        xmlNewProp(root, (const xmlChar *) "type", (const xmlChar *) "smbios");
        for (size_t i = 0; i < G_N_ELEMENTS(entries); i++) {
                g_autofree char *text = machine_text(FIRMWARE "%s", entries[i].file);
                if (!text || !g_utf8_validate(text, -1, NULL) || !*g_strstrip(text))
                        continue;
                xmlNode *entry = xmlNewTextChild(child_of(root, entries[i].element), NULL, (const xmlChar *) "entry",
                                                 (const xmlChar *) text);
                xmlNewProp(entry, (const xmlChar *) "name", (const xmlChar *) entries[i].entry);
        }
        if (!xmlFirstElementChild(root)) {
                call_refuse(call, LIBVIRT_CONFIG_UNSUPPORTED,
                            "unsupported configuration: Host SMBIOS information is not available");
                return;
        }
        xmlChar *dumped = NULL;
        int size;
        xmlDocDumpFormatMemory(document, &dumped, &size, 1);
        g_autofree char *styled = style_document((const char *) dumped);
        xmlFree(dumped);
        call_answer(call, g_variant_new("(s)", styled));
}

const CallRow sysinfo_calls[] = {
        { REMOTE_CONNECT_GET_SYSINFO, get_sysinfo, .elsewhere = row_not_elsewhere },
        {},
};
