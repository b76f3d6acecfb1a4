/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virtbusd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "bus.h"
#include "bounds.h"
#include "paths.h"

#define DOMAIN VIRTBUSD_PATH "/domain/a1b2c3d4_0000_4000_8000_000000000001"

const char *const virtbusd_words[] = { "",     "a",     "default", "running",    "org.virtbus1.Domain",
                                       "Name", "State", "serial0", "so\xc3\xbc", "virtbus",
                                       ":1.7", "flags", "xml",     NULL };
const char *const virtbusd_paths[] = { VIRTBUSD_PATH,
                                       DOMAIN,
                                       DOMAIN "/device/serial0",
                                       DOMAIN "/device/vda",
                                       DOMAIN "/guest",
                                       VIRTBUSD_PATH "/domain/b",
                                       "/org/virtbus1/job/test_1",
                                       "/org/virtbus1/job/qemu_1",
                                       "/org/virtbus1",
                                       "/org/virtbus1/qemu",
                                       "/org/virtbus1/testing",
                                       "/org",
                                       "/",
                                       NULL };

/* The ends of the two sockets that virtbusd listens on, kept for the process. */
static char *socket_paths[2];

/* Where systemd passes sockets: kept free of anything else, from before libFuzzer opens its files. */
static const char *const socket_names[] = { PEERS_SOCKET, PEERS_SOCKET_READ_ONLY };
__attribute__((constructor)) static void reserve_descriptors(void) {
        g_autofd int null = open("/dev/null", O_RDWR | O_CLOEXEC), high = fcntl(null, F_DUPFD_CLOEXEC, 16);
        for (size_t i = 0; i < G_N_ELEMENTS(socket_names); i++)
                dup2(high, SD_LISTEN_FDS_START + (int) i);
        if (null >= SD_LISTEN_FDS_START && null < SD_LISTEN_FDS_START + (int) G_N_ELEMENTS(socket_names))
                null = -1; /* one of them, then */
}

static void pass_sockets(void) {
        g_autofree char *pid = g_strdup_printf("%d", (int) getpid());
        for (size_t i = 0; i < G_N_ELEMENTS(socket_names); i++) {
                struct sockaddr_un address = { .sun_family = AF_UNIX };
                if (!socket_paths[i])
                        socket_paths[i] = g_build_filename(fuzz_folder(), socket_names[i], NULL);
                unlink(socket_paths[i]);
                g_strlcpy(address.sun_path, socket_paths[i], sizeof address.sun_path);
                g_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
                g_assert_cmpint(bind(fd, (struct sockaddr *) &address, sizeof address), ==, 0);
                g_assert_cmpint(listen(fd, 8), ==, 0);
                g_assert_cmpint(dup2(fd, SD_LISTEN_FDS_START + (int) i), >=, 0);
        }
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDS", "2", 1);
        setenv("LISTEN_FDNAMES", PEERS_SOCKET ":" PEERS_SOCKET_READ_ONLY, 1);
}

static int on_driver_call(sd_bus_message *call, void *data, sd_bus_error *unused) {
        Virtbusd *virtbusd = data;
        (void) unused;
        if (sd_bus_message_is_method_call(call, DRIVER_INTERFACE, "Synchronize")) {
                virtbusd->is_asked = true;
                return sd_bus_reply_method_return(call, NULL);
        }
        if (sd_bus_message_is_method_call(call, DRIVER_INTERFACE, "Release"))
                return sd_bus_reply_method_return(call, "b", true);
        if (!virtbusd->holds)
                return 0;
        g_queue_push_tail(&virtbusd->forwarded, sd_bus_message_ref(call));
        return 1;
}

static void close_bus(sd_bus *bus) {
        sd_bus_detach_event(bus);
        sd_bus_close(bus);
        sd_bus_unref(bus);
}

/* The other end of a connection, which FILTER answers for; *FD is ours to give away. */
static sd_bus *serve(Virtbusd *virtbusd, sd_bus_message_handler_t filter, int *fd) {
        sd_id128_t id = SD_ID128_MAKE(1, 2, 3, 4, 5, 6, 7, 8, 9, a, b, c, d, e, f, 10);
        sd_bus *bus;
        int pair[2];
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==, 0);
        g_assert_cmpint(sd_bus_new(&bus), >=, 0);
        g_assert_cmpint(sd_bus_set_fd(bus, pair[0], pair[0]), >=, 0);
        g_assert_cmpint(sd_bus_set_server(bus, true, id), >=, 0);
        g_assert_cmpint(sd_bus_negotiate_fds(bus, true), >=, 0);
        g_assert_cmpint(sd_bus_add_filter(bus, NULL, filter, virtbusd), >=, 0);
        g_assert_cmpint(sd_bus_start(bus), >=, 0);
        g_assert_cmpint(sd_bus_attach_event(bus, virtbusd->event, SD_EVENT_PRIORITY_NORMAL), >=, 0);
        *fd = pair[1];
        return bus;
}

