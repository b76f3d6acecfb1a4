/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The bus: how it is reached, what is asked there, and what goes wrong. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl.h"
#include "host-kind.h"
#include "parts.h"

#define BUS_NAME "org.virtbus1"

/* Errors */

/* polkit's answer, or the bus's own: of the errors that GIO does not know, only the name says so. */
bool ctl_is_denial(const GError *error) {
        static const char *const names[] = { "org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.AuthFailed",
                                             "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", NULL };
        g_autofree char *name = g_dbus_error_get_remote_error(error);
        return (name && g_strv_contains(names, name)) || g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED) ||
               g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_AUTH_FAILED);
}

void ctl_strip_error(GError *error) {
        if (ctl_is_denial(error)) {
                error->domain = G_DBUS_ERROR;
                error->code = G_DBUS_ERROR_ACCESS_DENIED;
        }
        g_dbus_error_strip_remote_error(error);
}

void ctl_prefix(GError **error, const char *file) {
        ctl_strip_error(*error);
        if (!strstr((*error)->message, file))
                g_prefix_error(error, "%s: ", file);
}

int ctl_fail(GError *error) {
        if (!error)
                return EXIT_FAILED; /* it has been said */
        g_autofree char *name = g_dbus_error_get_remote_error(error);
        int status = ctl_is_denial(error) ? EXIT_NOT_AUTHORIZED
                     : g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_NO_SUCH_SECRET) ||
                                                     g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_NO_SUCH_NETWORK) ||
                                                     g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_NO_SUCH_FILTER) ||
                                                     g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_NO_SUCH_INTERFACE) ||
                                                     g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_NO_SUCH_SNAPSHOT) ||
                                                     g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_NO_SUCH_CHECKPOINT) ||
                                                     g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_NO_SUCH_DOMAIN) ||
                                                     g_strcmp0(name, "org.virtbus1.Error.NoSuchDomain") == 0
                                     ? EXIT_NO_SUCH_DOMAIN
                                     : EXIT_FAILED;
        ctl_strip_error(error);
        g_autofree char *message = ctl_words(error->message); /* it may be a guest's own words */
        ctl_say("%s", message);
        g_error_free(error);
        return status;
}

/* Authorization: the text prompt of polkit, as machinectl has it. It says on a descriptor when it is ready. */
static pid_t prompt; /* its process, or -1 */

static void close_prompt(void) {
        if (prompt > 0) {
                kill(prompt, SIGTERM);
                kill(prompt, SIGCONT);
                waitpid(prompt, NULL, 0);
        }
}

static void open_prompt(const Ctl *ctl) {
        int ready[2];
        if (prompt != 0 || ctl->host || ctl->machine || ctl->user || ctl->no_ask_password || geteuid() == 0 ||
            !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO) || pipe(ready) < 0)
                return;
        g_autofree char *number = g_strdup_printf("%d", ready[1]);
        prompt = fork();
        if (prompt == 0) {
                close(ready[0]);
                /* Where there is a session, its own agent comes first; without one, polkit does not look for one that stands
                 * back. */
                execlp("pkttyagent", "pkttyagent", "--notify-fd", number, getenv("XDG_SESSION_ID") ? "--fallback" : NULL, NULL);
                _exit(127);
        }
        close(ready[1]);
        struct pollfd end = { .fd = ready[0], .events = POLLIN | POLLHUP };
        if (prompt > 0)
                poll(&end, 1, -1); /* it closes the descriptor */
        close(ready[0]);
}

GVariant *ctl_call(Ctl *ctl, const char *path, const char *interface, const char *method, GVariant *arguments, GUnixFDList *fds,
                   GUnixFDList **out_fds, GError **error) {
        /* A list without what may not be read is an answer: that there is more is told only to those who may be asked. */
        bool may_ask = !ctl->no_ask_password || strcmp(method, "GetManagedObjects") == 0;
        open_prompt(ctl);
        return g_dbus_connection_call_with_unix_fd_list_sync(ctl->bus, BUS_NAME, path, interface, method, arguments, NULL,
                                                             may_ask ? G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION
                                                                     : G_DBUS_CALL_FLAGS_NONE,
                                                             G_MAXINT, fds, out_fds, NULL, error);
}

