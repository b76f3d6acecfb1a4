/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/domain-recover.h"

#include <string.h>

#include "domain/connection.h"
#include "domain/connection-table.h"
#include "domain/operation.h"
#include "domain/operations/reattach.h"
#include "domain/operations/managed-save.h"
#include "domain/taint.h"

static const char *name_of_state(int state) {
        return domain_state_name((DomainState) state);
}

static const char *name_of_reason(int reason) {
        return domain_reason_name((DomainReason) reason);
}

/* A word of a table, which must be there. */
static bool read_word(const xmlNode *root, const char *attribute, const char *(*name)(int), int n, int *index, GError **error) {
        g_autofree char *word = xml_attribute(root, attribute);
        for (*index = 0; word && *index < n; ++*index)
                if (strcmp(name(*index), word) == 0)
                        return true;
        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "%s is '%.32s'", attribute, word ? word : "");
}

/* It is active from now on; what STATUS says of its run is read when it is reattached. */
static void take_over(Domain *domain, Definition *live, DomainState state, DomainReason reason, xmlDoc *status) {
        if (!domain->live)
                domain->live = definition_ref(live);
        domain->state = state;
        domain->reason = domain->stop_reason = reason;
        domain->connection->n_active++;
        operation_enqueue(domain, reattach_new(status)); /* of which some is shown before it begins */
        domain_announce(domain, NULL);
        domain_announce_devices(domain);
}

/* What is shown of a guest of which nothing is known but its name. */
#define ADOPTED "<domain type='%s'><name>%s</name><uuid>%s</uuid><memory>1024</memory><os><type>hvm</type></os></domain>"

bool domain_restore(Connection *connection, xmlDoc *status, const char *uuid, GError **error) {
        xmlNode *root = xmlDocGetRootElement(status), *element = xml_child(root, "domain");
        uint64_t id = 0, owner = 0, start_time = 0, reboot = 0, saving = 0, resumes = 0, save_used = 0, rights = 0;
        int state, reason;
        if (!store_check_format(root, error))
                return false;
        if (!element || !xml_child(root, "run"))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "<%s> is missing", element ? "run" : "domain");
        if (!xml_number_attribute(root, "id", 1, UINT32_MAX, &id, error) ||
            !xml_number_attribute(root, "owner", 0, UINT32_MAX, &owner, error) ||
            !xml_number_attribute(root, "owners-rights", 0, 1, &rights, error) ||
            !xml_number_attribute(root, "start-time", 0, UINT64_MAX, &start_time, error) ||
            !xml_number_attribute(root, "reboot", 0, 1, &reboot, error) ||
            !xml_number_attribute(root, "saving", 0, 1, &saving, error) ||
            !xml_number_attribute(root, "resumes", 0, 1, &resumes, error) ||
            !xml_number_attribute(root, "save-used", 0, 1, &save_used, error) ||
            !read_word(root, "state", name_of_state, DOMAIN_N_STATES, &state, error) ||
            !read_word(root, "reason", name_of_reason, DOMAIN_N_REASONS, &reason, error))
                return false;
        if (id == 0 || state == DOMAIN_SHUTOFF)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "this is not the status of a running domain");
        g_autofree char *xml = xml_element_text(element);
        g_autoptr(Definition) live = definition_parse(xml, error);
        Domain *existing = NULL;
        if (!live || !connection_find_same(connection, live, &existing, error))
                return false;
        if (strcmp(live->uuid, uuid) != 0)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "its UUID is %s", live->uuid);
        g_autoptr(Domain) domain = existing ? domain_ref(existing) : domain_new(connection, live, false, (uid_t) owner, rights);
        domain->id = (uint32_t) id;
        domain->reboot = reboot;
        domain->was_saving = saving;
        domain->resumes = resumes;
        domain->save_is_used = save_used;
        domain_taints_read(domain, root);
        g_autofree char *half = xml_attribute(root, "saving-file");
        if (half)
                managed_save_forget(connection, half);
        connection->last_id = MAX(connection->last_id, domain->id);
        domain->start_time = start_time;
        take_over(domain, live, (DomainState) state, (DomainReason) reason, status);
        return true;
}

bool domain_adopt(Connection *connection, const char *type, const char *uuid, const char *name, uint64_t start_time,
                  GError **error) {
        Domain *existing = connection_find(connection, uuid), *found = NULL;
        g_autofree char *xml = g_markup_printf_escaped(ADOPTED, type, name, uuid);
        g_autoptr(xmlDoc) status = xml_parse_own("<virtbus-status><run/></virtbus-status>", "virtbus-status", error);
        g_autoptr(Definition) live = existing ? definition_ref(existing->persistent) : definition_parse(xml, error);
        if (!status || !live || !connection_find_same(connection, live, &found, error))
                return false;
        g_autoptr(Domain) domain = existing ? domain_ref(existing) : domain_new(connection, live, false, 0, false);
        domain->id = ++connection->last_id;
        domain->start_time = start_time;
        take_over(domain, live, DOMAIN_RUNNING, REASON_UNKNOWN, status);
        return true;
}
