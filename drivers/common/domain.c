/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain.h"

#include <stdarg.h>
#include <string.h>

#include "bus.h"
#include "connection.h"
#include "device-change.h"
#include "log.h"
#include "save.h"
#include "statistics.h"
#include "vtables.h"

static const char *const state_names[DOMAIN_N_STATES] = {
        [DOMAIN_SHUTOFF] = "shutoff",         [DOMAIN_STARTING] = "starting", [DOMAIN_RUNNING] = "running",
        [DOMAIN_PAUSED] = "paused",           [DOMAIN_STOPPING] = "stopping", [DOMAIN_CRASHED] = "crashed",
        [DOMAIN_PMSUSPENDED] = "pmsuspended",
};

static const char *const reason_names[DOMAIN_N_REASONS] = {
        [REASON_UNKNOWN] = "unknown",   [REASON_BOOTED] = "booted",         [REASON_RESUMED] = "resumed",
        [REASON_USER] = "user",         [REASON_SHUTDOWN] = "shutdown",     [REASON_DESTROYED] = "destroyed",
        [REASON_CRASHED] = "crashed",   [REASON_FAILED] = "failed",         [REASON_IO_ERROR] = "io-error",
        [REASON_DUMP] = "dump",         [REASON_SAVING] = "saving",         [REASON_SAVED] = "saved",
        [REASON_RESTORED] = "restored", [REASON_REATTACHED] = "reattached",
};

#define IN(state) (1u << (state))
#define ACTIVE (IN(DOMAIN_RUNNING) | IN(DOMAIN_PAUSED) | IN(DOMAIN_CRASHED) | IN(DOMAIN_PMSUSPENDED))
#define SETTLED (IN(DOMAIN_SHUTOFF) | ACTIVE)

/* The operations by kind: in which states each may begin. */
static const struct {
        const char *name;
        unsigned states;
        const char *needs;
} kinds[] = {
        [OPERATION_START] = { "Start", IN(DOMAIN_SHUTOFF), "be shutoff" },
        [OPERATION_SUSPEND] = { "Suspend", IN(DOMAIN_RUNNING), "be running" },
        [OPERATION_RESUME] = { "Resume", IN(DOMAIN_PAUSED), "be paused" },
        [OPERATION_SHUTDOWN] = { "Shutdown", IN(DOMAIN_RUNNING), "be running; Destroy ends it in any state" },
        [OPERATION_REBOOT] = { "Reboot", IN(DOMAIN_RUNNING), "be running; Reset restarts it in any state" },
        [OPERATION_RESET] = { "Reset", ACTIVE, "be active" },
        [OPERATION_DUMP] = { "Dump", ACTIVE, "be active" },
        [OPERATION_SAVE] = { "Save", ACTIVE, "be active" },
        [OPERATION_ATTACH] = { "AttachDevice", SETTLED, "have started or stopped" },
        [OPERATION_DETACH] = { "Detach", SETTLED, "have started or stopped" },
        [OPERATION_UPDATE] = { "Update", SETTLED, "have started or stopped" },
        [OPERATION_RESIZE] = { "SetMemory and SetVCPUs", SETTLED, "have started or stopped" },
        [OPERATION_REATTACH] = { "Reattach", ~0u, "exist" },
};

static void run_next(Domain *domain);

static const Hypervisor *hypervisor_of(const Domain *domain) {
        return domain->connection->hypervisor;
}

Domain *domain_ref(Domain *domain) {
        domain->n_references++;
        return domain;
}

static void operation_free(Operation *operation) {
        if (operation->fd >= 0)
                close(operation->fd);
        if (operation->status)
                xmlFreeDoc(operation->status);
        if (operation->change)
                device_change_free(operation->change);
        if (operation->saving)
                saving_free(operation->saving);
        if (operation->restoring)
                restoring_free(operation->restoring);
        g_free(operation);
}

