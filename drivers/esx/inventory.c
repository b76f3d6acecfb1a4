/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "esx/inventory.h"

#include <string.h>

#include "base/turns.h"
#include "base/uuid.h"
#include "base/xml.h"
#include "domain/connection-table.h"
#include "domain/domain-recover.h"
#include "domain/domain-run.h"
#include "domain/operations/own-snapshot.h"
#include "domain/operations/start.h"
#include "errors.h"
#include "esx/autostart.h"
#include "esx/hardware.h"
#include "esx/machine-document.h"
#include "log.h"
#include "vtables.h"

#define DEVICES "config.hardware.device"
#define QUESTION "runtime.question"
#define SNAPSHOTS "snapshot"

const char *const inventory_properties[] = {
        "name",
        "config.uuid",
        "config.annotation",
        "config.guestId",
        "config.version",
        "config.firmware",
        "config.files.vmPathName",
        "config.hardware.memoryMB",
        "config.hardware.numCPU",
        "config.hardware.numCoresPerSocket",
        MACHINE_SHARES,
        DEVICES,
        QUESTION,
        SNAPSHOTS,
        MACHINE_POWER,
        "runtime.bootTime",
        NULL,
};

/* The machines */

static void machine_free(void *data) {
        EsxMachine *machine = data;
        vim_reference_clear(&machine->reference);
        g_hash_table_unref(machine->values);
        g_free(machine->devices);
        g_free(machine->question);
        g_free(machine->asks);
        g_free(machine->choice);
        g_free(machine->uuid);
        told_snapshots_free(machine->snapshots);
        g_free(machine);
}

void inventory_open(Esx *esx) {
        esx->machines = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, machine_free);
        esx->shown = g_hash_table_new(g_str_hash, g_str_equal);
        esx->told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

void inventory_close(Esx *esx) {
        g_hash_table_unref(esx->shown);
        g_hash_table_unref(esx->machines);
        g_hash_table_unref(esx->told);
}

const char *inventory_value(const EsxMachine *machine, const char *property) {
        const char *value = g_hash_table_lookup(machine->values, property);
        return value ? value : "";
}

EsxMachine *inventory_of(const Domain *domain) {
        return g_hash_table_lookup(((Esx *) domain->connection->data)->shown, domain->uuid);
}

void inventory_touch(EsxMachine *machine) {
        machine->has_changed = true;
}

/* What is told */

static EsxMachine *machine_new(Esx *esx, const VimReference *reference) {
        EsxMachine *machine = g_new0(EsxMachine, 1);
        machine->esx = esx;
        vim_reference_set(&machine->reference, reference->type, reference->value);
        machine->values = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
        g_hash_table_insert(esx->machines, machine->reference.value, machine);
        return machine;
}

static void take_question(EsxMachine *machine, const xmlNode *value) {
        g_autofree char *text = xml_text_at(value, "text"), *index = xml_text_at(value, "choice/defaultIndex");
        g_clear_pointer(&machine->question, g_free);
        g_clear_pointer(&machine->asks, g_free);
        g_clear_pointer(&machine->choice, g_free);
        machine->is_answered = false;
        if (!value)
                return;
        machine->question = xml_text_at(value, "id");
        machine->asks = soap_plain(text);
        guint64 n = g_ascii_strtoull(index, NULL, 10);
        for (xmlNode *choice = xml_child(xml_child(value, "choice"), "choiceInfo"); choice;
             choice = xml_next(choice, "choiceInfo"))
                if (n-- == 0)
                        machine->choice = xml_text_at(choice, "key");
}

static void take_snapshots(EsxMachine *machine, const xmlNode *value) {
        g_clear_pointer(&machine->snapshots, told_snapshots_free);
        machine->snapshots = value ? told_snapshots_read(value) : NULL;
        machine->shows_snapshots = false;
}

/* One property; VALUE is NULL where it has none any more. */
static void take_change(EsxMachine *machine, const char *name, const xmlNode *value) {
        const char *known = NULL;
        for (size_t i = 0; inventory_properties[i]; i++)
                if (strcmp(inventory_properties[i], name) == 0)
                        known = inventory_properties[i];
        if (!known)
                return;
        if (strcmp(known, DEVICES) == 0) {
                g_autoptr(GString) lines = g_string_new(NULL);
                if (value)
                        hardware_write(value, lines);
                g_free(machine->devices);
                machine->devices = g_strdup(lines->str);
        } else if (strcmp(known, QUESTION) == 0)
                take_question(machine, value);
        else if (strcmp(known, SNAPSHOTS) == 0)
                take_snapshots(machine, value);
        else {
                bool is_level = strcmp(known, MACHINE_SHARES) == 0;
                g_autofree char *level = is_level ? xml_text_at(value, "level") : NULL;
                char *text = !value ? NULL : !is_level ? xml_text_at(value, "") : g_strdup(level);
                if (is_level && value && strcmp(level, "custom") == 0) {
                        g_free(text);
                        text = xml_text_at(value, "shares");
                }
                g_hash_table_insert(machine->values, (char *) known, text);
        }
}

