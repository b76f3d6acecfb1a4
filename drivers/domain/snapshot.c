/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/snapshot.h"

#include <string.h>

#include "base/store.h"
#include "domain/connection-table.h"
#include "domain/connection.h"
#include "domain/operation.h"
#include "log.h"

/* domain->snapshots */
typedef struct Snapshots {
        GPtrArray *all; /* Snapshot, in the order in which they were made known */
        char *current;  /* or NULL */
        SnapshotDefinition *pending;
        char *fault; /* why they are not known; or NULL */
        bool has_file;
} Snapshots;

struct SnapshotsChange {
        Domain *domain;
        GPtrArray *definitions; /* SnapshotDefinition */
        char *current;
        SnapshotDefinition *pending;
        WorkDone done;
        void *data;
};

static void snapshot_free(Snapshot *snapshot) {
        if (snapshot->published)
                published_withdraw(snapshot->published);
        snapshot_definition_unref(snapshot->definition);
        g_free(snapshot);
}

static Snapshots *ensure(Domain *domain) {
        if (!domain->snapshots) {
                domain->snapshots = g_new0(Snapshots, 1);
                domain->snapshots->all = g_ptr_array_new_with_free_func((GDestroyNotify) snapshot_free);
        }
        return domain->snapshots;
}

static void clear(Domain *domain) {
        Snapshots *self = g_steal_pointer(&domain->snapshots);
        if (!self)
                return;
        g_ptr_array_unref(self->all);
        g_clear_pointer(&self->pending, snapshot_definition_unref);
        g_free(self->current);
        g_free(self->fault);
        g_free(self);
}

/* Looking */

guint snapshots_count(const Domain *domain) {
        return domain->snapshots ? domain->snapshots->all->len : 0;
}

Snapshot *snapshots_at(const Domain *domain, guint index) {
        return domain->snapshots->all->pdata[index];
}

Snapshot *snapshot_find(const Domain *domain, const char *name) {
        for (guint i = 0; name && i < snapshots_count(domain); i++)
                if (strcmp(snapshots_at(domain, i)->definition->name, name) == 0)
                        return snapshots_at(domain, i);
        return NULL;
}

Snapshot *snapshot_current(const Domain *domain) {
        return domain->snapshots ? snapshot_find(domain, domain->snapshots->current) : NULL;
}

const SnapshotDefinition *snapshots_pending(const Domain *domain) {
        return domain->snapshots ? domain->snapshots->pending : NULL;
}

const char *snapshot_path(const Snapshot *snapshot) {
        return snapshot ? published_path(snapshot->published) : "/";
}

/* A tree has no circles: what would make one is refused when it is read. */
bool snapshot_is_below(const Snapshot *snapshot, const char *name) {
        for (guint i = 0; snapshot && i < SNAPSHOTS_MAX;
             i++, snapshot = snapshot_find(snapshot->domain, snapshot->definition->parent))
                if (strcmp(snapshot->definition->name, name) == 0)
                        return true;
        return false;
}

static bool is_of_snapshots(const Operation *operation) {
        return operation && operation->class->of_snapshots;
}

bool snapshots_are_changing(const Domain *domain) {
        bool waits = is_of_snapshots(domain->operation);
        for (const GList *link = domain->waiting.head; link; link = link->next)
                waits |= is_of_snapshots(link->data);
        return waits;
}

bool snapshots_check(const Domain *domain, GError **error) {
        if (!domain->published)
                return domain_fail(domain, error, VIRTBUS_ERROR_NO_SUCH_DOMAIN, "it was undefined, or has ended, meanwhile");
        return !domain->snapshots || !domain->snapshots->fault ||
               domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED, "what is known of its snapshots is left alone: %s",
                           domain->snapshots->fault);
}

/* Changing */

SnapshotsChange *snapshots_change_new(Domain *domain) {
        const Snapshots *self = ensure(domain);
        SnapshotsChange *change = g_new0(SnapshotsChange, 1);
        *change = (SnapshotsChange){ .domain = domain_ref(domain), .current = g_strdup(self->current) };
        change->definitions = g_ptr_array_new_with_free_func((GDestroyNotify) snapshot_definition_unref);
        for (guint i = 0; i < self->all->len; i++)
                g_ptr_array_add(change->definitions, snapshot_definition_ref(snapshots_at(domain, i)->definition));
        change->pending = self->pending ? snapshot_definition_ref(self->pending) : NULL;
        return change;
}

static void change_free(SnapshotsChange *change) {
        g_ptr_array_unref(change->definitions);
        g_clear_pointer(&change->pending, snapshot_definition_unref);
        g_free(change->current);
        domain_unref(change->domain);
        g_free(change);
}

