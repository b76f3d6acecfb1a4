/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "connection-rig.h"
#include "domain/domain-event.h"
#include "domain/domain-run.h"
#include "domain/operations/power.h"

#define ADD(name, test) g_test_add("/operation/" name, Rig, NULL, rig_set_up, test, rig_tear_down)
#define ONE RIG_XML("one", RIG_UUID, "")

static void operate(Domain *domain, const OperationClass *class) {
        domain_operate(domain, operation_new(class, NULL));
}

static void test_each_state_says_what_it_does_not_allow(Rig *rig, gconstpointer unused) {
        static const struct {
                DomainState state;
                const char *member, *signature, *message;
        } cases[] = {
                { DOMAIN_RUNNING, "Start", "a{sv}", "domain 'one': it is running; for Start it must be shutoff" },
                { DOMAIN_RUNNING, "Resume", "", "domain 'one': it is running; for Resume it must be paused" },
                { DOMAIN_PAUSED, "Suspend", "", "domain 'one': it is paused; for Suspend it must be running" },
                { DOMAIN_PAUSED, "Shutdown", "a{sv}",
                  "domain 'one': it is paused; for Shutdown it must be running; Destroy ends it in any state" },
                { DOMAIN_CRASHED, "Reboot", "a{sv}",
                  "domain 'one': it is crashed; for Reboot it must be running; Reset restarts it in any state" },
                { DOMAIN_PMSUSPENDED, "Resume", "", "domain 'one': it is pmsuspended; for Resume it must be paused" },
                { DOMAIN_SHUTOFF, "Suspend", "", "domain 'one': it is shutoff; for Suspend it must be running" },
                { DOMAIN_SHUTOFF, "Reset", "", "domain 'one': it is shutoff; for Reset it must be active" },
        };
        (void) unused;
        Domain *domain = rig_run(rig, "");
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(PeerCall) answer;
                if (cases[i].state == DOMAIN_SHUTOFF && domain_is_active(domain))
                        domain_destroy(domain, REASON_DESTROYED, NULL);
                else
                        domain_changed(domain, cases[i].state, REASON_UNKNOWN);
                g_string_truncate(rig_asked, 0);
                rig_call_domain(rig, cases[i].member, &answer, cases[i].signature, 0);
                peer_call_assert_error(&answer, "org.virtbus1.Error.OperationInvalid");
                g_assert_cmpstr(sd_bus_message_get_error(answer.answer)->message, ==, cases[i].message);
                rig_assert_asked("");
        }
}

static void test_operations_come_one_after_the_other(Rig *rig, gconstpointer unused) {
        (void) unused;
        Domain *domain = rig_run(rig, "");
        operate(domain, &suspend_class);
        operate(domain, &resume_class);
        operate(domain, &reset_class);
        rig_assert_asked("suspend ");
        rig_finish(rig, domain, -1);
        rig_assert_state(domain, DOMAIN_PAUSED, REASON_USER);
        rig_assert_asked("resume ");
        rig_finish(rig, domain, VIRTBUS_ERROR_HYPERVISOR_FAILED); /* it stays paused, and the next one begins */
        rig_assert_state(domain, DOMAIN_PAUSED, REASON_USER);
        rig_assert_asked("reset ");
        rig_finish(rig, domain, -1);
        g_assert_null(domain->operation);
}

static void test_only_so_many_operations_wait(Rig *rig, gconstpointer unused) {
        PeerCall answers[OPERATIONS_WAITING_MAX + 2];
        (void) unused;
        Domain *domain = rig_run(rig, "");
        for (size_t i = 0; i < G_N_ELEMENTS(answers); i++)
                rig_call_domain(rig, "Reset", &answers[i], "", 0);
        rig_assert_asked("reset ");
        for (size_t i = 0; i < G_N_ELEMENTS(answers); i++)
                g_assert_cmpuint(answers[i].n_answers, ==, i <= OPERATIONS_WAITING_MAX ? 0 : 1);
        peer_call_assert_error(&answers[OPERATIONS_WAITING_MAX + 1], "org.virtbus1.Error.ResourceBusy");
        while (domain->operation)
                rig_finish(rig, domain, -1);
        for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
                g_assert_cmpuint(answers[i].n_answers, ==, 1);
                peer_call_clear(&answers[i]);
        }
}

