/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/guest/plugging.h"

#include <string.h>

#include "domain/card-port.h"
#include "domain/domain-run.h"
#include "domain/domain-status.h"
#include "domain/operations/device-change.h"
#include "qemu/command/node-name.h"
#include "qemu/command/build-tls.h"
#include "qemu/guest/collect.h"
#include "qemu/guest/device-helpers.h"
#include "qemu/guest/fd-sets.h"
#include "qemu/guest/guest-secrets.h"
#include "qemu/guest/isolation.h"
#include "qemu/guest/nodes.h"
#include "qemu/guest/qemu-words.h"

void medium_free(Medium *medium) {
        g_free(medium->alias);
        g_free(medium->drive);
        g_free(medium->old_node);
        g_free(medium->element);
        g_free(medium);
}

static void plugging_free(Plugging *plugging) {
        if (plugging->line)
                command_line_free(plugging->line);
        g_clear_pointer(&plugging->files, g_ptr_array_unref);
        g_free(plugging->node);
        g_free(plugging->alias);
        g_clear_pointer(&plugging->processors, g_ptr_array_unref);
        g_clear_error(&plugging->error);
        g_clear_pointer(&plugging->port, port_change_free);
        g_clear_pointer(&plugging->document, xmlFreeDoc);
        g_free(plugging);
}

/* The operation on devices that is at work, or NULL. */
Operation *plugging_operation(const Guest *guest) {
        Operation *operation = guest->domain->operation;
        return device_change_of(operation) ? operation : NULL;
}

static void finish_returned(Guest *guest, const char *unused, const GError *error) {
        Operation *operation = plugging_operation(guest);
        (void) unused;
        guest->detach_timeout = sd_event_source_disable_unref(guest->detach_timeout);
        g_clear_pointer(&guest->plugging, plugging_free);
        if (guest->attaching || guest->medium) {
                g_clear_pointer(&guest->attaching, g_free);
                g_clear_pointer(&guest->medium, medium_free);
                if (error) /* else the new device is written down now, in one go with this */
                        domain_save_status(guest->domain);
        }
        if (operation)
                operation_finish(operation, error);
}

/* What QEMU has said, for a person. */
static GError *tell(const Guest *guest, const Operation *operation, const GError *raw) {
        const DeviceChange *change = operation ? device_change_of(operation) : NULL;
        GError *told = NULL;
        if (raw && qemu_cannot_open_key(raw->message)) {
                qemu_fail_key(guest->domain, raw->message, &told);
                return told;
        }
        if (!raw || !change || !qemu_cannot_unlock(raw->message))
                return qemu_error(guest->domain, guest->plugging ? guest->plugging->line : NULL, raw);
        qemu_fail_passphrase(guest->domain, definition_find_element(change->document, change->next, change->alias), &told);
        return told;
}

void plugging_finish(Guest *guest, const GError *raw) {
        const Operation *operation = plugging_operation(guest);
        g_autoptr(GError) error = tell(guest, operation, raw);
        guest->detach_timeout = sd_event_source_disable_unref(guest->detach_timeout);
        if (!guest->plugging || guest->plugging->is_finished)
                return; /* told again */
        guest->plugging->is_finished = true;
        isolation_drop(guest);
        guest_secrets_close(guest);
        collect_forget(guest);
        guest->sizes_asked = 0;
        if (error && guest->plugging->first_socket > 0)
                guest_remove_sockets(guest, guest->plugging->first_socket - 1, NULL);
        if (error && operation_is(operation, &attach_class) && device_change_of(operation)->alias) {
                device_helpers_leave(guest, device_change_of(operation)->alias);
                guest_return_things(guest, device_change_of(operation)->alias, error, finish_returned);
        } else
                finish_returned(guest, NULL, error);
}

Plugging *plugging_begin(Operation *operation) {
        Guest *guest = operation->domain->run;
        g_autoptr(GError) error = NULL;
        if (!guest_check_monitor(operation->domain, &error)) {
                operation_finish(operation, error);
                return NULL;
        }
        guest->plugging = g_new0(Plugging, 1);
        guest->plugging->guest = guest;
        return guest->plugging;
}

/* The highest number of QEMU's sets of descriptors. */
unsigned plugging_last_fdset(JsonObject *answer) {
        JsonArray *sets = json_array(answer, "return");
        gint64 last = 0;
        for (guint i = 0; sets && i < json_array_get_length(sets); i++)
                last = MAX(last, json_int(json_object_at(sets, i), "fdset-id", 0));
        return (unsigned) CLAMP(last, 0, G_MAXINT32);
}

/* Moves the commands of a line into a script. */
void plugging_take_commands(Script *script, CommandLine *line) {
        while (line->commands->len > 0)
                script_add(script, g_ptr_array_steal_index(line->commands, 0));
}

static int on_detach_timeout(sd_event_source *source, uint64_t usec, void *data) {
        Guest *guest = data;
        g_autoptr(GError) error = NULL;
        (void) source;
        (void) usec;
        domain_fail(guest->domain, &error, VIRTBUS_ERROR_TIMEOUT,
                    "the guest did not release device '%s' in time; if it does later, the device is removed then",
                    guest->plugging->alias);
        plugging_finish(guest, error);
        return 0;
}

