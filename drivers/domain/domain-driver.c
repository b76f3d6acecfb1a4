/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/domain-driver.h"

#include <string.h>

#include "base/driver.h"
#include "base/store.h"
#include "base/xml.h"
#include "bus.h"
#include "domain/connection-life.h"
#include "domain/credentials.h"
#include "domain/connection.h"
#include "errors.h"
#include "log.h"
#include "options.h"
#include "paths.h"

/* A hypervisor's driver: its connections, each with folders, threads and counters of its own. */
typedef struct DomainDriver {
        const Hypervisor *hypervisor;
        DriverSetup setup;
        char *state, *runtime, *log;
        sd_bus *bus;
        GHashTable *connections; /* by name; that of this machine is one of them */
        GHashTable *closing;     /* of those the ones that go as soon as nobody is in them */
        sd_event_source *closer; /* while there are some */
        unsigned n_left;         /* connections whose threads hang for good */
} DomainDriver;

static void add(DomainDriver *driver, Connection *connection) {
        connection->answer_timeout = driver->setup.answer_timeout;
        connection->idle = driver->setup.idle;
        connection->idle_data = driver->setup.idle_data;
        connection->bus = driver->bus;
        g_hash_table_insert(driver->connections, connection->name, connection);
}

/* What is opened is written down for a successor of this driver, without its credentials: those virtbusd keeps, in memory. */

#define OPENED "connections"

static char *note_of(const DomainDriver *driver, const char *name) {
        return g_strdup_printf("%s/" OPENED "/%s.xml", driver->runtime, name);
}

static bool has_credentials(const Connection *connection) {
        return (connection->username && *connection->username) || (connection->password && *connection->password);
}

static void keep_credentials(const DomainDriver *driver, const Connection *connection) {
        g_autoptr(GError) error = NULL;
        int fd = has_credentials(connection) ? credentials_to_memory(connection->username, connection->password, &error) : -1;
        if (error)
                log_warning("the credentials of connection %s are not kept for when its driver is restarted: %s",
                            connection->name, error->message);
        driver->setup.keep(driver->setup.keep_data, connection->name, fd);
}

static void forget_credentials(const DomainDriver *driver, const char *name) {
        driver->setup.keep(driver->setup.keep_data, name, -1);
}

static bool write_note(const DomainDriver *driver, const Connection *connection, GError **error) {
        g_autoptr(xmlDoc) document = xmlNewDoc((const xmlChar *) "1.0");
        xmlNode *root = xmlNewDocNode(document, NULL, (const xmlChar *) "virtbus-connection", NULL);
        xmlDocSetRootElement(document, root);
        xml_set_number(root, "format", STORE_FORMAT_COMMON);
        xml_set_number(root, "owner", connection->owner);
        xml_set_attribute(root, "uri", connection->uri);
        xml_set_attribute(root, "credentials", has_credentials(connection) ? "yes" : "no");
        g_autofree char *text = xml_document_text(document), *path = note_of(driver, connection->name);
        return file_replace(path, text, false, error);
}

static void remove_note(const DomainDriver *driver, const char *name) {
        g_autofree char *path = note_of(driver, name);
        g_autoptr(GError) error = NULL;
        if (!file_remove(path, false, &error))
                log_error("connection %s comes back with the driver's next start: %s", name, error->message);
}

/* Those of one user, and of all, that a driver has open. */
#define CONNECTIONS_PER_USER_MAX 16
#define CONNECTIONS_MAX 256

/* Of a name, which is that of a file too. */
#define CONNECTION_NAME_BYTES_MAX 240

/* Closing */

/* How long threads of a connection that is closed may go on with what they do, in microseconds; what hangs then is left
 * behind. Below what virtbusd waits for Close. */
#define CLOSE_PATIENCE (10 * UINT64_C(1000000))

static void look_later(void *data);

static void close_one(DomainDriver *driver, Connection *connection) {
        Call *call = connection->close_call;
        GError *refusal = g_steal_pointer(&connection->refusal);
        GQueue refused = G_QUEUE_INIT;
        if (refusal) {
                refused = connection->openers;
                g_queue_init(&connection->openers);
        }
        if (!connection_is_drained(connection)) {
                log_error("connection %s is closed while something of it hangs, which is left behind", connection->name);
                driver->n_left++;
                connection_abandon(connection);
        }
        connection_cancel(connection, "the connection is closed");
        remove_note(driver, connection->name);
        forget_credentials(driver, connection->name);
        g_hash_table_remove(driver->connections, connection->name);
        if (refusal)
                connection_refuse(&refused, refusal);
        if (call)
                call_reply(call, "");
}