static void test_destroying_overtakes(Rig *rig, gconstpointer unused) {
        g_auto(PeerCall) at_work, waits, destroy;
        (void) unused;
        Domain *domain = rig_run(rig, "");
        rig_call_domain(rig, "Suspend", &at_work, "", 0);
        rig_call_domain(rig, "Reset", &waits, "", 0);
        rig_call_domain(rig, "Destroy", &destroy, "a{sv}", 0);
        rig_assert_asked("suspend destroy ");
        peer_call_assert_error(&at_work, "org.virtbus1.Error.Cancelled");
        peer_call_assert_error(&waits, "org.virtbus1.Error.Cancelled");
        peer_call_assert_error(&destroy, NULL);
        rig_assert_state(domain, DOMAIN_SHUTOFF, REASON_DESTROYED);
}

static void test_all_who_destroy_are_answered_when_it_is_off(Rig *rig, gconstpointer unused) {
        g_auto(PeerCall) first, second, late;
        (void) unused;
        Domain *domain = rig_run(rig, "");
        rig_keeps_up = true;
        rig_call_domain(rig, "Destroy", &first, "a{sv}", 0);
        rig_call_domain(rig, "Destroy", &second, "a{sv}", 0);
        rig_assert_asked("destroy ");
        g_assert_cmpuint(first.n_answers + second.n_answers, ==, 0);
        domain->run = NULL;
        domain_stopped(domain, REASON_DESTROYED, NULL);
        rig_settle(rig);
        peer_call_assert_error(&first, NULL);
        peer_call_assert_error(&second, NULL);
        rig_call_domain(rig, "Destroy", &late, "a{sv}", 0);
        peer_call_assert_error(&late, "org.virtbus1.Error.OperationInvalid");
}

static void test_a_start_that_is_destroyed_says_so(Rig *rig, gconstpointer unused) {
        g_auto(PeerCall) start, destroy;
        (void) unused;
        Domain *domain = rig_define(rig, ONE);
        rig_keeps_up = true;
        rig_call_domain(rig, "Start", &start, "a{sv}", 0);
        rig_call_domain(rig, "Destroy", &destroy, "a{sv}", 0);
        domain->run = NULL;
        rig_finish(rig, domain, VIRTBUS_ERROR_HYPERVISOR_FAILED); /* what it met as it was killed */
        peer_call_assert_error(&start, "org.virtbus1.Error.Cancelled");
        peer_call_assert_error(&destroy, NULL);
        rig_assert_state(domain, DOMAIN_SHUTOFF, REASON_DESTROYED);
}

static void test_whoever_waits_when_the_driver_ends_is_told(Rig *rig, gconstpointer unused) {
        g_auto(PeerCall) at_work, waits, late;
        (void) unused;
        Domain *domain = rig_run(rig, "");
        rig_call_domain(rig, "Suspend", &at_work, "", 0);
        rig_call_domain(rig, "Reset", &waits, "", 0);
        connection_cancel(rig->connection, "the driver is ending");
        peer_pair_run(&rig->pair);
        peer_call_assert_error(&at_work, "org.virtbus1.Error.Cancelled");
        peer_call_assert_error(&waits, "org.virtbus1.Error.Cancelled");
        rig_call_domain(rig, "Reset", &late, "", 0);
        operation_finish(domain->operation, NULL); /* which it was too late to cancel */
        rig_settle(rig);
        peer_call_assert_error(&late, "org.virtbus1.Error.Cancelled");
        g_assert_cmpuint(at_work.n_answers, ==, 1);
        g_assert_true(folder_has(rig->statuses, RIG_UUID ".xml")); /* the guest runs on */
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        ADD("each-state-says-what-it-does-not-allow", test_each_state_says_what_it_does_not_allow);
        ADD("operations-come-one-after-the-other", test_operations_come_one_after_the_other);
        ADD("only-so-many-operations-wait", test_only_so_many_operations_wait);
        ADD("destroying-overtakes", test_destroying_overtakes);
        ADD("all-who-destroy-are-answered-when-it-is-off", test_all_who_destroy_are_answered_when_it_is_off);
        ADD("a-start-that-is-destroyed-says-so", test_a_start_that_is_destroyed_says_so);
        ADD("whoever-waits-when-the-driver-ends-is-told", test_whoever_waits_when_the_driver_ends_is_told);
        return g_test_run();
}
