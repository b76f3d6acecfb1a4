/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A connection in a folder of a test's own, with a hypervisor that does nothing until it is told to: what has begun is at work
 * until the test ends it. */

#include "domain/connection-table.h"
#include "domain/connection.h"
#include "domain/domain-run.h"
#include "domain/domain-status.h"
#include "domain/operations/start.h"
#include "folder.h"
#include "peer-pair.h"

#define RIG_UUID "a1b2c3d4-0000-4000-8000-000000000001"
#define RIG_OTHER "a1b2c3d4-0000-4000-8000-000000000002"
#define RIG_PATH "/org/virtbus1/unit"
#define RIG_DOMAIN RIG_PATH "/domain/a1b2c3d4_0000_4000_8000_000000000001"
#define RIG_XML(name, uuid, more) \
        "<domain type='test'><name>" name "</name><uuid>" uuid "</uuid><memory>1048576</memory><vcpu>4</vcpu>" \
        "<os><type>hvm</type></os>" more "</domain>"

typedef struct Rig {
        sd_event *event;
        char *root, *definitions, *statuses;
        Objects *objects;
        PeerPair pair;
        Connection *connection;
} Rig;

/* What the hypervisor was asked for since rig_asked was cleared: "start reattach ...". */
static GString *rig_asked;
static bool rig_keeps_up; /* a guest that is told to end does not */

static void rig_start(Operation *operation) {
        operation->domain->run = operation; /* something that is there */
        g_string_append(rig_asked, "start ");
        domain_save_status(operation->domain);
}

static void rig_reattach(Operation *operation, xmlNode *saved) {
        g_autofree char *mark = xml_attribute(saved, "mark");
        operation->domain->run = operation;
        g_string_append_printf(rig_asked, "reattach(%s) ", mark ? mark : "");
}

#define RIG_OPERATION(name) \
        static void rig_##name(Operation *operation) { \
                (void) operation; \
                g_string_append(rig_asked, #name " "); \
        }
RIG_OPERATION(suspend)
RIG_OPERATION(resume)
RIG_OPERATION(shutdown)
RIG_OPERATION(reset)
RIG_OPERATION(dump)
RIG_OPERATION(resize)

static void rig_destroy(Domain *domain) {
        g_string_append(rig_asked, "destroy ");
        if (rig_keeps_up)
                return;
        domain->run = NULL;
        domain_stopped(domain, REASON_DESTROYED, NULL);
}

static void rig_release(Domain *domain) {
        domain->run = NULL;
}

static void rig_save(const Domain *domain, xmlNode *saved) {
        (void) domain;
        xml_set_attribute(saved, "mark", "of the run");
}

static const HypervisorPower rig_power = {
        .suspend = rig_suspend,
        .resume = rig_resume,
        .shutdown = rig_shutdown,
        .reset = rig_reset,
};

static const HypervisorDevices rig_devices = {
        .resize = rig_resize,
};

static const HypervisorDumping rig_dumping = {
        .dump = rig_dump,
};

static const Hypervisor rig_hypervisor = {
        .connection = "unit",
        .bus_name = "org.virtbus1.Driver.Unit",
        .start = rig_start,
        .reattach = rig_reattach,
        .destroy = rig_destroy,
        .release = rig_release,
        .save = rig_save,
        .power = &rig_power,
        .devices = &rig_devices,
        .dumping = &rig_dumping,
};

static inline void rig_open_connection(Rig *rig) {
        g_autofree char *state = g_build_filename(rig->root, "state", NULL), *run = g_build_filename(rig->root, "run", NULL),
                        *log = g_build_filename(rig->root, "log", NULL);
        g_autoptr(GError) error = NULL;
        rig->connection = connection_open(&rig_hypervisor, rig->event, rig->objects, state, run, log, &error);
        g_assert_no_error(error);
}

/* As if the driver had ended: guests run on. */
static inline void rig_reopen(Rig *rig) {
        connection_close(rig->connection);
        g_string_truncate(rig_asked, 0);
        rig_open_connection(rig);
}