void domain_unref(Domain *domain) {
        if (--domain->n_references > 0)
                return;
        if (domain->published)
                domain_withdraw(domain);
        if (domain->operation) {
                g_autoptr(GError) error = NULL;
                domain_fail(domain, &error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
                if (domain->operation->job)
                        job_end(domain->operation->job, error);
                operation_free(domain->operation);
        }
        g_queue_clear_full(&domain->waiting, (GDestroyNotify) operation_free);
        g_clear_pointer(&domain->statistics, statistics_free);
        g_clear_pointer(&domain->disk_errors, g_hash_table_unref);
        g_ptr_array_unref(domain->devices);
        g_clear_pointer(&domain->live, definition_unref);
        g_clear_pointer(&domain->persistent, definition_unref);
        g_free(domain->uuid);
        g_free(domain->known_as);
        g_free(domain);
}

Domain *domain_new(Connection *connection, const Definition *definition, bool persistent, uid_t owner) {
        Domain *domain = g_new0(Domain, 1);
        domain->n_references = 1;
        domain->connection = connection;
        domain->uuid = g_strdup(definition->uuid);
        domain->owner = owner;
        if (persistent)
                domain->persistent = definition_ref((Definition *) definition);
        else
                domain->live = definition_ref((Definition *) definition);
        domain->devices = g_ptr_array_new();
        g_queue_init(&domain->waiting);
        g_queue_init(&domain->destroyers);
        connection_add(connection, domain);
        domain_publish(domain);
        return domain;
}

Definition *domain_definition(const Domain *domain) {
        return domain->live ? domain->live : domain->persistent;
}

const char *domain_name(const Domain *domain) {
        return domain_definition(domain)->name;
}

bool domain_is_active(const Domain *domain) {
        return domain->state != DOMAIN_SHUTOFF;
}

const char *domain_state_name(DomainState state) {
        return state_names[state];
}

const char *domain_reason_name(DomainReason reason) {
        return reason_names[reason];
}

static int find_name(const char *const *names, int n, const char *name) {
        for (int i = 0; i < n; i++)
                if (strcmp(names[i], name) == 0)
                        return i;
        return 0;
}

DomainState domain_state_from_name(const char *name) {
        return (DomainState) find_name(state_names, DOMAIN_N_STATES, name);
}

DomainReason domain_reason_from_name(const char *name) {
        return (DomainReason) find_name(reason_names, DOMAIN_N_REASONS, name);
}

bool domain_fail(const Domain *domain, GError **error, VirtbusError code, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        g_autofree char *message = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        return virtbus_error_set(error, code, "domain '%s': %s", domain_name(domain), message);
}

GError *domain_name_error(const Domain *domain, const GError *error) {
        g_autofree char *prefix = g_strdup_printf("domain '%s': ", domain_name(domain));
        GError *named = NULL;
        if (g_str_has_prefix(error->message, prefix))
                return g_error_copy(error);
        domain_fail(domain, &named, virtbus_error_code(error), "%s", error->message);
        return named;
}

/* Status on disk */

/* The live definition goes in as it is: its text was made from a document of ours, and reading and copying that each time is what takes long. */
static char *insert_live(const char *status, const char *live) {
        const char *end = g_strrstr(status, "</virtbus-status>");
        const char *declaration = g_str_has_prefix(live, "<?xml ") ? strstr(live, "?>") : NULL;
        g_autofree char *before = g_strndup(status, (gsize) (end - status));
        return g_strconcat(before, declaration ? declaration + strlen("?>") : live, end, NULL);
}

bool domain_save_status(Domain *domain) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = NULL;
        if (domain_is_active(domain)) {
                g_autoptr(xmlDoc) status = xmlNewDoc((const xmlChar *) "1.0");
                xmlNode *root = xmlNewDocNode(status, NULL, (const xmlChar *) "virtbus-status", NULL);
                const struct {
                        const char *name;
                        uint64_t value;
                } numbers[] = {
                        { "id", domain->id },
                        { "owner", domain->owner },
                        { "start-time", domain->start_time },
                        { "reboot", domain->reboot },
                        { "saving", domain->operation && domain->operation->kind == OPERATION_SAVE },
                        { "resumes", domain->resumes },
                        { "save-used", domain->save_is_used },
                };
                xmlDocSetRootElement(status, root);
                xml_set_number(root, "format", STORE_FORMAT);
                xml_set_attribute(root, "state", state_names[domain->state]);
                xml_set_attribute(root, "reason", reason_names[domain->reason]);
                for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
                        char number[24];
                        g_snprintf(number, sizeof number, "%" G_GUINT64_FORMAT, numbers[i].value);
                        xml_set_attribute(root, numbers[i].name, number);
                }
                if (domain->operation && domain->operation->saving && saving_temporary(domain->operation))
                        xml_set_attribute(root, "saving-file", saving_temporary(domain->operation));
                hypervisor_of(domain)->save(domain, xml_add(root, "run", NULL));
                g_autofree char *run = xml_document_text(status);
                text = insert_live(run, domain->live->xml);
        }
        if (store_save_status(domain->connection->store, domain->uuid, text, &error))
                return true;
        log_error("domain '%s': what is known of its run cannot be written: %s", domain_name(domain), error->message);
        return false;
}

