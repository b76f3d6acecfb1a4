/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/saved-document.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/named-file.h"
#include "bus.h"
#include "domain/connection-document.h"
#include "domain/connection.h"
#include "domain/operation.h"
#include "domain/operations/managed-save.h"
#include "domain/operations/save-image.h"
#include "domain/owners-rights.h"
#include "domain/user-work.h"
#include "options.h"

/* How much of a state is copied at a time. */
#define PIECE_BYTES (1024 * 1024)

#define WHAT "the saved state"

typedef struct SavedDocument {
        Connection *connection;
        Domain *domain; /* or NULL; held while its state is replaced */
        Call *call;
        char *path, *xml;
        bool secrets, holds;
        SavedRuns runs;
        void (*reply)(Call *call, const char *xml);
        void (*reply_done)(Call *call);
        uid_t user;
        int fd; /* of the old one, behind its header */
        SaveHeader header;
} SavedDocument;

static void saved_document_free(SavedDocument *self) {
        if (self->holds)
                domain_hold(self->domain, false);
        if (self->domain)
                domain_unref(self->domain);
        autofd_close(&self->fd);
        save_header_clear(&self->header);
        g_free(self->path);
        g_free(self->xml);
        g_free(self);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SavedDocument, saved_document_free)

/* In a worker. */
static void read_header(void *data, GError **error) {
        SavedDocument *self = data;
        struct stat info;
        self->fd = named_file_open(WHAT, self->path, O_RDONLY, false, &info, error);
        if (self->fd >= 0)
                save_header_read(self->fd, &self->header, error);
}

static bool write_all(int fd, const char *data, size_t size, GError **error) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);
                if (n < 0 && errno != EINTR)
                        return virtbus_error_set_errno(error, errno, WHAT " cannot be written");
                data += MAX(n, 0);
                size -= (size_t) MAX(n, 0);
        }
        return true;
}

static bool copy_rest(int from, int to, GError **error) {
        g_autofree char *piece = g_malloc(PIECE_BYTES);
        for (ssize_t n; (n = read(from, piece, PIECE_BYTES)) != 0;) {
                if (n < 0 && errno != EINTR)
                        return virtbus_error_set_errno(error, errno, WHAT " cannot be read");
                if (n > 0 && !write_all(to, piece, (size_t) n, error))
                        return false;
        }
        return fsync(to) == 0 || virtbus_error_set_errno(error, errno, WHAT " cannot be written");
}

/* In a worker. */
static void replace(void *data, GError **error) {
        const SavedDocument *self = data;
        g_autofree char *temporary = g_strdup_printf("%s.%0*x", self->path, SAVE_NUMBER_DIGITS, g_random_int());
        g_autofd int file = named_file_make(WHAT, temporary, false, error);
        if (file < 0)
                return;
        if (!save_header_write(file, &self->header, error) || !copy_rest(self->fd, file, error) ||
            !named_file_rename(WHAT, temporary, self->path, error))
                named_file_remove(temporary);
}

static void on_replaced(void *data, const GError *error) {
        g_autoptr(SavedDocument) self = data;
        if (error)
                call_fail(self->call, error);
        else
                self->reply_done(self->call);
}

static bool differs(const char *what, const char *then, const char *now, GError **error) {
        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                 "the guest was saved with %s %s, and the document has %s: the machine must be the same", what,
                                 *then ? then : "none", *now ? now : "none");
}

