/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Starting, stopping, saving; and waiting for what takes a while. */

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

#define DOMAIN "org.virtbus1.Domain"
#define CONNECTION "org.virtbus1.Connection"

/* How many bytes of memory are on a line. */
#define PEEK_LINE 16

/* How wide the bar of a job is, in characters. */
#define BAR_WIDTH 30

int verb_start(Ctl *ctl, char **arguments) {
        GVariant *options = ctl_options(ctl->paused  ? "paused"
                                        : ctl->force ? "force_boot"
                                                     : NULL,
                                        ctl->paused && ctl->force ? "force_boot" : NULL, NULL);
        if (!ctl->fds)
                return ctl_do_each(ctl, arguments, "Start", g_variant_new("(@a{sv})", options));
        g_autoptr(GVariant) taken = g_variant_ref_sink(options);
        if (arguments[1]) {
                ctl_say("--fd is for one domain; start the others by themselves");
                return EXIT_USAGE;
        }
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        return domain ? ctl_start(ctl, ctl_path(domain), taken) : status;
}

int verb_shutdown(Ctl *ctl, char **arguments) {
        static const char *const off[] = { "shutoff", NULL };
        if (ctl->timeout > 0 && !ctl->wait) {
                ctl_say("--timeout is how long to wait; add --wait");
                return EXIT_USAGE;
        }
        int status = ctl_do_each(ctl, arguments, "Shutdown", g_variant_new("(@a{sv})", ctl_options(NULL, NULL)));
        return status == EXIT_DONE && ctl->wait ? ctl_wait(ctl, arguments, off) : status;
}

/* Jobs */

typedef struct JobWait {
        Ctl *ctl;
        GMainLoop *loop;
        GAsyncResult *result;
        const char *path, *what;
        gint64 began;
        bool has_bar, is_asking;
        guint keys;
} JobWait;

static void draw(VirtbusClient *client, VirtbusJob *job, JobWait *wait) {
        (void) client;
        if (!wait->has_bar || wait->is_asking)
                return;
        uint64_t done = virtbus_job_get_bytes_done(job), total = virtbus_job_get_bytes_total(job);
        double part = CLAMP(virtbus_job_get_progress(job), 0, 1), seconds = (double) (g_get_monotonic_time() - wait->began) / 1e6;
        g_autofree char *have = output_size(done), *all = output_size(total),
                        *speed = output_size(seconds > 0 ? (uint64_t) ((double) done / seconds) : 0);
        fprintf(stderr, "\r%s ", wait->what);
        for (int i = 0; i < BAR_WIDTH; i++)
                fputs(i < (int) (part * BAR_WIDTH) ? "█" : "░", stderr);
        fprintf(stderr, " %3.0f%% %s of %s, %s/s", part * 100, have, all, speed);
        if (part > 0 && part < 1)
                fprintf(stderr, ", %.0f s left", seconds / part - seconds);
        fputs("\033[K", stderr);
}

static void on_job_ended(GObject *source, GAsyncResult *result, gpointer data) {
        JobWait *wait = data;
        (void) source;
        wait->result = g_object_ref(result);
        g_main_loop_quit(wait->loop);
}

static gboolean on_answer(int fd, GIOCondition condition, gpointer data) {
        JobWait *wait = data;
        char line[64];
        ssize_t n = read(fd, line, sizeof line);
        (void) condition;
        wait->is_asking = false;
        wait->keys = 0;
        if (n > 0 && (line[0] == 'y' || line[0] == 'Y'))
                ctl_do(wait->ctl, wait->path, "org.virtbus1.Job", "Cancel", NULL);
        else if (n <= 0 || line[0] == 'l' || line[0] == 'L') {
                g_main_loop_quit(wait->loop);
        }
        return G_SOURCE_REMOVE;
}