/* A word of a table, which must be there. */
static bool read_word(const xmlNode *root, const char *attribute, const char *const *names, int n, int *index, GError **error) {
        g_autofree char *word = xml_attribute(root, attribute);
        for (*index = 0; word && *index < n; ++*index)
                if (strcmp(names[*index], word) == 0)
                        return true;
        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "%s is '%.32s'", attribute, word ? word : "");
}

/* It is active from now on; what STATUS says of its run is read when it is reattached. */
static void take_over(Domain *domain, Definition *live, DomainState state, DomainReason reason, xmlDoc *status) {
        if (!domain->live)
                domain->live = definition_ref(live);
        domain->state = state;
        domain->reason = domain->stop_reason = reason;
        domain->connection->n_active++;
        domain_announce(domain, NULL);
        domain_publish_devices(domain);
        Operation *reattach = g_new0(Operation, 1);
        *reattach = (Operation){ .domain = domain, .kind = OPERATION_REATTACH, .fd = -1, .status = xmlCopyDoc(status, 1) };
        g_queue_push_tail(&domain->waiting, reattach);
}

/* What is shown of a guest of which nothing is known but its name. */
#define ADOPTED "<domain type='qemu'><name>%s</name><uuid>%s</uuid><memory>1024</memory><os><type>hvm</type></os></domain>"

bool domain_restore(Connection *connection, xmlDoc *status, const char *uuid, GError **error) {
        xmlNode *root = xmlDocGetRootElement(status), *element = xml_child(root, "domain");
        uint64_t id = 0, owner = 0, start_time = 0, reboot = 0, saving = 0, resumes = 0, save_used = 0;
        int state, reason;
        if (!store_check_format(root, error))
                return false;
        if (!element || !xml_child(root, "run"))
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "<%s> is missing", element ? "run" : "domain");
        if (!xml_number_attribute(root, "id", 1, UINT32_MAX, &id, error) ||
            !xml_number_attribute(root, "owner", 0, UINT32_MAX, &owner, error) ||
            !xml_number_attribute(root, "start-time", 0, UINT64_MAX, &start_time, error) ||
            !xml_number_attribute(root, "reboot", 0, 1, &reboot, error) ||
            !xml_number_attribute(root, "saving", 0, 1, &saving, error) ||
            !xml_number_attribute(root, "resumes", 0, 1, &resumes, error) ||
            !xml_number_attribute(root, "save-used", 0, 1, &save_used, error) ||
            !read_word(root, "state", state_names, DOMAIN_N_STATES, &state, error) ||
            !read_word(root, "reason", reason_names, DOMAIN_N_REASONS, &reason, error))
                return false;
        if (id == 0 || state == DOMAIN_SHUTOFF)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "this is not the status of a running domain");
        g_autofree char *xml = xml_element_text(element);
        g_autoptr(Definition) live = definition_parse(xml, error);
        Domain *existing = NULL;
        if (!live || !connection_find_same(connection, live, &existing, error))
                return false;
        if (strcmp(live->uuid, uuid) != 0)
                return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, root, "its UUID is %s", live->uuid);
        g_autoptr(Domain) domain = existing ? domain_ref(existing) : domain_new(connection, live, false, (uid_t) owner);
        domain->id = (uint32_t) id;
        domain->reboot = reboot;
        domain->was_saving = saving;
        domain->resumes = resumes;
        domain->save_is_used = save_used;
        g_autofree char *half = xml_attribute(root, "saving-file");
        if (half)
                saving_forget(connection, half);
        connection->last_id = MAX(connection->last_id, domain->id);
        domain->start_time = start_time;
        take_over(domain, live, (DomainState) state, (DomainReason) reason, status);
        return true;
}

