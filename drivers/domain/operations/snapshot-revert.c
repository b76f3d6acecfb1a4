/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/operations/snapshot-revert.h"

#include <string.h>

#include "bus.h"
#include "domain/connection-define.h"
#include "domain/connection-document.h"
#include "domain/checkpoint.h"
#include "domain/connection.h"
#include "domain/disk-jobs.h"
#include "domain/domain-run.h"
#include "domain/operations/managed-save.h"
#include "domain/operations/start.h"
#include "domain/owners-rights.h"
#include "domain/run-only.h"
#include "domain/snapshot-run.h"

typedef struct SnapshotRevert {
        Operation operation;
        char *name;
        SnapshotRevertOptions options;
        SnapshotDefinition *definition;
        Definition *live, *inactive; /* what it becomes; LIVE: NULL where it does not run then */
        bool is_started;             /* its guest was, from it: what is left is to write that down */
        bool is_looking;             /* at the images */
        bool is_ending;              /* its guest is, to be started anew */
        bool is_in_place;            /* its guest runs on */
        bool is_loaded, runs;
        Turn *turn;
        sd_event_source *off;
        void *work; /* the hypervisor's */
        GDestroyNotify let_go;
} SnapshotRevert;

Operation *snapshot_revert_new(Call *call, const char *name, SnapshotRevertOptions options) {
        Operation *operation = operation_new(&snapshot_revert_class, call);
        ((SnapshotRevert *) operation)->name = g_strdup(name);
        ((SnapshotRevert *) operation)->options = options;
        return operation;
}

const SnapshotDefinition *snapshot_revert_definition(const Operation *operation) {
        return ((const SnapshotRevert *) operation)->definition;
}

bool snapshot_revert_runs(const Operation *operation) {
        return ((const SnapshotRevert *) operation)->runs;
}

Definition *snapshot_revert_defines(const Operation *operation) {
        return ((const SnapshotRevert *) operation)->inactive;
}

void snapshot_revert_define(Operation *operation, Definition *definition) {
        SnapshotRevert *self = (SnapshotRevert *) operation;
        g_clear_pointer(&self->inactive, definition_unref);
        self->inactive = definition_ref(definition);
}

void snapshot_revert_keep(Operation *operation, void *work, GDestroyNotify let_go) {
        SnapshotRevert *self = (SnapshotRevert *) operation;
        if (self->work)
                self->let_go(self->work);
        self->work = work;
        self->let_go = let_go;
}

static void revert_free(Operation *operation);

static bool is_offered(const Hypervisor *hypervisor) {
        return HYPERVISOR_HAS(hypervisor, snapshots, load);
}

static bool has_memory(const SnapshotRevert *self) {
        return self->definition->memory == SNAPSHOT_INTERNAL;
}

static void fail(SnapshotRevert *self, const GError *error) {
        if (self->turn)
                turn_end(g_steal_pointer(&self->turn));
        operation_finish(&self->operation, error);
}

/* What the domain becomes */

/* A document of the snapshot's, as one of this connection; the domain has the name that it has now. */
static Definition *read_one(const Domain *domain, const char *text, GError **error) {
        Connection *connection = domain->connection;
        g_autoptr(xmlDoc) document = xml_parse_own(text, "domain", error);
        if (!document)
                return NULL;
        xmlNode *name = xml_ensure_child(xmlDocGetRootElement(document), "name");
        g_autofree xmlChar *quoted = xmlEncodeSpecialChars(document, (const xmlChar *) domain_name(domain));
        xmlNodeSetContent(name, quoted);
        return connection_read_document(connection, document, false, error);
}

static bool read_definitions(SnapshotRevert *self, GError **error) {
        const Domain *domain = self->operation.domain;
        const SnapshotDefinition *snapshot = self->definition;
        const char *inactive = snapshot->inactive ? snapshot->inactive : snapshot->domain;
        g_autoptr(GError) wrong = NULL;
        if (!snapshot->domain) {
                if (!self->options.force)
                        return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                                           "snapshot '%s' does not say what it was; with force it stays what it is", self->name);
                self->live = has_memory(self) ? definition_ref(domain_definition(domain)) : NULL;
                return true;
        }
        if (has_memory(self) && !(self->live = read_one(domain, snapshot->domain, &wrong)))
                return domain_fail(domain, error, virtbus_error_code(wrong), "snapshot '%s': %s", self->name, wrong->message);
        if (domain->persistent && !(self->inactive = read_one(domain, inactive, &wrong)))
                return domain_fail(domain, error, virtbus_error_code(wrong), "snapshot '%s': %s", self->name, wrong->message);
        return (!self->live || owners_rights_check_change(domain, self->live, false, error)) &&
               (!self->inactive || owners_rights_check_change(domain, self->inactive, false, error));
}

