/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Backups of domains. How far one is, and its end, is its job's: calls-job.c. */

#include "calls.h"
#include "rows.h"

#define DOMAIN INTERFACE("Domain")

static const FlagOption begin_flags[] = { { 1, "reuse" }, {} };

/* Answers when it has begun, as libvirt does. */
static void begin(Call *call) {
        const char *checkpoint = call_optional(call, 2);
        call_ask(call, call->domain, DOMAIN, "BeginBackup",
                 g_variant_new("(ss@a{sv})", call_string(call, 1), checkpoint ? checkpoint : "", call_options(call)), "(o)",
                 step_answer_nothing);
}

static void get_xml(Call *call) {
        call_ask(call, call->domain, DOMAIN, "GetBackupXML", NULL, "(s)", step_answer_document);
}

static const ErrorChange no_backup[] = { { LIBVIRT_OPERATION_INVALID, LIBVIRT_NO_BACKUP }, {} };

const CallRow backup_calls[] = {
        { REMOTE_DOMAIN_BACKUP_BEGIN, begin, NULL, CHANGES, begin_flags },
        { REMOTE_DOMAIN_BACKUP_GET_XML_DESC, get_xml, .errors = no_backup },
        {},
};