bool domain_adopt(Connection *connection, const char *uuid, const char *name, uint64_t start_time, GError **error) {
        Domain *existing = connection_find(connection, uuid), *found = NULL;
        g_autofree char *xml = g_markup_printf_escaped(ADOPTED, name, uuid);
        g_autoptr(xmlDoc) status = xml_parse_own("<virtbus-status><run/></virtbus-status>", "virtbus-status", error);
        g_autoptr(Definition) live = existing ? definition_ref(existing->persistent) : definition_parse(xml, error);
        if (!status || !live || !connection_find_same(connection, live, &found, error))
                return false;
        g_autoptr(Domain) domain = existing ? domain_ref(existing) : domain_new(connection, live, false, 0);
        domain->id = ++connection->last_id;
        domain->start_time = start_time;
        take_over(domain, live, DOMAIN_RUNNING, REASON_UNKNOWN, status);
        return true;
}

void domain_reattach(Domain *domain) {
        run_next(domain);
}

/* States */

/* Tells a program that embeds the driver. */
static void observe(Domain *domain, const GError *error) {
        if (domain->connection->observer)
                domain->connection->observer(domain, error, domain->connection->observer_data);
}

static void enter_state(Domain *domain, DomainState state, DomainReason reason) {
        DomainState old = domain->state;
        domain->state = state;
        domain->reason = reason;
        if (old == DOMAIN_SHUTOFF)
                domain->connection->n_active++;
        domain_announce_state(domain, old);
        observe(domain, NULL);
}

/* False where it could not be written down. */
static bool set_state(Domain *domain, DomainState state, DomainReason reason) {
        if (domain->state == state && domain->reason == reason)
                return true;
        enter_state(domain, state, reason);
        bool written = domain_save_status(domain);
        /* Whose processors run is further than what was saved of it. */
        if (state == DOMAIN_RUNNING && domain->has_managed_save && written)
                save_remove_managed(domain);
        return written;
}

static void forget_disk_errors(Domain *domain) {
        if (!domain->disk_errors)
                return;
        g_clear_pointer(&domain->disk_errors, g_hash_table_unref);
        domain_announce_disk_errors(domain);
}

static bool change_state(Domain *domain, DomainState state, DomainReason reason) {
        if (domain->state == DOMAIN_STOPPING || domain->state == DOMAIN_SHUTOFF)
                return true;
        if (state == DOMAIN_RUNNING && domain->state != state)
                forget_disk_errors(domain);
        return set_state(domain, state, reason);
}

void domain_changed(Domain *domain, DomainState state, DomainReason reason) {
        change_state(domain, state, reason);
}

void domain_set_live(Domain *domain, Definition *definition) {
        definition_ref(definition);
        g_clear_pointer(&domain->live, definition_unref);
        domain->live = definition;
        domain_announce(domain, NULL);
        domain_publish_devices(domain);
}

/* Takes an edited document as the live one. */
static void take_live(Domain *domain, xmlDoc *document) {
        g_autoptr(Definition) live = definition_from_document(document, NULL);
        if (!live)
                return;
        domain_set_live(domain, live);
        domain_save_status(domain);
}

void domain_device_gone(Domain *domain, const char *alias) {
        g_autoptr(xmlDoc) document = domain->live ? xml_parse(domain->live->xml, "domain", NULL) : NULL;
        xmlNode *element = document ? device_change_element(document, domain->live, alias) : NULL;
        if (domain->operation && domain->operation->change)
                g_ptr_array_add(domain->operation->change->gone, g_strdup(alias));
        if (!element)
                return;
        xml_remove(element);
        take_live(domain, document);
}