typedef struct Visit {
        const char *interface;
        CtlEachObject each;
        void *data;
} Visit;

static void visit_object(gpointer data, const char *path, GVariant *interfaces) {
        const Visit *visit = data;
        g_autoptr(GVariant) properties = g_variant_lookup_value(interfaces, visit->interface, G_VARIANT_TYPE_VARDICT);
        if (properties)
                visit->each(visit->data, path, properties);
}

/* Its callers may be asked, as by ctl_call, until they have been denied something: who has no password is asked for it once, and
 * is then told what they may read without. */
bool ctl_each_object(Ctl *ctl, const char *path, const char *interface, const char *const *properties, CtlEachObject each,
                     void *data, GError **error) {
        Visit visit = { interface, each, data };
        PartsList list = { .bus = ctl->bus,
                           .service = BUS_NAME,
                           .path = path,
                           .interface = interface,
                           .properties = properties,
                           .flags = ctl->was_denied ? G_DBUS_CALL_FLAGS_NONE : G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION,
                           .timeout = G_MAXINT,
                           .each = visit_object,
                           .data = &visit };
        g_autoptr(GError) failure = NULL;
        open_prompt(ctl);
        if (parts_load_sync(&list, NULL, &failure))
                return true;
        ctl->was_denied |= ctl_is_denial(failure);
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
}

static void note_found(void *data, const char *path, GVariant *properties) {
        (void) path;
        (void) properties;
        *(bool *) data = true;
}

/* Who sees nothing may see more with a password, which is asked for here; polkit remembers it for a while. Returns whether
 * there may be more to see now. */
static bool look_again(Ctl *ctl, GError **error) {
        static const char *const names[] = { "Name", NULL };
        g_autolist(VirtbusDomain) domains = virtbus_client_get_domains(ctl->client);
        g_autolist(VirtbusConnection) connections = virtbus_client_get_connections(ctl->client);
        g_autoptr(GError) denial = NULL;
        bool found = false;
        for (GList *link = domains ? NULL : connections; link; link = link->next) {
                g_autoptr(GError) failure = NULL;
                if (strcmp(g_dbus_proxy_get_object_path(link->data), HOST_PATH) != 0)
                        ctl_each_object(ctl, g_dbus_proxy_get_object_path(link->data), "org.virtbus1.Domain", names, note_found,
                                        &found, &failure);
                if (failure && ctl_is_denial(failure) && !denial)
                        denial = g_steal_pointer(&failure);
        }
        if (denial && !found) {
                g_propagate_error(error, g_steal_pointer(&denial));
                return false;
        }
        VirtbusClient *client = found ? virtbus_client_new_sync(ctl->bus, NULL, error) : NULL;
        if (client) {
                g_object_unref(ctl->client);
                ctl->client = client;
        }
        return client != NULL;
}

/* What to say of a domain that is not there: others have numbers for those that run, and one may mistype. */
static char *explain_missing(Ctl *ctl, const char *text) {
        g_autolist(VirtbusDomain) domains = virtbus_client_get_domains(ctl->client);
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        for (GList *link = domains; link; link = link->next)
                if (virtbus_domain_get_name(link->data))
                        g_ptr_array_add(names, (gpointer) virtbus_domain_get_name(link->data));
        g_ptr_array_add(names, NULL);
        if (*text && strspn(text, "0123456789") == strlen(text))
                return g_strdup("; it is found by its name or UUID, not by the number of its run");
        char *hint = suggestion(text, (const char *const *) names->pdata);
        if (*hint)
                return hint;
        g_free(hint);
        return g_strdup("; see: virtbusctl list");
}