static inline void rig_set_up(Rig *rig, gconstpointer unused) {
        (void) unused;
        g_assert_cmpint(sd_event_new(&rig->event), >=, 0);
        rig->root = folder_new();
        rig->definitions = g_build_filename(rig->root, "state", "domains", NULL);
        rig->statuses = g_build_filename(rig->root, "run", "domains", NULL);
        rig_asked = g_string_new(NULL);
        rig_keeps_up = false;
        rig->objects = objects_new();
        peer_pair_open(&rig->pair, rig->objects);
        objects_set_peer(rig->objects, rig->pair.driver);
        rig_open_connection(rig);
}

static inline void rig_tear_down(Rig *rig, gconstpointer unused) {
        (void) unused;
        connection_close(rig->connection);
        g_assert_cmpuint(calls_pending(), ==, 0);
        objects_free(rig->objects);
        peer_pair_close(&rig->pair);
        sd_event_unref(rig->event);
        folder_free(rig->root);
        g_free(rig->definitions);
        g_free(rig->statuses);
        g_string_free(rig_asked, TRUE);
}

/* Waits for what threads write, and for what follows. */
static inline void rig_settle(Rig *rig) {
        peer_pair_run(&rig->pair);
        while (store_is_busy(rig->connection->store) || worker_pending(rig->connection->worker) > 0) {
                g_assert_cmpint(sd_event_run(rig->event, UINT64_MAX), >=, 0);
                peer_pair_run(&rig->pair);
        }
}

/* Calls a method with its arguments, as sd_bus_message_append has them. */
#define rig_call(rig, path, interface, member, answer, ...) \
        do { \
                sd_bus_message *message_ = peer_call_new(&(rig)->pair, path, interface, member); \
                g_assert_cmpint(sd_bus_message_append(message_, __VA_ARGS__), >=, 0); \
                peer_call_send(&(rig)->pair, message_, answer); \
                rig_settle(rig); \
        } while (0)

#define rig_call_domain(rig, member, answer, ...) rig_call(rig, RIG_DOMAIN, "org.virtbus1.Domain", member, answer, __VA_ARGS__)

/* Asserts what the hypervisor was asked, and forgets it. */
#define rig_assert_asked(wanted) \
        do { \
                g_assert_cmpstr(rig_asked->str, ==, wanted); \
                g_string_truncate(rig_asked, 0); \
        } while (0)

static inline Domain *rig_define(Rig *rig, const char *xml) {
        g_auto(PeerCall) answer;
        rig_call(rig, RIG_PATH, "org.virtbus1.Connection", "DefineDomain", &answer, "sa{sv}", xml, 0);
        peer_call_assert_error(&answer, NULL);
        return connection_find(rig->connection, RIG_UUID);
}

/* Ends what is at work. CODE is that of an error, or -1. */
static inline void rig_finish(Rig *rig, Domain *domain, int code) {
        g_autoptr(GError) error = NULL;
        g_assert_nonnull(domain->operation);
        if (code >= 0)
                virtbus_error_set(&error, (VirtbusError) code, "the hypervisor says no");
        operation_finish(domain->operation, error);
        rig_settle(rig);
}

/* A domain that runs. */
static inline Domain *rig_run(Rig *rig, const char *more) {
        g_autofree char *xml = g_strdup_printf(RIG_XML("one", RIG_UUID, "%s"), more);
        Domain *domain = rig_define(rig, xml);
        domain_operate(domain, start_new(NULL, (StartOptions){}));
        rig_finish(rig, domain, -1);
        g_assert_cmpint(domain->state, ==, DOMAIN_RUNNING);
        g_string_truncate(rig_asked, 0);
        return domain;
}

static inline void rig_assert_state(const Domain *domain, DomainState state, DomainReason reason) {
        g_assert_cmpstr(domain_state_name(domain->state), ==, domain_state_name(state));
        g_assert_cmpstr(domain_reason_name(domain->reason), ==, domain_reason_name(reason));
}
