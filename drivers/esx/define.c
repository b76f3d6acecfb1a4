/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esx/define.h"

#include <string.h>

#include "base/kept.h"
#include "base/xml.h"
#include "domain/connection-table.h"
#include "domain/shares.h"
#include "errors.h"
#include "esx/autostart.h"
#include "esx/inventory.h"
#include "esx/register.h"
#include "esx/tasks.h"
#include "vmx/vmx-write.h"

/* A change of a definition that is at work. */
typedef struct Change {
        Esx *esx;
        char *uuid;
        VimCall *call;
        EsxWait *wait;
        Register *registering;
        bool is_done; /* there; it is not told yet */
        bool is_new;  /* there is to be a machine then */
        bool changes_autostart, autostart;
        GHashTable *expected; /* property -> its value then; or NULL */
        WorkDone done;
        void *data;
} Change;

static void change_free(Change *change) {
        g_hash_table_remove(change->esx->changes, change);
        if (change->wait)
                tasks_forget(change->wait);
        if (change->call)
                vim_cancel(change->call);
        if (change->registering)
                register_forget(change->registering);
        if (change->expected)
                g_hash_table_unref(change->expected);
        g_free(change->uuid);
        g_free(change);
}

static Change *change_new(Esx *esx, const char *uuid, WorkDone done, void *data) {
        Change *change = g_new(Change, 1);
        *change = (Change){ .esx = esx, .uuid = g_strdup(uuid), .done = done, .data = data };
        g_hash_table_add(esx->changes, change);
        return change;
}

static EsxMachine *machine_of(const Change *change) {
        return g_hash_table_lookup(change->esx->shown, change->uuid);
}

/* Who has asked for it is told; then it is shown as the hypervisor has it. */
static void end(Change *change, const GError *error) {
        Esx *esx = change->esx;
        g_autofree char *uuid = g_strdup(change->uuid);
        WorkDone done = change->done;
        void *data = change->data;
        change_free(change);
        done(data, error);
        EsxMachine *machine = g_hash_table_lookup(esx->shown, uuid);
        if (!machine)
                return;
        inventory_touch(machine);
        inventory_show(esx, false);
}

/* Whether the hypervisor has told what it is now. */
static bool is_told(const Change *change) {
        const EsxMachine *machine = machine_of(change);
        GHashTableIter iterator;
        void *property, *value;
        if (machine && change->changes_autostart)
                return autostart_has(change->esx, machine->reference.value) == change->autostart;
        if (!machine || !change->expected)
                return machine || !change->is_new;
        g_hash_table_iter_init(&iterator, change->expected);
        while (g_hash_table_iter_next(&iterator, &property, &value))
                if (strcmp(inventory_value(machine, property), value) != 0)
                        return false;
        return true;
}

void define_settle(Esx *esx, bool is_last) {
        g_autoptr(GList) changes = g_hash_table_get_keys(esx->changes);
        for (GList *link = changes; link; link = link->next) {
                Change *change = link->data;
                if (!g_hash_table_contains(esx->changes, change) || !change->is_done || (!is_last && !is_told(change)))
                        continue;
                g_autoptr(GError) error = NULL;
                if (change->is_new && !machine_of(change))
                        virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                          "the machine is registered there, but not with the UUID %s", change->uuid);
                end(change, error);
        }
}

void define_end(Esx *esx, const GError *error) {
        g_autoptr(GList) changes = g_hash_table_get_keys(esx->changes);
        for (GList *link = changes; link; link = link->next)
                if (g_hash_table_contains(esx->changes, link->data)) {
                        Change *change = link->data;
                        change->call = NULL; /* it went with the session */
                        if (change->registering)
                                register_session_ended(change->registering);
                        end(change, error);
                }
}

static void on_task(void *data, const VimReference *result, const GError *error) {
        Change *change = data;
        (void) result;
        change->wait = NULL;
        change->is_done = true;
        if (error || is_told(change))
                end(change, error);
}

/* One that there is */

