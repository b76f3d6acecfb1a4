/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmware/machines.h"

#include <errno.h>
#include <string.h>

#include "base/kept.h"
#include "base/turns.h"
#include "domain/connection-document.h"
#include "domain/connection-table.h"
#include "domain/connection.h"
#include "domain/domain-recover.h"
#include "domain/domain-run.h"
#include "domain/shares.h"
#include "errors.h"
#include "log.h"

static Vmware *vmware_of(const Connection *connection) {
        return connection->data;
}

const char *machines_path(const Domain *domain) {
        return g_hash_table_lookup(vmware_of(domain->connection)->paths, domain->uuid);
}

/* Whether a path is below the folder that is ours. */
static bool is_ours(const Connection *connection, const char *path) {
        return g_str_has_prefix(path, vmware_of(connection)->folders[0]);
}

static char *path_of_new(const Connection *connection, const char *uuid, const char *name) {
        return g_strdup_printf("%s/%s/%s.vmx", vmware_of(connection)->folders[0], uuid, name);
}

/* What there is */

/* A file is left out: that is said once, until it is another fault. */
static void tell_fault(Vmware *vmware, const char *path, const char *fault) {
        const char *before = g_hash_table_lookup(vmware->told, path);
        if (before && strcmp(before, fault) == 0)
                return;
        log_error("%s is not shown: %s", path, fault);
        g_hash_table_insert(vmware->told, g_strdup(path), g_strdup(fault));
}

static Definition *read_definition(Vmware *vmware, const MachineFile *file, MachineText *machine) {
        g_autoptr(GError) error = NULL;
        Definition *definition = NULL;
        if (machine_text_read(file, machine, &error) && connection_complete(vmware->connection, machine->document, &error))
                definition = definition_from_document(machine->document, &error);
        if (error)
                tell_fault(vmware, file->path, error->message);
        return definition;
}

/* FOUND: the UUIDs that were seen. */
static void show(Vmware *vmware, const MachineFile *file, GHashTable *found) {
        Connection *connection = vmware->connection;
        MachineText machine;
        g_autoptr(Definition) definition = read_definition(vmware, file, &machine);
        g_autoptr(xmlDoc) document = machine.document;
        g_auto(GStrv) shares = machine.shares;
        if (!definition || machine.is_transient)
                return;
        Domain *domain = connection_find(connection, definition->uuid),
               *same = connection_find_name(connection, definition->name);
        const char *path = g_hash_table_lookup(vmware->paths, definition->uuid);
        if (g_hash_table_contains(found, definition->uuid)) {
                tell_fault(vmware, file->path, "another machine has its UUID; give one of them another uuid.bios");
                return;
        }
        g_hash_table_add(found, g_strdup(definition->uuid));
        if (turns_taken(connection->turns, definition->uuid, definition->name)) /* who changes it shows it */
                return;
        if (same && same != domain) {
                tell_fault(vmware, file->path, "another machine has its name; give one of them another displayName");
                return;
        }
        if (!path || strcmp(path, file->path) != 0)
                g_hash_table_insert(vmware->paths, g_strdup(definition->uuid), g_strdup(file->path));
        g_hash_table_remove(vmware->told, file->path);
        if (!domain) {
                domain = domain_new(connection, definition, true, machine.owner, false);
                domain->shares = g_steal_pointer(&shares);
                domain_unref(domain);
        } else if (!domain->persistent || strcmp(domain->persistent->xml, definition->xml) != 0) {
                domain_redefine(domain, definition);
                if (!domain_is_active(domain))
                        connection_know_as(connection, domain, definition->name);
        }
}

/* Machines whose files have gone; FOUND: those that have one. */
static void hide_others(Vmware *vmware, GHashTable *found) {
        Connection *connection = vmware->connection;
        g_autoptr(GList) domains = g_hash_table_get_values(connection->by_uuid);
        for (GList *link = domains; link; link = link->next)
                domain_ref(link->data);
        for (GList *link = domains; link; link = link->next) {
                Domain *domain = link->data;
                if (domain->persistent && !g_hash_table_contains(found, domain->uuid) &&
                    !turns_taken(connection->turns, domain->uuid, domain_name(domain))) {
                        g_hash_table_remove(vmware->paths, domain->uuid);
                        domain_undefine(domain);
                }
        }
        g_list_foreach(domains, (GFunc) (void (*)(void)) domain_unref, NULL);
}

