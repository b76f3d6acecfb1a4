/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/domain-status.h"

#include <string.h>

#include "domain/connection.h"
#include "domain/definitions.h"
#include "domain/operation.h"
#include "domain/taint.h"
#include "log.h"

/* The live definition goes in as it is: its text was made from a document of ours, and reading and copying that each time is
 * what takes long. */
static char *insert_live(const char *status, const char *live) {
        const char *end = g_strrstr(status, "</virtbus-status>");
        const char *declaration = g_str_has_prefix(live, "<?xml ") ? strstr(live, "?>") : NULL;
        g_autofree char *before = g_strndup(status, (gsize) (end - status));
        return g_strconcat(before, declaration ? declaration + strlen("?>") : live, end, NULL);
}

bool domain_save_status(Domain *domain) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = NULL;
        const Definitions *definitions = domain->connection->definitions;
        if (!definitions->save_status)
                return true;
        if (domain_is_active(domain)) {
                g_autoptr(xmlDoc) status = xmlNewDoc((const xmlChar *) "1.0");
                xmlNode *root = xmlNewDocNode(status, NULL, (const xmlChar *) "virtbus-status", NULL);
                const struct {
                        const char *name;
                        uint64_t value;
                } numbers[] = {
                        { "id", domain->id },
                        { "owner", domain->owner },
                        { "owners-rights", domain->owners_rights },
                        { "start-time", domain->start_time },
                        { "reboot", domain->reboot },
                        { "saving", domain->was_saving }, /* which the operation at work may change */
                        { "resumes", domain->resumes },
                        { "save-used", domain->save_is_used },
                };
                xmlDocSetRootElement(status, root);
                xml_set_number(root, "format", domain->owners_rights ? STORE_FORMAT : STORE_FORMAT_COMMON);
                xml_set_attribute(root, "state", domain_state_name(domain->state));
                xml_set_attribute(root, "reason", domain_reason_name(domain->reason));
                for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
                        char number[24];
                        g_snprintf(number, sizeof number, "%" G_GUINT64_FORMAT, numbers[i].value);
                        xml_set_attribute(root, numbers[i].name, number);
                }
                domain_taints_write(domain, root);
                if (domain->operation && domain->operation->class->write_status)
                        domain->operation->class->write_status(domain->operation, root);
                domain->connection->hypervisor->save(domain, xml_add(root, "run", NULL));
                g_autofree char *run = xml_document_text(status);
                text = insert_live(run, domain->live->xml);
        }
        if (definitions->save_status(domain->connection, domain->uuid, text, &error))
                return true;
        log_error("domain '%s': cannot write the state of its run: %s", domain_name(domain), error->message);
        return false;
}