void domain_memory_changed(Domain *domain, uint64_t bytes) {
        g_autoptr(xmlDoc) document =
                        domain->live && domain->live->memory != bytes ? xml_parse(domain->live->xml, "domain", NULL) : NULL;
        if (!document)
                return;
        /* Also in what an operation at work will make of it. */
        xmlDoc *documents[] = { document,
                                domain->operation && domain->operation->change ? domain->operation->change->document : NULL };
        for (size_t i = 0; i < G_N_ELEMENTS(documents) && documents[i]; i++)
                definition_set_memory(xmlDocGetRootElement(documents[i]), bytes);
        take_live(domain, document);
}

void domain_vcpus_changed(Domain *domain, uint32_t count) {
        g_autoptr(xmlDoc) document = domain->live ? xml_parse(domain->live->xml, "domain", NULL) : NULL;
        if (!document)
                return;
        xml_set_number(xml_ensure_child(xmlDocGetRootElement(document), "vcpu"), "current", count);
        take_live(domain, document);
}

void domain_disk_failed(Domain *domain, const char *alias, const char *error) {
        if (!domain->disk_errors)
                domain->disk_errors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_hash_table_insert(domain->disk_errors, g_strdup(alias), (void *) error);
        domain_announce_disk_errors(domain);
}

void domain_redefine(Domain *domain, Definition *definition) {
        bool was_persistent = domain->persistent != NULL;
        definition_ref(definition);
        g_clear_pointer(&domain->persistent, definition_unref);
        domain->persistent = definition;
        if (!domain_is_active(domain)) { /* one that had none, and has ended, would have gone */
                g_clear_pointer(&domain->live, definition_unref);
                domain_announce(domain, NULL);
                domain_publish_devices(domain);
        } else if (!was_persistent)
                domain_announce(domain, (const int[]){ DOMAIN_PERSISTENT, -1 });
}

static void fail_waiting(Domain *domain, const GError *error) {
        for (Operation *waiting; (waiting = g_queue_pop_head(&domain->waiting));) {
                if (waiting->call)
                        call_fail(waiting->call, error);
                operation_free(waiting);
        }
}

/* The domain's end: its object goes, references to it may stay. */
static void forget(Domain *domain) {
        g_autoptr(GError) error = NULL;
        domain_fail(domain, &error, VIRTBUS_ERROR_NO_SUCH_DOMAIN, "it was undefined, or has ended, meanwhile");
        fail_waiting(domain, error);
        domain_withdraw(domain);
        connection_remove(domain->connection, domain);
}

/* A transient domain has ended. Somebody may have given it a definition, or started it again, before its turn came. */
static void on_forget_turn(void *data, Turn *turn, const GError *cancelled) {
        g_autoptr(Domain) domain = data; /* the reference that was held */
        (void) cancelled;
        if (domain->published && !domain->persistent && !domain_is_active(domain) && !domain->operation)
                forget(domain);
        if (turn)
                turn_end(turn);
        connection_idle(domain->connection);
}

static void forget_in_turn(Domain *domain) {
        turns_take(domain->connection->turns, domain->uuid, domain_name(domain), on_forget_turn, domain_ref(domain));
}

void domain_undefine(Domain *domain) {
        domain->autostart = false;
        if (domain_is_active(domain) || domain->operation) {
                /* One that is inactive and has an operation at work goes when that has ended. */
                if (!domain->live)
                        domain->live = definition_ref(domain->persistent);
                g_clear_pointer(&domain->persistent, definition_unref);
                domain_announce(domain, (const int[]){ DOMAIN_PERSISTENT, DOMAIN_AUTOSTART, -1 });
        } else
                forget(domain);
}

void domain_cancel(Domain *domain, const GError *error) {
        Operation *operation = domain->operation;
        fail_waiting(domain, error);
        for (Call *call; (call = g_queue_pop_head(&domain->destroyers));)
                call_fail(call, error);
        if (operation && operation->job)
                job_end(g_steal_pointer(&operation->job), error);
        if (operation && operation->call)
                call_fail(g_steal_pointer(&operation->call), error);
}