/* Showing follows below. */
static void remove_machine(Esx *esx, EsxMachine *machine);

void inventory_update(Esx *esx, const VimReference *reference, const xmlNode *object) {
        EsxMachine *machine = g_hash_table_lookup(esx->machines, reference->value);
        if (!object) {
                if (machine)
                        remove_machine(esx, machine);
                return;
        }
        if (machine ? machine->is_dropped : g_hash_table_size(esx->machines) >= MACHINES_MAX)
                return;
        if (!machine)
                machine = machine_new(esx, reference);
        if (!machine->was_seen) { /* all of it is told */
                g_hash_table_remove_all(machine->values);
                g_clear_pointer(&machine->devices, g_free);
                take_question(machine, NULL);
                take_snapshots(machine, NULL);
        }
        machine->was_seen = machine->has_changed = true;
        for (xmlNode *change = xml_child(object, "changeSet"); change; change = xml_next(change, "changeSet")) {
                g_autofree char *name = xml_text_at(change, "name"), *op = xml_text_at(change, "op");
                take_change(machine, name, strcmp(op, "assign") == 0 ? xml_child(change, "val") : NULL);
        }
}

/* Runs */

EsxRun *inventory_run(Domain *domain) {
        EsxRun *run = domain->run;
        if (run)
                return run;
        run = g_new0(EsxRun, 1);
        run->domain = domain;
        domain->run = run;
        return run;
}

/* What is at work on it is not waited for any more. */
static void forget_work(EsxRun *run) {
        if (run->wait)
                tasks_forget(g_steal_pointer(&run->wait));
        if (run->call)
                vim_cancel(g_steal_pointer(&run->call));
        run->is_done = false;
        run->expected = NULL;
}

void inventory_free_run(Domain *domain) {
        EsxRun *run = g_steal_pointer(&domain->run);
        if (!run)
                return;
        forget_work(run);
        g_free(run);
}

void inventory_end_operation(EsxRun *run, const GError *error) {
        Operation *operation = g_steal_pointer(&run->operation);
        Domain *domain = run->domain;
        forget_work(run);
        if (error && operation_is(operation, &start_class))
                inventory_free_run(domain);
        if (operation)
                operation_finish(operation, error);
}

/* It is off now. */
static void end_run(Domain *domain, DomainReason reason) {
        EsxRun *run = domain->run;
        Operation *starting = run->operation && operation_is(run->operation, &start_class) ? run->operation : NULL;
        g_autoptr(GError) error = NULL;
        inventory_free_run(domain);
        if (!starting) {
                domain_stopped(domain, reason, NULL);
                return;
        }
        domain_fail(domain, &error, VIRTBUS_ERROR_CANCELLED, "it was ended while it started");
        operation_finish(starting, error);
}

/* Somebody else has started it, or it ran before we were there. */
static void adopt(Domain *domain, const EsxMachine *machine) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GDateTime) boot = g_date_time_new_from_iso8601(inventory_value(machine, "runtime.bootTime"), NULL);
        uint64_t since = boot ? (uint64_t) g_date_time_to_unix(boot) * 1000000 : (uint64_t) g_get_real_time();
        if (domain_adopt(domain->connection, "vmware", domain->uuid, domain_name(domain), since, &error))
                operations_run(domain);
        else
                log_error("domain '%s' runs and cannot be shown so: %s", domain_name(domain), error->message);
}

/* A question holds up whatever is done, until it is answered. */
static void tell_question(EsxMachine *machine, EsxRun *run) {
        g_autoptr(GError) error = NULL;
        if (!machine->question || machine->esx->answers || !run || !run->operation)
                return;
        domain_fail(run->domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                    "VMware waits for an answer to: %s; answer it there, or open the connection with ?auto_answer=1",
                    machine->asks);
        inventory_end_operation(run, error);
}

static void on_answered(void *data, const GError *error) {
        const Esx *esx = data;
        if (error)
                log_warning("connection %s: a question cannot be answered: %s", esx->connection->name, error->message);
}

static void answer(EsxMachine *machine) {
        g_autoptr(GString) arguments = g_string_new(NULL);
        if (!machine->question || !machine->esx->answers || machine->is_answered || !machine->choice || !machine->esx->vim)
                return;
        machine->is_answered = true;
        soap_put(arguments, "questionId", NULL, machine->question);
        soap_put(arguments, "answerChoice", NULL, machine->choice);
        log_warning("machine '%s' asks: %s; the answer is %s, as the URI says auto_answer=1", inventory_value(machine, "name"),
                    machine->asks, machine->choice);
        vim_call(machine->esx->vim,
                 &(VimQuestion){ .method = "AnswerVM", .object = &machine->reference, .arguments = arguments->str }, on_answered,
                 machine->esx);
}

