/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/tuning.h"

#include <string.h>

#include "domain/definition-edit.h"
#include "domain/domain-run.h"
#include "domain/operations/device-change.h"
#include "qemu/check/check.h"
#include "qemu/guest/plugging.h"
#include "qemu/guest/processors.h"
#include "qemu/guest/scope.h"
#include "qemu/guest/threads.h"

static void on_ballooned(void *data, JsonObject *answer, const GError *error) {
        (void) answer;
        plugging_finish(data, error);
}

/* The threads that one does work by, and how it looks for that */

static const struct {
        const char *property, *element, *attribute;
        gint64 otherwise; /* what QEMU has where nothing was said */
} io_thread_values[IO_THREAD_N_VALUES] = {
        [IO_THREAD_POLL_MAX] = { "poll-max-ns", "poll", "max", 32768 },
        [IO_THREAD_POLL_GROW] = { "poll-grow", "poll", "grow", 0 },
        [IO_THREAD_POLL_SHRINK] = { "poll-shrink", "poll", "shrink", 0 },
        [IO_THREAD_POOL_MIN] = { "thread-pool-min", NULL, "thread_pool_min", 0 },
        [IO_THREAD_POOL_MAX] = { "thread-pool-max", NULL, "thread_pool_max", 64 },
};

/* What the document of the running guest says. */
static gint64 value_before(const Guest *guest, uint32_t number, IOThreadValue which) {
        const xmlNode *list = xml_child(xmlDocGetRootElement(guest->document), "iothreadids");
        uint64_t id = 0, value = (uint64_t) io_thread_values[which].otherwise;
        for (xmlNode *thread = list ? xml_child(list, "iothread") : NULL; thread; thread = xml_next(thread, "iothread")) {
                const char *element = io_thread_values[which].element;
                const xmlNode *place = element ? xml_child(thread, element) : thread;
                if (place && xml_number_attribute(thread, "id", 0, UINT32_MAX, &id, NULL) && id == number)
                        xml_number_attribute(place, io_thread_values[which].attribute, 0, INT64_MAX, &value, NULL);
        }
        return (gint64) value;
}

static void add_value(const Guest *guest, Script *script, const DeviceChange *change, IOThreadValue which) {
        if (!change->io_thread_given[which])
                return;
        g_autofree char *path = g_strdup_printf("/objects/iothread%u", change->thread);
        const char *property = io_thread_values[which].property;
        script_add_command(script, "qom-set",
                           json_make("path", 's', path, "property", 's', property, "value", 'i',
                                     (gint64) change->io_thread_values[which], NULL));
        script_undo_by(script, "qom-set",
                       json_make("path", 's', path, "property", 's', property, "value", 'i',
                                 value_before(guest, change->thread, which), NULL));
}

static void on_tuned(void *data, const GError *error) {
        plugging_finish(data, error);
}

/* The least is never more than the most, not even in between. */
static void tune_io_thread(Guest *guest, const DeviceChange *change) {
        Script *script = guest_script_new(guest);
        bool more = change->io_thread_given[IO_THREAD_POOL_MAX] &&
                    (gint64) change->io_thread_values[IO_THREAD_POOL_MAX] >
                                    value_before(guest, change->thread, IO_THREAD_POOL_MAX);
        for (IOThreadValue i = 0; i < IO_THREAD_POOL_MIN; i++)
                add_value(guest, script, change, i);
        add_value(guest, script, change, more ? IO_THREAD_POOL_MAX : IO_THREAD_POOL_MIN);
        add_value(guest, script, change, more ? IO_THREAD_POOL_MIN : IO_THREAD_POOL_MAX);
        script_run(script, on_tuned, guest);
}

/* What becomes of a guest that ends: QEMU must know whether it restarts by itself. */

static JsonObject *action_of(const Definition *definition) {
        return json_make("reboot", 's', definition->on_reboot == ACTION_DESTROY ? "shutdown" : "reset", NULL);
}

/* A driver that was killed may have told QEMU, and not written it down. */
static void on_found(Guest *guest) {
        monitor_command(guest->monitor, "set-action", action_of(guest->domain->live), -1, NULL, NULL);
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

/* Plugs those that the script has, or unplugs those that are named, which are taken; or says why neither. */
static void change_processors(Guest *guest, Script *script, bool plugs, GPtrArray **removed, const GError *failure) {
        if (!failure && plugs) {
                script_run(script, on_processors_plugged, guest);
                return;
        }
        g_hash_table_remove(guest->scripts, script);
        if (failure)
                plugging_finish(guest, failure);
        else {
                guest->plugging->processors = g_steal_pointer(removed);
                guest->plugging->has_left = on_processor_left;
                unplug_next(guest);
        }
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
        change_processors(guest, script, wanted > has, &removed, failure);
}

/* Those that are listed: what is so already stays so. */
static void on_places_known(void *data, JsonObject *answer, const GError *error) {
        static const char path[] = "/machine/peripheral/";
        Guest *guest = data;
        const DeviceChange *change = device_change_of(plugging_operation(guest));
        JsonArray *places = json_array(answer, "return");
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        g_autoptr(GPtrArray) removed = g_ptr_array_new_with_free_func(g_free);
        Script *script = guest_script_new(guest);
        guint length = !failure && places ? json_array_get_length(places) : 0;
        for (guint i = 0; !failure && i < change->listed_vcpus->len; i++) {
                uint32_t id = g_array_index(change->listed_vcpus, uint32_t, i);
                JsonObject *place = id < length ? json_object_at(places, length - 1 - id) : NULL;
                const char *taken = json_string(place, "qom-path");
                if (!!taken == change->enables_listed && place)
                        continue;
                if (change->enables_listed ? !processors_add(script, places, id) : !taken || !g_str_has_prefix(taken, path))
                        domain_fail(guest->domain, &failure, VIRTBUS_ERROR_UNSUPPORTED,
                                    change->enables_listed ? "the machine has no place for processor %" PRIu32
                                                             "; use the option config"
                                                           : "processor %" PRIu32
                                                             " cannot be taken away while the guest runs, which has "
                                                             "started with it; use the option config",
                                    id);
                else if (!change->enables_listed)
                        g_ptr_array_add(removed, g_strdup(taken + strlen(path)));
        }
        change_processors(guest, script, change->enables_listed, &removed, failure);
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
        if (((change->vcpus > 0 && change->vcpus < guest->domain->live->vcpus) ||
             (change->listed_vcpus && !change->enables_listed)) &&
            strcmp(guest->domain->live->type, "kvm") != 0) {
                /* QEMU 7.2 counts the threads that TCG has ever had, and ends when there are too many. */
                g_autoptr(GError) error = NULL;
                domain_fail(guest->domain, &error, VIRTBUS_ERROR_UNSUPPORTED,
                            "QEMU cannot take away processors that it emulates (type 'qemu') while the guest runs; use the "
                            "option "
                            "config");
                plugging_finish(guest, error);
                return;
        }
        if (change->is_lifecycle || change->io_thread == IO_THREAD_TUNED) {
                g_autoptr(GError) error = NULL;
                if (!check_document(change->document, &error))
                        plugging_finish(guest, error);
                else if (change->is_lifecycle)
                        monitor_command(guest->monitor, "set-action", action_of(change->next), -1, on_ballooned, guest);
                else
                        tune_io_thread(guest, change);
                return;
        }
        if (change->listed_vcpus) {
                monitor_command(guest->monitor, "query-hotpluggable-cpus", NULL, -1, on_places_known, guest);
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

const GuestModule tuning_module = {
        .found = on_found,
};