/* What of a document does not matter to a guest that goes on in place: what is said of it, and where others reach it. */
static char *hardware_of(const char *text) {
        static const char *const words[] = { "name",          "title",       "description", "metadata",
                                             "currentMemory", "on_poweroff", "on_reboot",   "on_crash" };
        static const char *const places[] = { "port", "tlsPort", "websocket", "autoport", "passwd", "passwdValidTo" };
        g_autoptr(xmlDoc) document = xml_parse_own(text, "domain", NULL);
        xmlNode *root = document ? xmlDocGetRootElement(document) : NULL, *devices = xml_child(root, "devices");
        if (!root)
                return NULL;
        disk_chain_forget(document);
        run_only_drop(document);
        for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
                for (xmlNode *element; (element = xml_child(root, words[i]));)
                        xml_remove(element);
        for (xmlNode *element = xml_child(devices, "graphics"); element; element = xml_next(element, "graphics"))
                for (size_t i = 0; i < G_N_ELEMENTS(places); i++)
                        xmlUnsetProp(element, (const xmlChar *) places[i]);
        g_autofree char *laid_out = xml_document_text(document);
        GString *plain = g_string_new(NULL); /* without the white space in between */
        for (const char *c = laid_out; *c; c++)
                if (!g_ascii_isspace(*c))
                        g_string_append_c(plain, *c);
        return g_string_free(plain, FALSE);
}

static bool is_same_hardware(const SnapshotRevert *self) {
        const Domain *domain = self->operation.domain;
        g_autofree char *now = hardware_of(domain->live->xml),
                        *then = self->definition->domain ? hardware_of(self->definition->domain) : g_strdup(now);
        return now && then && strcmp(now, then) == 0;
}

static bool check_external(const SnapshotRevert *self, GError **error) {
        const Domain *domain = self->operation.domain;
        if (!snapshot_definition_has(self->definition, SNAPSHOT_EXTERNAL))
                return true;
        if (self->definition->memory == SNAPSHOT_EXTERNAL)
                return domain_fail(
                                domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                                "snapshot '%s' has its memory in a file, which cannot be loaded yet: define the domain with the "
                                "images that its document names",
                                self->name);
        return self->definition->domain ||
               domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                           "snapshot '%s' is external and does not say which images the domain had: define it with these",
                           self->name);
}

/* What of the disks of a snapshot is at a place, by its images as they were. */
static GHashTable *find_images(const SnapshotDefinition *snapshot, SnapshotPlace place, const Definition *otherwise) {
        GHashTable *images = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(xmlDoc) document = snapshot->domain ? xml_parse_own(snapshot->domain, "domain", NULL) : NULL;
        g_autoptr(Definition) was = document            ? definition_from_document(document, NULL)
                                    : !snapshot->domain ? definition_ref((Definition *) otherwise)
                                                        : NULL;
        for (guint i = 0; was && i < was->devices->len; i++) {
                const DeviceDefinition *device = was->devices->pdata[i];
                const SnapshotDisk *disk =
                                device->device_class == DEVICE_DISK ? snapshot_definition_find(snapshot, device->target) : NULL;
                if (disk && disk->place == place && device->source[0])
                        g_hash_table_add(images, g_strdup(device->source));
        }
        return images;
}

/* To go back to an internal one writes its images: none of them is what an external one has kept, and its overlays are over. */
static bool check_images(const SnapshotRevert *self, GError **error) {
        const Domain *domain = self->operation.domain;
        g_autoptr(GHashTable) written = find_images(self->definition, SNAPSHOT_INTERNAL, domain_definition(domain));
        for (guint i = 0; g_hash_table_size(written) > 0 && i < snapshots_count(domain); i++) {
                const SnapshotDefinition *other = snapshots_at(domain, i)->definition;
                g_autoptr(GHashTable) kept = find_images(other, SNAPSHOT_EXTERNAL, domain_definition(domain));
                GHashTableIter iterator;
                void *path;
                g_hash_table_iter_init(&iterator, kept);
                while (g_hash_table_iter_next(&iterator, &path, NULL))
                        if (g_hash_table_contains(written, path))
                                return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                                                   "snapshot '%s' is in %s, which snapshot '%s' keeps as it is, under an "
                                                   "overlay: to "
                                                   "go back would write it; delete that one first (metadata_only)",
                                                   self->name, (const char *) path, other->name);
        }
        return true;
}

