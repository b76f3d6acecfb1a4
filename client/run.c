/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* virtbus-run: one guest from a libvirt document, by the QEMU driver inside this process: no bus, no daemon, and none of the
 * system's guests seen. Everything lies below a root directory of its own.
 *
 * Exit status: 0 the guest has shut down, or was ended as this program was told to; 1 it could not be started; 2 it crashed;
 * 3 its QEMU ended by itself. Whoever tells it to end gets 0, whatever it was doing. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/folder-lock.h"
#include "bus.h"
#include "domain/connection-define.h"
#include "domain/connection.h"
#include "domain/domain-run.h"
#include "domain/operations/start.h"
#include "log.h"
#include "program.h"
#include "qemu/qemu.h"

static const int ending_signals[] = { SIGTERM, SIGINT, SIGHUP, 0 };

enum { EXIT_CRASHED = 2, EXIT_HYPERVISOR_FAILED = 3 };

typedef struct Run {
        sd_event *event;
        Connection *connection;
        char *xml;
        Domain *domain; /* the guest, once what an earlier run has left is gone */
        bool verbose, started;
        bool told_to_end;
        gint64 began; /* monotonic microseconds */
        int status;
} Run;

static void tell(const Run *run, const char *what) {
        if (!run->verbose)
                return;
        printf("%8.1f ms  %s\n", (double) (g_get_monotonic_time() - run->began) / 1000, what);
        fflush(stdout);
}

static int end(Run *run, int status) {
        run->status = status;
        return sd_event_exit(run->event, 0);
}

/* Ends what an earlier run with this root has left; then starts the guest. */
static void proceed(Run *run) {
        g_autoptr(GError) error = NULL;
        GHashTableIter iterator;
        void *value;
        g_hash_table_iter_init(&iterator, run->connection->by_uuid);
        if (g_hash_table_iter_next(&iterator, NULL, &value)) {
                Domain *left = value;
                if (left->state != DOMAIN_STOPPING)
                        tell(run, "ending a guest that an earlier run has left");
                /* Also while it is being found, which takes long where it does not answer. Its end is observed. */
                domain_destroy(left, REASON_DESTROYED, NULL);
                return;
        }
        if (run->told_to_end) {
                end(run, EXIT_SUCCESS);
                return;
        }
        Domain *domain = connection_add_transient(run->connection, run->xml, getuid(), &error);
        if (!domain) {
                log_error("%s", error->message);
                end(run, EXIT_FAILURE);
                return;
        }
        run->domain = domain_ref(domain);
        tell(run, "the document is read");
        domain_operate(domain, start_new(NULL, (StartOptions){}));
}

static int on_proceed(sd_event_source *source, void *data) {
        sd_event_source_set_enabled(source, SD_EVENT_OFF);
        proceed(data);
        return 0;
}

/* Goes on from the event loop, as the observer is called in the middle of a change. */
static void proceed_later(Run *run) {
        if (sd_event_add_defer(run->event, NULL, on_proceed, run) < 0)
                end(run, EXIT_FAILURE);
}

static int status_of(const Run *run, const Domain *domain) {
        if (run->told_to_end)
                return EXIT_SUCCESS;
        if (!run->started)
                return EXIT_FAILURE;
        switch (domain->reason) {
        case REASON_CRASHED:
                return EXIT_CRASHED;
        case REASON_FAILED:
                return EXIT_HYPERVISOR_FAILED;
        default:
                return EXIT_SUCCESS;
        }
}

static void on_changed(Domain *domain, const GError *error, void *data) {
        Run *run = data;
        if (domain != run->domain) {
                proceed_later(run);
                return;
        }
        tell(run, domain_state_name(domain->state));
        run->started |= domain->state == DOMAIN_RUNNING || domain->state == DOMAIN_PAUSED;
        if (domain->state != DOMAIN_SHUTOFF)
                return;
        int status = status_of(run, domain);
        /* The failure of a start has been said by the driver. */
        if (error && status == EXIT_HYPERVISOR_FAILED)
                log_error("%s", error->message);
        end(run, status);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *data) {
        Run *run = data;
        (void) source;
        (void) info;
        run->told_to_end = true;
        if (run->domain && domain_is_active(run->domain))
                domain_destroy(run->domain, REASON_DESTROYED, NULL);
        return 0;
}

/* Two runs must not share a root. Returns a descriptor that holds it, or -1. */
static int lock_root(const char *root) {
        g_autoptr(GError) error = NULL;
        int lock = store_make_root(root, &error) ? folder_lock(root, &error) : -1;
        if (lock < 0)
                log_error("%s", error->message);
        return lock;
}

