/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmware/watch.h"

#include <string.h>
#include <sys/inotify.h>

#include "domain/connection.h"
#include "log.h"
#include "vmware/machine-files.h"
#include "vmware/machines.h"
#include "vmware/running.h"

#define WATCHED (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ONLYDIR)

static void look_soon(Vmware *vmware);

static int on_seen(sd_event_source *source, const struct inotify_event *event, void *data) {
        static const char *const ends[] = { ".vmx", ".lck", ".vmss" };
        bool is_one = event->len == 0 || event->mask & (IN_ISDIR | IN_Q_OVERFLOW);
        (void) source;
        for (size_t i = 0; i < G_N_ELEMENTS(ends) && !is_one; i++)
                is_one = g_str_has_suffix(event->name, ends[i]);
        if (is_one)
                look_soon(data);
        return 0;
}

static void source_free(void *source) {
        sd_event_source_disable_unref(source);
}

static void watch_folders(Vmware *vmware, GPtrArray *folders) {
        g_autoptr(GHashTable) watches = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, source_free);
        for (guint i = 0; i < folders->len; i++) {
                char *folder, *given = folders->pdata[i];
                sd_event_source *source = NULL;
                if (g_hash_table_steal_extended(vmware->watches, given, (void **) &folder, (void **) &source))
                        g_free(folder);
                else if (sd_event_add_inotify(vmware->connection->event, &source, given, WATCHED, on_seen, vmware) < 0)
                        continue; /* it is looked at again and again anyway */
                g_hash_table_insert(watches, g_strdup(given), source);
        }
        g_hash_table_unref(vmware->watches);
        vmware->watches = g_steal_pointer(&watches);
}

/* Looking again: what is found is thrown away where we have changed something meanwhile. */
typedef struct Scan {
        Vmware *vmware;
        char **folders;
        GPtrArray *files, *watched;
        unsigned n_changes;
} Scan;

static void scan_in_worker(void *data, GError **error) {
        Scan *scan = data;
        (void) error;
        scan->watched = g_ptr_array_new_with_free_func(g_free);
        scan->files = machine_files_find((const char *const *) scan->folders, scan->watched);
}

static void begin_scan(Vmware *vmware);

static void on_scanned(void *data, const GError *error) {
        Scan *scan = data;
        Vmware *vmware = scan->vmware;
        bool is_closing = error != NULL;
        if (!is_closing) {
                vmware->is_scanning = false;
                watch_folders(vmware, scan->watched);
                if (scan->n_changes == vmware->n_changes)
                        machines_show(vmware, scan->files);
                else
                        vmware->scans_again = true;
        }
        g_clear_pointer(&scan->files, g_ptr_array_unref);
        g_clear_pointer(&scan->watched, g_ptr_array_unref);
        g_strfreev(scan->folders);
        g_free(scan);
        if (is_closing)
                return;
        if (vmware->scans_again)
                begin_scan(vmware);
        running_look(vmware);
}

static void begin_scan(Vmware *vmware) {
        vmware->scans_again = vmware->is_scanning;
        if (vmware->is_scanning || vmware->connection->closing)
                return;
        vmware->is_scanning = true;
        Scan *scan = g_new0(Scan, 1);
        *scan = (Scan){ .vmware = vmware, .folders = g_strdupv(vmware->folders), .n_changes = vmware->n_changes };
        worker_run(vmware->connection->worker, scan_in_worker, on_scanned, scan);
}

static int on_soon(sd_event_source *source, uint64_t usec, void *data) {
        Vmware *vmware = data;
        (void) source;
        (void) usec;
        vmware->soon = sd_event_source_disable_unref(vmware->soon);
        begin_scan(vmware);
        return 0;
}

static void look_soon(Vmware *vmware) {
        if (!vmware->soon && !vmware->connection->closing)
                sd_event_add_time_relative(vmware->connection->event, &vmware->soon, CLOCK_MONOTONIC, WATCH_SOON, 1, on_soon,
                                           vmware);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *data) {
        uint64_t now = 0;
        (void) usec;
        sd_event_now(sd_event_source_get_event(source), CLOCK_MONOTONIC, &now);
        sd_event_source_set_time(source, now + WATCH_TICK);
        sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        begin_scan(data);
        return 0;
}

void watch_begin(Vmware *vmware) {
        int r = sd_event_add_time_relative(vmware->connection->event, &vmware->tick, CLOCK_MONOTONIC, WATCH_TICK, 1, on_tick,
                                           vmware);
        if (r < 0)
                log_error("what VMware's machines do is not looked at: %s", g_strerror(-r));
        begin_scan(vmware);
}

void watch_end(Vmware *vmware) {
        vmware->tick = sd_event_source_disable_unref(vmware->tick);
        vmware->soon = sd_event_source_disable_unref(vmware->soon);
        g_clear_pointer(&vmware->watches, g_hash_table_unref);
}
