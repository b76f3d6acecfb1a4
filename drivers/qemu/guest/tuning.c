/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/tuning.h"

#include <string.h>

#include "domain/definition-edit.h"
#include "domain/domain-run.h"
#include "domain/operations/device-change.h"
#include "qemu/guest/plugging.h"
#include "qemu/guest/processors.h"
#include "qemu/guest/scope.h"
#include "qemu/guest/threads.h"

static void on_ballooned(void *data, JsonObject *answer, const GError *error) {
        (void) answer;
        plugging_finish(data, error);
}

static void on_processors_plugged(void *data, const GError *error) {
        plugging_finish(data, error);
}

/* Asks for the next processor; done when there is none. */
static void unplug_next(Guest *guest) {
        Plugging *plugging = guest->plugging;
        guest->detach_timeout = sd_event_source_disable_unref(guest->detach_timeout);
        if (plugging->processors->len == 0) {
                plugging_finish(guest, NULL);
                return;
        }
        g_autofree char *alias = g_ptr_array_steal_index(plugging->processors, 0);
        plugging_await_end(guest, alias, DETACH_TIMEOUT_DEFAULT);
}

static void on_processor_left(Guest *guest) {
        if (guest->domain->live->vcpus > 1)
                domain_vcpus_changed(guest->domain, guest->domain->live->vcpus - 1);
        unplug_next(guest);
}

/* QEMU lists the places of processors, the last first; those that are taken say by what. */
static void on_processors_known(void *data, JsonObject *answer, const GError *error) {
        static const char path[] = "/machine/peripheral/";
        Guest *guest = data;
        Operation *operation = plugging_operation(guest);
        JsonArray *places = json_array(answer, "return");
        uint32_t wanted = device_change_of(operation)->vcpus, has = guest->domain->live->vcpus;
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        g_autoptr(GPtrArray) removed = g_ptr_array_new_with_free_func(g_free);
        Script *script = guest_script_new(guest);
        uint32_t n = 0, left = wanted > has ? wanted - has : has - wanted;
        guint length = !failure && places ? json_array_get_length(places) : 0;
        for (guint i = 0; i < length && n < left; i++) {
                if (wanted > has)
                        n += processors_add(script, places, i);
                else {
                        const char *taken = json_string(json_object_at(places, i), "qom-path");
                        if (!taken || !g_str_has_prefix(taken, path))
                                continue;
                        g_ptr_array_add(removed, g_strdup(taken + strlen(path)));
                        n++;
                }
        }
        if (!failure && n < left)
                domain_fail(guest->domain, &failure, VIRTBUS_ERROR_UNSUPPORTED,
                            wanted > has ? "the machine has no place for more processors; use the option config"
                                         : "processors that it started with cannot be taken away while it runs; use the option "
                                           "config");
        if (!failure && wanted > has) {
                script_run(script, on_processors_plugged, guest);
                return;
        }
        g_hash_table_remove(guest->scripts, script);
        if (failure)
                plugging_finish(guest, failure);
        else {
                guest->plugging->processors = g_steal_pointer(&removed);
                guest->plugging->has_left = on_processor_left;
                unplug_next(guest);
        }
}

/* What the document says of threads, which may have limits of their own. */
static void place_threads(Guest *guest, xmlDoc *document, ThreadsPlaced placed) {
        if (threads_are_placed(document) || guest->has_thread_groups)
                threads_place(guest, xmlCopyDoc(document, 1), placed);
        else
                placed(guest, NULL);
}

/* What holds on the host is one whole: where a part of it is refused, all is set again as it was. */
static void on_set_back(Guest *guest, const GError *unused) {
        g_autoptr(GError) error = g_steal_pointer(&guest->plugging->error);
        (void) unused;
        plugging_finish(guest, error);
}

static void set_back_threads(Guest *guest, const GError *unused) {
        g_autoptr(xmlDoc) document = definition_document(guest->domain->live, NULL);
        (void) unused;
        place_threads(guest, document, on_set_back);
}

static void on_host_side_set(Guest *guest, const GError *error) {
        const Operation *operation = plugging_operation(guest);
        if (!error || !operation) {
                plugging_finish(guest, error);
                return;
        }
        g_autoptr(xmlDoc) document = definition_document(guest->domain->live, NULL);
        guest->plugging->error = g_error_copy(error);
        if (device_change_of(operation)->edits->len > 0 || device_change_of(operation)->nodes)
                scope_set_limits(guest, document, set_back_threads);
        else
                set_back_threads(guest, NULL);
}

static void on_limits_set(Guest *guest, const GError *error) {
        const Operation *operation = plugging_operation(guest);
        if (error || !operation)
                on_host_side_set(guest, error);
        else
                place_threads(guest, device_change_of(operation)->document, on_host_side_set);
}

static void on_io_threads_changed(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        const Operation *operation = plugging_operation(guest);
        (void) answer;
        if (error || !operation)
                plugging_finish(guest, error);
        else
                place_threads(guest, device_change_of(operation)->document, plugging_finish);
}

void tuning_resize(Operation *operation) {
        const DeviceChange *change = device_change_of(operation);
        Plugging *plugging = plugging_begin(operation);
        if (!plugging)
                return;
        Guest *guest = plugging->guest;
        if (change->vcpus > 0 && change->vcpus < guest->domain->live->vcpus && strcmp(guest->domain->live->type, "kvm") != 0) {
                /* QEMU 7.2 counts the threads that TCG has ever had, and ends when there are too many. */
                g_autoptr(GError) error = NULL;
                domain_fail(guest->domain, &error, VIRTBUS_ERROR_UNSUPPORTED,
                            "QEMU cannot take away processors that it emulates (type 'qemu') while the guest runs; use the "
                            "option "
                            "config");
                plugging_finish(guest, error);
                return;
        }
        if (change->cpus) {
                place_threads(guest, change->document, on_host_side_set);
                return;
        }
        if (change->io_thread != IO_THREAD_SAME) {
                bool adds = change->io_thread == IO_THREAD_ADDED;
                g_autofree char *id = g_strdup_printf("iothread%u", change->thread);
                JsonObject *thread = json_make("id", 's', id, adds ? "qom-type" : NULL, 's', "iothread", NULL);
                monitor_command(guest->monitor, adds ? "object-add" : "object-del", thread, -1, on_io_threads_changed, guest);
                return;
        }
        if (change->edits->len > 0 || change->nodes) {
                scope_set_limits(guest, change->document, on_limits_set);
                return;
        }
        if (change->vcpus > 0) {
                monitor_command(guest->monitor, "query-hotpluggable-cpus", NULL, -1, on_processors_known, guest);
                return;
        }
        /* How much it has, QEMU tells when it changes. */
        definition_edit_memory(xmlDocGetRootElement(change->document), guest->domain->live->memory);
        monitor_command(guest->monitor, "balloon", json_make("value", 'i', (gint64) change->memory, NULL), -1, on_ballooned,
                        guest);
}
