/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/direct-links.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus.h"
#include "errors.h"
#include "log.h"

/* The folder of the FIFOs, below the runtime directory. */
#define FOLDER "direct"

/* What the name of one ends with that nobody has opened yet. */
#define NEW ".new"

struct DirectLinks {
        Worker *worker;
        char *folder;
        sd_event *event;
        sd_event_source *watch;
        GHashTable *ending; /* Ending by number */
};

static char *path_of(const DirectLinks *links, int index) {
        return g_strdup_printf("%s/%d", links->folder, index);
}

/* Their end */

/* One that nobody holds. */
typedef struct Removal {
        char *path;
        int index;
} Removal;

static void remove_in_thread(void *data, GError **error) {
        const Removal *removal = data;
        if (macvtap_remove(removal->index, error))
                unlink(removal->path);
}

static void on_removed(void *data, const GError *error) {
        Removal *removal = data;
        if (error)
                log_error("an interface that no guest has any more is left: %s", error->message);
        g_free(removal->path);
        g_free(removal);
}

static void remove_link(const DirectLinks *links, int index) {
        Removal *removal = g_new(Removal, 1);
        *removal = (Removal){ path_of(links, index), index };
        worker_undo(links->worker, remove_in_thread, on_removed, removal);
}

/* The writing end, which can be had as long as anybody holds one; -1: not, and errno is ENXIO where it is over. */
static int open_writer(const DirectLinks *links, int index) {
        g_autofree char *path = path_of(links, index);
        return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
}

bool direct_link_is_held(const DirectLinks *links, int index) {
        g_autofd int writer = open_writer(links, index);
        if (writer < 0 && errno == ENXIO)
                remove_link(links, index);
        return writer >= 0;
}

/* One of which a holder is being closed. The kernel tells so before the FIFO has a reader less: who writes to it is told when
 * there is none. */
typedef struct Ending {
        const DirectLinks *links;
        sd_event_source *source; /* of the writing end */
        int index;
} Ending;

static void ending_free(void *data) {
        Ending *ending = data;
        sd_event_source_disable_unref(ending->source);
        g_free(ending);
}

static int on_unheld(sd_event_source *source, int fd, uint32_t events, void *data) {
        const Ending *ending = data;
        const DirectLinks *links = ending->links;
        int index = ending->index;
        (void) source;
        (void) fd;
        (void) events;
        g_hash_table_remove(links->ending, GINT_TO_POINTER(index));
        direct_link_is_held(links, index);
        return 0;
}

/* Its end, now or when it comes. */
static void await_end(const DirectLinks *links, int index) {
        if (g_hash_table_contains(links->ending, GINT_TO_POINTER(index)))
                return;
        g_autofd int writer = open_writer(links, index);
        if (writer < 0 && errno == ENXIO)
                remove_link(links, index);
        if (writer < 0)
                return;
        Ending *ending = g_new(Ending, 1);
        *ending = (Ending){ .links = links, .index = index };
        if (sd_event_add_io(links->event, &ending->source, writer, EPOLLERR, on_unheld, ending) < 0) {
                ending_free(ending);
                return;
        }
        sd_event_source_set_io_fd_own(ending->source, true);
        (void) steal_fd(&writer);
        g_hash_table_insert(links->ending, GINT_TO_POINTER(index), ending);
}

/* One that is only begun has another name. */
static void look(const DirectLinks *links, const char *name) {
        guint64 index;
        if (g_ascii_string_to_unsigned(name, 10, 1, INT32_MAX, &index, NULL))
                await_end(links, (int) index);
}

static void look_at_all(const DirectLinks *links) {
        g_autoptr(GDir) listing = g_dir_open(links->folder, 0, NULL);
        for (const char *name; listing && (name = g_dir_read_name(listing));)
                look(links, name);
}

static int on_closed(sd_event_source *source, const struct inotify_event *event, void *data) {
        const DirectLinks *links = data;
        (void) source;
        if (event->mask & IN_Q_OVERFLOW)
                look_at_all(links);
        else if (event->len > 0)
                look(links, event->name);
        return 0;
}

void direct_links_gone(const DirectLinks *links, int index) {
        g_autofree char *path = path_of(links, index);
        unlink(path);
}

/* Their beginning */

/* The FIFO has its name when it has been opened: one that has it and is not open is over. */
static int make_holder(const char *path, GError **error) {
        g_autofree char *new = g_strconcat(path, NEW, NULL);
        g_autofd int holder = mkfifo(new, 0600) < 0 ? -1 : open(new, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (holder >= 0 && rename(new, path) == 0)
                return steal_fd(&holder);
        virtbus_error_set_errno(error, errno, "%s cannot be made", path);
        unlink(new);
        return -1;
}

bool direct_link_open(const DirectLinks *links, const MacvtapSetup *setup, int *fds, unsigned n, int *holder, char **actual,
                      int *index, GError **error) {
        MacvtapSetup numbered = *setup;
        numbered.index = macvtap_choose_index();
        g_autofree char *path = path_of(links, numbered.index);
        g_autofd int made = make_holder(path, error);
        if (made < 0)
                return false;
        if (!macvtap_open(&numbered, fds, n, actual, error)) {
                unlink(path);
                return false;
        }
        *holder = steal_fd(&made);
        *index = numbered.index;
        return true;
}

void direct_link_take_back(const DirectLinks *links, int index) {
        (void) macvtap_remove(index, NULL);
        direct_links_gone(links, index);
}

/* All of them */

static bool remove_unfinished(const char *folder, GError **error) {
        g_autoptr(GDir) listing = g_dir_open(folder, 0, error);
        for (const char *name; listing && (name = g_dir_read_name(listing));) {
                g_autofree char *path = g_str_has_suffix(name, NEW) ? g_build_filename(folder, name, NULL) : NULL;
                if (path)
                        unlink(path);
        }
        return listing;
}

DirectLinks *direct_links_open(sd_event *event, Worker *worker, const char *runtime, GError **error) {
        g_autoptr(DirectLinks) links = g_new0(DirectLinks, 1);
        *links = (DirectLinks){ .event = event,
                                .ending = g_hash_table_new_full(NULL, NULL, NULL, ending_free),
                                .worker = worker,
                                .folder = g_build_filename(runtime, FOLDER, NULL) };
        if (g_mkdir_with_parents(links->folder, 0700) < 0) {
                virtbus_error_set_errno(error, errno, "%s cannot be made", links->folder);
                return NULL;
        }
        if (!remove_unfinished(links->folder, error))
                return NULL;
        int r = sd_event_add_inotify(event, &links->watch, links->folder, IN_CLOSE_NOWRITE | IN_ONLYDIR, on_closed, links);
        if (r < 0) {
                virtbus_error_set_errno(error, -r, "%s cannot be watched", links->folder);
                return NULL;
        }
        look_at_all(links);
        return g_steal_pointer(&links);
}

void direct_links_close(DirectLinks *links) {
        sd_event_source_disable_unref(links->watch);
        g_hash_table_unref(links->ending);
        g_free(links->folder);
        g_free(links);
}