/* All of one goes, as soon as no function of it is at work any more. */
static int on_close(sd_event_source *source, void *data) {
        DomainDriver *driver = data;
        GHashTableIter iterator;
        void *key;
        (void) source;
        g_hash_table_iter_init(&iterator, driver->closing);
        while (g_hash_table_iter_next(&iterator, &key, NULL)) {
                Connection *connection = key;
                if (!connection_is_drained(connection) && !connection->close_expired)
                        continue;
                g_hash_table_iter_remove(&iterator);
                close_one(driver, connection);
        }
        driver->setup.idle(driver->setup.idle_data);
        return 0;
}

static void look_later(void *data) {
        DomainDriver *driver = data;
        driver->closer = sd_event_source_disable_unref(driver->closer);
        sd_event_add_defer(driver->setup.event, &driver->closer, on_close, driver);
}

static int on_close_expired(sd_event_source *source, uint64_t usec, void *data) {
        Connection *connection = data;
        (void) source;
        (void) usec;
        connection->close_expired = true;
        look_later(connection->driver_data);
        return 0;
}

/* Nobody waits here: what its threads do may hang. */
static void close_later(DomainDriver *driver, Connection *connection) {
        if (!g_hash_table_add(driver->closing, connection))
                return;
        connection_begin_close(connection, look_later);
        /* Where that cannot be waited for, nothing is. */
        connection->close_expired = sd_event_add_time_relative(driver->setup.event, &connection->close_expiry, CLOCK_MONOTONIC,
                                                               CLOSE_PATIENCE, 0, on_close_expired, connection) < 0;
        look_later(driver);
}

/* Connection.Close. */
static void on_close_asked(Connection *connection, Call *call) {
        DomainDriver *driver = connection->driver_data;
        if (connection->close_call) { /* nobody is told twice */
                g_autoptr(GError) error = NULL;
                virtbus_error_set(&error, VIRTBUS_ERROR_RESOURCE_BUSY, "connection %s is being closed already", connection->name);
                call_fail(call, error);
                return;
        }
        connection->close_call = call; /* which is not cancelled */
        close_later(driver, connection);
}

/* Opening */

/* What could not be connected to the first time is not kept. */
static void on_first_cut(Connection *connection) {
        close_later(connection->driver_data, connection);
}

static Connection *open_elsewhere(DomainDriver *driver, const char *name, const char *uri, uid_t owner, GError **error) {
        g_autofree char *state = g_build_filename(driver->state, OPENED, name, NULL),
                        *runtime = g_build_filename(driver->runtime, OPENED, name, NULL),
                        *log = g_build_filename(driver->log, OPENED, name, NULL);
        const ConnectionPlace place = { .name = name, .uri = uri, .state = state, .runtime = runtime, .log = log };
        Connection *connection = connection_open_at(driver->hypervisor->elsewhere, driver->setup.event, driver->setup.objects,
                                                    &place, error);
        if (!connection)
                return NULL;
        connection->owner = owner;
        connection->close_asked = on_close_asked;
        connection->first_cut = on_first_cut;
        connection->driver_data = driver;
        add(driver, connection);
        return connection;
}

static bool check_bounds(const DomainDriver *driver, uid_t user, GError **error) {
        GHashTableIter iterator;
        void *value;
        unsigned n = 0;
        g_hash_table_iter_init(&iterator, driver->connections);
        while (g_hash_table_iter_next(&iterator, NULL, &value))
                n += ((Connection *) value)->close_asked && ((Connection *) value)->owner == user;
        if (n >= CONNECTIONS_PER_USER_MAX)
                return virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                                         "OpenConnection: you have opened %u connections of this driver already; close one", n);
        return g_hash_table_size(driver->connections) + driver->n_left <= CONNECTIONS_MAX ||
               virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "OpenConnection: this driver has %d connections already",
                                 CONNECTIONS_MAX);
}

/* The name of the connection that a URI has: "test_x". */
static char *name_of(const DomainDriver *driver, const char *uri, GError **error) {
        char *path = NULL;
        g_autofree char *host = driver->hypervisor->elsewhere->remote->name(uri, error);
        if (!host || sd_bus_path_encode(MANAGER_PATH, host, &path) < 0)
                return NULL;
        g_autofree char *name = g_strdup_printf("%s_%s", driver->hypervisor->connection, path + strlen(MANAGER_PATH "/"));
        free(path);
        if (strlen(name) <= CONNECTION_NAME_BYTES_MAX)
                return g_steal_pointer(&name);
        virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "OpenConnection: the host's name is too long");
        return NULL;
}

/* One that there is already, whoever has opened it. */
static void take_credentials(const DomainDriver *driver, Connection *connection, const char *username, const char *password) {
        g_autoptr(GError) error = NULL;
        connection_set_credentials(connection, username, password);
        keep_credentials(driver, connection);
        if (!write_note(driver, connection, &error))
                log_warning("that connection %s has credentials is not written down: %s", connection->name, error->message);
}

