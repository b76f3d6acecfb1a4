/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/domain-event.h"

#include "domain/domain-run.h"
#include "domain/operation.h"
#include "domain/operations/power.h"

void domain_guest_event(Domain *domain, GuestEvent event) {
        LifecycleAction action;
        DomainReason reason = REASON_SHUTDOWN;
        if (domain->state == DOMAIN_STOPPING || !domain_is_active(domain))
                return;
        switch (event) {
        case GUEST_SHUTDOWN:
                action = domain->reboot ? domain->live->on_reboot : domain->live->on_poweroff;
                domain->reboot = false;
                break;
        case GUEST_REBOOT:
                action = domain->live->on_reboot;
                break;
        case GUEST_SLEEP:
                domain_changed(domain, DOMAIN_PMSUSPENDED, REASON_UNKNOWN);
                return;
        case GUEST_WAKE:
                if (domain->state == DOMAIN_PMSUSPENDED)
                        domain_changed(domain, DOMAIN_RUNNING, REASON_RESUMED);
                return;
        case GUEST_CRASH:
        default:
                action = domain->live->on_crash;
                reason = REASON_CRASHED;
                break;
        }
        switch (action) {
        case ACTION_DESTROY:
                domain_destroy(domain, reason, NULL);
                break;
        case ACTION_RESTART:
                if (event != GUEST_REBOOT) { /* that has restarted itself */
                        domain_changed(domain, DOMAIN_PAUSED, reason);
                        domain_operate(domain, operation_new(&reset_class, NULL));
                        domain_operate(domain, operation_new(&resume_class, NULL));
                }
                break;
        case ACTION_PRESERVE:
                if (event == GUEST_REBOOT)
                        domain_operate(domain, operation_new(&suspend_class, NULL));
                else
                        domain_changed(domain, event == GUEST_CRASH ? DOMAIN_CRASHED : DOMAIN_PAUSED, reason);
                break;
        }
}