static gboolean on_interrupt(gpointer data) {
        JobWait *wait = data;
        if (wait->is_asking || !isatty(STDIN_FILENO)) {
                g_main_loop_quit(wait->loop);
                return G_SOURCE_CONTINUE;
        }
        wait->is_asking = true;
        fprintf(stderr, "\nCancel it [y], wait on [N], or leave it to go on alone [l]? ");
        wait->keys = g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP, on_answer, wait);
        return G_SOURCE_CONTINUE;
}

int ctl_follow_job(Ctl *ctl, const char *path, const char *what) {
        g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
        g_autoptr(GError) error = NULL;
        JobWait wait = { .ctl = ctl, .loop = loop, .path = path, .what = what, .began = g_get_monotonic_time() };
        wait.has_bar = isatty(STDERR_FILENO) && !ctl->json;
        guint interrupt = g_unix_signal_add(SIGINT, on_interrupt, &wait);
        virtbus_client_wait_for_job(ctl->client, path, NULL, on_job_ended, &wait);
        g_autofree char *signal = g_strconcat("job-changed::", path, NULL);
        gulong changed = g_signal_connect(ctl->client, signal, G_CALLBACK(draw), &wait);
        if (wait.has_bar)
                fprintf(stderr, "%s ...", what);
        g_main_loop_run(loop);
        g_signal_handler_disconnect(ctl->client, changed);
        g_source_remove(interrupt);
        if (wait.keys)
                g_source_remove(wait.keys);
        if (wait.has_bar)
                fputs("\r\033[K", stderr);
        g_autoptr(GAsyncResult) result = wait.result;
        if (!result) {
                ctl_say("it goes on as %s", path);
                return EXIT_INTERRUPTED;
        }
        if (!virtbus_client_wait_for_job_finish(ctl->client, result, &error))
                return ctl_fail(g_steal_pointer(&error));
        return EXIT_DONE;
}

static int follow_answer(Ctl *ctl, GVariant *answer, gsize index, const char *what) {
        g_autoptr(GVariant) path = g_variant_get_child_value(answer, index);
        return ctl_follow_job(ctl, g_variant_get_string(path, NULL), what);
}

/* A path as the service must have it. */
static char *absolute(const char *path) {
        return g_canonicalize_filename(path, NULL);
}

/* Saves to standard output, or restores from standard input: FD is the one that is passed on. */
static GVariant *call_with_fd(Ctl *ctl, const char *path, const char *interface, const char *method, GVariant *options, int fd,
                              GError **error) {
        g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
        g_autoptr(GVariant) shared = g_variant_ref_sink(options);
        if (ctl->host) {
                g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                            "a state is not passed on from or to another host; run virtbusctl there: ssh %s virtbusctl ...",
                            ctl->host);
                return NULL;
        }
        if (g_unix_fd_list_append(fds, fd, error) < 0)
                return NULL;
        return ctl_call(ctl, path, interface, method, g_variant_new("(h@a{sv})", 0, shared), fds, NULL, error);
}

int verb_save(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) answer = NULL;
        GVariantDict options;
        if (!domain)
                return status;
        if (g_strcmp0(arguments[1], "-") == 0 && isatty(STDOUT_FILENO)) {
                ctl_say("a state is nothing to look at; lead standard output elsewhere");
                return EXIT_USAGE;
        }
        g_variant_dict_init(&options, NULL);
        if (ctl->paused)
                g_variant_dict_insert(&options, "paused", "b", TRUE);
        if (ctl->running)
                g_variant_dict_insert(&options, "running", "b", TRUE);
        if (ctl->compression)
                g_variant_dict_insert(&options, "compression", "s", ctl->compression);
        GVariant *given = g_variant_dict_end(&options);
        const char *path = ctl_path(domain), *file = arguments[1];
        if (!file)
                answer = ctl_call(ctl, path, DOMAIN, "ManagedSave", g_variant_new("(@a{sv})", given), NULL, NULL, &error);
        else if (strcmp(file, "-") == 0)
                answer = call_with_fd(ctl, path, DOMAIN, "SaveToFD", given, STDOUT_FILENO, &error);
        else {
                g_autofree char *whole = absolute(file);
                answer = ctl_call(ctl, path, DOMAIN, "Save", g_variant_new("(s@a{sv})", whole, given), NULL, NULL, &error);
        }
        return answer ? follow_answer(ctl, answer, 0, "saving") : ctl_fail(g_steal_pointer(&error));
}