static int attach(Virtbusd *virtbusd, sd_bus_message *call) {
        g_autofd int theirs = -1;
        if (virtbusd->driver)
                close_bus(virtbusd->driver);
        virtbusd->driver = serve(virtbusd, on_driver_call, &theirs);
        return sd_bus_reply_method_return(call, "h", theirs);
}

static int decide(Virtbusd *virtbusd, sd_bus_message *question) {
        if (virtbusd->answer == POLKIT_FAILS)
                return sd_bus_reply_method_errorf(question, SD_BUS_ERROR_FAILED, "polkit has no idea");
        return sd_bus_reply_method_return(question, "(bba{ss})", virtbusd->answer == POLKIT_YES,
                                          virtbusd->answer == POLKIT_CHALLENGE, 0);
}

/* CheckAuthorization((sa{sv}) subject, s action, a{ss} details, ...). */
static void note_question(Virtbusd *virtbusd, sd_bus_message *question) {
        g_autoptr(GString) text = g_string_new(NULL);
        const char *word, *value;
        g_assert_cmpint(sd_bus_message_skip(question, "(sa{sv})"), >=, 0);
        g_assert_cmpint(sd_bus_message_read(question, "s", &word), >, 0);
        g_string_append(text, word);
        g_assert_cmpint(sd_bus_message_enter_container(question, 'a', "{ss}"), >, 0);
        while (sd_bus_message_read(question, "{ss}", &word, &value) > 0)
                g_string_append_printf(text, " %s=%s", word, value);
        g_assert_cmpint(sd_bus_message_rewind(question, true), >=, 0);
        g_free(virtbusd->asked);
        virtbusd->asked = g_string_free(g_steal_pointer(&text), FALSE);
}

static int on_question(Virtbusd *virtbusd, sd_bus_message *question) {
        virtbusd->n_questions++;
        note_question(virtbusd, question);
        if (!virtbusd->holds)
                return decide(virtbusd, question);
        g_queue_push_tail(&virtbusd->questions, sd_bus_message_ref(question));
        return 1;
}

void virtbusd_let_go(Virtbusd *virtbusd) {
        for (sd_bus_message *question; (question = g_queue_pop_head(&virtbusd->questions)); sd_bus_message_unref(question))
                decide(virtbusd, question);
        fuzz_settle(virtbusd->event);
}

/* What the bus, polkit and a driver answer. */
static int on_bus_message(sd_bus_message *message, void *data, sd_bus_error *unused) {
        Virtbusd *virtbusd = data;
        const char *member = sd_bus_message_get_member(message);
        uint8_t type;
        (void) unused;
        if (sd_bus_message_get_type(message, &type) < 0 || type != SD_BUS_MESSAGE_METHOD_CALL)
                return 1;
        if (strcmp(member, "Hello") == 0)
                return sd_bus_reply_method_return(message, "s", ":1.1");
        if (strcmp(member, "AddMatch") == 0)
                return sd_bus_reply_method_return(message, NULL);
        if (strcmp(member, "ListActivatableNames") == 0 || strcmp(member, "ListNames") == 0)
                return sd_bus_reply_method_return(message, "as", 2, "org.freedesktop.DBus", VIRTBUSD_DRIVER);
        if (strcmp(member, "GetConnectionUnixProcessID") == 0)
                return sd_bus_reply_method_return(message, "u", 4711);
        if (strcmp(member, "GetConnectionUnixUser") == 0)
                return sd_bus_reply_method_return(message, "u", (uint32_t) virtbusd->caller_uid);
        if (strcmp(member, "CheckAuthorization") == 0)
                return on_question(virtbusd, message);
        if (strcmp(member, "Attach") == 0)
                return attach(virtbusd, message);
        return sd_bus_reply_method_errorf(message, SD_BUS_ERROR_UNKNOWN_METHOD, "nobody knows %s", member);
}

/* As connect_bus does with an address. */
static void connect_bus_end(Virtbusd *virtbusd) {
        static const InletRules rules = { .header_max = HEADER_BYTES_MAX, .body_max = BODY_BYTES_MAX };
        Router *router = &virtbusd->parts.router;
        int fd;
        virtbusd->bus = serve(virtbusd, on_bus_message, &fd);
        router->inlet = inlet_new(&rules, NULL);
        g_assert_cmpint(sd_bus_new(&router->bus), >=, 0);
        g_assert_cmpint(inlet_connect(router->inlet, router->bus, fd), >=, 0);
        g_assert_cmpint(sd_bus_set_bus_client(router->bus, true), >=, 0);
        g_assert_cmpint(sd_bus_negotiate_fds(router->bus, true), >=, 0);
        g_assert_cmpint(sd_bus_start(router->bus), >=, 0);
        g_assert_cmpint(sd_bus_attach_event(router->bus, virtbusd->event, SD_EVENT_PRIORITY_NORMAL), >=, 0);
        g_assert_cmpint(inlet_start(router->inlet), >=, 0);
}