void snapshots_change_set_pending(SnapshotsChange *change, SnapshotDefinition *definition) {
        g_clear_pointer(&change->pending, snapshot_definition_unref);
        change->pending = definition ? snapshot_definition_ref(definition) : NULL;
}

static int place_of(const SnapshotsChange *change, const char *name) {
        for (guint i = 0; i < change->definitions->len; i++)
                if (strcmp(((const SnapshotDefinition *) change->definitions->pdata[i])->name, name) == 0)
                        return (int) i;
        return -1;
}

void snapshots_change_put(SnapshotsChange *change, SnapshotDefinition *definition) {
        int place = place_of(change, definition->name);
        if (place < 0) {
                g_ptr_array_add(change->definitions, snapshot_definition_ref(definition));
                return;
        }
        snapshot_definition_unref(change->definitions->pdata[place]);
        change->definitions->pdata[place] = snapshot_definition_ref(definition);
}

/* A copy of one, which has another parent. */
static SnapshotDefinition *with_parent(const SnapshotDefinition *definition, const char *parent) {
        g_autofree char *text = snapshot_definition_text(definition, true);
        SnapshotDefinition *copy = snapshot_definition_parse_own(text, NULL);
        if (copy) {
                g_free(copy->parent);
                copy->parent = g_strdup(parent);
        }
        return copy;
}

void snapshots_change_remove(SnapshotsChange *change, const char *name) {
        int place = place_of(change, name);
        if (place < 0)
                return;
        g_autoptr(SnapshotDefinition) gone = g_ptr_array_steal_index(change->definitions, (guint) place);
        for (guint i = 0; i < change->definitions->len; i++) {
                SnapshotDefinition *child = change->definitions->pdata[i];
                SnapshotDefinition *moved = g_strcmp0(child->parent, name) == 0 ? with_parent(child, gone->parent) : NULL;
                if (!moved)
                        continue;
                snapshot_definition_unref(child);
                change->definitions->pdata[i] = moved;
        }
        if (g_strcmp0(change->current, name) == 0)
                snapshots_change_set_current(change, gone->parent);
}

void snapshots_change_set_current(SnapshotsChange *change, const char *name) {
        g_autofree char *old = change->current;
        change->current = g_strdup(name);
}

static void add_one(xmlNode *root, const char *name, const SnapshotDefinition *definition) {
        g_autofree char *text = snapshot_definition_text(definition, true);
        xmlNodeAddContent(xml_add(root, name, NULL), (const xmlChar *) text);
}

/* The documents are text in it: however many there are, its elements are few. */
static char *text_of(const SnapshotsChange *change) {
        g_autoptr(xmlDoc) document = xmlNewDoc((const xmlChar *) "1.0");
        xmlNode *root = xmlNewDocNode(document, NULL, (const xmlChar *) "virtbus-snapshots", NULL);
        xmlDocSetRootElement(document, root);
        xml_set_number(root, "format", STORE_FORMAT_COMMON);
        if (change->current)
                xml_set_attribute(root, "current", change->current);
        if (change->pending)
                add_one(root, "pending", change->pending);
        for (guint i = 0; i < change->definitions->len; i++)
                add_one(root, "snapshot", change->definitions->pdata[i]);
        return xml_document_text(document);
}

static Snapshot *snapshot_new(Domain *domain, SnapshotDefinition *definition) {
        Snapshot *snapshot = g_new0(Snapshot, 1);
        *snapshot = (Snapshot){ .domain = domain, .definition = snapshot_definition_ref(definition) };
        return snapshot;
}

static void apply(SnapshotsChange *change) {
        Domain *domain = change->domain;
        Snapshots *self = ensure(domain);
        g_autoptr(GPtrArray) old = g_steal_pointer(&self->all);
        self->all = g_ptr_array_new_with_free_func((GDestroyNotify) snapshot_free);
        for (guint i = 0; i < change->definitions->len; i++) {
                SnapshotDefinition *definition = change->definitions->pdata[i];
                Snapshot *snapshot = NULL;
                for (guint k = 0; k < old->len && !snapshot; k++)
                        if (strcmp(((Snapshot *) old->pdata[k])->definition->name, definition->name) == 0)
                                snapshot = g_ptr_array_steal_index(old, k);
                if (!snapshot)
                        snapshot = snapshot_new(domain, definition);
                else if (snapshot->definition != definition) {
                        snapshot_definition_unref(snapshot->definition);
                        snapshot->definition = snapshot_definition_ref(definition);
                }
                g_ptr_array_add(self->all, snapshot);
        }
        g_free(self->current);
        self->current = g_steal_pointer(&change->current);
        g_clear_pointer(&self->pending, snapshot_definition_unref);
        self->pending = g_steal_pointer(&change->pending);
        if (domain->published)
                domain_announce_snapshots(domain);
}