static void open_again(const DomainDriver *driver, Connection *connection, const char *username, const char *password,
                       Call *call) {
        g_autoptr(GError) error = NULL;
        bool has_given = *username || *password;
        if (g_hash_table_contains(driver->closing, connection))
                virtbus_error_set(&error, VIRTBUS_ERROR_RESOURCE_BUSY, "connection %s is being closed; call again",
                                  connection->name);
        else if (has_given && !connection_has_credentials(connection, username, password) &&
                 (connection->state == CONNECTION_CONNECTED || connection->connecting))
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "connection %s is open with other credentials; leave yours out, or close it first",
                                  connection->name);
        if (error)
                call_fail(call, error);
        else if (connection->state == CONNECTION_CONNECTED)
                call_reply(call, "o", connection->path);
        else {
                if (has_given)
                        take_credentials(driver, connection, username, password);
                connection_connect(connection, call);
        }
}

static void open_new(DomainDriver *driver, const char *name, const char *uri, const char *username, const char *password,
                     Call *call) {
        g_autoptr(GError) error = NULL;
        Connection *connection =
                        check_bounds(driver, call->uid, &error) ? open_elsewhere(driver, name, uri, call->uid, &error) : NULL;
        if (connection)
                connection_set_credentials(connection, username, password);
        if (connection && !write_note(driver, connection, &error)) {
                g_hash_table_remove(driver->connections, connection->name);
                connection = NULL;
        }
        if (!connection) {
                call_fail(call, error);
                return;
        }
        keep_credentials(driver, connection);
        connection_connect(connection, call);
}

static void open_connection(void *self, Call *call, const char *uri, sd_bus_message *options) {
        DomainDriver *driver = self;
        g_autoptr(GError) error = NULL;
        const char *username = "", *password = "";
        bool is_fine = options_read(options, &error, "username", 's', &username, "password", 's', &password, NULL);
        if (is_fine && !driver->hypervisor->elsewhere)
                is_fine = virtbus_error_set(
                                &error, VIRTBUS_ERROR_UNSUPPORTED,
                                "OpenConnection: what this driver has is on this machine; write %s:///system, or %s:///session",
                                driver->hypervisor->schemes[0], driver->hypervisor->schemes[0]);
        g_autofree char *name = is_fine ? name_of(driver, uri, &error) : NULL;
        Connection *connection = name ? g_hash_table_lookup(driver->connections, name) : NULL;
        if (!name && !error)
                virtbus_error_set(&error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "OpenConnection: there is no memory for the name");
        if (error)
                call_fail(call, error);
        else if (connection)
                open_again(driver, connection, username, password, call);
        else
                open_new(driver, name, uri, username, password, call);
}

/* Those that the last driver had opened. */

static void restore(DomainDriver *driver, const char *file) {
        g_autofree char *path = g_build_filename(driver->runtime, OPENED, file, NULL), *text = NULL, *name = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = NULL;
        if (g_file_get_contents(path, &text, NULL, &error))
                document = xml_parse_own(text, "virtbus-connection", &error);
        xmlNode *root = document ? xmlDocGetRootElement(document) : NULL;
        g_autofree char *uri = root && store_check_format(root, &error) ? xml_attribute(root, "uri") : NULL;
        g_autofree char *owner = uri ? xml_attribute(root, "owner") : NULL;
        if (uri)
                name = name_of(driver, uri, &error);
        uid_t user = owner ? (uid_t) g_ascii_strtoull(owner, NULL, 10) : (uid_t) -1;
        Connection *connection = name ? open_elsewhere(driver, name, uri, user, &error) : NULL;
        if (connection && xml_attribute_is(root, "credentials", "yes"))
                connection_await_credentials(connection);
        else if (connection) { /* it is kept; where it is reached at once, its objects are there before the service looks */
                connection->was_connected = true;
                connection_connect(connection, NULL);
        }
        if (error)
                log_error("what %s was a connection to is not opened again: %s", path, error->message);
}

/* Before the service looks, too. */
static bool restore_credentials(void *self, const char *name, int fd) {
        const DomainDriver *driver = self;
        Connection *connection = g_hash_table_lookup(driver->connections, name);
        if (!connection || !connection->lacks_credentials || !credentials_restore(connection, fd))
                return false;
        connection_connect(connection, NULL);
        return true;
}

static void restore_all(DomainDriver *driver) {
        g_autofree char *folder = g_build_filename(driver->runtime, OPENED, NULL);
        g_autoptr(GDir) directory = g_dir_open(folder, 0, NULL);
        for (const char *file; directory && (file = g_dir_read_name(directory));)
                if (g_str_has_suffix(file, ".xml"))
                        restore(driver, file);
}

