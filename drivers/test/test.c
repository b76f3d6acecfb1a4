/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test/test.h"

#include <string.h>

#include "base/errand.h"
#include "bus.h"
#include "domain/connection-life.h"
#include "domain/connection-table.h"
#include "domain/connection.h"
#include "domain/offers.h"
#include "domain/operations/start.h"
#include "options.h"
#include "test/elsewhere.h"
#include "test/laboratory.h"
#include "test/machine.h"
#include "test/test-abilities.h"
#include "test/test-guest.h"
#include "test/test-remote.h"
#include "vtables.h"

#define POPULATE_MAX 100000
#define DELAY_MAX (3600 * UINT64_C(1000000))
#define CHURN_MAX 10000000
#define CHURN_RATE_MAX 1000000

/* org.virtbus1.Test */

TEST_VTABLE(Connection, test_bus);

static void test_bus_populate(Call *call, Connection *self, uint32_t count, sd_bus_message *options) {
        Laboratory *laboratory = self->data;
        g_autoptr(GError) error = NULL;
        if (count > POPULATE_MAX)
                virtbus_error_set(&error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "at most %d domains are made at once", POPULATE_MAX);
        else if (options_read(options, &error, NULL))
                for (uint32_t i = 0; i < count && !error; i++) {
                        g_autofree char *xml = g_strdup_printf("<domain type='test'><name>populated-%" G_GUINT64_FORMAT "</name>"
                                                               "<memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>",
                                                               ++laboratory->populated);
                        g_autoptr(Definition) definition = definition_parse(xml, &error);
                        if (!definition)
                                break;
                        g_autoptr(Domain) domain = domain_new(self, definition, false, call->uid, false);
                        domain_operate(domain, start_new(NULL, (StartOptions){}));
                }
        if (error)
                call_fail(call, error);
        else
                reply_test_populate(call);
}

static void test_bus_fail_next(Call *call, Connection *self, const char *operation, const char *error, const char *message) {
        Laboratory *laboratory = self->data;
        g_autoptr(GError) unknown = NULL;
        int code = virtbus_error_from_short_name(error), which = laboratory_find_operation(operation, &unknown);
        if (which >= 0 && code < 0)
                virtbus_error_set(&unknown, VIRTBUS_ERROR_INVALID_ARGUMENT, "there is no error '%.32s'", error);
        if (unknown) {
                call_fail(call, unknown);
                return;
        }
        g_clear_error(&laboratory->failures[which]);
        virtbus_error_set(&laboratory->failures[which], (VirtbusError) code, "%s", message);
        reply_test_fail_next(call);
}

static void test_bus_set_delay(Call *call, Connection *self, const char *operation, uint64_t delay) {
        Laboratory *laboratory = self->data;
        g_autoptr(GError) error = NULL;
        int which = laboratory_find_operation(operation, &error);
        if (which >= 0 && delay > DELAY_MAX)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "a delay is at most one hour");
        if (error) {
                call_fail(call, error);
                return;
        }
        laboratory->delays[which] = delay;
        reply_test_set_delay(call);
}

static void test_bus_guest_event(Call *call, Connection *self, const char *name, const char *event) {
        g_autoptr(GError) error = NULL;
        Domain *domain = connection_find_name(self, name);
        if (!domain)
                virtbus_error_set(&error, VIRTBUS_ERROR_NO_SUCH_DOMAIN, "there is no domain '%.64s'", name);
        else if (!domain->run)
                domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID, "it is %s; start it first",
                            domain_state_name(domain->state));
        if (!error && test_guest_event(domain, event, &error))
                reply_test_guest_event(call);
        else
                call_fail(call, error);
}

static int on_churn(sd_event_source *source, uint64_t usec, void *data) {
        Connection *connection = data;
        Laboratory *laboratory = connection->data;
        uint64_t now = 0;
        (void) usec;
        sd_event_now(connection->event, CLOCK_MONOTONIC, &now);
        uint64_t due = (now - laboratory->churn_began) * laboratory->churn_rate / 1000000;
        for (; laboratory->churn_done < due && laboratory->churn_left > 0; laboratory->churn_done++, laboratory->churn_left--) {
                laboratory->churned++;
                published_changed(connection->published, &test_bus_vtable, NULL);
        }
        if (laboratory->churn_left == 0)
                return 0;
        sd_event_source_set_time(source, now + 1000);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void test_bus_churn(Call *call, Connection *self, uint32_t count, uint32_t rate) {
        Laboratory *laboratory = self->data;
        g_autoptr(GError) error = NULL;
        if (laboratory->churn_left > 0)
                virtbus_error_set(&error, VIRTBUS_ERROR_RESOURCE_BUSY,
                                  "the last changes are not done; wait until Churned stands still");
        else if (count > CHURN_MAX || rate < 1 || rate > CHURN_RATE_MAX)
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT, "a count is at most %d, a rate from 1 to %d", CHURN_MAX,
                                  CHURN_RATE_MAX);
        if (error) {
                call_fail(call, error);
                return;
        }
        laboratory->churn_left = count;
        laboratory->churn_done = 0;
        laboratory->churn_rate = rate;
        sd_event_now(self->event, CLOCK_MONOTONIC, &laboratory->churn_began);
        sd_event_source_disable_unref(laboratory->churn);
        laboratory->churn = NULL;
        int r = sd_event_add_time_relative(self->event, &laboratory->churn, CLOCK_MONOTONIC, 0, 1, on_churn, self);
        if (r < 0)
                call_fail_errno(call, r);
        else
                reply_test_churn(call);
}

