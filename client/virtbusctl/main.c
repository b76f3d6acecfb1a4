/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* virtbusctl: what machinectl is to systemd-machined, for virtbus. */

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl.h"

#define BUS_NAME "org.virtbus1"

typedef struct VerbEntry {
        const char *name;
        int min, max; /* arguments; -1: any number */
        const char *arguments, *description;
        Verb verb;
} VerbEntry;

/* Those without a verb are headings. */
static const VerbEntry verbs[] = {
        { .description = "Looking" },
        { "list", 0, -1, "[PATTERN...]", "List domains (--active: only those that run)", verb_list },
        { "status", 1, -1, "DOMAIN...", "How domains are, and their devices", verb_status },
        { "show", 1, -1, "DOMAIN...", "All properties of domains", verb_show },
        { "xml", 1, 1, "DOMAIN", "A domain's document (--config: as it is defined)", verb_xml },
        { "stats", 0, -1, "[DOMAIN...]", "What running domains have used", verb_stats },
        { "top", 0, -1, "[DOMAIN...]", "What running domains use, again and again", verb_top },
        { "monitor", 0, 0, "", "Tell what happens, until Ctrl-C", verb_monitor },
        { .description = "Running" },
        { "start", 1, -1, "DOMAIN...", "Start domains (--paused; --force: not from a managed save)", verb_start },
        { "shutdown", 1, -1, "DOMAIN...", "Press their power buttons", verb_shutdown },
        { "reboot", 1, -1, "DOMAIN...", "Shut down, and start again", verb_reboot },
        { "reset", 1, -1, "DOMAIN...", "Press their reset buttons", verb_reset },
        { "destroy", 1, -1, "DOMAIN...", "Pull their plugs", verb_destroy },
        { "suspend", 1, -1, "DOMAIN...", "Stop their processors", verb_suspend },
        { "resume", 1, -1, "DOMAIN...", "Let their processors go on", verb_resume },
        { "wait", 1, 2, "DOMAIN [STATE]", "Wait until a domain is in a state, or off (--timeout=SECONDS)", verb_wait },
        { "save", 1, 2, "DOMAIN [FILE]", "Save its state and end it; without FILE, for the next start", verb_save },
        { "restore", 1, 1, "FILE", "Run a saved domain again", verb_restore },
        { "dump", 2, 2, "DOMAIN FILE", "Write its memory into a new file", verb_dump },
        { .description = "Using" },
        { "console", 1, 2, "DOMAIN [DEVICE]", "Use its console (--force: take it from another)", verb_console },
        { "display", 1, 1, "DOMAIN", "Its displays, and where they listen", verb_display },
        { "screenshot", 2, 2, "DOMAIN FILE", "What it shows, as a PNG file", verb_screenshot },
        { "agent", 1, -1, "DOMAIN [ping|info|exec PROGRAM...]", "Ask the agent in the guest", verb_agent },
        { .description = "Defining" },
        { "create", 1, 1, "NAME", "Make a domain (--memory, --cpus, --disk, --cdrom, --network, --start)", verb_create },
        { "define", 1, -1, "FILE...", "Define domains from documents, - for standard input", verb_define },
        { "edit", 1, 1, "DOMAIN", "Change a domain's document in an editor", verb_edit },
        { "undefine", 1, -1, "DOMAIN...", "Forget domains (--nvram: with UEFI variables and managed save)", verb_undefine },
        { "autostart", 2, 2, "DOMAIN on|off", "Whether it starts with the machine", verb_autostart },
        { "attach", 2, 2, "DOMAIN FILE", "Attach a device (--live, --config)", verb_attach },
        { "detach", 2, 2, "DOMAIN DEVICE", "Detach a device, by alias or a disk's name", verb_detach },
        { "import", 0, 1, "[FOLDER]", "Define what libvirt has defined", verb_import },
};

/* Errors */

int ctl_fail(GError *error) {
        static const struct {
                const char *name;
                int status;
        } statuses[] = {
                { "org.freedesktop.DBus.Error.AccessDenied", EXIT_NOT_AUTHORIZED },
                { "org.freedesktop.DBus.Error.AuthFailed", EXIT_NOT_AUTHORIZED },
                { "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", EXIT_NOT_AUTHORIZED },
                { "org.virtbus1.Error.NoSuchDomain", EXIT_NO_SUCH_DOMAIN },
        };
        g_autofree char *name = error ? g_dbus_error_get_remote_error(error) : NULL;
        int status = EXIT_FAILED;
        if (!error)
                return EXIT_FAILED; /* it has been said */
        if (g_error_matches(error, VIRTBUS_ERROR, VIRTBUS_ERROR_NO_SUCH_DOMAIN))
                status = EXIT_NO_SUCH_DOMAIN;
        else if (g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED) ||
                 g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_AUTH_FAILED))
                status = EXIT_NOT_AUTHORIZED;
        for (size_t i = 0; name && i < G_N_ELEMENTS(statuses); i++)
                if (strcmp(name, statuses[i].name) == 0)
                        status = statuses[i].status;
        g_dbus_error_strip_remote_error(error);
        fprintf(stderr, "virtbusctl: %s\n", error->message);
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
        if (prompt != 0 || ctl->is_remote || ctl->user || ctl->no_ask_password || geteuid() == 0 || !isatty(STDIN_FILENO) ||
            !isatty(STDERR_FILENO) || pipe(ready) < 0)
                return;
        g_autofree char *number = g_strdup_printf("%d", ready[1]);
        prompt = fork();
        if (prompt == 0) {
                close(ready[0]);
                /* Where there is a session, its own agent comes first; without one, polkit does not look for one that stands back. */
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
        open_prompt(ctl);
        return g_dbus_connection_call_with_unix_fd_list_sync(ctl->bus, BUS_NAME, path, interface, method, arguments, NULL,
                                                             G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, G_MAXINT, fds,
                                                             out_fds, NULL, error);
}