/* What is asked of a connection that is cut. To be closed, or opened again, it need not be connected. */
static bool gate(void *data, sd_bus_message *message, GError **error) {
        const DomainDriver *driver = data;
        const char *path = sd_bus_message_get_path(message);
        const Vtable *extra = driver->hypervisor->elsewhere->extra; /* which is about the driver */
        if (!g_str_has_prefix(path, MANAGER_PATH "/") || sd_bus_message_is_method_call(message, NULL, "Close") ||
            (extra && sd_bus_message_is_method_call(message, extra->info->name, NULL)))
                return true;
        path += strlen(MANAGER_PATH "/");
        g_autofree char *name = g_strndup(path, strcspn(path, "/"));
        const Connection *connection = g_hash_table_lookup(driver->connections, name);
        return !connection || connection_check_connected(connection, error);
}

/* The program */

static void *open_driver(const void *hypervisor, const DriverSetup *setup, GError **error) {
        Connection *connection = connection_open(hypervisor, setup->event, setup->objects, setup->state, setup->runtime,
                                                 setup->log, error);
        if (!connection)
                return NULL;
        DomainDriver *driver = g_new0(DomainDriver, 1);
        driver->hypervisor = hypervisor;
        driver->setup = *setup;
        driver->state = g_strdup(setup->state);
        driver->runtime = g_strdup(setup->runtime);
        driver->log = g_strdup(setup->log);
        driver->connections = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify) connection_close);
        driver->closing = g_hash_table_new(NULL, NULL);
        add(driver, connection);
        if (driver->hypervisor->elsewhere) {
                g_autofree char *folder = g_build_filename(driver->runtime, OPENED, NULL);
                g_mkdir_with_parents(folder, 0700);
                objects_set_gate(setup->objects, gate, driver);
                restore_all(driver);
        }
        return driver;
}

static void serve(void *self, sd_bus *bus) {
        DomainDriver *driver = self;
        GHashTableIter iterator;
        void *connection;
        driver->bus = bus;
        g_hash_table_iter_init(&iterator, driver->connections);
        while (g_hash_table_iter_next(&iterator, NULL, &connection))
                ((Connection *) connection)->bus = bus;
}

static void resume(void *self) {
        GHashTableIter iterator;
        void *connection;
        g_hash_table_iter_init(&iterator, ((DomainDriver *) self)->connections);
        while (g_hash_table_iter_next(&iterator, NULL, &connection))
                connection_resume(connection);
}

static bool is_busy(const void *self) {
        GHashTableIter iterator;
        void *connection;
        g_hash_table_iter_init(&iterator, ((const DomainDriver *) self)->connections);
        while (g_hash_table_iter_next(&iterator, NULL, &connection))
                if (((Connection *) connection)->close_asked || connection_is_busy(connection))
                        return true;
        return false;
}

/* Who waits for a connection's first time is told that it is not opened: then a successor does not open it either. */
static void cancel(void *self) {
        DomainDriver *driver = self;
        GHashTableIter iterator;
        void *value;
        g_autoptr(GError) error = NULL;
        g_hash_table_iter_init(&iterator, driver->connections);
        while (g_hash_table_iter_next(&iterator, NULL, &value)) {
                Connection *connection = value;
                connection->idle = NULL;
                if (connection->first_cut && !connection->was_connected) {
                        remove_note(driver, connection->name);
                        forget_credentials(driver, connection->name);
                }
                connection_cancel(connection, "the driver is ending");
        }
        virtbus_error_set(&error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        calls_cancel(error);
}

static void close_driver(void *self) {
        DomainDriver *driver = self;
        GHashTableIter iterator;
        void *connection;
        objects_set_gate(driver->setup.objects, NULL, NULL);
        sd_event_source_disable_unref(driver->closer);
        g_hash_table_iter_init(&iterator, driver->closing);
        while (g_hash_table_iter_next(&iterator, &connection, NULL))
                if (((Connection *) connection)->close_call)
                        call_reply(((Connection *) connection)->close_call, "");
        g_hash_table_unref(driver->closing);
        g_hash_table_unref(driver->connections);
        g_free(driver->state);
        g_free(driver->runtime);
        g_free(driver->log);
        g_free(driver);
}

int domain_driver_main(const Hypervisor *hypervisor, int argc, char *argv[]) {
        const DriverKind kind = {
                .name = hypervisor->connection,
                .bus_name = hypervisor->bus_name,
                .data = hypervisor,
                .schemes = hypervisor->schemes,
                .open = open_driver,
                .restore = hypervisor->elsewhere ? restore_credentials : NULL,
                .open_connection = hypervisor->schemes ? open_connection : NULL,
                .serve = serve,
                .resume = resume,
                .is_busy = is_busy,
                .cancel = cancel,
                .close = close_driver,
        };
        return driver_main(&kind, argc, argv);
}