static void on_asked(void *data, sd_bus_message *answer, const GError *error) {
        Call *call = data;
        const char *text;
        int r = answer ? sd_bus_message_read(answer, "s", &text) : 0;
        if (error)
                call_fail(call, error);
        else if (r < 0)
                call_fail_errno(call, r);
        else
                reply_test_ask_driver(call, text);
}

/* Elsewhere */

static bool check_elsewhere(const Connection *self, const char *what, Call *call) {
        g_autoptr(GError) error = NULL;
        if (offers_check(self, self->hypervisor->remote, what, &error))
                return true;
        call_fail(call, error);
        return false;
}

static void test_bus_define_elsewhere(Call *call, Connection *self, const char *xml) {
        g_autoptr(GError) error = NULL;
        if (!check_elsewhere(self, "DefineElsewhere", call))
                return;
        if (!elsewhere_define(self, xml, &error)) {
                call_fail(call, error);
                return;
        }
        if (self->state == CONNECTION_CONNECTED)
                elsewhere_show(self);
        reply_test_define_elsewhere(call);
}

static void test_bus_undefine_elsewhere(Call *call, Connection *self, const char *uuid) {
        g_autoptr(GError) error = NULL;
        if (!check_elsewhere(self, "UndefineElsewhere", call))
                return;
        if (!elsewhere_undefine(self, uuid, &error)) {
                call_fail(call, error);
                return;
        }
        if (self->state == CONNECTION_CONNECTED)
                elsewhere_show(self);
        reply_test_undefine_elsewhere(call);
}

static void test_bus_set_reachable(Call *call, Connection *self, bool reachable) {
        g_autoptr(GError) error = NULL;
        if (!check_elsewhere(self, "SetReachable", call))
                return;
        ((Laboratory *) self->data)->unreachable = !reachable;
        if (!reachable && self->state == CONNECTION_CONNECTED) {
                virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "%s was cut off", self->uri);
                connection_cut(self, error, false);
                test_remote_fail_operations(self, error);
        }
        reply_test_set_reachable(call);
}

static void test_bus_ask_driver(Call *call, Connection *self, const char *object, const char *interface, const char *member,
                                const char *argument, sd_bus_message *options) {
        g_autoptr(GError) error = NULL;
        bool own = false;
        if (options_read(options, &error, "own", 'b', &own, NULL) &&
            errand_begin(self->objects, own ? NULL : call_sender(call), object, interface, member, on_asked, call, &error,
                         *argument ? "s" : "", argument))
                return;
        call_fail(call, error);
}

static uint64_t test_bus_get_churned(const Connection *self) {
        return ((Laboratory *) self->data)->churned;
}

static bool test_open(Connection *connection, GError **error) {
        (void) error;
        connection->data = laboratory_new();
        return true;
}

static void test_close(Connection *connection) {
        laboratory_free(connection->data);
}

/* What it can do */

/* On this machine and elsewhere. */
#define WHAT_EACH_CAN \
        .connection = "test", .bus_name = "org.virtbus1.Driver.Test", .extra = &test_bus_vtable, .open = test_open, \
        .close = test_close, .start = machine_start, .reattach = machine_reattach, .destroy = machine_destroy, \
        .release = machine_free, .save = machine_save, .abilities = &test_abilities, .power = &machine_power, \
        .devices = &machine_devices, .machine = &machine_access, .statistics = &machine_statistics

/* One that keeps its definitions itself, and can do less. */
static const Hypervisor test_elsewhere = {
        WHAT_EACH_CAN,
        .remote = &test_remote,
        .definitions = &elsewhere_definitions,
};

static const char *const test_schemes[] = { "test", NULL };

const Hypervisor test_hypervisor = {
        .schemes = test_schemes,
        .elsewhere = &test_elsewhere,
        WHAT_EACH_CAN,
        .dumping = &machine_dumping,
        .saving = &machine_saving,
        .snapshots = &machine_snapshots,
        .checkpoints = &machine_checkpoints,
        .backups = &machine_backups,
        .consoles = &machine_consoles,
        .documents = &test_documents,
};