static bool check(SnapshotRevert *self, GError **error) {
        Domain *domain = self->operation.domain;
        const Snapshot *snapshot = snapshot_find(domain, self->name);
        if (!snapshots_check(domain, error) || !disk_jobs_check_none(domain, NULL, "it goes back to a snapshot", error) ||
            !checkpoints_check_none(domain, "it goes back to a snapshot", error))
                return false;
        if (!snapshot)
                return domain_fail(domain, error, VIRTBUS_ERROR_NO_SUCH_SNAPSHOT, "it has no snapshot '%s' any more", self->name);
        self->definition = snapshot_definition_ref(snapshot->definition);
        if (self->definition->is_going)
                return domain_fail(
                                domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                                "the images of snapshot '%s' are not what they were: it was to be deleted, and that did not come "
                                "to its end; delete it",
                                self->name);
        if (!check_external(self, error) || !check_images(self, error))
                return false;
        if (!domain->persistent && !has_memory(self))
                return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                                   "it is transient, and was off in snapshot '%s': it would be gone", self->name);
        bool ran = strcmp(self->definition->state, "running") == 0;
        self->runs = self->options.running || (ran && !self->options.paused);
        return read_definitions(self, error);
}

/* The end: definition and snapshots are written, once it runs. One without memory has gone back before it starts. */

/* Nothing comes between. */
static void put_first(Domain *domain, Operation *operation) {
        operation->domain = domain;
        g_queue_push_head(&domain->waiting, operation);
}

static void go_on(SnapshotRevert *self) {
        Domain *domain = self->operation.domain;
        g_autoptr(GError) ended = NULL;
        bool starts = !self->is_in_place && !domain_is_active(domain) && (self->options.running || self->options.paused);
        if (self->turn)
                turn_end(g_steal_pointer(&self->turn));
        if (self->is_in_place && !domain_is_up(domain))
                domain_fail(domain, &ended, VIRTBUS_ERROR_CANCELLED, "it has ended since it went back to snapshot '%s'",
                            self->name);
        else if (starts) {
                StartOptions options = { .paused = !self->runs, .boots = true };
                put_first(domain, start_new(g_steal_pointer(&self->operation.call), options));
        } else if (domain_is_up(domain) && !self->is_started) {
                if (self->live)
                        domain_memory_changed(domain, self->live->memory);
                domain_changed(domain, self->runs ? DOMAIN_RUNNING : DOMAIN_PAUSED, REASON_SNAPSHOT);
        }
        operation_finish(&self->operation, ended);
}

static void on_current(void *data, const GError *error) {
        SnapshotRevert *self = data;
        if (error)
                fail(self, error);
        else
                go_on(self);
}

static void write_current(SnapshotRevert *self) {
        TreeChange *change = tree_change_new(self->operation.domain, &snapshot_tree);
        tree_change_set_current(change, self->name);
        tree_change_write(change, on_current, self);
}

static void on_stored(void *data, const GError *error) {
        SnapshotRevert *self = data;
        if (error) {
                fail(self, error);
                return;
        }
        domain_redefine(self->operation.domain, self->inactive);
        write_current(self);
}

static void on_turn(void *data, Turn *turn, const GError *error) {
        SnapshotRevert *self = data;
        Domain *domain = self->operation.domain;
        self->turn = turn;
        if (!turn)
                fail(self, error);
        else if (self->inactive && domain->persistent)
                connection_store(domain, self->inactive, on_stored, self);
        else
                write_current(self);
}

static void write_all(SnapshotRevert *self) {
        Domain *domain = self->operation.domain;
        turns_take(domain->connection->turns, domain->uuid, domain_name(domain), on_turn, self);
}

void snapshot_loaded(Operation *operation, const GError *error) {
        SnapshotRevert *self = (SnapshotRevert *) operation;
        self->is_loaded = !error;
        if (error)
                fail(self, error);
        else
                write_all(self);
}

/* It is off */

static void on_started(void *rest, Call *call) {
        Operation *operation = rest;
        operation->call = call;
        operation->sender = g_strdup(call_sender(call));
        put_first(operation->domain, operation);
}

static void on_not_started(void *rest) {
        revert_free(rest);
        g_free(rest);
}

/* Its start loads the disks with the memory. Where that fails all is as before; where not, the rest of this comes after it. */
static void start_first(SnapshotRevert *self) {
        Domain *domain = self->operation.domain;
        SnapshotRun *run = snapshot_run_new(self->name, self->live);
        StartOptions options = { .paused = !self->runs, .boots = true, .snapshot = run };
        SnapshotRevert *rest = (SnapshotRevert *) snapshot_revert_new(NULL, self->name, self->options);
        rest->operation.domain = domain;
        rest->definition = g_steal_pointer(&self->definition);
        rest->live = g_steal_pointer(&self->live);
        rest->inactive = g_steal_pointer(&self->inactive);
        rest->runs = self->runs;
        rest->is_started = true;
        run->rest = rest;
        run->started = on_started;
        run->dropped = on_not_started;
        put_first(domain, start_new(g_steal_pointer(&self->operation.call), options));
        operation_finish(&self->operation, NULL);
}