void virtbusd_open(Virtbusd *virtbusd, bool synchronizes) {
        g_autoptr(GError) error = NULL;
        *virtbusd = (Virtbusd){ .questions = G_QUEUE_INIT, .forwarded = G_QUEUE_INIT, .caller_uid = VIRTBUSD_CALLER_UID };
        fuzz_folder();
        pass_sockets();
        g_assert_cmpint(sd_event_new(&virtbusd->event), >=, 0);
        connect_bus_end(virtbusd);
        assembly_make(&virtbusd->parts, &(AssemblyOptions){ .event = virtbusd->event,
                                                            .descriptors = PROCESS_DESCRIPTORS_MAX,
                                                            .call_timeout = CALL_TIMEOUT });
        assembly_start(&virtbusd->parts, NULL, &error);
        g_assert_no_error(error);
        for (unsigned n = 0; synchronizes && !virtbusd->is_asked && n < FUZZ_EVENTS_MAX; n++)
                sd_event_run(virtbusd->event, 0);
        fuzz_settle(virtbusd->event);
}

static void drop(GQueue *messages) {
        for (sd_bus_message *message; (message = g_queue_pop_head(messages));)
                sd_bus_message_unref(message);
}

void virtbusd_close(Virtbusd *virtbusd) {
        assembly_end(&virtbusd->parts);
        drop(&virtbusd->questions);
        drop(&virtbusd->forwarded);
        g_free(virtbusd->asked);
        if (virtbusd->driver)
                close_bus(virtbusd->driver);
        close_bus(virtbusd->bus);
        sd_event_unref(virtbusd->event);
        reserve_descriptors();
}

int virtbusd_connect(Virtbusd *virtbusd, bool read_only) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        g_strlcpy(address.sun_path, socket_paths[read_only], sizeof address.sun_path);
        g_assert_cmpint(connect(fd, (struct sockaddr *) &address, sizeof address), ==, 0);
        fuzz_settle(virtbusd->event);
        return fd;
}

static int on_answer(sd_bus_message *reply, void *data, sd_bus_error *unused) {
        (void) unused;
        if (data && !sd_bus_message_is_method_error(reply, NULL))
                g_assert_true(fuzz_is_readable(reply, data));
        return 0;
}

static void call(Virtbusd *virtbusd, const char *path, const char *interface, const char *member, const char *argument,
                 const char *out) {
        g_autoptr(sd_bus_message) message = NULL;
        int r = sd_bus_message_new_method_call(virtbusd->bus, &message, BUS_NAME, path, interface, member);
        if (r >= 0)
                r = sd_bus_message_set_sender(message, VIRTBUSD_CALLER);
        if (r >= 0 && argument)
                r = sd_bus_message_append(message, "s", argument);
        if (r >= 0)
                sd_bus_call_async(virtbusd->bus, NULL, message, on_answer, (void *) out, 0);
}

void virtbusd_read(Virtbusd *virtbusd, const char *path) {
        call(virtbusd, path, "org.freedesktop.DBus.Introspectable", "Introspect", NULL, "s");
        call(virtbusd, path, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, "a{oa{sa{sv}}}");
        for (size_t i = 0; interfaces[i]; i++)
                call(virtbusd, path, "org.freedesktop.DBus.Properties", "GetAll", interfaces[i]->name, "a{sv}");
        fuzz_settle(virtbusd->event);
}

void virtbusd_call(Virtbusd *virtbusd, Bytes *bytes) {
        static size_t n_interfaces;
        g_autoptr(sd_bus_message) message = NULL;
        while (interfaces[n_interfaces])
                n_interfaces++;
        const InterfaceInfo *interface = interfaces[bytes_pick(bytes, n_interfaces)];
        const char *path = virtbusd_paths[bytes_pick(bytes, g_strv_length((char **) virtbusd_paths))];
        if (interface->n_methods == 0)
                return;
        const MethodInfo *method = &interface->methods[bytes_pick(bytes, interface->n_methods)];
        int r = sd_bus_message_new_method_call(virtbusd->bus, &message, BUS_NAME, path, interface->name, method->name);
        if (r >= 0)
                r = sd_bus_message_set_sender(message, VIRTBUSD_CALLER);
        if (r >= 0)
                r = bytes_append(bytes, message, bytes_take(bytes) < 250 ? method->in_signature : "v", virtbusd_words);
        if (r >= 0)
                sd_bus_call_async(virtbusd->bus, NULL, message, on_answer, (void *) method->out_signature, 0);
        fuzz_settle(virtbusd->event);
}