int verb_restore(Ctl *ctl, char **arguments) {
        g_autoptr(GError) error = NULL;
        g_autoptr(VirtbusConnection) connection = ctl_connection(ctl, &error);
        g_autoptr(GVariant) answer = NULL;
        if (!connection)
                return ctl_fail(g_steal_pointer(&error));
        GVariant *options = ctl_options(ctl->paused    ? "paused"
                                        : ctl->running ? "running"
                                                       : NULL,
                                        ctl->paused && ctl->running ? "running" : NULL, NULL);
        const char *path = g_dbus_proxy_get_object_path(G_DBUS_PROXY(connection));
        if (strcmp(arguments[0], "-") == 0)
                answer = call_with_fd(ctl, path, CONNECTION, "RestoreDomainFromFD", options, STDIN_FILENO, &error);
        else {
                g_autofree char *file = absolute(arguments[0]);
                answer = ctl_call(ctl, path, CONNECTION, "RestoreDomain", g_variant_new("(s@a{sv})", file, options), NULL, NULL,
                                  &error);
        }
        if (!answer)
                ctl_prefix(&error, strcmp(arguments[0], "-") == 0 ? "standard input" : arguments[0]);
        return answer ? follow_answer(ctl, answer, 1, "restoring") : ctl_fail(g_steal_pointer(&error));
}

/* Whether a state is named by its file: a path, or what is not a domain's name as it has a '/' in it. */
static bool is_saved_file(const char *name) {
        return strchr(name, '/') != NULL;
}

int verb_saved(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(GError) error = NULL;
        g_autofree char *document = NULL, *file = is_saved_file(arguments[0]) ? absolute(arguments[0]) : NULL;
        if ((ctl->running || ctl->paused) && !arguments[1]) {
                ctl_say("--running and --paused are for another document");
                return EXIT_USAGE;
        }
        if (arguments[1] && !ctl_read_file(arguments[1], &document, &error))
                return ctl_fail(g_steal_pointer(&error));
        g_autoptr(VirtbusConnection) connection = file ? ctl_connection(ctl, &error) : NULL;
        g_autoptr(VirtbusDomain) domain = file ? NULL : ctl_find(ctl, arguments[0], &status);
        if (!connection && !domain)
                return error ? ctl_fail(g_steal_pointer(&error)) : status;
        const char *path = file ? g_dbus_proxy_get_object_path(G_DBUS_PROXY(connection)) : ctl_path(domain);
        GVariantBuilder values;
        g_variant_builder_init(&values, G_VARIANT_TYPE_TUPLE);
        if (file)
                g_variant_builder_add(&values, "s", file);
        if (document)
                g_variant_builder_add(&values, "s", document);
        g_variant_builder_add_value(&values, ctl_options(ctl->running  ? "running"
                                                         : ctl->paused ? "paused"
                                                                       : NULL,
                                                         ctl->running && ctl->paused ? "paused" : NULL, NULL));
        const char *member = file ? (document ? "SetSavedXML" : "GetSavedXML")
                                  : (document ? "SetManagedSaveXML" : "GetManagedSaveXML");
        g_autoptr(GVariant) answer = ctl_call(ctl, path, file ? CONNECTION : DOMAIN, member, g_variant_builder_end(&values), NULL,
                                              NULL, &error);
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        if (!document) {
                const char *text;
                g_variant_get(answer, "(&s)", &text);
                output_page(ctl, text);
        }
        return EXIT_DONE;
}