void machines_show(Vmware *vmware, GPtrArray *files) {
        g_autoptr(GHashTable) found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        for (guint i = 0; i < files->len; i++)
                show(vmware, files->pdata[i], found);
        hide_others(vmware, found);
}

/* Definitions */

static char *status_path(const Connection *connection, const char *name) {
        return g_build_filename(connection->runtime_directory, "running", name, NULL);
}

static bool open_folders(Connection *connection, GError **error) {
        g_autofree char *running = status_path(connection, NULL);
        return g_mkdir_with_parents(running, 0700) == 0 ||
               virtbus_error_set_errno(error, errno, "cannot make the directory %s", running);
}

static void close_folders(Connection *connection) {
        (void) connection;
}

static void load_status(Connection *connection, const char *name) {
        g_autofree char *path = status_path(connection, name), *text = NULL,
                        *uuid = g_strndup(name, strlen(name) - strlen(".xml"));
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) status = NULL;
        if (g_file_get_contents(path, &text, NULL, &error))
                status = xml_parse_own(text, "virtbus-status", &error);
        if (!status || !domain_restore(connection, status, uuid, &error))
                log_error("the status %s is left as it is: %s", path, error->message);
}

/* Before anything is served. */
static void load(Connection *connection) {
        g_autoptr(GPtrArray) watched = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GPtrArray) files = machine_files_find((const char *const *) vmware_of(connection)->folders, watched);
        g_autofree char *folder = status_path(connection, NULL);
        g_autoptr(GDir) statuses = g_dir_open(folder, 0, NULL);
        machines_show(vmware_of(connection), files);
        for (const char *name; statuses && (name = g_dir_read_name(statuses));)
                if (g_str_has_suffix(name, ".xml"))
                        load_status(connection, name);
}

static bool save_status(Connection *connection, const char *uuid, const char *text, GError **error) {
        g_autofree char *name = g_strconcat(uuid, ".xml", NULL), *path = status_path(connection, name);
        return text ? file_replace(path, text, false, error) : file_remove(path, false, error);
}

/* One that is written, or taken away. */
typedef struct Write {
        Connection *connection;
        char *uuid, *path, *extra;
        xmlDoc *document; /* NULL: it is taken away */
        char *written;    /* then; NULL: it was not */
        bool keep, is_transient;
        WorkDone done;
        void *data;
} Write;

static void write_in_worker(void *data, GError **error) {
        Write *write = data;
        if (write->document)
                write->written = machine_file_write(write->path, write->document, write->extra, error);
        else
                machine_file_remove(write->path, write->keep, error);
}

/* What VMware's configuration has kept of a document is what the domain is from now on, whoever reads it. */
static void show_written(Write *write) {
        Vmware *vmware = vmware_of(write->connection);
        const MachineFile file = { .path = write->path, .text = write->written };
        MachineText machine;
        g_autoptr(Definition) definition = read_definition(vmware, &file, &machine);
        g_autoptr(xmlDoc) document = machine.document;
        g_auto(GStrv) shares = machine.shares;
        Domain *domain = definition ? connection_find(write->connection, definition->uuid) : NULL;
        if (domain)
                domain_redefine(domain, definition);
}

static void on_written(void *data, const GError *error) {
        Write *write = data;
        Vmware *vmware = vmware_of(write->connection);
        vmware->n_changes++;
        if (!error && !write->document)
                g_hash_table_remove(vmware->paths, write->uuid);
        else if (!error)
                g_hash_table_insert(vmware->paths, g_strdup(write->uuid), g_strdup(write->path));
        if (write->done)
                write->done(write->data, error);
        if (!error && write->document && !write->is_transient)
                show_written(write);
        if (error && !write->done)
                log_error("%s", error->message);
        g_clear_pointer(&write->document, xmlFreeDoc);
        g_free(write->written);
        g_free(write->extra);
        g_free(write->uuid);
        g_free(write->path);
        g_free(write);
}