VirtbusDomain *ctl_find(Ctl *ctl, const char *text, int *status) {
        g_autoptr(GError) error = NULL, failure = NULL;
        VirtbusDomain *domain = virtbus_client_find_domain(ctl->client, text, &error);
        if (!domain && look_again(ctl, &failure)) {
                g_clear_error(&error);
                domain = virtbus_client_find_domain(ctl->client, text, &error);
        } else if (failure) {
                g_clear_error(&error);
                error = g_steal_pointer(&failure);
        }
        VirtbusConnection *connection = domain ? virtbus_client_get_connection_of(ctl->client, domain) : NULL;
        const char *name = connection ? virtbus_connection_get_name(connection) : NULL;
        if (g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_NO_SUCH_DOMAIN)) {
                g_autofree char *more = explain_missing(ctl, text), *message = g_strconcat(error->message, more, NULL);
                g_free(error->message);
                error->message = g_steal_pointer(&message);
        } else if (domain && ctl->connection && g_strcmp0(name, ctl->connection) != 0) {
                g_clear_object(&domain);
                g_set_error(&error, VIRTBUS_ERROR, VIRTBUS_ERROR_NO_SUCH_DOMAIN, "domain '%s' is one of %s, not of %s", text,
                            name, ctl->connection);
        }
        if (!domain)
                *status = ctl_fail(g_steal_pointer(&error));
        return domain;
}

const char *ctl_path(VirtbusDomain *domain) {
        return g_dbus_proxy_get_object_path(G_DBUS_PROXY(domain));
}

int ctl_do(Ctl *ctl, const char *path, const char *interface, const char *method, GVariant *arguments) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) answer = ctl_call(ctl, path, interface, method, arguments, NULL, NULL, &error);
        return answer ? EXIT_DONE : ctl_fail(g_steal_pointer(&error));
}

int ctl_start(Ctl *ctl, const char *path, GVariant *options) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GUnixFDList) fds = NULL;
        g_autoptr(GVariant) all = ctl_with_fds(ctl, options, &fds, &error);
        g_autoptr(GVariant) answer = all ? ctl_call(ctl, path, "org.virtbus1.Domain", "Start", g_variant_new("(@a{sv})", all),
                                                    fds, NULL, &error)
                                         : NULL;
        return answer ? EXIT_DONE : ctl_fail(g_steal_pointer(&error));
}

int ctl_set_autostart(Ctl *ctl, const char *path, const char *interface, bool on) {
        return ctl_do(ctl, path, "org.freedesktop.DBus.Properties", "Set",
                      g_variant_new("(ssv)", interface, "Autostart", g_variant_new_boolean(on)));
}

bool ctl_on_or_off(const char *text, bool *on) {
        *on = strcmp(text, "on") == 0;
        if (*on || strcmp(text, "off") == 0)
                return true;
        ctl_say("'%s' is neither on nor off", text);
        return false;
}

int ctl_do_each(Ctl *ctl, char **names, const char *method, GVariant *arguments) {
        g_autoptr(GVariant) shared = arguments ? g_variant_ref_sink(arguments) : NULL;
        int worst = EXIT_DONE;
        for (char **name = names; *name; name++) {
                int status = EXIT_DONE;
                g_autoptr(VirtbusDomain) domain = ctl_find(ctl, *name, &status);
                if (domain)
                        status = ctl_do(ctl, ctl_path(domain), "org.virtbus1.Domain", method, shared);
                worst = MAX(worst, status);
        }
        return worst;
}

bool ctl_is_connection(const char *name, const char *uri, const char *wanted) {
        return g_strcmp0(name, wanted) == 0 || g_strcmp0(uri, wanted) == 0;
}

VirtbusConnection *ctl_connection(Ctl *ctl, GError **error) {
        const char *wanted = ctl->connection ? ctl->connection : "qemu";
        GList *connections = virtbus_client_get_connections(ctl->client);
        VirtbusConnection *found = NULL;
        g_autoptr(GString) names = g_string_new(NULL);
        for (GList *link = connections; link; link = link->next) {
                const char *name = virtbus_connection_get_name(link->data);
                g_string_append_printf(names, "%s%s", names->len > 0 ? ", " : "", name);
                if (ctl_is_connection(name, virtbus_connection_get_uri(link->data), wanted))
                        g_set_object(&found, link->data);
        }
        g_list_free_full(connections, g_object_unref);
        if (!found)
                ctl_no_connection(wanted, names->str, error);
        return found;
}