static void write_started(SnapshotRevert *self) {
        self->is_in_place = self->is_loaded = true;
        write_all(self);
}

static void load_images(void *data) {
        SnapshotRevert *self = data;
        self->operation.domain->connection->hypervisor->snapshots->load(&self->operation);
}

static void revert_off(SnapshotRevert *self) {
        if (has_memory(self))
                start_first(self);
        else
                managed_save_remove_first(self->operation.domain, load_images, self); /* it is of what the disks were */
}

static int on_off(sd_event_source *source, void *data) {
        SnapshotRevert *self = data;
        g_autoptr(GError) error = NULL;
        (void) source;
        self->off = sd_event_source_disable_unref(self->off);
        self->is_ending = false;
        if (self->operation.domain->connection->closing)
                domain_fail(self->operation.domain, &error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        if (error)
                fail(self, error);
        else
                revert_off(self);
        return 0;
}

/* The end of the run goes on after this: what follows comes in a turn of its own. */
static void on_state(Domain *domain, DomainState old) {
        SnapshotRevert *self =
                        operation_is(domain->operation, &snapshot_revert_class) ? (SnapshotRevert *) domain->operation : NULL;
        (void) old;
        if (self && self->is_ending && domain->state == DOMAIN_SHUTOFF && !self->off)
                sd_event_add_defer(domain->connection->event, &self->off, on_off, self);
}

const DomainListener snapshot_revert_listener = {
        .state_changed = on_state,
};

static void begin(Operation *operation) {
        SnapshotRevert *self = (SnapshotRevert *) operation;
        Domain *domain = operation->domain;
        bool active = domain_is_active(domain);
        g_autoptr(GError) error = NULL;
        if (self->is_started) {
                write_started(self);
                return;
        }
        if (!check(self, &error)) {
                operation_finish(operation, error);
                return;
        }
        self->is_in_place = active && has_memory(self) && domain->state != DOMAIN_CRASHED && is_same_hardware(self);
        if (active && has_memory(self) && !self->is_in_place && !self->options.force) {
                domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID,
                            "it has other devices than in snapshot '%s', so that its guest would be ended and started again; "
                            "pass force to do that",
                            self->name);
                operation_finish(operation, error);
        } else if (self->is_in_place)
                domain->connection->hypervisor->snapshots->load(operation);
        else {
                self->is_looking = true;
                domain->connection->hypervisor->snapshots->look(operation);
        }
}

/* Its guest may have ended meanwhile. */
void snapshot_looked(Operation *operation, const GError *failure) {
        SnapshotRevert *self = (SnapshotRevert *) operation;
        Domain *domain = operation->domain;
        g_autoptr(GError) error = failure ? g_error_copy(failure) : NULL;
        self->is_looking = false;
        if (!error && domain->connection->closing)
                domain_fail(domain, &error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
        if (error)
                fail(self, error);
        else if (domain_is_active(domain)) {
                self->is_ending = true;
                domain_destroy(domain, REASON_SNAPSHOT, NULL);
        } else
                revert_off(self);
}

/* Its guest's end is a step of it, or comes while it is written down that it has gone back: that is done first. */
static OperationFate fate(const Operation *operation) {
        const SnapshotRevert *self = (const SnapshotRevert *) operation;
        return self->is_looking || self->is_ending || self->is_loaded ? OPERATION_GOES_ON : OPERATION_FAILS;
}

static void revert_free(Operation *operation) {
        SnapshotRevert *self = (SnapshotRevert *) operation;
        snapshot_revert_keep(operation, NULL, NULL);
        if (self->turn)
                turn_end(self->turn);
        sd_event_source_disable_unref(self->off);
        g_clear_pointer(&self->definition, snapshot_definition_unref);
        g_clear_pointer(&self->live, definition_unref);
        g_clear_pointer(&self->inactive, definition_unref);
        g_free(self->name);
}

const OperationClass snapshot_revert_class = {
        .name = "Snapshot.Revert",
        .states = IN_SETTLED,
        .needs = "be at rest",
        .tells_state = true,
        .size = sizeof(SnapshotRevert),
        .of_tree = &snapshot_tree,
        .is_offered = is_offered,
        .begin = begin,
        .fate = fate,
        .free = revert_free,
};