/* What its guest sees of a machine is what it was. */
static bool check_machine(const Definition *then, const Definition *now, GError **error) {
        const struct {
                const char *what, *then, *now;
        } words[] = {
                { "the UUID", then->uuid, now->uuid },
                { "the type", then->type, now->type },
                { "the architecture", then->architecture, now->architecture },
                { "the machine", then->machine, now->machine },
        };
        const struct {
                const char *what;
                uint64_t then, now;
        } numbers[] = {
                { "a memory in bytes of", then->max_memory, now->max_memory },
                { "a number of processors of", then->max_vcpus, now->max_vcpus },
                { "a number of devices of", then->devices->len, now->devices->len },
        };
        for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
                if (strcmp(words[i].then, words[i].now) != 0) {
                        differs(words[i].what, words[i].then, words[i].now, error);
                        return false;
                }
        for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++)
                if (numbers[i].then != numbers[i].now) {
                        g_autofree char *one = g_strdup_printf("%" G_GUINT64_FORMAT, numbers[i].then),
                                        *two = g_strdup_printf("%" G_GUINT64_FORMAT, numbers[i].now);
                        differs(numbers[i].what, one, two, error);
                        return false;
                }
        for (guint i = 0; i < then->devices->len; i++) {
                const DeviceDefinition *one = then->devices->pdata[i], *two = now->devices->pdata[i];
                bool is_disk = one->device_class == DEVICE_DISK, is_card = one->device_class == DEVICE_NETWORK_INTERFACE;
                if (strcmp(one->kind, two->kind) != 0 || strcmp(one->model, two->model) != 0 ||
                    (is_disk && (strcmp(one->target, two->target) != 0 || strcmp(one->bus, two->bus) != 0)) ||
                    (is_card && g_ascii_strcasecmp(one->mac, two->mac) != 0)) {
                        return virtbus_error_set(
                                        error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                        "the guest was saved with the %s '%s', and the document has another device in its "
                                        "place: the machine must be the same",
                                        one->kind, one->alias);
                }
        }
        return true;
}

/* The document that it is to have, as one of this connection. */
static char *make_document(const SavedDocument *self, GError **error) {
        g_autoptr(Definition) then = definition_parse(self->header.xml, error);
        g_autoptr(xmlDoc) document = then ? xml_parse(self->xml, "domain", error) : NULL;
        g_autoptr(Definition) now = document ? connection_read_document(self->connection, document, false, error) : NULL;
        if (!now || !check_machine(then, now, error) ||
            (self->domain && !owners_rights_check_change(self->domain, now, false, error)))
                return NULL;
        return g_strdup(now->xml);
}

static void on_read(void *data, const GError *error) {
        g_autoptr(SavedDocument) self = data;
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        if (!failure && self->xml) {
                char *xml = make_document(self, &failure);
                if (xml) {
                        g_free(self->header.xml);
                        self->header.xml = xml;
                        self->header.running = saved_runs(self->runs, self->header.running);
                        SavedDocument *next = g_steal_pointer(&self);
                        user_work_run(next->connection, next->user, replace, on_replaced, next);
                        return;
                }
        } else if (!failure) {
                g_autoptr(Definition) definition = definition_parse(self->header.xml, &failure);
                g_autofree char *text = definition ? definition_text(definition, self->secrets, 0) : NULL;
                if (text) {
                        self->reply(self->call, text);
                        return;
                }
        }
        call_fail(self->call, failure);
}

bool saved_document_read_runs(sd_bus_message *options, SavedRuns *runs, GError **error) {
        bool running = false, paused = false;
        return options_read(options, error, "running", 'b', &running, "paused", 'b', &paused, NULL) &&
               saved_runs_choose(running, paused, runs, error);
}

static bool check(const SavedRequest *request, GError **error) {
        const Domain *domain = request->domain;
        if (!domain)
                return path_check(request->path, error);
        if (!domain->has_managed_save || domain->removing_save)
                return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID, "it has no managed save");
        if (!request->xml)
                return true;
        if (domain->state != DOMAIN_SHUTOFF)
                return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID, "it is being restored from its managed save");
        return domain->holds == 0 || domain_fail(domain, error, VIRTBUS_ERROR_RESOURCE_BUSY,
                                                 "something of it is being changed; call again when that is done");
}

void saved_document_answer(const SavedRequest *request, Call *call) {
        g_autoptr(GError) error = NULL;
        if (!check(request, &error)) {
                call_fail(call, error);
                return;
        }
        SavedDocument *self = g_new0(SavedDocument, 1);
        *self = (SavedDocument){
                .connection = request->connection,
                .domain = request->domain ? domain_ref(request->domain) : NULL,
                .call = call,
                .path = request->domain ? managed_save_path(request->connection, request->domain->uuid) : g_strdup(request->path),
                .xml = g_strdup(request->xml),
                .secrets = request->secrets,
                .holds = request->domain && request->xml,
                .runs = request->runs,
                .reply = request->reply,
                .reply_done = request->reply_done,
                .user = call->uid,
                .fd = -1,
        };
        if (self->holds)
                domain_hold(self->domain, true);
        user_work_run(self->connection, self->user, read_header, on_read, self);
}