void ctl_no_connection(const char *wanted, const char *known, GError **error) {
        g_set_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_ARGUMENT, "there is no connection '%s'; there are: %s", wanted,
                    known);
}

GVariant *ctl_options(const char *name, ...) {
        GVariantDict options;
        va_list names;
        g_variant_dict_init(&options, NULL);
        va_start(names, name);
        for (; name; name = va_arg(names, const char *))
                g_variant_dict_insert(&options, name, "b", TRUE);
        va_end(names);
        return g_variant_dict_end(&options);
}

GVariant *ctl_change_options(const Ctl *ctl, bool force) {
        const struct {
                const char *name;
                bool is_set;
        } options[] = { { "live", ctl->live }, { "config", ctl->config }, { "force", force } };
        GVariantDict dictionary;
        g_variant_dict_init(&dictionary, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(options); i++)
                if (options[i].is_set)
                        g_variant_dict_insert(&dictionary, options[i].name, "b", TRUE);
        return g_variant_dict_end(&dictionary);
}

static int compare_objects(gconstpointer a, gconstpointer b) {
        return strverscmp(g_dbus_object_get_object_path(*(GDBusObject *const *) a),
                          g_dbus_object_get_object_path(*(GDBusObject *const *) b));
}

GPtrArray *ctl_devices(Ctl *ctl, VirtbusDomain *domain, GError **error) {
        g_autoptr(GDBusObjectManager) manager = virtbus_client_get_devices_sync(ctl->client, domain, NULL, error);
        if (!manager)
                return NULL;
        GPtrArray *devices = g_ptr_array_new_with_free_func(g_object_unref);
        g_autoptr(GList) objects = g_dbus_object_manager_get_objects(manager); /* the array takes what is in it */
        for (GList *link = objects; link; link = link->next)
                g_ptr_array_add(devices, link->data);
        g_ptr_array_sort(devices, compare_objects);
        return devices;
}

/* How well a device answers what a person asked for: 0 is best, more is worse, -1 is not at all. */
static int rank_device(VirtbusObject *object, const char *name, const char *interface) {
        g_autoptr(VirtbusDevice) device = virtbus_object_get_device(object);
        g_autoptr(VirtbusDeviceDisk) disk = virtbus_object_get_device_disk(object);
        g_autoptr(GDBusInterface) wanted = interface ? g_dbus_object_get_interface(G_DBUS_OBJECT(object), interface) : NULL;
        if (!device || (interface && !wanted))
                return -1;
        if (name)
                return g_strcmp0(virtbus_device_get_alias(device), name) == 0               ? 0
                       : disk && g_strcmp0(virtbus_device_disk_get_target(disk), name) == 0 ? 0
                                                                                            : -1;
        /* A channel is a console for programs. */
        const char *kind = virtbus_device_get_kind(device);
        return strcmp(kind, "channel") == 0 ? -1 : strcmp(kind, "serial") == 0 ? 0 : 1;
}

VirtbusObject *ctl_find_device(Ctl *ctl, VirtbusDomain *domain, const char *name, const char *interface, GError **error) {
        g_autoptr(GPtrArray) devices = ctl_devices(ctl, domain, error);
        VirtbusObject *found = NULL;
        int best = G_MAXINT;
        if (!devices)
                return NULL;
        for (guint i = 0; i < devices->len; i++) {
                int rank = rank_device(devices->pdata[i], name, interface);
                if (rank >= 0 && rank < best) {
                        g_set_object(&found, devices->pdata[i]);
                        best = rank;
                }
        }
        if (!found && name)
                g_set_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_ARGUMENT,
                            "domain '%s' has no %s '%s'; see: virtbusctl status %s", virtbus_domain_get_name(domain),
                            interface ? strrchr(interface, '.') + 1 : "device", name, virtbus_domain_get_name(domain));
        else if (!found)
                g_set_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_ARGUMENT,
                            "domain '%s' has no %s; see: virtbusctl status %s", virtbus_domain_get_name(domain),
                            strrchr(interface, '.') + 1, virtbus_domain_get_name(domain));
        return found;
}