/* True where it is settled. */
static bool settle(EsxMachine *machine, Domain *domain, bool is_last) {
        const char *power = inventory_value(machine, MACHINE_POWER);
        EsxRun *run = domain->run;
        bool is_off = strcmp(power, MACHINE_OFF) == 0, is_suspended = strcmp(power, MACHINE_SUSPENDED) == 0;
        answer(machine);
        tell_question(machine, run);
        run = domain->run;
        if (run && (run->operation || run->is_ending) && run->expected) {
                if (!run->is_done)
                        return true; /* its task tells */
                if (strcmp(power, run->expected) != 0 && !is_last)
                        return false;
                if (!run->is_ending)
                        inventory_end_operation(run, NULL);
                run = domain->run;
        }
        if (!run && !is_off) {
                bool is_held = domain->operation && !own_snapshot_is(domain->operation);
                if (domain_is_active(domain) || is_held || domain->waiting.length > 0 || domain->holds > 0)
                        return false;
                adopt(domain, machine);
                return true;
        }
        if (!run)
                return true;
        if (is_off && (run->is_ending || !operation_is(run->operation, &start_class)))
                end_run(domain, run->is_ending                                                ? REASON_DESTROYED
                                : operation_is(domain->operation, &own_snapshot_revert_class) ? REASON_SNAPSHOT
                                                                                              : REASON_SHUTDOWN);
        else if (!run->operation && is_suspended && domain->state == DOMAIN_RUNNING)
                domain_changed(domain, DOMAIN_PAUSED, REASON_USER);
        else if (!run->operation && !is_suspended && !is_off && domain->state == DOMAIN_PAUSED)
                domain_changed(domain, DOMAIN_RUNNING, REASON_RESUMED);
        return true;
}

/* Documents */

/* What is left out is said once, until it is another fault. */
static void tell_fault(const EsxMachine *machine, const char *what, const char *fault) {
        Esx *esx = machine->esx;
        const char *before = g_hash_table_lookup(esx->told, machine->reference.value);
        g_autofree char *name = soap_plain(inventory_value(machine, "name"));
        if (before && strcmp(before, fault) == 0)
                return;
        log_error("connection %s: machine '%s' (%s) %s: %s", esx->connection->name, name, machine->reference.value, what, fault);
        g_hash_table_insert(esx->told, g_strdup(machine->reference.value), g_strdup(fault));
}

/* One with a device that no document can tell is shown without its devices: it is there. */
static Definition *read_definition(const EsxMachine *machine) {
        g_autoptr(GError) error = NULL, worse = NULL;
        g_autofree char *uuid = uuid_normalize(inventory_value(machine, "config.uuid"));
        Definition *definition = NULL;
        if (!uuid || !*inventory_value(machine, "name")) { /* its files are not reached */
                tell_fault(machine, "is not shown", "the hypervisor knows nothing of it");
                return NULL;
        }
        if ((definition = machine_document_read(machine->values, machine->devices ? machine->devices : "", &error)))
                g_hash_table_remove(machine->esx->told, machine->reference.value);
        else if ((definition = machine_document_read(machine->values, "", &worse)))
                tell_fault(machine, "is shown without its devices", error->message);
        else
                tell_fault(machine, "is not shown", worse->message);
        return definition;
}

/* Showing */

/* It is not there any more, as the UUID that it is shown as. */
static void hide(EsxMachine *machine) {
        Esx *esx = machine->esx;
        g_autofree char *uuid = g_steal_pointer(&machine->uuid);
        if (!uuid)
                return;
        g_hash_table_remove(esx->shown, uuid);
        machine->shows_snapshots = false;
        Domain *domain = connection_find(esx->connection, uuid);
        if (!domain || turns_taken(esx->connection->turns, uuid, domain_name(domain)))
                return;
        domain_ref(domain);
        if (domain->persistent && domain->run)
                end_run(domain, REASON_UNKNOWN);
        if (domain->persistent)
                domain_undefine(domain);
        domain_unref(domain);
}

static void remove_machine(Esx *esx, EsxMachine *machine) {
        hide(machine);
        g_hash_table_remove(esx->told, machine->reference.value);
        g_hash_table_remove(esx->machines, machine->reference.value);
}

