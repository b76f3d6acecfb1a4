/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/server.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/process-rest.h"
#include "bus.h"
#include "errors.h"
#include "log.h"
#include "network/lease-socket.h"
#include "network/program.h"
#include "network/server-files.h"

/* Its sockets for DHCP, of ports below 1024, with answers to who has no address yet. */
#define CAPABILITIES (1 << CAP_NET_ADMIN | 1 << CAP_NET_BIND_SERVICE | 1 << CAP_NET_RAW)

struct Server {
        const Servers *servers;
        Process *process;
        ProcessRest *rest;      /* what is still there of it when it has ended; or NULL */
        sd_event_source *watch; /* of its folder, until it listens */
        const ServerListener *listener;
        void *data;
        int log;
        bool is_ready, is_ending;
};

void servers_init(Servers *servers, sd_event *event, const char *runtime) {
        const struct passwd *user = geteuid() == 0 ? getpwnam(SERVER_USER) : NULL;
        *servers = (Servers){ .event = event,
                              .folder = g_build_filename(runtime, "dnsmasq", NULL),
                              .runtime = g_strdup(runtime),
                              .has_user = user };
        if (user) {
                servers->uid = user->pw_uid;
                servers->gid = user->pw_gid;
        }
}

void servers_clear(Servers *servers) {
        g_clear_pointer(&servers->folder, g_free);
        g_clear_pointer(&servers->runtime, g_free);
}

bool server_check_boot(const NetworkDefinition *definition, GError **error) {
        const xmlNode *root = xmlDocGetRootElement(definition->document);
        for (xmlNode *ip = xml_child(root, "ip"); ip; ip = xml_next(ip, "ip")) {
                g_autofree char *folder = xml_attribute_at(ip, "tftp", "root");
                if (*folder && !g_file_test(folder, G_FILE_TEST_IS_DIR))
                        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                                 "network '%s': <tftp>: there is no folder %s on this host: make it first",
                                                 definition->name, folder);
        }
        return true;
}

/* The process */

static void tell_ready(Server *server, const GError *error) {
        server->watch = sd_event_source_disable_unref(server->watch);
        server->is_ready = true;
        server->listener->ready(server->data, error);
}

static int on_written(sd_event_source *source, const struct inotify_event *event, void *data) {
        (void) source;
        if (event->len > 0 && strcmp(event->name, SERVER_NUMBER_FILE) == 0)
                tell_ready(data, NULL);
        return 0;
}

static void tell_ended(void *data) {
        Server *server = data;
        g_autoptr(GError) error = NULL;
        g_autofree char *said = server->log >= 0 ? program_said(server->log) : g_strdup("it was an earlier driver's");
        g_clear_pointer(&server->rest, process_rest_free);
        if (server->is_ready || server->is_ending)
                server->listener->ended(server->data, said);
        else {
                virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "dnsmasq does not start: %s", said);
                tell_ready(server, error);
        }
}

/* A child of it may have its sockets open for a moment yet: another one could not have their addresses. */
static void on_ended(void *data, int status) {
        Server *server = data;
        (void) status;
        server->rest = process_rest_new(server->servers->event, process_pid(server->process), server->servers->uid, tell_ended,
                                        server);
        if (!server->rest)
                tell_ended(server);
}

static Server *server_alloc(const Servers *servers, const ServerListener *listener, void *data) {
        Server *server = g_new0(Server, 1);
        *server = (Server){ .servers = servers, .listener = listener, .data = data, .log = -1 };
        return server;
}

/* In the folder of this program, which is root's as it is. */
static char *helper_path(void) {
        g_autofree char *own = g_file_read_link("/proc/self/exe", NULL), *folder = g_path_get_dirname(own ? own : "/");
        return g_build_filename(folder, SERVER_HELPER, NULL);
}

static bool begin(Server *server, const char *uuid, GError **error) {
        g_autofree char *program = program_find("dnsmasq", "dnsmasq-base", error);
        g_autofree char *folder = server_files_folder(server->servers, uuid), *own = server_files_own(server->servers, uuid),
                        *configuration = g_strdup_printf("--conf-file=%s/dnsmasq.conf", folder),
                        *number = g_strdup_printf("--pid-file=%s/" SERVER_NUMBER_FILE, own),
                        *leases = g_strdup_printf("--dhcp-leasefile=%s/" SERVER_LEASES_FILE, own);
        g_autofree char *helper = helper_path(), *script = g_strdup_printf("--dhcp-script=%s", helper),
                        *network = g_strdup_printf("VIRTBUS_NETWORK=%s", uuid),
                        *path = lease_socket_path(server->servers->runtime), *socket = g_strdup_printf("VIRTBUS_LEASES=%s", path);
        char *additions[2];
        server_files_arguments(folder, additions);
        /* Whom an address belongs to is known: no guest waits until dnsmasq has looked for it. */
        char *arguments[] = { program, (char *) "--keep-in-foreground", configuration, number,       leases, (char *) "--no-ping",
                              script,  (char *) "--script-on-renewal",  additions[0],  additions[1], NULL };
        char *environment[] = { network, socket, NULL };
        g_autofree char *hosts = additions[0], *names = additions[1];
        if (!program)
                return false;
        server->log = memfd_create("log", MFD_CLOEXEC);
        int r = server->log < 0 ? -errno
                                : sd_event_add_inotify(server->servers->event, &server->watch, own, IN_CLOSE_WRITE, on_written,
                                                       server);
        if (r < 0)
                return virtbus_error_set_errno(error, -r, "dnsmasq cannot be watched");
        const ProcessSetup setup = { .arguments = arguments,
                                     .environment = environment,
                                     .log = server->log,
                                     .uid = server->servers->uid,
                                     .gid = server->servers->gid,
                                     .file_size = SERVER_FILE_SIZE_MAX,
                                     .capabilities = CAPABILITIES };
        server->process = process_new(server->servers->event, &setup, on_ended, server, error);
        return server->process;
}

Server *server_new(const Servers *servers, const NetworkDefinition *definition, const ServerListener *listener, void *data,
                   GError **error) {
        if (!servers->has_user) {
                virtbus_error_set(error, VIRTBUS_ERROR_UNSUPPORTED,
                                  "user " SERVER_USER " that dnsmasq runs as is missing: run systemd-sysusers");
                return NULL;
        }
        Server *server = server_alloc(servers, listener, data);
        if (!server_files_write(servers, definition, error) || !begin(server, definition->uuid, error))
                g_clear_pointer(&server, server_free);
        return server;
}

void server_go(Server *server) {
        process_go(server->process);
}

Server *server_find(const Servers *servers, pid_t pid, uint64_t start_time, const ServerListener *listener, void *data) {
        Server *server = server_alloc(servers, listener, data);
        server->is_ready = true;
        server->process = process_find(servers->event, pid, start_time, on_ended, server, NULL);
        if (!server->process)
                g_clear_pointer(&server, server_free);
        return server;
}

void server_reload(const Server *server) {
        process_signal(server->process, SIGHUP);
}

pid_t server_pid(const Server *server) {
        return process_pid(server->process);
}

uint64_t server_start_time(const Server *server) {
        return process_start_time(server->process);
}

void server_end(Server *server) {
        server->is_ending = true;
        process_end(server->process);
}

void server_free(Server *server) {
        server->watch = sd_event_source_disable_unref(server->watch);
        g_clear_pointer(&server->rest, process_rest_free);
        g_clear_pointer(&server->process, process_free);
        autofd_close(&server->log);
        g_free(server);
}