static void run_guest(Run *run, const char *root) {
        g_autofree char *state = g_build_filename(root, "state", NULL), *runtime = g_build_filename(root, "run", "qemu", NULL),
                        *log = g_build_filename(root, "log", NULL);
        g_autoptr(GError) error = NULL;
        g_autoptr(Objects) objects = objects_new();
        g_autofd int lock = lock_root(root);
        umask(0077);
        if (lock < 0)
                return;
        run->connection = connection_open(&qemu_hypervisor, run->event, objects, state, runtime, log, &error);
        if (!run->connection) {
                log_error("%s", error->message);
                return;
        }
        run->connection->observer = on_changed;
        run->connection->observer_data = run;
        tell(run, "the driver is ready");
        connection_resume(run->connection);
        proceed(run);
        sd_event_loop(run->event);
        run->connection->observer = NULL;
        g_clear_pointer(&run->domain, domain_unref);
        connection_close(run->connection);
}

static void remove_tree(const char *path) {
        g_autoptr(GDir) listing = g_dir_open(path, 0, NULL);
        for (const char *name; listing && (name = g_dir_read_name(listing));) {
                g_autofree char *child = g_build_filename(path, name, NULL);
                if (g_file_test(child, G_FILE_TEST_IS_DIR) && !g_file_test(child, G_FILE_TEST_IS_SYMLINK))
                        remove_tree(child);
                else
                        unlink(child);
        }
        rmdir(path);
}

/* Waits until there is something to read. False where this program is told to end first. */
static bool wait_to_read(Run *run, int fd) {
        struct pollfd either[] = { { .fd = fd, .events = POLLIN }, { .fd = sd_event_get_fd(run->event), .events = POLLIN } };
        while (poll(either, G_N_ELEMENTS(either), -1) < 0 && errno == EINTR)
                ;
        if (either[1].revents) /* so early, a signal is all that the loop waits for */
                sd_event_run(run->event, 0);
        return !run->told_to_end;
}

/* No more of it than a document may have: a pipe or a device may have no end, and a pipe may have nobody who writes. NULL
 * without an error where this program is told to end meanwhile. */
static char *read_document(Run *run, const char *path, GError **error) {
        size_t n = 0;
        g_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        g_autofree char *text = g_malloc(XML_BYTES_MAX + 1);
        for (ssize_t got = 1; fd >= 0 && got != 0 && n <= XML_BYTES_MAX; n += (size_t) MAX(got, 0)) {
                if (!wait_to_read(run, fd))
                        return NULL;
                if ((got = read(fd, text + n, XML_BYTES_MAX + 1 - n)) < 0 && errno != EAGAIN && errno != EINTR) {
                        virtbus_error_set_errno(error, errno, "%s cannot be read", path);
                        return NULL;
                }
        }
        if (fd < 0)
                virtbus_error_set_errno(error, errno, "%s cannot be opened", path);
        else if (n > XML_BYTES_MAX)
                virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "%s has more than %d bytes", path, XML_BYTES_MAX);
        else {
                text[n] = '\0';
                return g_steal_pointer(&text);
        }
        return NULL;
}

int main(int argc, char *argv[]) {
        gboolean verbose = false;
        char *file;
        g_autofree char *root = NULL, *temporary = NULL;
        const GOptionEntry options[] = { { "root", 0, 0, G_OPTION_ARG_FILENAME, &root,
                                           "Keep everything below this directory; else in a temporary one", "DIR" },
                                         { "verbose", 'v', 0, G_OPTION_ARG_NONE, &verbose, "Print what happens and when", NULL },
                                         G_OPTION_ENTRY_NULL };
        g_autoptr(GError) error = NULL;
        Run run = { .began = g_get_monotonic_time(), .status = EXIT_FAILURE };
        program_hold_signals(ending_signals);
        if (!program_options(options, "FILE - run one guest from a libvirt document", argc, argv, &file, &run.status))
                return run.status;
        if (sd_event_new(&run.event) < 0 || program_on_signals(run.event, ending_signals, on_signal, &run) < 0)
                log_error("cannot create the event loop");
        else if (!(run.xml = read_document(&run, file, &error)) ||
                 (!root && !(temporary = g_dir_make_tmp("virtbus-run.XXXXXX", &error)))) {
                if (error)
                        log_error("%s", error->message);
                else
                        run.status = EXIT_SUCCESS; /* told to end */
        } else {
                g_autofree char *absolute = g_canonicalize_filename(root ? root : temporary, NULL);
                run.verbose = verbose;
                run_guest(&run, absolute);
        }
        if (temporary)
                remove_tree(temporary);
        sd_event_unref(run.event);
        g_free(run.xml);
        return run.status;
}