static void end_waiting(Domain *domain) {
        g_autoptr(GError) error = NULL;
        domain_fail(domain, &error, VIRTBUS_ERROR_CANCELLED, "it was ended before the operation began");
        fail_waiting(domain, error);
}

/* The domain is off, because of ERROR or NULL: what follows for all who wait, and for itself. */
static void off(Domain *domain, DomainReason reason, const GError *error) {
        DomainState old = domain->state;
        end_waiting(domain);
        forget_disk_errors(domain);
        statistics_collected(domain); /* nobody waits for it any more, nor shows what it used */
        g_clear_pointer(&domain->statistics, statistics_free);
        domain->state = DOMAIN_SHUTOFF;
        domain->reason = reason;
        domain->id = 0;
        domain->start_time = 0;
        domain->reboot = false;
        domain->connection->n_active--;
        if (domain->persistent)
                g_clear_pointer(&domain->live, definition_unref);
        domain_announce_state(domain, old);
        domain_save_status(domain);
        if (domain->persistent) {
                domain_announce(domain, NULL);
                domain_publish_devices(domain);
        }
        observe(domain, error);
        if (!domain->persistent && !domain->operation)
                forget_in_turn(domain);
        for (Call *call; (call = g_queue_pop_head(&domain->destroyers));)
                reply_domain_destroy(call);
        connection_idle(domain->connection);
}

void domain_stopped(Domain *domain, DomainReason reason, const GError *error) {
        g_autoptr(Domain) keep = domain_ref(domain);
        /* One that writes the definition goes on with that. */
        bool saved = domain->operation && saving_is_done(domain->operation);
        bool writes = domain->operation && domain->operation->change && domain->operation->change->storing;
        Operation *operation = writes ? NULL : g_steal_pointer(&domain->operation);
        if (domain->state == DOMAIN_STOPPING)
                reason = domain->stop_reason;
        off(domain, reason, error);
        if (!operation)
                return;
        g_autoptr(GError) cancelled = NULL;
        if (saved)
                error = NULL;
        else if (!error) {
                domain_fail(domain, &cancelled, VIRTBUS_ERROR_CANCELLED, "it ended while the operation was at work");
                error = cancelled;
        }
        if (operation->job)
                job_end(operation->job, error);
        else if (operation->call)
                call_fail(operation->call, error);
        operation_free(operation);
}

/* Operations */

static bool check_begin(const Domain *domain, const Operation *operation, GError **error) {
        if (domain->connection->closing)
                return domain_fail(domain, error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        if (operation->kind == OPERATION_START && !connection_check_known(domain->connection, domain->uuid, error))
                return false;
        if (kinds[operation->kind].states & IN(domain->state))
                return true;
        return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID, "it is %s; for %s it must %s",
                           state_names[domain->state], kinds[operation->kind].name, kinds[operation->kind].needs);
}

static void begin_start(Operation *operation) {
        Domain *domain = operation->domain;
        if (!domain->live) /* a transient one keeps its own while it is off */
                domain->live = definition_ref(domain->persistent);
        domain->id = ++domain->connection->last_id;
        domain->start_time = (uint64_t) g_get_real_time();
        if (operation->restoring)
                restoring_take(operation);
        enter_state(domain, DOMAIN_STARTING,
                    operation->restoring                    ? REASON_RESTORED
                    : operation->creates || operation->call ? REASON_USER
                                                            : REASON_UNKNOWN);
        if (domain->has_managed_save && !operation->restoring && !operation->boots)
                restoring_begin_managed(operation);
        else
                hypervisor_of(domain)->start(operation);
}

static void cancel_dump(Job *job, void *data) {
        Operation *operation = data;
        (void) job;
        hypervisor_of(operation->domain)->cancel_dump(operation);
}