VirtbusDomain *ctl_find(Ctl *ctl, const char *text, int *status) {
        g_autoptr(GError) error = NULL;
        VirtbusDomain *domain = virtbus_client_find_domain(ctl->client, text, &error);
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

VirtbusConnection *ctl_connection(Ctl *ctl, GError **error) {
        const char *wanted = ctl->connection ? ctl->connection : "qemu";
        GList *connections = virtbus_client_get_connections(ctl->client);
        VirtbusConnection *found = NULL;
        g_autoptr(GString) names = g_string_new(NULL);
        for (GList *link = connections; link; link = link->next) {
                const char *name = virtbus_connection_get_name(link->data);
                g_string_append_printf(names, "%s%s", names->len > 0 ? ", " : "", name);
                if (strcmp(name, wanted) == 0)
                        found = g_object_ref(link->data);
        }
        g_list_free_full(connections, g_object_unref);
        if (!found)
                g_set_error(error, VIRTBUS_ERROR, VIRTBUS_ERROR_INVALID_ARGUMENT, "there is no connection '%s'; there are: %s",
                            wanted, names->str);
        return found;
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

GVariant *ctl_change_options(const Ctl *ctl) {
        return ctl_options(ctl->live ? "live" : ctl->config ? "config" : NULL, ctl->live && ctl->config ? "config" : NULL, NULL);
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

static bool connect_bus(Ctl *ctl, GError **error) {
        ctl->is_remote = ctl->host || ctl->machine;
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
        return ctl->bus != NULL;
}

static bool make_client(Ctl *ctl, GError **error) {
        g_autoptr(GError) failure = NULL;
        ctl->client = virtbus_client_new_sync(ctl->bus, NULL, &failure);
        g_autofree char *name = failure ? g_dbus_error_get_remote_error(failure) : NULL;
        if (g_strcmp0(name, "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired") == 0) {
                /* Who may not look without a password is asked for it here; polkit remembers that for a while. */
                g_clear_error(&failure);
                g_autoptr(GVariant) answer = ctl_call(ctl, "/org/virtbus1", "org.freedesktop.DBus.ObjectManager",
                                                      "GetManagedObjects", NULL, NULL, NULL, &failure);
                ctl->client = answer ? virtbus_client_new_sync(ctl->bus, NULL, &failure) : NULL;
        }
        if (failure)
                g_propagate_error(error, g_steal_pointer(&failure));
        return ctl->client != NULL;
}

/* Options */

static char *summary(void) {
        GString *text = g_string_new("Virtual machines on D-Bus. DOMAIN is a name, a UUID, or the beginning of one.\n");
        for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
                if (verbs[i].verb) {
                        g_autofree char *usage = g_strdup_printf("%s %s", verbs[i].name, verbs[i].arguments);
                        g_string_append_printf(text, "  %-30s %s\n", usage, verbs[i].description);
                } else
                        g_string_append_printf(text, "\n%s:\n", verbs[i].description);
        return g_string_free(text, FALSE);
}

static bool parse(Ctl *ctl, int *argc, char ***argv, gboolean *version, GError **error) {
        const GOptionEntry entries[] = {
                { "active", 0, 0, G_OPTION_ARG_NONE, &ctl->active, "list: only those that run", NULL },
                { "connection", 'c', 0, G_OPTION_ARG_STRING, &ctl->connection, "Of this hypervisor, such as qemu", "NAME" },
                { "live", 0, 0, G_OPTION_ARG_NONE, &ctl->live, "Change the running domain", NULL },
                { "config", 0, 0, G_OPTION_ARG_NONE, &ctl->config, "Change, or show, the definition", NULL },
                { "force", 'f', 0, G_OPTION_ARG_NONE, &ctl->force, "console: take it; start: boot; create: without KVM", NULL },
                { "paused", 0, 0, G_OPTION_ARG_NONE, &ctl->paused, "Leave its processors stopped", NULL },
                { "start", 0, 0, G_OPTION_ARG_NONE, &ctl->start, "define, create: start it too", NULL },
                { "autostart", 0, 0, G_OPTION_ARG_NONE, &ctl->autostart, "define, create: start it with the machine", NULL },
                { "nvram", 0, 0, G_OPTION_ARG_NONE, &ctl->nvram, "undefine: with UEFI variables and managed save", NULL },
                { "compression", 0, 0, G_OPTION_ARG_STRING, &ctl->compression, "save: none, gzip, zstd, xz, lz4", "PROGRAM" },
                { "memory", 0, 0, G_OPTION_ARG_STRING, &ctl->memory, "create: 1G if it is not given", "SIZE" },
                { "cpus", 0, 0, G_OPTION_ARG_STRING, &ctl->cpus, "create: processors", "N" },
                { "disk", 0, 0, G_OPTION_ARG_STRING_ARRAY, &ctl->disks, "create: an image or block device; again for more",
                  "PATH[,FORMAT]" },
                { "cdrom", 0, 0, G_OPTION_ARG_STRING, &ctl->cdrom, "create: an image to boot from", "PATH" },
                { "network", 0, 0, G_OPTION_ARG_STRING, &ctl->network, "create: user, none, bridge=NAME, direct=INTERFACE",
                  "KIND" },
                { "timeout", 0, 0, G_OPTION_ARG_DOUBLE, &ctl->timeout, "wait: give up after so long", "SECONDS" },
                { "delay", 'd', 0, G_OPTION_ARG_DOUBLE, &ctl->delay, "top: how often", "SECONDS" },
                { "iterations", 'n', 0, G_OPTION_ARG_INT, &ctl->iterations, "top: how many times", "N" },
                { "json", 'j', 0, G_OPTION_ARG_NONE, &ctl->json, "For programs to read", NULL },
                { "no-legend", 0, 0, G_OPTION_ARG_NONE, &ctl->no_legend, "Neither headings nor a count", NULL },
                { "no-pager", 0, 0, G_OPTION_ARG_NONE, &ctl->no_pager, "Never through a pager", NULL },
                { "no-ask-password", 0, 0, G_OPTION_ARG_NONE, &ctl->no_ask_password, "Do not ask for passwords", NULL },
                { "user", 0, 0, G_OPTION_ARG_NONE, &ctl->user, "The user's own guests, on the session bus", NULL },
                { "host", 'H', 0, G_OPTION_ARG_STRING, &ctl->host, "On another host, by ssh", "[USER@]HOST" },
                { "machine", 'M', 0, G_OPTION_ARG_STRING, &ctl->machine, "In a local container", "CONTAINER" },
                { "version", 0, 0, G_OPTION_ARG_NONE, version, "Show the version", NULL },
                G_OPTION_ENTRY_NULL,
        };
        g_autoptr(GOptionContext) context = g_option_context_new("VERB [ARGUMENT...]");
        g_autofree char *text = summary();
        g_option_context_set_summary(context, text);
        g_option_context_set_description(context, "See virtbusctl(1).");
        g_option_context_add_main_entries(context, entries, NULL);
        /* What a guest's program is given is not ours. */
        for (int i = 1; i + 2 < *argc; i++)
                if (strcmp((*argv)[i], "agent") == 0)
                        g_option_context_set_strict_posix(context, TRUE);
        return g_option_context_parse(context, argc, argv, error);
}

static const VerbEntry *find_verb(const char *name) {
        for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
                if (verbs[i].verb && strcmp(verbs[i].name, name) == 0)
                        return verbs + i;
        return NULL;
}

int main(int argc, char *argv[]) {
        Ctl ctl = { 0 };
        gboolean version = FALSE;
        g_autoptr(GError) error = NULL;
        setlocale(LC_ALL, "");
        if (!parse(&ctl, &argc, &argv, &version, &error)) {
                fprintf(stderr, "virtbusctl: %s\n", error->message);
                return EXIT_USAGE;
        }
        if (version) {
                puts("virtbusctl " VIRTBUS_VERSION);
                return EXIT_DONE;
        }
        const char *name = argc > 1 ? argv[1] : "list";
        const VerbEntry *verb = find_verb(name);
        char *none[] = { NULL }, **arguments = argc > 2 ? argv + 2 : none;
        int n = argc > 2 ? argc - 2 : 0;
        if (!verb) {
                fprintf(stderr, "virtbusctl: there is no verb '%s'; see virtbusctl --help\n", name);
                return EXIT_USAGE;
        }
        if (n < verb->min || (verb->max >= 0 && n > verb->max)) {
                fprintf(stderr, "usage: virtbusctl %s %s\n", verb->name, verb->arguments);
                return EXIT_USAGE;
        }
        int status = connect_bus(&ctl, &error) && (verb->verb == verb_list || make_client(&ctl, &error))
                                     ? verb->verb(&ctl, arguments)
                                     : ctl_fail(g_steal_pointer(&error));
        close_prompt();
        g_clear_object(&ctl.client);
        g_clear_object(&ctl.bus);
        g_strfreev(ctl.disks);
        char *texts[] = { ctl.host, ctl.machine, ctl.connection, ctl.compression, ctl.memory, ctl.cpus, ctl.cdrom, ctl.network };
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
                g_free(texts[i]);
        return status;
}