int verb_dump(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        if (!domain)
                return status;
        if (ctl->host) {
                fprintf(stderr,
                        "virtbusctl: memory is not passed on from another host; run it there: ssh %s virtbusctl dump %s %s\n",
                        ctl->host, arguments[0], arguments[1]);
                return EXIT_FAILED;
        }
        int fd = open(arguments[1], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0) {
                ctl_say("%s cannot be made: %s", arguments[1], g_strerror(errno));
                return EXIT_FAILED;
        }
        g_autoptr(GUnixFDList) fds = g_unix_fd_list_new_from_array(&fd, 1); /* which owns it */
        g_autoptr(GVariant) answer = ctl_call(ctl, ctl_path(domain), DOMAIN, "Dump",
                                              g_variant_new("(h@a{sv})", 0, ctl_options(NULL, NULL)), fds, NULL, &error);
        status = answer ? follow_answer(ctl, answer, 0, "dumping") : ctl_fail(g_steal_pointer(&error));
        if (status != EXIT_DONE && status != EXIT_INTERRUPTED)
                unlink(arguments[1]);
        return status;
}

/* For a person, as hexdump -C has it; a program gets the bytes. */
static void print_memory(guint64 address, const unsigned char *data, gsize size) {
        if (!isatty(STDOUT_FILENO)) {
                fwrite(data, 1, size, stdout);
                return;
        }
        for (gsize at = 0; at < size; at += PEEK_LINE) {
                gsize n = MIN(size - at, PEEK_LINE);
                printf("%016" PRIx64 " ", address + at);
                for (gsize i = 0; i < PEEK_LINE; i++)
                        i < n ? printf(" %02x", data[at + i]) : printf("   ");
                printf("  |");
                for (gsize i = 0; i < n; i++)
                        putchar(g_ascii_isprint(data[at + i]) ? data[at + i] : '.');
                puts("|");
        }
}

int verb_peek(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        char *end;
        guint64 size, address = g_ascii_strtoull(arguments[1], &end, 0);
        if (!domain)
                return status;
        if (*end || !g_ascii_isdigit(arguments[1][0]) || !ctl_read_size(arguments[2], &size)) {
                ctl_say("peek wants an address, such as 0x7c00, and a size in bytes");
                return EXIT_USAGE;
        }
        g_autoptr(GVariant) answer =
                        ctl_call(ctl, ctl_path(domain), DOMAIN, "PeekMemory",
                                 g_variant_new("(tt@a{sv})", address, size, ctl_options(ctl->virtual ? "virtual" : NULL, NULL)),
                                 NULL, NULL, &error);
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        g_autoptr(GVariant) bytes = g_variant_get_child_value(answer, 0);
        gsize n;
        const unsigned char *data = g_variant_get_fixed_array(bytes, &n, 1);
        print_memory(address, data, n);
        return EXIT_DONE;
}

/* A name is that of a command without arguments; with --human, all is one line. */
int verb_qmp(Ctl *ctl, char **arguments) {
        int status = EXIT_DONE;
        g_autoptr(VirtbusDomain) domain = ctl_find(ctl, arguments[0], &status);
        g_autoptr(GError) error = NULL;
        if (!domain)
                return status;
        g_autofree char *line = g_strjoinv(" ", arguments + 1), *named = g_strdup_printf("{\"execute\": \"%s\"}", arguments[1]);
        static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
        bool is_name = !ctl->human && !arguments[2] && arguments[1][strspn(arguments[1], letters)] == '\0';
        g_autoptr(GVariant) answer = ctl_call(ctl, ctl_path(domain), DOMAIN, "MonitorCommand",
                                              g_variant_new("(s@a{sv})", is_name ? named : line,
                                                            ctl_options(ctl->human ? "human" : NULL, NULL)),
                                              NULL, NULL, &error);
        if (!answer)
                return ctl_fail(g_steal_pointer(&error));
        const char *text;
        g_variant_get(answer, "(&s)", &text);
        g_autoptr(JsonNode) node = ctl->human ? NULL : json_from_string(text, NULL);
        if (node)
                output_print_json(node);
        else {
                g_autofree char *fine = output_printable(text);
                output_text(fine);
        }
        bool is_refused = node && JSON_NODE_HOLDS_OBJECT(node) && json_object_has_member(json_node_get_object(node), "error");
        return is_refused ? EXIT_FAILED : EXIT_DONE;
}