static void on_written(void *data, const GError *error) {
        SnapshotsChange *change = data;
        WorkDone done = change->done;
        void *of_done = change->data;
        g_autoptr(Domain) domain = domain_ref(change->domain);
        g_autoptr(GError) failure = NULL;
        if (error)
                domain_fail(domain, &failure, virtbus_error_code(error), "its snapshots cannot be written down: %s",
                            error->message);
        else
                apply(change);
        change_free(change);
        done(of_done, failure);
}

void snapshots_change_write(SnapshotsChange *change, WorkDone done, void *data) {
        g_autofree char *text = change->definitions->len > 0 || change->pending ? text_of(change) : NULL;
        Domain *domain = change->domain;
        g_autoptr(GError) error = NULL;
        change->done = done;
        change->data = data;
        if (change->definitions->len > SNAPSHOTS_MAX)
                virtbus_error_set(&error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "there would be more than %d", SNAPSHOTS_MAX);
        else if (text && strlen(text) > XML_OWN_BYTES_MAX)
                virtbus_error_set(&error, VIRTBUS_ERROR_LIMIT_EXCEEDED, "their documents would have more than %d bytes",
                                  XML_OWN_BYTES_MAX);
        else if (snapshots_check(domain, &error)) {
                domain->snapshots->has_file = text != NULL;
                store_define(domain->connection->snapshots, domain->uuid, text, on_written, change);
                return;
        }
        on_written(change, error);
}

/* Beginning and end */

static bool read_all(Domain *domain, const char *text, GError **error) {
        g_autoptr(xmlDoc) document = xml_parse_own(text, "virtbus-snapshots", error);
        xmlNode *root = document ? xmlDocGetRootElement(document) : NULL;
        Snapshots *self = ensure(domain);
        if (!root || !store_check_format(root, error))
                return false;
        for (xmlNode *element = xml_child(root, NULL); element; element = xml_next(element, NULL)) {
                g_autofree char *of_one = xml_text(element);
                g_autoptr(SnapshotDefinition) definition = of_one ? snapshot_definition_parse_own(of_one, error) : NULL;
                if (!definition)
                        return false;
                if (xml_is(element, "pending"))
                        self->pending = g_steal_pointer(&definition);
                else if (snapshot_find(domain, definition->name))
                        return xml_fail(error, VIRTBUS_ERROR_INVALID_XML, element, "'%s' is there twice", definition->name);
                else
                        g_ptr_array_add(self->all, snapshot_new(domain, definition));
        }
        self->current = xml_attribute(root, "current");
        return true;
}

static void load(void *data, const char *uuid, const char *text, const GError *unreadable) {
        Connection *connection = data;
        Domain *domain = connection_find(connection, uuid);
        g_autoptr(GError) error = unreadable ? g_error_copy(unreadable) : NULL;
        if (!domain) {
                log_warning("the snapshots of domain %s, which is not there, are left as they are", uuid);
                return;
        }
        if (!text || !read_all(domain, text, &error)) {
                clear(domain);
                ensure(domain)->fault = g_strdup(error->message);
                log_error("domain '%s': the file of its snapshots is left as it is: %s", domain_name(domain), error->message);
        }
        domain->snapshots->has_file = true;
        domain_announce_snapshots(domain);
}

void snapshots_load(Connection *connection) {
        store_each_definition(connection->snapshots, load, connection);
}

static void on_removed(void *data, const GError *error) {
        g_autofree char *name = data;
        if (error)
                log_error("domain '%s': the file of its snapshots cannot be removed: %s", name, error->message);
}

void snapshots_forget_first(Domain *domain, WorkDone done, void *data) {
        if (!domain->snapshots || !domain->snapshots->has_file) {
                done(data, NULL);
                return;
        }
        SnapshotsChange *change = snapshots_change_new(domain);
        snapshots_change_set_pending(change, NULL);
        g_ptr_array_set_size(change->definitions, 0);
        g_clear_pointer(&change->current, g_free);
        snapshots_change_write(change, done, data);
}

/* Those of a domain without a definition end with it: a domain of its UUID is another one. */
static void on_gone(Domain *domain) {
        if (domain->snapshots && domain->snapshots->has_file && !domain->snapshots->fault)
                store_define(domain->connection->snapshots, domain->uuid, NULL, on_removed, g_strdup(domain_name(domain)));
        clear(domain);
}

const DomainListener snapshots_listener = {
        .gone = on_gone,
        .freed = clear,
};
