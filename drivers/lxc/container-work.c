/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/container-work.h"

#include <string.h>
#include <sys/stat.h>

#include "base/named-file.h"
#include "base/walk.h"
#include "bus.h"
#include "lxc/container-cards.h"
#include "lxc/container-group.h"
#include "lxc/container-plan.h"

/* All that a worker looks at is its own: the container may be gone. */
typedef struct Work {
        Container *container; /* or NULL */
        Operation *operation; /* or NULL */
        char *uuid, *cards;   /* CARDS: or NULL */
        xmlDoc *document;
        GPtrArray *files;     /* ContainerFile */
        GArray *members;      /* descriptors */
        char *claim, *former; /* or NULL */
        bool freezes;
        void (*prepared)(Container *container, const GArray *members, const GError *error);
        void (*removed)(void *container);
        void (*unplugged)(Operation *operation); /* or NULL */
} Work;

static Work *work_new(const Domain *domain) {
        Work *work = g_new0(Work, 1);
        work->uuid = g_strdup(domain->uuid);
        return work;
}

static void work_free(Work *work) {
        for (guint i = 0; work->members && i < work->members->len; i++)
                close(g_array_index(work->members, int, i));
        g_clear_pointer(&work->members, g_array_unref);
        g_clear_pointer(&work->files, g_ptr_array_unref);
        g_clear_pointer(&work->document, xmlFreeDoc);
        g_free(work->uuid);
        g_free(work->cards);
        g_free(work->claim);
        g_free(work->former);
        g_free(work);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Work, work_free)

/* The container that it was for; NULL: it was released meanwhile, and is freed. */
static Container *take_container(Work *work) {
        Container *container = work->container;
        container->n_working--;
        if (container->domain)
                return container;
        if (container->n_working > 0)
                return NULL;
        g_clear_error(&container->failure);
        g_free(container);
        return NULL;
}

/* Before it starts */

static bool find_file(ContainerFile *file, GError **error) {
        struct stat info;
        file->fd = named_file_find("filesystem", file->path, &info, error);
        if (file->fd < 0)
                return false;
        return ((S_ISDIR(info.st_mode) || S_ISREG(info.st_mode)) && !walk_is_of_processes(file->fd)) ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "filesystem %s is neither a folder nor a file",
                                 file->path);
}

/* What is left of an earlier group is not removed while a new one is made. */
static GMutex taking_back;

static void prepare(void *data, GError **error) {
        Work *work = data;
        for (guint i = 0; i < work->files->len; i++) {
                ContainerFile *file = work->files->pdata[i];
                if (file->path && !find_file(file, error))
                        return;
        }
        g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&taking_back);
        container_group_make(work->uuid, xmlDocGetRootElement(work->document), work->members, error);
}

static void on_prepared(void *data, const GError *error) {
        g_autoptr(Work) work = data;
        Container *container = take_container(work);
        if (container)
                work->prepared(container, work->members, error);
        else
                container_group_remove(work->uuid); /* the driver is ending: nothing waits for it any more */
}

void container_work_prepare(Container *container,
                            void (*done)(Container *container, const GArray *members, const GError *error)) {
        Work *work = work_new(container->domain);
        work->container = container;
        work->document = xmlCopyDoc(container->document, 1);
        work->files = g_ptr_array_ref(container->files);
        work->members = g_array_new(FALSE, FALSE, sizeof(int));
        work->prepared = done;
        container->n_working++;
        worker_run(container->domain->connection->worker, prepare, on_prepared, work);
}

/* After it has ended */

static void remove_group(void *data, GError **error) {
        const Work *work = data;
        (void) error;
        if (work->cards)
                container_cards_remove(work->cards);
        container_group_remove(work->uuid);
}

static void on_removed(void *data, const GError *error) {
        g_autoptr(Work) work = data;
        Container *container = take_container(work);
        (void) error;
        if (container)
                work->removed(container);
}

void container_work_remove(Container *container, void (*done)(void *container)) {
        Work *work = work_new(container->domain);
        work->container = container;
        work->cards = g_strdup(container->cards);
        work->removed = done;
        container->n_working++;
        worker_undo(container->domain->connection->worker, remove_group, on_removed, work);
}

static void take_back(void *data, GError **error) {
        const Work *work = data;
        (void) error;
        g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&taking_back);
        if (!g_file_test(work->claim, G_FILE_TEST_EXISTS))
                container_group_remove(work->uuid);
        unlink(work->former);
}

static void on_done(void *data, const GError *error) {
        (void) error; /* its group may be gone, with all that was in it */
        work_free(data);
}

void container_work_take_back(Connection *connection, const char *uuid, const char *claim, const char *former) {
        Work *work = g_new0(Work, 1);
        work->uuid = g_strdup(uuid);
        work->claim = g_strdup(claim);
        work->former = g_strdup(former);
        worker_undo(connection->worker, take_back, on_done, work);
}

/* While it runs */

static void freeze(void *data, GError **error) {
        const Work *work = data;
        container_group_freeze(work->uuid, work->freezes, error);
}

void container_work_thaw(const Container *container) {
        Work *work = work_new(container->domain);
        worker_run(container->domain->connection->worker, freeze, on_done, work);
}

/* An operation that has not been ended with its domain's run. */
static void on_operation_done(void *data, const GError *error) {
        g_autoptr(Work) work = data;
        Container *container = take_container(work);
        Domain *domain = container ? container->domain : NULL;
        g_autoptr(GError) named = domain && error ? domain_name_error(domain, error) : NULL;
        if (!domain || domain->operation != work->operation)
                return;
        if (work->unplugged && !error)
                work->unplugged(work->operation);
        operation_finish(work->operation, named);
}

static void run_operation(Operation *operation, Work *work, WorkFunction function) {
        work->operation = operation;
        work->container = operation->domain->run;
        work->container->n_working++;
        worker_run(operation->domain->connection->worker, function, on_operation_done, work);
}

void container_work_freeze(Operation *operation, bool freezes) {
        Work *work = work_new(operation->domain);
        work->freezes = freezes;
        run_operation(operation, work, freeze);
}

static void limit(void *data, GError **error) {
        Work *work = data;
        container_group_limit(work->uuid, xmlDocGetRootElement(work->document), error);
}

void container_work_limit(Operation *operation, xmlDoc *document) {
        Work *work = work_new(operation->domain);
        work->document = xmlCopyDoc(document, 1);
        run_operation(operation, work, limit);
}

static void unplug(void *data, GError **error) {
        const Work *work = data;
        (void) error;
        container_cards_remove(work->cards);
}

void container_work_unplug(Operation *operation, const char *text, void (*done)(Operation *operation)) {
        Work *work = work_new(operation->domain);
        work->cards = g_strdup(text);
        work->unplugged = done;
        run_operation(operation, work, unplug);
}