static void on_detach_begun(void *data, JsonObject *answer, const GError *error) {
        Guest *guest = data;
        (void) answer;
        /* Asked again while the guest is at it: its event counts all the same. */
        if (error && guest->plugging && guest->plugging->alias && !strstr(error->message, "already in the process of unplug"))
                plugging_finish(guest, error);
}

void plugging_await_end(Guest *guest, const char *alias, uint64_t timeout) {
        g_free(guest->plugging->alias);
        guest->plugging->alias = g_strdup(alias);
        sd_event_add_time_relative(guest->domain->connection->event, &guest->detach_timeout, CLOCK_MONOTONIC, timeout, 0,
                                   on_detach_timeout, guest);
        monitor_command(guest->monitor, "device_del", json_make("id", 's', alias, NULL), -1, on_detach_begun, guest);
}

/* What is behind a device */

static void cleanup_free(Cleanup *cleanup) {
        g_free(cleanup->alias);
        g_free(cleanup->prefix);
        g_free(cleanup);
}

static bool is_of_device(const Cleanup *cleanup, const char *alias) {
        return !cleanup->one_base && g_strcmp0(cleanup->alias, alias) == 0;
}

bool cleanup_is_of(const Guest *guest, const char *alias) {
        GHashTableIter iterator;
        void *cleanup;
        if (!guest->cleanups)
                return false;
        g_hash_table_iter_init(&iterator, guest->cleanups);
        while (g_hash_table_iter_next(&iterator, &cleanup, NULL))
                if (is_of_device(cleanup, alias))
                        return true;
        return false;
}

static void forget_cleanups(Guest *guest, const char *alias) {
        GHashTableIter iterator;
        void *cleanup;
        g_hash_table_iter_init(&iterator, guest->cleanups);
        while (g_hash_table_iter_next(&iterator, &cleanup, NULL))
                if (is_of_device(cleanup, alias))
                        g_hash_table_iter_remove(&iterator);
}

/* The device has left, and holds nothing any more. */
static void on_things_returned(Guest *guest, const char *alias, const GError *unused) {
        (void) unused;
        forget_cleanups(guest, alias);
        if (definition_find_device(guest->domain->live, alias))
                domain_device_gone(guest->domain, alias);
        if (g_strcmp0(guest->half_attached, alias) == 0) {
                g_clear_pointer(&guest->half_attached, g_free);
                domain_save_status(guest->domain);
        }
        if (guest->plugging && g_strcmp0(guest->plugging->alias, alias) == 0)
                plugging_finish(guest, NULL);
        else
                plugging_go_on(guest);
}

static void on_cleaned(void *data, const GError *error) {
        const Cleanup *cleanup = data;
        Guest *guest = cleanup->guest;
        g_autofree char *alias = g_strdup(cleanup->alias);
        bool is_medium = cleanup->one_base;
        (void) error;
        if (!is_medium) {
                device_helpers_leave(guest, alias);
                guest_return_things(guest, alias, NULL, on_things_returned);
                return;
        }
        g_hash_table_remove(guest->cleanups, cleanup);
        if (guest->plugging && g_strcmp0(guest->plugging->alias, alias) == 0)
                plugging_finish(guest, NULL);
}

/* A set is its device's, and says after a colon what for: nodes.h. */
static bool is_whose(const char *opaque, const char *alias) {
        size_t length = strlen(alias);
        return opaque && strncmp(opaque, alias, length) == 0 && (!opaque[length] || opaque[length] == ':');
}

static void on_fdsets_listed(void *data, JsonObject *answer, const GError *error) {
        Cleanup *cleanup = data;
        JsonArray *sets = json_array(answer, "return");
        for (guint i = 0; !error && sets && i < json_array_get_length(sets); i++) {
                JsonObject *set = json_object_at(sets, i);
                JsonArray *fds = json_array(set, "fds");
                JsonNode *first = fds && json_array_get_length(fds) > 0 ? json_array_get_element(fds, 0) : NULL;
                const char *whose = first && json_node_type(first) == JSON_OBJECT
                                                    ? json_string(json_node_get_object(first), "opaque")
                                                    : NULL;
                gint64 id = json_int(set, "fdset-id", -1);
                if (is_whose(whose, cleanup->alias) && id > cleanup->before_fdset && id <= cleanup->last_fdset)
                        fd_sets_remove(cleanup->guest, cleanup->script, id);
        }
        script_run(cleanup->script, on_cleaned, cleanup);
}

/* Where an image is, from the top: as the document says, else as they are counted. */
static int depth_of(const GPtrArray *images, const char *node) {
        unsigned long layer = strtoul(node, NULL, 10);
        int place = images ? disk_chain_place(images, (uint32_t) layer + 1) : -1;
        return place >= 0 ? place : (int) layer;
}

