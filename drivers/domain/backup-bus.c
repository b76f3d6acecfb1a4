/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/backup-bus.h"

#include "domain/operations/backup-begin.h"
#include "options.h"
#include "vtables.h"

void backup_bus_begin(Call *call, Domain *self, const char *xml, const char *checkpoint, sd_bus_message *options) {
        BackupRequest request = { .started_by = call->uid };
        g_autoptr(GError) error = NULL;
        if (options_read(options, &error, "reuse", 'b', &request.reuse, NULL) && *checkpoint)
                request.checkpoint = checkpoint_definition_parse(checkpoint, false, &error);
        if (!error)
                request.definition = backup_definition_parse(xml, &error);
        if (!error) {
                domain_operate(self, backup_begin_new(call, &request));
                return;
        }
        g_clear_pointer(&request.checkpoint, checkpoint_definition_unref);
        call_fail(call, error);
}

void backup_bus_get_xml(Call *call, Domain *self) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = self->backup ? backup_definition_text(backup_definition(self->backup)) : NULL;
        if (text) {
                reply_domain_get_backup_xml(call, text);
                return;
        }
        domain_fail(self, &error, VIRTBUS_ERROR_OPERATION_INVALID, "there is no backup of it at work");
        call_fail(call, error);
}
