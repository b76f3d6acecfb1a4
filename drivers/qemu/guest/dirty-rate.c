/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/dirty-rate.h"

#include <string.h>

#include "bus.h"
#include "domain/domain-run.h"
#include "domain/statistics.h"
#include "vtables.h"

#define SAMPLING "page-sampling"
static const char *const modes[] = { SAMPLING, "dirty-bitmap", "dirty-ring", NULL };

#define MEBIBYTE (UINT64_C(1) << 20)

/* What statistics tell of it, by these numbers; of a guest of which nothing was measured, nothing. */
enum { STATUS_NONE, STATUS_MEASURING, STATUS_MEASURED };

/* QEMU without KVM ends where it is told to look at what KVM would have noted (seen with 7.2). */
static bool check_mode(const Domain *domain, const char *mode, GError **error) {
        g_autoptr(xmlDoc) document = definition_document(domain->live, error);
        if (!g_strv_contains(modes, mode))
                return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                         "mode is '%.32s'; it must be page-sampling, dirty-bitmap or dirty-ring", mode);
        if (!document)
                return false;
        const xmlNode *root = xmlDocGetRootElement(document), *ring = xml_find(root, "features/kvm/dirty-ring");
        bool kvm = xml_attribute_is(root, "type", "kvm"), has_ring = ring && xml_attribute_is(ring, "state", "on");
        if (strcmp(mode, SAMPLING) != 0 && !kvm)
                return domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                                   "mode %s needs KVM, which notes what is written: its QEMU emulates it; use " SAMPLING, mode);
        if (strcmp(mode, "dirty-ring") == 0 && !has_ring)
                return domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                                   "mode dirty-ring needs <dirty-ring state='on'> in its <features><kvm>; use another one");
        return strcmp(mode, "dirty-bitmap") != 0 || !has_ring ||
               domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                           "mode dirty-bitmap is not for a domain that has a dirty ring; use dirty-ring");
}

typedef struct Measurement {
        Domain *domain;
        Call *call;
} Measurement;

static void measurement_free(Measurement *measurement) {
        domain_unref(measurement->domain);
        g_free(measurement);
}

static void drop(void *data) {
        Measurement *measurement = data;
        g_autoptr(GError) error = NULL;
        virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        call_fail(measurement->call, error);
        measurement_free(measurement);
}

static void on_begun(void *data, JsonObject *answer, const GError *error) {
        Measurement *measurement = data;
        (void) answer;
        g_autoptr(GError) named = NULL;
        if (error && strstr(error->message, "already"))
                domain_fail(measurement->domain, &named, VIRTBUS_ERROR_RESOURCE_BUSY,
                            "how fast it writes its memory is being measured; wait until that is done");
        else if (error)
                named = domain_name_error(measurement->domain, error);
        if (named)
                call_fail(measurement->call, named);
        else
                reply_domain_measure_dirty_rate(measurement->call);
        measurement_free(measurement);
}

void dirty_rate_measure(Domain *domain, uint32_t seconds, const char *mode, Call *call) {
        g_autoptr(GError) error = NULL;
        Guest *guest = domain->run;
        if (!guest_check_monitor(domain, &error) || !check_mode(domain, mode, &error)) {
                call_fail(call, error);
                return;
        }
        Measurement *measurement = g_new0(Measurement, 1);
        *measurement = (Measurement){ domain_ref(domain), call };
        dirty_rate_forget(guest);
        monitor_ask(guest->monitor, "calc-dirty-rate",
                    json_make("calc-time", 'i', (gint64) seconds, "mode", 's', strcmp(mode, SAMPLING) == 0 ? NULL : mode, NULL),
                    on_begun, measurement, drop);
}

bool dirty_rate_is_asked(const Guest *guest) {
        return !guest->dirty_rate;
}

void dirty_rate_forget(Guest *guest) {
        g_clear_pointer(&guest->dirty_rate, json_object_unref);
}

static int status_of(JsonObject *rate) {
        const char *status = json_string(rate, "status");
        return g_strcmp0(status, "measured") == 0    ? STATUS_MEASURED
               : g_strcmp0(status, "measuring") == 0 ? STATUS_MEASURING
                                                     : STATUS_NONE;
}

static uint64_t number_of(JsonObject *rate, const char *name) {
        return (uint64_t) MAX(json_int(rate, name, 0), 0);
}

/* With a ring, each processor has its own. */
static void tell_processors(Domain *domain, JsonArray *rates) {
        for (guint i = 0; rates && i < MIN(json_array_get_length(rates), STATISTICS_GROUPS_MAX); i++) {
                JsonObject *rate = json_object_at(rates, i);
                g_autofree char *group = g_strdup_printf("dirty_rate.%" G_GUINT64_FORMAT, number_of(rate, "id"));
                statistics_begin(domain, group);
                statistics_set(domain, "bytes_per_second", number_of(rate, "dirty-rate") * MEBIBYTE);
        }
}

void dirty_rate_tell(Guest *guest, JsonObject *answer) {
        JsonObject *rate = answer ? json_member(answer, "return") : guest->dirty_rate;
        Domain *domain = guest->domain;
        int status = status_of(rate);
        uint64_t mode = 0;
        if (answer && rate && status != STATUS_MEASURING) /* that stays so until somebody has it measured again */
                guest->dirty_rate = json_object_ref(rate);
        if (status == STATUS_NONE)
                return;
        for (uint64_t i = 0; modes[i]; i++)
                if (g_strcmp0(json_string(rate, "mode"), modes[i]) == 0)
                        mode = i;
        statistics_begin(domain, "dirty_rate");
        statistics_set(domain, "status", (uint64_t) status);
        statistics_set(domain, "start_time", number_of(rate, "start-time") * G_USEC_PER_SEC);
        statistics_set(domain, "period", number_of(rate, "calc-time") * G_USEC_PER_SEC);
        statistics_set(domain, "mode", mode);
        if (status != STATUS_MEASURED)
                return;
        statistics_set(domain, "bytes_per_second", number_of(rate, "dirty-rate") * MEBIBYTE);
        tell_processors(domain, json_array(rate, "vcpu-dirty-rate"));
}