/* Keys that a task changes; what else a document changes is refused. */
static const char *const changed_keys[] = { "displayName", "annotation",           "memsize", "sched.mem.max",
                                            "numvcpus",    "cpuid.coresPerSocket", NULL };

static GHashTable *keys_of(xmlDoc *document, GError **error) {
        g_autofree char *text = vmx_write(document, error);
        g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
        GHashTable *keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        for (size_t i = 0; lines[i]; i++) {
                const char *equals = strstr(lines[i], " = ");
                if (equals)
                        g_hash_table_insert(keys, g_strndup(lines[i], (gsize) (equals - lines[i])), g_strdup(equals));
        }
        return keys;
}

/* The key of what A has, and B has not so; or NULL. */
static const char *find_other(GHashTable *a, GHashTable *b) {
        GHashTableIter iterator;
        void *key, *value;
        g_hash_table_iter_init(&iterator, a);
        while (g_hash_table_iter_next(&iterator, &key, &value))
                if (!g_strv_contains(changed_keys, key) && g_strcmp0(g_hash_table_lookup(b, key), value) != 0)
                        return key;
        return NULL;
}

static bool check_change(const Domain *domain, xmlDoc *before, xmlDoc *after, GError **error) {
        g_autoptr(GHashTable) old = keys_of(before, error);
        g_autoptr(GHashTable) fresh = *error ? NULL : keys_of(after, error);
        if (*error)
                return false;
        const char *key = find_other(fresh, old);
        if (!key)
                key = find_other(old, fresh);
        return !key ||
               domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                           "the new document changes %s of a machine that is there; only its name, description, memory and "
                           "processors can be changed so",
                           key);
}

static void expect(Change *change, const char *property, const char *value) {
        g_hash_table_insert(change->expected, (char *) property, g_strdup(value));
}

static void put_expected(Change *change, GString *spec, const char *name, const char *property, const char *value) {
        soap_put(spec, name, NULL, value);
        expect(change, property, value);
}

/* What a task is told, from what is different. */
static char *write_spec(Change *change, const Definition *before, const Definition *after, xmlDoc *old, xmlDoc *fresh) {
        g_autoptr(GString) spec = g_string_new("<spec>");
        g_autofree char *was = xml_text_at(xmlDocGetRootElement(old), "description"),
                        *is = xml_text_at(xmlDocGetRootElement(fresh), "description"),
                        *memory = g_strdup_printf("%" G_GUINT64_FORMAT, (after->max_memory + (1 << 20) - 1) >> 20),
                        *vcpus = g_strdup_printf("%u", after->max_vcpus), *name = vmx_escape(after->name, '%', "/\\");
        change->expected = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
        if (strcmp(before->name, after->name) != 0)
                put_expected(change, spec, "name", "name", name);
        if (strcmp(was, is) != 0)
                put_expected(change, spec, "annotation", "config.annotation", is);
        if (before->max_vcpus != after->max_vcpus)
                put_expected(change, spec, "numCPUs", "config.hardware.numCPU", vcpus);
        if (before->max_memory != after->max_memory)
                put_expected(change, spec, "memoryMB", "config.hardware.memoryMB", memory);
        g_string_append(spec, "</spec>");
        return g_strdup(spec->str);
}

static void redefine(Esx *esx, EsxMachine *machine, const Domain *domain, xmlDoc *document, WorkDone done, void *data) {
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) before = definition_document(domain->persistent, &error);
        g_autoptr(Definition) definition = before && check_change(domain, before, document, &error)
                                                           ? definition_from_document(document, &error)
                                                           : NULL;
        if (!definition) {
                done(data, error);
                return;
        }
        Change *change = change_new(esx, domain->uuid, done, data);
        g_autofree char *spec = write_spec(change, domain->persistent, definition, before, document);
        if (g_hash_table_size(change->expected) == 0) /* it is so already */
                end(change, NULL);
        else
                change->wait = tasks_begin(esx, "ReconfigVM_Task", &machine->reference, spec, on_task, change);
}