int ctl_call_for_fd(Ctl *ctl, const char *path, const char *interface, const char *method, GVariant *arguments, GError **error) {
        g_autoptr(GUnixFDList) fds = NULL;
        g_autoptr(GVariant) answer = ctl_call(ctl, path, interface, method, arguments, NULL, &fds, error);
        if (!answer)
                return -1;
        g_autoptr(GVariant) handle = g_variant_get_child_value(answer, 0);
        return g_unix_fd_list_get(fds, g_variant_get_handle(handle), error);
}

bool ctl_write_all(int fd, const char *data, ssize_t n) {
        while (n > 0) {
                ssize_t written = write(fd, data, (size_t) n);
                if (written < 0 && errno == EAGAIN) {
                        struct pollfd room = { .fd = fd, .events = POLLOUT };
                        poll(&room, 1, -1);
                        continue;
                }
                if (written <= 0)
                        return false;
                data += written;
                n -= written;
        }
        return true;
}

char **ctl_over_there(const Ctl *ctl, bool terminal, const char *const *arguments) {
        g_autoptr(GStrvBuilder) command = g_strv_builder_new();
        g_strv_builder_add_many(command, "ssh", terminal ? "-xt" : "-xT", "--", ctl->host, "virtbusctl", NULL);
        for (; *arguments; arguments++) {
                g_autofree char *quoted = g_shell_quote(*arguments); /* a shell over there reads it */
                g_strv_builder_add(command, quoted);
        }
        return g_strv_builder_end(command);
}

int ctl_go_there(const Ctl *ctl, bool terminal, const char *const *arguments) {
        g_auto(GStrv) command = ctl_over_there(ctl, terminal, arguments);
        execvp(command[0], command);
        ctl_say("%s cannot be run: %s", command[0], g_strerror(errno));
        return EXIT_FAILED;
}

/* Connecting */

/* A bus that is reached through a program: over ssh, or in a container, as systemctl does it. */
static GDBusConnection *connect_through(const char *const *command, GError **error) {
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
                g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s", g_strerror(errno));
                return NULL;
        }
        g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
        g_subprocess_launcher_take_stdin_fd(launcher, dup(ends[1]));
        g_subprocess_launcher_take_stdout_fd(launcher, ends[1]);
        g_autoptr(GSubprocess) program = g_subprocess_launcher_spawnv(launcher, command, error);
        g_clear_object(&launcher); /* our copies of the other end */
        if (!program) {
                close(ends[0]);
                return NULL;
        }
        g_autoptr(GSocket) socket = g_socket_new_from_fd(ends[0], error);
        g_autoptr(GSocketConnection) stream = socket ? g_socket_connection_factory_create_connection(socket) : NULL;
        if (!stream)
                return NULL;
        /* Who we are is said by whoever runs the program there: our own user number means nothing to it. */
        GDBusConnectionFlags flags = G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                     G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION | G_DBUS_CONNECTION_FLAGS_CROSS_NAMESPACE;
        /* Not g_dbus_connection_new_sync, whose check does not know the last flag in GLib 2.74, which brought it. */
        return g_initable_new(G_TYPE_DBUS_CONNECTION, NULL, error, "stream", stream, "flags", flags, NULL);
}