/* The order in which nodes can be removed: a filter, then each image's format before its storage, from the top. */
static int compare_nodes(const void *a, const void *b, void *images) {
        /* Both are LAYER-WHAT, and WHAT is cor, format or storage: they come in the alphabet's order. */
        const char *one = *(const char *const *) a, *two = *(const char *const *) b;
        int depth = depth_of(images, one), other_depth = depth_of(images, two);
        return depth != other_depth ? depth - other_depth : strcmp(strchr(one, '-'), strchr(two, '-'));
}

/* The objects that a node's secrets are, where the document does not say which there are. */
static void remove_secrets(const Cleanup *cleanup, const char *node) {
        static const char *const kinds[] = { "encryption", "auth" };
        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
                g_autofree char *id = g_strdup_printf("%s-%s-secret0", node, kinds[i]);
                script_add_command(cleanup->script, "object-del", json_make("id", 's', id, NULL));
        }
        g_autofree char *credentials = build_tls_object_id(node), *password = build_tls_secret_id(node);
        script_add_command(cleanup->script, "object-del", json_make("id", 's', credentials, NULL));
        script_add_command(cleanup->script, "object-del", json_make("id", 's', password, NULL));
}

/* A node that is to go, by what its name has behind the prefix. */
static void take_node(const Cleanup *cleanup, GPtrArray *names, const char *name) {
        int layer = name ? node_name_layer(cleanup->prefix, name) : -1;
        bool other_base = (layer >= DISK_LAYERS_OTHER) != (cleanup->first_layer >= DISK_LAYERS_OTHER);
        if (layer >= 0 && !(cleanup->one_base && other_base))
                g_ptr_array_add(names, g_strdup(name + strlen(cleanup->prefix)));
}

/* A QEMU that has given an image up, as it is damaged, lists none of its nodes: then it is those that it was told to make. */
static void on_nodes_listed(void *data, JsonObject *answer, const GError *error) {
        Cleanup *cleanup = data;
        JsonArray *nodes = json_array(answer, "return");
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free), known = nodes_names(cleanup->guest);
        for (guint i = 0; !error && nodes && i < json_array_get_length(nodes); i++)
                take_node(cleanup, names, json_string(json_object_at(nodes, i), "node-name"));
        for (guint i = 0; error && i < known->len; i++)
                take_node(cleanup, names, known->pdata[i]);
        const Definition *live = cleanup->guest->domain->live;
        const DeviceDefinition *device = live ? definition_find_device(live, cleanup->alias) : NULL;
        g_ptr_array_sort_with_data(names, compare_nodes, device && !cleanup->one_base ? device->images : NULL);
        for (guint i = 0; i < names->len; i++) {
                g_autofree char *name = g_strconcat(cleanup->prefix, names->pdata[i], NULL);
                script_add_command(cleanup->script, "blockdev-del", json_make("node-name", 's', name, NULL));
                if (!cleanup->has_named)
                        remove_secrets(cleanup, name);
                nodes_forget(cleanup->guest, name);
        }
        monitor_command(cleanup->guest->monitor, "query-fdsets", NULL, -1, on_fdsets_listed, cleanup);
}

Cleanup *cleanup_new(Guest *guest, const char *alias) {
        Cleanup *cleanup = g_new0(Cleanup, 1);
        *cleanup = (Cleanup){
                .guest = guest,
                .alias = g_strdup(alias),
                .prefix = node_name_prefix(alias),
                .script = guest_script_new(guest),
                .before_fdset = -1,
                .last_fdset = G_MAXUINT,
        };
        script_ignore_errors(cleanup->script);
        if (!guest->cleanups)
                guest->cleanups = g_hash_table_new_full(g_direct_hash, g_direct_equal, (GDestroyNotify) cleanup_free, NULL);
        g_hash_table_add(guest->cleanups, cleanup);
        return cleanup;
}

void cleanup_run(Cleanup *cleanup) {
        monitor_command(cleanup->guest->monitor, "query-named-block-nodes", json_make("flat", 'b', TRUE, NULL), -1,
                        on_nodes_listed, cleanup);
}

void plugging_when_clean(Guest *guest, const char *alias, void (*next)(Guest *guest)) {
        /* The status has room for one device that is half attached. */
        if (guest->half_attached || cleanup_is_of(guest, alias))
                guest->plugging->when_clean = next;
        else
                next(guest);
}

void plugging_go_on(Guest *guest) {
        if (guest->plugging && guest->plugging->when_clean && !guest->plugging->is_finished)
                plugging_when_clean(guest, device_change_of(plugging_operation(guest))->alias,
                                    g_steal_pointer(&guest->plugging->when_clean));
}

static void on_forgotten(Guest *guest) {
        sd_event_source_disable_unref(guest->detach_timeout);
        g_free(guest->attaching);
        g_free(guest->half_attached);
        g_clear_pointer(&guest->plugging, plugging_free);
        g_clear_pointer(&guest->cleanups, g_hash_table_unref);
        g_clear_pointer(&guest->medium, medium_free);
}

const GuestModule plugging_module = {
        .forget = on_forgotten,
};
