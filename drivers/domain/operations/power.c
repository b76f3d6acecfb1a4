/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/power.h"

#include "domain/connection.h"
#include "domain/domain-run.h"
#include "domain/domain-status.h"

static const Hypervisor *hypervisor_of(const Operation *operation) {
        return operation->domain->connection->hypervisor;
}

static bool has_suspend(const Hypervisor *hypervisor) {
        return HYPERVISOR_HAS(hypervisor, power, suspend);
}

static void suspend_begin(Operation *operation) {
        hypervisor_of(operation)->power->suspend(operation);
}

static bool suspend_follow(Operation *operation, GError **error) {
        (void) error;
        domain_changed(operation->domain, DOMAIN_PAUSED, REASON_USER);
        return true;
}

const OperationClass suspend_class = {
        .name = "Suspend",
        .states = IN(DOMAIN_RUNNING),
        .needs = "be running",
        .tells_state = true,
        .is_offered = has_suspend,
        .begin = suspend_begin,
        .follow = suspend_follow,
};

static bool has_resume(const Hypervisor *hypervisor) {
        return HYPERVISOR_HAS(hypervisor, power, resume);
}

static void resume_begin(Operation *operation) {
        hypervisor_of(operation)->power->resume(operation);
}

static bool resume_follow(Operation *operation, GError **error) {
        (void) error;
        domain_changed(operation->domain, DOMAIN_RUNNING, REASON_RESUMED);
        return true;
}

const OperationClass resume_class = {
        .name = "Resume",
        .states = IN(DOMAIN_PAUSED),
        .needs = "be paused",
        .tells_state = true,
        .is_offered = has_resume,
        .begin = resume_begin,
        .follow = resume_follow,
};

static bool has_shutdown(const Hypervisor *hypervisor) {
        return HYPERVISOR_HAS(hypervisor, power, shutdown);
}

/* A reboot is a shutdown that the guest's definition continues: domain_guest_event. */
static void shutdown_begin(Operation *operation) {
        operation->domain->reboot = operation_is(operation, &reboot_class);
        domain_save_status(operation->domain);
        hypervisor_of(operation)->power->shutdown(operation);
}

const OperationClass shutdown_class = {
        .name = "Shutdown",
        .states = IN(DOMAIN_RUNNING),
        .needs = "be running; Destroy ends it in any state",
        .tells_state = true,
        .is_offered = has_shutdown,
        .begin = shutdown_begin,
};

const OperationClass reboot_class = {
        .name = "Reboot",
        .states = IN(DOMAIN_RUNNING),
        .needs = "be running; Reset restarts it in any state",
        .tells_state = true,
        .is_offered = has_shutdown,
        .begin = shutdown_begin,
};

static bool has_reset(const Hypervisor *hypervisor) {
        return HYPERVISOR_HAS(hypervisor, power, reset);
}

static void reset_begin(Operation *operation) {
        hypervisor_of(operation)->power->reset(operation);
}

static bool reset_follow(Operation *operation, GError **error) {
        (void) error;
        if (operation->domain->state == DOMAIN_CRASHED)
                domain_changed(operation->domain, DOMAIN_RUNNING, REASON_BOOTED);
        return true;
}

const OperationClass reset_class = {
        .name = "Reset",
        .states = IN_ACTIVE,
        .needs = "be active",
        .tells_state = true,
        .is_offered = has_reset,
        .begin = reset_begin,
        .follow = reset_follow,
};