static void begin_dump(Operation *operation) {
        Domain *domain = operation->domain;
        operation->job = job_new(domain->connection->objects, hypervisor_of(domain)->connection, "dump",
                                 published_path(domain->published), operation->call->uid,
                                 hypervisor_of(domain)->cancel_dump ? cancel_dump : NULL, operation);
        reply_domain_dump(g_steal_pointer(&operation->call), job_path(operation->job));
        hypervisor_of(domain)->dump(operation);
}

static void begin(Operation *operation) {
        Domain *domain = operation->domain;
        const Hypervisor *hypervisor = hypervisor_of(domain);
        switch (operation->kind) {
        case OPERATION_START:
                begin_start(operation);
                break;
        case OPERATION_SUSPEND:
                hypervisor->suspend(operation);
                break;
        case OPERATION_RESUME:
                hypervisor->resume(operation);
                break;
        case OPERATION_REBOOT:
        case OPERATION_SHUTDOWN:
                domain->reboot = operation->kind == OPERATION_REBOOT;
                domain_save_status(domain);
                hypervisor->shutdown(operation);
                break;
        case OPERATION_RESET:
                hypervisor->reset(operation);
                break;
        case OPERATION_DUMP:
                begin_dump(operation);
                break;
        case OPERATION_SAVE:
                saving_begin(operation);
                break;
        case OPERATION_ATTACH:
        case OPERATION_DETACH:
        case OPERATION_UPDATE:
        case OPERATION_RESIZE:
                device_change_begin(operation);
                break;
        case OPERATION_REATTACH:
                hypervisor->reattach(operation, xml_child(xmlDocGetRootElement(operation->status), "run"));
                break;
        }
}

static void run_next(Domain *domain) {
        g_autoptr(Domain) keep = domain_ref(domain);
        while (!domain->operation && !domain->renaming && !g_queue_is_empty(&domain->waiting)) {
                g_autoptr(GError) error = NULL;
                Operation *operation = g_queue_pop_head(&domain->waiting);
                if (check_begin(domain, operation, &error)) {
                        domain->operation = operation;
                        begin(operation);
                        continue;
                }
                if (operation->call)
                        call_fail(operation->call, error);
                operation_free(operation);
        }
        if (!domain->operation && !domain->persistent && !domain_is_active(domain) && domain->published)
                forget_in_turn(domain); /* it was undefined, or has ended, while operations were at work */
}

void domain_hold(Domain *domain, bool hold) {
        domain->renaming = hold;
        run_next(domain);
}

void domain_operate(Domain *domain, Operation template) {
        Operation *operation = g_new(Operation, 1);
        *operation = template;
        operation->domain = domain;
        if (operation->kind != OPERATION_DUMP)
                operation->fd = -1;
        if (g_queue_get_length(&domain->waiting) >= OPERATIONS_WAITING_MAX) {
                g_autoptr(GError) error = NULL;
                domain_fail(domain, &error, VIRTBUS_ERROR_RESOURCE_BUSY,
                            "%d operations wait already; call again when some are done", OPERATIONS_WAITING_MAX);
                if (operation->call)
                        call_fail(operation->call, error);
                operation_free(operation);
                return;
        }
        g_queue_push_tail(&domain->waiting, operation);
        run_next(domain);
}

static void reply_done(Operation *operation) {
        Call *call = g_steal_pointer(&operation->call);
        if (call && operation->creates)
                reply_connection_create_domain(call, published_path(operation->domain->published));
        else if (call && operation->kind == OPERATION_ATTACH)
                reply_domain_attach_device(call, operation->change->path);
        else if (call)
                call_reply(call, "");
}

/* A guest that is not written down as started would be ended by the next driver, or started a second time: it is ended now. */
static bool follow_start(const Operation *operation, GError **error) {
        Domain *domain = operation->domain;
        domain->save_is_used = domain->has_managed_save;
        bool written = change_state(domain, operation->paused ? DOMAIN_PAUSED : DOMAIN_RUNNING,
                                    operation->restoring ? REASON_RESTORED
                                    : operation->paused  ? REASON_USER
                                                         : REASON_BOOTED);
        if (!written) {
                domain_fail(domain, error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                            "it was ended, as its status cannot be written to %s; is there space left?",
                            domain->connection->runtime_directory);
                domain_destroy(domain, REASON_FAILED, NULL);
                return false;
        }
        save_remove_managed(domain);
        return true;
}