/* Which bus it is, for who reads that it cannot be reached. */
static char *describe_bus(const Ctl *ctl) {
        const char *address = getenv(ctl->user ? "DBUS_SESSION_BUS_ADDRESS" : "DBUS_SYSTEM_BUS_ADDRESS");
        const char *where = address && *address ? address
                            : ctl->user         ? "$DBUS_SESSION_BUS_ADDRESS is not set"
                                                : "at its usual place";
        if (ctl->host)
                return g_strdup_printf("the bus of host %s (by ssh, and systemd-stdio-bridge there)", ctl->host);
        if (ctl->machine)
                return g_strdup_printf("the bus of container %s (by systemd-stdio-bridge; see machinectl list)", ctl->machine);
        return g_strdup_printf("the %s bus (%s)", ctl->user ? "session" : "system", where);
}

static bool connect_bus(Ctl *ctl, GError **error) {
        if (ctl->host) {
                const char *const command[] = { "ssh", "-xT", "--", ctl->host, "systemd-stdio-bridge", NULL };
                ctl->bus = connect_through(command, error);
        } else if (ctl->machine) {
                g_autofree char *option = g_strdup_printf("--machine=%s", ctl->machine);
                const char *const command[] = { "systemd-stdio-bridge", option, NULL };
                ctl->bus = connect_through(command, error);
        } else
                ctl->bus = g_bus_get_sync(ctl->user ? G_BUS_TYPE_SESSION : G_BUS_TYPE_SYSTEM, NULL, error);
        if (ctl->bus)
                g_dbus_connection_set_exit_on_close(ctl->bus, FALSE);
        else {
                g_autofree char *bus = describe_bus(ctl);
                g_prefix_error(error, "cannot reach %s: ", bus);
        }
        return ctl->bus != NULL;
}

static bool make_client(Ctl *ctl, GError **error) {
        ctl->client = virtbus_client_new_sync(ctl->bus, NULL, error);
        return ctl->client != NULL;
}

/* What a hypervisor elsewhere asks for: a password is never an argument, which everybody sees. NULL: an error. */
static GVariant *credentials(const Ctl *ctl, GError **error) {
        GVariantDict options;
        g_variant_dict_init(&options, NULL);
        bool asks = ctl->username && !ctl->password_file && !ctl->no_ask_password && isatty(STDIN_FILENO);
        char *password = ctl->password_file || asks ? read_password(ctl->password_file, error) : NULL;
        if ((ctl->password_file || asks) && !password) {
                g_variant_dict_clear(&options);
                return NULL;
        }
        if (ctl->username)
                g_variant_dict_insert(&options, "username", "s", ctl->username);
        if (password) {
                g_variant_dict_insert(&options, "password", "s", password);
                explicit_bzero(password, strlen(password));
                g_free(password);
        }
        return g_variant_dict_end(&options);
}

/* A connection that is named by the URI of a hypervisor elsewhere is opened, and is known by its name from then on. */
static bool open_elsewhere(Ctl *ctl, GError **error) {
        const char *colon = ctl->connection ? strstr(ctl->connection, "://") : NULL;
        bool is_elsewhere = colon && colon[strlen("://")] != '/';
        if (!is_elsewhere && (ctl->username || ctl->password_file)) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                            "--username and --password-file are for a hypervisor elsewhere: say which, by --connection=URI");
                return false;
        }
        if (!is_elsewhere || ctl->never_opens)
                return true;
        GVariant *options = credentials(ctl, error);
        g_autoptr(GVariant) answer = options ? ctl_call(ctl, "/org/virtbus1", "org.virtbus1.Manager", "OpenConnection",
                                                        g_variant_new("(s@a{sv})", ctl->connection, options), NULL, NULL, error)
                                             : NULL;
        if (!answer)
                return false;
        const char *path;
        g_variant_get(answer, "(&o)", &path);
        g_free(ctl->connection);
        ctl->connection = g_path_get_basename(path);
        return true;
}

bool ctl_connect(Ctl *ctl, bool with_client, GError **error) {
        return connect_bus(ctl, error) && open_elsewhere(ctl, error) && (!with_client || make_client(ctl, error));
}

void ctl_disconnect(Ctl *ctl) {
        close_prompt();
        g_clear_object(&ctl->client);
        g_clear_object(&ctl->bus);
}
