/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/reattach.h"

#include "domain/connection.h"
#include "domain/domain-run.h"
#include "domain/operations/managed-save.h"
#include "log.h"

typedef struct Reattach {
        Operation operation;
        xmlDoc *status;
} Reattach;

Operation *reattach_new(xmlDoc *status) {
        Operation *operation = operation_new(&reattach_class, NULL);
        ((Reattach *) operation)->status = xmlCopyDoc(status, 1);
        return operation;
}

xmlNode *reattach_waits(const Domain *domain) {
        Operation *operation = domain->operation ? domain->operation : g_queue_peek_head((GQueue *) &domain->waiting);
        return operation && operation->class == &reattach_class
                               ? xml_child(xmlDocGetRootElement(((Reattach *) operation)->status), "run")
                               : NULL;
}

static void reattach_begin(Operation *operation) {
        xmlNode *root = xmlDocGetRootElement(((Reattach *) operation)->status);
        operation->domain->connection->hypervisor->reattach(operation, xml_child(root, "run"));
}

/* It was found, in the state that was known. */
static bool reattach_follow(Operation *operation, GError **error) {
        Domain *domain = operation->domain;
        (void) error;
        if (!domain->was_saving && domain->state != DOMAIN_STOPPING) /* it was never saved in this run */
                managed_save_remove(domain);
        domain_observe(domain, NULL);
        return true;
}

static void reattach_failed(Operation *operation, const GError *error) {
        log_warning("%s", error->message);
        domain_end_run(operation->domain, REASON_UNKNOWN, error);
}

static void reattach_free(Operation *operation) {
        xmlFreeDoc(((Reattach *) operation)->status);
}

const OperationClass reattach_class = {
        .name = "Reattach",
        .states = ~0u,
        .needs = "exist",
        .tells_state = true,
        .size = sizeof(Reattach),
        .begin = reattach_begin,
        .follow = reattach_follow,
        .failed = reattach_failed,
        .free = reattach_free,
};