static bool follow_success(const Operation *operation, GError **error) {
        Domain *domain = operation->domain;
        switch (operation->kind) {
        case OPERATION_START:
                return follow_start(operation, error);
        case OPERATION_SUSPEND:
                domain_changed(domain, DOMAIN_PAUSED, REASON_USER);
                break;
        case OPERATION_RESUME:
                domain_changed(domain, DOMAIN_RUNNING, REASON_RESUMED);
                break;
        case OPERATION_RESET:
                if (domain->state == DOMAIN_CRASHED)
                        domain_changed(domain, DOMAIN_RUNNING, REASON_BOOTED);
                break;
        case OPERATION_REATTACH:                                             /* found, in the state that was known */
                if (!domain->was_saving && domain->state != DOMAIN_STOPPING) /* it was never saved in this run */
                        save_remove_managed(domain);
                observe(domain, NULL);
                break;
        default:
                break;
        }
        return true;
}

void operation_finish(Operation *operation, const GError *error) {
        g_autoptr(GError) unwritten = NULL, destroyed = NULL, named = error ? domain_name_error(operation->domain, error) : NULL;
        g_autoptr(Domain) domain = domain_ref(operation->domain);
        g_assert(domain->operation == operation);
        error = named;
        if (error && domain->state == DOMAIN_STOPPING && domain->stop_reason == REASON_DESTROYED &&
            virtbus_error_code(error) != VIRTBUS_ERROR_CANCELLED) {
                /* Whatever it met first, as its guest ended. */
                domain_fail(domain, &destroyed, VIRTBUS_ERROR_CANCELLED, "it was destroyed");
                error = destroyed;
        }
        if (!error && operation->change && device_change_follow(operation))
                return;
        domain->operation = NULL;
        if (error && operation->kind == OPERATION_SAVE)
                domain_save_status(domain); /* which says no more that it is being saved */
        if (!error && !follow_success(operation, &unwritten))
                error = unwritten;
        else if (error && operation->kind == OPERATION_START)
                off(domain, domain->state == DOMAIN_STOPPING ? domain->stop_reason : REASON_FAILED, error);
        else if (error && operation->kind == OPERATION_REATTACH) {
                log_warning("%s", error->message);
                off(domain, domain->state == DOMAIN_STOPPING ? domain->stop_reason : REASON_UNKNOWN, error);
        }
        if (operation->job)
                job_end(operation->job, error);
        else if (error && operation->call)
                call_fail(g_steal_pointer(&operation->call), error);
        else
                reply_done(operation);
        if (error && !operation->call && operation->kind == OPERATION_START)
                log_error("%s", error->message);
        operation_free(operation);
        run_next(domain);
}

void domain_destroy(Domain *domain, DomainReason reason, Call *call) {
        if (!domain_is_active(domain)) {
                g_autoptr(GError) error = NULL;
                domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID, "it is shutoff already");
                if (call)
                        call_fail(call, error);
                return;
        }
        if (call)
                g_queue_push_tail(&domain->destroyers, call);
        if (domain->state == DOMAIN_STOPPING)
                return;
        domain->stop_reason = reason;
        set_state(domain, DOMAIN_STOPPING, reason);
        end_waiting(domain);
        if (!restoring_cancel(domain->operation))
                hypervisor_of(domain)->destroy(domain);
}

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
                        domain_operate(domain, (Operation){ .kind = OPERATION_RESET });
                        domain_operate(domain, (Operation){ .kind = OPERATION_RESUME });
                }
                break;
        case ACTION_PRESERVE:
                if (event == GUEST_REBOOT)
                        domain_operate(domain, (Operation){ .kind = OPERATION_SUSPEND });
                else
                        domain_changed(domain, event == GUEST_CRASH ? DOMAIN_CRASHED : DOMAIN_PAUSED, reason);
                break;
        }
}