/* Whether it is started with its host */

static void on_autostart(void *data, const GError *error) {
        Change *change = data;
        change->call = NULL;
        change->is_done = true;
        if (error || is_told(change))
                end(change, error);
}

static void set_autostart(Esx *esx, const EsxMachine *machine, const char *uuid, bool autostart, WorkDone done, void *data) {
        g_autoptr(GError) error = NULL;
        Change *change = change_new(esx, uuid, done, data);
        change->changes_autostart = true;
        change->autostart = autostart;
        change->call = autostart_set(esx, &machine->reference, autostart, on_autostart, change, &error);
        if (!change->call)
                end(change, error);
}

/* A new one */

static void on_registered(void *data, const GError *error) {
        Change *change = data;
        change->registering = NULL;
        change->is_done = true;
        if (error || is_told(change))
                end(change, error);
}

static void define_new(Esx *esx, const char *uuid, xmlDoc *document, WorkDone done, void *data) {
        g_autoptr(GError) error = NULL;
        Change *change = change_new(esx, uuid, done, data);
        change->is_new = true;
        change->registering = register_begin(esx, document, on_registered, change, &error);
        if (!change->registering)
                end(change, error);
}

/* One that goes */

static void on_unregistered(void *data, const GError *error) {
        Change *change = data;
        EsxMachine *machine = machine_of(change);
        change->call = NULL;
        if (!error && machine) {
                g_hash_table_remove(change->esx->shown, change->uuid);
                g_clear_pointer(&machine->uuid, g_free);
                inventory_drop(machine);
        }
        end(change, error);
}

static void undefine(Esx *esx, EsxMachine *machine, const char *uuid, WorkDone done, void *data) {
        Change *change = change_new(esx, uuid, done, data);
        change->call = vim_call(esx->vim, &(VimQuestion){ .method = "UnregisterVM", .object = &machine->reference },
                                on_unregistered, change);
}

/* All */

static bool check(const Connection *connection, const Domain *domain, bool is_removed, GError **error) {
        const Esx *esx = connection->data;
        if (!esx)
                return virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                         "connection %s is not one to a host: open esx://HOST/ or vpx://HOST/", connection->name);
        if (!esx->vim || connection->state != CONNECTION_CONNECTED)
                return virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "connection %s is not connected",
                                         connection->name);
        return !is_removed || !domain || !domain_is_active(domain) ||
               domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                           "VMware keeps a machine that runs; shut it down first");
}

static void define(Connection *connection, const char *uuid, const char *text, WorkDone done, void *data) {
        g_autoptr(GError) error = NULL;
        Esx *esx = connection->data;
        const Domain *domain = connection_find(connection, uuid);
        EsxMachine *machine = esx ? g_hash_table_lookup(esx->shown, uuid) : NULL;
        Kept kept = { 0 };
        g_auto(GStrv) shares = NULL;
        g_autoptr(xmlDoc) document = text ? xml_parse_own(text, "domain", &error) : NULL;
        if (document && kept_take(document, &kept, &error) && shares_take(document, &shares, &error) && shares)
                virtbus_error_set(&error, VIRTBUS_ERROR_UNSUPPORTED,
                                  "machines of VMware's are shared by its own permissions; set them there");
        if (!error)
                check(connection, domain, !text, &error);
        if (error || (!text && !machine))
                done(data, error);
        else if (text && machine && kept.autostart != domain->autostart)
                set_autostart(esx, machine, uuid, kept.autostart, done, data);
        else if (text && !machine)
                define_new(esx, uuid, document, done, data);
        else if (text)
                redefine(esx, machine, domain, document, done, data);
        else
                undefine(esx, machine, uuid, done, data);
}

static bool open_nothing(Connection *connection, GError **error) {
        (void) connection;
        (void) error;
        return true;
}

static void close_nothing(Connection *connection) {
        (void) connection;
}

const Definitions define_definitions = {
        .open = open_nothing,
        .close = close_nothing,
        .define = define,
};
