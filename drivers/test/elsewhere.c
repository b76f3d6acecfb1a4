/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test/elsewhere.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/kept.h"
#include "base/turns.h"
#include "domain/connection-table.h"
#include "domain/connection.h"
#include "domain/domain-recover.h"
#include "domain/domain-run.h"
#include "domain/operation.h"
#include "bus.h"
#include "errors.h"
#include "log.h"

static char *folder_of(const Connection *connection) {
        return g_build_filename(connection->state_directory, "elsewhere", NULL);
}

static char *file_of(const Connection *connection, const char *uuid) {
        return g_strdup_printf("%s/elsewhere/%s.xml", connection->state_directory, uuid);
}

/* Changes of the connection's */

typedef struct Write {
        char *path, *text, *hold;
        WorkDone done;
        void *data;
} Write;

/* Where there is a pipe named "hold" beside what it has, it does not answer until somebody has opened that, and closed it: as
 * a disk that hangs. */
static void wait_for_hold(const char *hold) {
        g_autofd int fd = open(hold, O_RDONLY | O_CLOEXEC);
        char byte;
        while (fd >= 0 && read(fd, &byte, 1) > 0)
                ;
}

static void write_in_worker(void *data, GError **error) {
        const Write *write = data;
        wait_for_hold(write->hold);
        if (write->text)
                file_replace(write->path, write->text, false, error);
        else
                file_remove(write->path, false, error);
}

static void on_written(void *data, const GError *error) {
        Write *write = data;
        write->done(write->data, error);
        g_free(write->path);
        g_free(write->text);
        g_free(write->hold);
        g_free(write);
}

static void define(Connection *connection, const char *uuid, const char *text, WorkDone done, void *data) {
        Write *write = g_new(Write, 1);
        *write = (Write){ .path = file_of(connection, uuid), .text = g_strdup(text), .done = done, .data = data };
        write->hold = g_build_filename(connection->state_directory, "elsewhere", "hold", NULL);
        worker_run(connection->worker, write_in_worker, on_written, write);
}

/* What it knows of its machines is the same that a driver writes down of its own. */
static bool save_status(Connection *connection, const char *uuid, const char *text, GError **error) {
        g_autofree char *path = g_strdup_printf("%s/elsewhere/%s.run", connection->state_directory, uuid);
        return text ? file_replace(path, text, false, error) : file_remove(path, false, error);
}

static bool open_folder(Connection *connection, GError **error) {
        g_autofree char *folder = folder_of(connection);
        return g_mkdir_with_parents(folder, 0700) == 0 ||
               virtbus_error_set_errno(error, errno, "cannot make the directory %s", folder);
}

static void close_folder(Connection *connection) {
        (void) connection;
}

const Definitions elsewhere_definitions = {
        .open = open_folder,
        .close = close_folder,
        .define = define,
        .save_status = save_status,
};

/* Changes of others */

bool elsewhere_define(Connection *connection, const char *xml, GError **error) {
        g_autoptr(Definition) definition = definition_parse(xml, error);
        if (!definition)
                return false;
        g_autofree char *text = kept_text(definition->xml, &(Kept){ 0 }), *path = file_of(connection, definition->uuid);
        return file_replace(path, text, false, error);
}

bool elsewhere_undefine(Connection *connection, const char *uuid, GError **error) {
        g_autofree char *path = file_of(connection, uuid);
        if (strpbrk(uuid, "/.") || !g_file_test(path, G_FILE_TEST_EXISTS))
                return virtbus_error_set(error, VIRTBUS_ERROR_NO_SUCH_DOMAIN, "there is no domain with UUID '%.64s' elsewhere",
                                         uuid);
        return file_remove(path, false, error);
}

/* Showing */

static Definition *read_file(const Connection *connection, const char *name, Kept *kept) {
        g_autofree char *path = g_build_filename(connection->state_directory, "elsewhere", name, NULL), *text = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = NULL;
        if (g_file_get_contents(path, &text, NULL, &error))
                document = xml_parse_own(text, "domain", &error);
        Definition *definition =
                        document && kept_take(document, kept, &error) ? definition_from_document(document, &error) : NULL;
        if (!definition)
                log_error("%s cannot be shown: %s", path, error->message);
        return definition;
}

static void show_one(Connection *connection, Definition *definition, const Kept *kept) {
        Domain *domain = connection_find(connection, definition->uuid),
               *same = connection_find_name(connection, definition->name);
        if (turns_taken(connection->turns, definition->uuid, definition->name)) /* who writes it tells of it */
                return;
        if (same && same != domain)
                log_error("domain %s cannot be shown: another one is named '%s' too", definition->uuid, definition->name);
        else if (!domain) {
                domain = domain_new(connection, definition, true, kept->owner, kept->owners_rights);
                domain->autostart = kept->autostart;
                domain_unref(domain);
        } else if (!domain->persistent || strcmp(domain->persistent->xml, definition->xml) != 0) {
                domain_redefine(domain, definition);
                if (!domain_is_active(domain))
                        connection_know_as(connection, domain, definition->name);
        }
}

/* A machine that runs there, and is not known to run yet. */
static void show_run(Connection *connection, const char *name) {
        g_autofree char *path = g_build_filename(connection->state_directory, "elsewhere", name, NULL), *text = NULL,
                        *uuid = g_strndup(name, strlen(name) - strlen(".run"));
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) status = NULL;
        Domain *domain = connection_find(connection, uuid);
        if (domain && domain_is_active(domain))
                return;
        if (g_file_get_contents(path, &text, NULL, &error))
                status = xml_parse_own(text, "virtbus-status", &error);
        if (status && domain_restore(connection, status, uuid, &error))
                operations_run(connection_find(connection, uuid));
        else
                log_error("%s cannot be shown: %s", path, error->message);
}

void elsewhere_show(Connection *connection) {
        g_autofree char *folder = folder_of(connection);
        g_autoptr(GDir) directory = g_dir_open(folder, 0, NULL);
        g_autoptr(GHashTable) there = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free), runs = g_ptr_array_new_with_free_func(g_free);
        for (const char *name; directory && (name = g_dir_read_name(directory));)
                if (g_str_has_suffix(name, ".xml")) {
                        g_hash_table_add(there, g_strndup(name, strlen(name) - strlen(".xml")));
                        g_ptr_array_add(names, g_strdup(name));
                } else if (g_str_has_suffix(name, ".run"))
                        g_ptr_array_add(runs, g_strdup(name));
        g_autoptr(GList) domains = g_hash_table_get_values(connection->by_uuid);
        for (GList *link = domains; link; link = link->next) {
                Domain *domain = link->data;
                if (domain->persistent && !g_hash_table_contains(there, domain->uuid) &&
                    !turns_taken(connection->turns, domain->uuid, domain_name(domain)))
                        domain_undefine(domain);
        }
        for (guint i = 0; i < names->len; i++) {
                Kept kept = { 0 };
                g_autoptr(Definition) definition = read_file(connection, names->pdata[i], &kept);
                if (definition)
                        show_one(connection, definition, &kept);
        }
        for (guint i = 0; i < runs->len; i++)
                show_run(connection, runs->pdata[i]);
}