/* Another machine has its UUID, or its name: they would be one domain. */
static bool check_unique(EsxMachine *machine, const Definition *definition) {
        const Esx *esx = machine->esx;
        const EsxMachine *other = g_hash_table_lookup(esx->shown, definition->uuid);
        Domain *domain = connection_find(esx->connection, definition->uuid),
               *same = connection_find_name(esx->connection, definition->name);
        if (other && other != machine)
                tell_fault(machine, "is not shown", "another machine has its UUID; give one of them another");
        else if (same && same != domain)
                tell_fault(machine, "is not shown", "another machine has its name; rename one of them");
        else
                return true;
        return false;
}

static void show_autostart(const EsxMachine *machine, Domain *domain) {
        bool autostart = autostart_has(machine->esx, machine->reference.value);
        if (domain->autostart == autostart)
                return;
        domain->autostart = autostart;
        domain_announce(domain, (const int[]){ DOMAIN_AUTOSTART, -1 });
}

void inventory_show_autostart(Esx *esx) {
        GHashTableIter iterator;
        void *key, *value;
        g_hash_table_iter_init(&iterator, esx->shown);
        while (g_hash_table_iter_next(&iterator, &key, &value)) {
                Domain *domain = connection_find(esx->connection, key);
                if (domain)
                        show_autostart(value, domain);
        }
}

static void show_snapshots(EsxMachine *machine, Domain *domain) {
        if (machine->shows_snapshots)
                return;
        machine->shows_snapshots = true;
        if (machine->snapshots && machine->snapshots->is_incomplete)
                tell_fault(machine, "is shown without some of its snapshots", "there are too many, or some cannot be told apart");
        told_snapshots_show(machine->snapshots, domain);
}

/* True where nothing is left to be done for it. */
static bool show(EsxMachine *machine, bool is_last) {
        Esx *esx = machine->esx;
        Connection *connection = esx->connection;
        g_autoptr(Definition) definition = read_definition(machine);
        bool fits = definition && check_unique(machine, definition);
        if (!fits || g_strcmp0(machine->uuid, definition->uuid) != 0)
                hide(machine);
        if (!fits)
                return true;
        if (!machine->uuid) {
                machine->uuid = g_strdup(definition->uuid);
                g_hash_table_insert(esx->shown, machine->uuid, machine);
        }
        g_autoptr(Domain) domain = connection_find(connection, definition->uuid);
        if (domain)
                domain_ref(domain);
        if (turns_taken(connection->turns, definition->uuid, definition->name)) { /* who changes it has it shown again */
                if (domain) {
                        show_snapshots(machine, domain);
                        settle(machine, domain, is_last);
                }
                return false;
        }
        if (!domain)
                domain = domain_new(connection, definition, true, connection->owner, false);
        else if (!domain->persistent || strcmp(domain->persistent->xml, definition->xml) != 0) {
                domain_redefine(domain, definition);
                if (!domain_is_active(domain))
                        connection_know_as(connection, domain, definition->name);
                else if (domain->live && strcmp(domain->live->xml, definition->xml) != 0)
                        domain_set_live(domain, definition);
        }
        show_autostart(machine, domain);
        show_snapshots(machine, domain);
        return settle(machine, domain, is_last);
}

void inventory_drop(EsxMachine *machine) {
        machine->is_dropped = true;
        machine->has_changed = false;
        hide(machine);
}

void inventory_cut(Esx *esx, const GError *error) {
        g_autoptr(GList) domains = g_hash_table_get_values(esx->connection->by_uuid);
        for (GList *link = domains; link; link = link->next)
                domain_ref(link->data);
        for (GList *link = domains; link; link = link->next) {
                EsxRun *run = ((Domain *) link->data)->run;
                if (!run || !run->call)
                        continue;
                run->call = NULL; /* it went with the session */
                if (run->operation)
                        inventory_end_operation(run, error);
        }
        g_list_foreach(domains, (GFunc) (void (*)(void)) domain_unref, NULL);
}

void inventory_show(Esx *esx, bool is_last) {
        g_autoptr(GList) machines = g_hash_table_get_values(esx->machines);
        for (GList *link = machines; link; link = link->next) {
                EsxMachine *machine = link->data;
                if (machine->has_changed)
                        machine->has_changed = !show(machine, is_last);
        }
}

void inventory_begin(Esx *esx) {
        GHashTableIter iterator;
        void *value;
        g_hash_table_iter_init(&iterator, esx->machines);
        while (g_hash_table_iter_next(&iterator, NULL, &value))
                ((EsxMachine *) value)->was_seen = false;
}

void inventory_finish(Esx *esx) {
        g_autoptr(GList) machines = g_hash_table_get_values(esx->machines);
        for (GList *link = machines; link; link = link->next)
                if (!((EsxMachine *) link->data)->was_seen) /* dropped ones, too */
                        remove_machine(esx, link->data);
        inventory_show(esx, true);
}