static void begin_write(const Write *template) {
        Write *write = g_new(Write, 1);
        *write = *template;
        write->uuid = g_strdup(template->uuid);
        write->path = g_strdup(template->path);
        vmware_of(write->connection)->n_changes++;
        worker_run(write->connection->worker, write_in_worker, on_written, write);
}

/* VMware writes the file itself while the machine runs. */
static bool check_off(const Connection *connection, const char *uuid, GError **error) {
        const Domain *domain = connection_find((Connection *) connection, uuid);
        return !domain || !domain_is_active(domain) ||
               domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                           "VMware itself keeps its configuration while it runs; shut it down first");
}

static void define(Connection *connection, const char *uuid, const char *text, WorkDone done, void *data) {
        g_autoptr(GError) error = NULL;
        g_autofree char *fresh = NULL;
        const char *path = g_hash_table_lookup(vmware_of(connection)->paths, uuid);
        Kept kept = { 0 };
        g_auto(GStrv) shares = NULL;
        g_autoptr(xmlDoc) document = text ? xml_parse_own(text, "domain", &error) : NULL;
        if (document && kept_take(document, &kept, &error) && shares_take(document, &shares, &error) && kept.autostart)
                virtbus_error_set(&error, VIRTBUS_ERROR_UNSUPPORTED,
                                  "VMware starts no machines with the computer: autostart cannot be set; a unit of systemd that "
                                  "calls Start does it");
        if (!error)
                check_off(connection, uuid, &error);
        if (error || (!text && !path)) { /* nothing is to be taken away */
                done(data, error);
                return;
        }
        bool is_new = !path;
        g_autofree char *name = is_new ? xml_text_at(xmlDocGetRootElement(document), "name") : NULL;
        if (is_new)
                path = fresh = path_of_new(connection, uuid, name);
        /* A question that nobody sees would hold up its start: those of a machine that only we have made are answered. */
        g_autofree char *list = shares ? g_strjoinv(" ", shares) : NULL,
                        *shared = list ? g_strdup_printf(MACHINE_SHARES_KEY " = \"%s\"\n", list) : g_strdup("");
        char *extra = g_strdup_printf(MACHINE_OWNER_KEY " = \"%u\"\n%s%s", kept.owner, shared,
                                      is_new ? "uuid.action = \"keep\"\nmsg.autoAnswer = \"TRUE\"\n" : "");
        begin_write(&(Write){ .connection = connection,
                              .uuid = (char *) uuid,
                              .path = (char *) path,
                              .extra = extra,
                              .document = g_steal_pointer(&document),
                              .keep = !is_ours(connection, path),
                              .done = done,
                              .data = data });
}

void machines_write_transient(Domain *domain, WorkDone done, void *data) {
        g_autofree char *path = path_of_new(domain->connection, domain->uuid, domain_name(domain));
        g_autoptr(GError) error = NULL;
        xmlDoc *document = definition_document(domain->live, &error);
        if (!document) {
                done(data, error);
                return;
        }
        begin_write(&(Write){ .connection = domain->connection,
                              .uuid = domain->uuid,
                              .path = path,
                              .extra = g_strdup(MACHINE_TRANSIENT_KEY
                                                " = \"true\"\nuuid.action = \"keep\"\nmsg.autoAnswer = \"TRUE\"\n"),
                              .document = document,
                              .is_transient = true,
                              .done = done,
                              .data = data });
}

void machines_remove_transient(Connection *connection, const char *uuid) {
        const char *path = g_hash_table_lookup(vmware_of(connection)->paths, uuid);
        if (path)
                begin_write(&(Write){ .connection = connection, .uuid = (char *) uuid, .path = (char *) path });
}

/* Whoever is not there sees nothing that changes. */
static bool is_busy(const Connection *connection) {
        const Vmware *vmware = vmware_of(connection);
        return vmrun_is_busy(vmware->vmrun) || (vmrun_product(vmware->vmrun, NULL) && g_hash_table_size(connection->by_uuid) > 0);
}

const Definitions machines_definitions = {
        .keeps_folders = true,
        .open = open_folders,
        .close = close_folders,
        .load = load,
        .define = define,
        .save_status = save_status,
        .is_busy = is_busy,
};
