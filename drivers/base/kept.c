/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/kept.h"

#include <string.h>

#include "base/store.h"
#include "base/xml.h"

#define INSTRUCTION "virtbus"

char *kept_text(const char *xml, const Kept *kept) {
        const char *end = strstr(xml, "?>\n");
        g_assert(g_str_has_prefix(xml, "<?xml ") && end);
        const char *rest = end + strlen("?>\n");
        return g_strdup_printf("%.*s<?" INSTRUCTION " owner=\"%u\"%s autostart=\"%s\" format=\"%d\"?>\n%s", (int) (rest - xml),
                               xml, (unsigned) kept->owner, kept->owners_rights ? " rights=\"owner\"" : "",
                               kept->autostart ? "yes" : "no", kept->owners_rights ? STORE_FORMAT : STORE_FORMAT_COMMON, rest);
}

/* The instruction's parts have the form of attributes. */
bool kept_take(xmlDoc *document, Kept *kept, GError **error) {
        static const char *const answers[] = { "yes", "no", NULL }, *const rights[] = { "owner", NULL };
        xmlNode *node = document->children;
        *kept = (Kept){ 0 };
        while (node && (node->type != XML_PI_NODE || !xml_is(node, INSTRUCTION)))
                node = node->next;
        if (!node)
                return true;
        g_autofree char *text = g_strdup_printf("<" INSTRUCTION " %s/>", node->content ? (const char *) node->content : "");
        g_autoptr(xmlDoc) parsed = xml_parse_own(text, INSTRUCTION, error);
        xmlNode *root = parsed ? xmlDocGetRootElement(parsed) : NULL;
        uint64_t number = 0;
        xml_remove(node);
        if (!root || !store_check_format(root, error) || !xml_number_attribute(root, "owner", 0, UINT32_MAX, &number, error) ||
            !xml_one_of(root, "autostart", answers, error) || !xml_one_of(root, "rights", rights, error))
                return false;
        *kept = (Kept){ .owner = (uid_t) number,
                        .owners_rights = xml_attribute_is(root, "rights", "owner"),
                        .autostart = xml_attribute_is(root, "autostart", "yes") };
        return true;
}
