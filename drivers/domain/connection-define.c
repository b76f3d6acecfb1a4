/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/connection-define.h"

#include <string.h>

#include "base/kept.h"
#include "domain/connection.h"
#include "domain/connection-document.h"
#include "domain/connection-table.h"
#include "domain/definitions.h"
#include "domain/domain-run.h"
#include "domain/operation.h"
#include "domain/offers.h"
#include "domain/owners-rights.h"
#include "domain/shares.h"
#include "domain/checkpoint.h"
#include "domain/snapshot.h"
#include "domain/operations/managed-save.h"
#include "domain/operations/save.h"
#include "domain/operations/start.h"
#include "options.h"
#include "vtables.h"

/* A change of what a UUID and a name stand for, which waits for its turn or is being written. */
typedef struct Change {
        Connection *connection;
        Turn *turn;
        Definition *definition; /* the new one, or NULL */
        Domain *domain;         /* the existing one, or NULL */
        bool autostart, paused;
        GPtrArray *fds; /* what the caller hands over, or NULL */
        UndefineOptions also;
        char *who, **actions; /* with whom it is shared, and for what */
        char **shares;        /* and with all of them; or NULL */
        void (*begin)(struct Change *change);
        Call *call;
} Change;

static void change_free(Change *change) {
        Turn *turn = change->turn;
        g_clear_pointer(&change->domain, domain_unref);
        g_clear_pointer(&change->definition, definition_unref);
        g_clear_pointer(&change->fds, g_ptr_array_unref);
        g_strfreev(change->shares);
        g_strfreev(change->actions);
        g_free(change->who);
        g_free(change);
        if (turn)
                turn_end(turn);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Change, change_free)

/* The change is made, or cannot be. */
static void told(Change *change) {
        Connection *connection = change->connection;
        change_free(change);
        connection_idle(connection);
}

static void refuse(Change *change, const GError *error) {
        call_fail(change->call, error);
        told(change);
}

static void on_turn(void *data, Turn *turn, const GError *error) {
        Change *change = data;
        change->turn = turn;
        if (turn)
                change->begin(change);
        else
                refuse(change, error);
}

static void take_turn(const Change *template) {
        Change *change = g_new(Change, 1);
        *change = *template;
        if (change->domain)
                domain_ref(change->domain);
        turns_take(change->connection->turns, change->definition ? change->definition->uuid : change->domain->uuid,
                   change->definition ? change->definition->name : domain_name(change->domain), on_turn, change);
}

/* The text of a file. */
static char *text_of(const Definition *definition, const Kept *kept, char *const *shares) {
        g_autofree char *text = kept_text(definition->xml, kept);
        return shares_add_text(text, shares);
}

static Kept kept_of(const Domain *domain) {
        return (Kept){ domain->owner, domain->owners_rights, domain->autostart };
}

void connection_store(Domain *domain, const Definition *definition, WorkDone done, void *data) {
        const Kept kept = kept_of(domain);
        g_autofree char *text = text_of(definition, &kept, domain->shares);
        domain->connection->definitions->define(domain->connection, domain->uuid, text, done, data);
}

static void on_defined(void *data, const GError *error) {
        Change *change = data;
        if (!change->domain)
                owners_rights_end_define(change->connection, change->call);
        if (error) {
                refuse(change, error);
                return;
        }
        g_autoptr(Domain) fresh = NULL;
        Domain *domain = change->domain;
        if (domain)
                domain_redefine(domain, change->definition);
        else
                domain = fresh = domain_new(change->connection, change->definition, true, change->call->uid,
                                            change->call->own_rights);
        reply_connection_define_domain(change->call, published_path(domain->published));
        told(change);
}

static void begin_define(Change *change) {
        g_autoptr(GError) error = NULL;
        Domain *domain = NULL;
        if (!connection_find_same(change->connection, change->definition, &domain, &error) ||
            !owners_rights_check_define(change->connection, domain, change->definition, change->call, &error)) {
                refuse(change, error);
                return;
        }
        change->domain = domain ? domain_ref(domain) : NULL;
        const Kept kept = domain ? kept_of(domain) : (Kept){ change->call->uid, change->call->own_rights, false };
        g_autofree char *text = text_of(change->definition, &kept, domain ? domain->shares : NULL);
        if (!domain)
                owners_rights_begin_define(change->connection, change->call);
        change->connection->definitions->define(change->connection, change->definition->uuid, text, on_defined, change);
}

static void define(Connection *connection, xmlDoc *document, bool unsupported, Call *call) {
        g_autoptr(GError) error = NULL;
        Definition *definition = connection_read_document(connection, document, unsupported, &error);
        if (definition)
                take_turn(&(Change){ .connection = connection, .definition = definition, .begin = begin_define, .call = call });
        else
                call_fail(call, error);
}

void connection_define(Connection *connection, const char *xml, bool unsupported, Call *call) {
        connection_prepare(connection, xml, define, unsupported, call);
}

static Domain *add_transient(Connection *connection, const Definition *definition, uid_t owner, bool owners_rights,
                             GError **error) {
        Domain *existing = NULL;
        if (!connection_find_same(connection, definition, &existing, error))
                return NULL;
        if (existing) {
                domain_fail(existing, error, VIRTBUS_ERROR_ALREADY_EXISTS, "it is %s; use Start, or another name and UUID",
                            domain_state_name(existing->state));
                return NULL;
        }
        g_autoptr(Domain) domain = domain_new(connection, definition, false, owner, owners_rights);
        return domain; /* which the connection's table holds */
}

Domain *connection_add_transient(Connection *connection, const char *xml, uid_t owner, GError **error) {
        g_autoptr(Definition) definition = connection_read(connection, xml, error);
        if (!definition)
                return NULL;
        if (turns_taken(connection->turns, definition->uuid, definition->name)) {
                virtbus_error_set(error, VIRTBUS_ERROR_RESOURCE_BUSY, "domain '%s': its definition is being written; call again",
                                  definition->name);
                return NULL;
        }
        return add_transient(connection, definition, owner, false, error);
}

static void begin_create(Change *change) {
        g_autoptr(GError) error = NULL;
        Domain *domain = owners_rights_check_define(change->connection, NULL, change->definition, change->call, &error)
                                         ? add_transient(change->connection, change->definition, change->call->uid,
                                                         change->call->own_rights, &error)
                                         : NULL;
        if (domain)
                domain_operate(domain, start_new(change->call, (StartOptions){ .creates = true,
                                                                               .paused = change->paused,
                                                                               .fds = g_steal_pointer(&change->fds) }));
        else
                call_fail(change->call, error);
        told(change);
}

bool connection_read_create(const Connection *connection, sd_bus_message *options, CreateOptions *read, GError **error) {
        return options_read(options, error, "paused", 'b', &read->paused, "fds", OPTION_FDS, &read->fds, NULL) &&
               offers_check_fds(connection, read->fds, error);
}

/* They lie in the message, which has waited with the call. */
static bool read_fds(const Connection *connection, Call *call, GPtrArray **fds, GError **error) {
        CreateOptions options = {};
        int r = sd_bus_message_rewind(call->message, true);
        if (r >= 0)
                r = sd_bus_message_skip(call->message, "s");
        if (r < 0)
                return virtbus_error_set_errno(error, -r, "the options cannot be read");
        bool fine = connection_read_create(connection, call->message, &options, error);
        *fds = options.fds;
        return fine;
}

static void create(Connection *connection, xmlDoc *document, bool paused, Call *call) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) fds = NULL;
        Definition *definition = read_fds(connection, call, &fds, &error)
                                                 ? connection_read_document(connection, document, false, &error)
                                                 : NULL;
        if (definition)
                take_turn(&(Change){ .connection = connection,
                                     .definition = definition,
                                     .paused = paused,
                                     .fds = g_steal_pointer(&fds),
                                     .begin = begin_create,
                                     .call = call });
        else
                call_fail(call, error);
}

void connection_create(Connection *connection, const char *xml, bool paused, Call *call) {
        connection_prepare(connection, xml, create, paused, call);
}

static void on_undefined(void *data, const GError *error) {
        Change *change = data;
        if (error) {
                refuse(change, error);
                return;
        }
        if (change->also.nvram && HYPERVISOR_HAS(change->connection->hypervisor, leftovers, delete_nvram))
                change->connection->hypervisor->leftovers->delete_nvram(change->connection, change->domain->uuid);
        /* Of one that runs it goes when that ends. */
        if (change->also.tpm && HYPERVISOR_HAS(change->connection->hypervisor, leftovers, delete_tpm) &&
            !domain_is_active(change->domain))
                change->connection->hypervisor->leftovers->delete_tpm(change->connection, change->domain->uuid);
        if (HYPERVISOR_HAS(change->connection->hypervisor, leftovers, forget) && !domain_is_active(change->domain))
                change->connection->hypervisor->leftovers->forget(change->connection, change->domain->uuid);
        managed_save_remove(change->domain);
        domain_undefine(change->domain);
        reply_domain_undefine(change->call);
        told(change);
}

/* Whether there is a definition to be changed: who has waited for their turn may find it gone. */
static bool check_persistent(const Domain *domain, const char *what, GError **error) {
        if (!domain->published)
                return domain_fail(domain, error, VIRTBUS_ERROR_NO_SUCH_DOMAIN, "it was undefined, or has ended, meanwhile");
        return domain->persistent ||
               domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID, "it is transient; %s needs a definition", what);
}

static void undefine(void *data, const GError *failure) {
        Change *change = data;
        g_autoptr(GError) error = NULL;
        if (failure) {
                refuse(change, failure);
                return;
        }
        if (change->connection->closing) {
                domain_fail(change->domain, &error, VIRTBUS_ERROR_CANCELLED, "the driver is ending");
                refuse(change, error);
        } else
                change->connection->definitions->define(change->connection, change->domain->uuid, NULL, on_undefined, change);
}

/* Nor any of another domain's snapshots, and checkpoints. */
static void forget_checkpoints(void *data, const GError *failure) {
        Change *change = data;
        if (failure)
                refuse(change, failure);
        else
                tree_forget_first(change->domain, &checkpoint_tree, undefine, change);
}

static void forget_snapshots(void *data) {
        Change *change = data;
        tree_forget_first(change->domain, &snapshot_tree, forget_checkpoints, change);
}

static void begin_undefine(Change *change) {
        Domain *domain = change->domain;
        g_autoptr(GError) error = NULL;
        const Hypervisor *hypervisor = domain->connection->hypervisor;
        if (check_persistent(domain, "Undefine", &error) && !change->also.nvram &&
            HYPERVISOR_HAS(hypervisor, leftovers, has_nvram) &&
            hypervisor->leftovers->has_nvram(domain->connection, domain->uuid))
                domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID,
                            "it has a file of UEFI variables; pass the option nvram to delete that too");
        else if (!error && !change->also.tpm && HYPERVISOR_HAS(hypervisor, leftovers, has_tpm) &&
                 hypervisor->leftovers->has_tpm(domain->connection, domain->uuid))
                domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID,
                            "it has a TPM, whose keys may be all that opens its disks; pass the option tpm to delete it too");
        else if (!error && save_is_managed(domain))
                domain_fail(domain, &error, VIRTBUS_ERROR_RESOURCE_BUSY,
                            "its managed save is being written; cancel that job, or call again when it has ended");
        else if (!error && domain->has_managed_save && !change->also.managed_save)
                domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID,
                            "it has a managed save; pass the option managed_save to delete that too");
        else if (!error && tree_is_changing(domain, &snapshot_tree))
                domain_fail(domain, &error, VIRTBUS_ERROR_RESOURCE_BUSY,
                            "a snapshot of it is being made, deleted or reverted to; call again when that is done");
        else if (!error && !hypervisor->own_snapshots && snapshots_check(domain, &error) && snapshots_count(domain) > 0 &&
                 !change->also.snapshots)
                domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID,
                            "it has snapshots (%u); pass the option snapshots to forget them too", snapshots_count(domain));
        else if (!error && tree_is_changing(domain, &checkpoint_tree))
                domain_fail(domain, &error, VIRTBUS_ERROR_RESOURCE_BUSY,
                            "a checkpoint of it is being made or deleted; call again when that is done");
        else if (!error && checkpoints_check(domain, &error) && checkpoints_count(domain) > 0 && !change->also.checkpoints)
                domain_fail(domain, &error, VIRTBUS_ERROR_OPERATION_INVALID,
                            "it has checkpoints (%u); pass the option checkpoints to forget them too", checkpoints_count(domain));
        if (error)
                refuse(change, error);
        else /* whatever cuts this off: no save is left that a domain of this UUID would be restored from later */
                managed_save_remove_first(domain, forget_snapshots, change);
}

void connection_undefine(Domain *domain, const UndefineOptions *also, Call *call) {
        take_turn(&(Change){ .connection = domain->connection,
                             .domain = domain,
                             .also = *also,
                             .begin = begin_undefine,
                             .call = call });
}

static void on_autostart_set(void *data, const GError *error) {
        Change *change = data;
        if (error) {
                refuse(change, error);
                return;
        }
        change->domain->autostart = change->autostart;
        domain_announce(change->domain, (const int[]){ DOMAIN_AUTOSTART, -1 });
        call_reply(change->call, "");
        told(change);
}

static void begin_autostart(Change *change) {
        Domain *domain = change->domain;
        g_autoptr(GError) error = NULL;
        if (!check_persistent(domain, "Autostart", &error)) {
                refuse(change, error);
                return;
        }
        const Kept kept = { domain->owner, domain->owners_rights, change->autostart };
        g_autofree char *text = text_of(domain->persistent, &kept, domain->shares);
        change->connection->definitions->define(change->connection, domain->uuid, text, on_autostart_set, change);
}

void connection_set_autostart(Domain *domain, bool autostart, Call *call) {
        take_turn(&(Change){ .connection = domain->connection,
                             .domain = domain,
                             .autostart = autostart,
                             .begin = begin_autostart,
                             .call = call });
}

/* Who else may do something with it */

static void on_shared(void *data, const GError *error) {
        Change *change = data;
        if (error) {
                refuse(change, error);
                return;
        }
        g_strfreev(change->domain->shares);
        change->domain->shares = g_steal_pointer(&change->shares);
        domain_announce(change->domain, (const int[]){ DOMAIN_SHARES, -1 });
        reply_domain_share(change->call);
        told(change);
}

static void begin_share(Change *change) {
        Domain *domain = change->domain;
        g_autoptr(GError) error = NULL;
        if (check_persistent(domain, "Share", &error))
                change->shares = shares_change(domain->shares, change->who, change->actions, &error);
        if (error) {
                refuse(change, error);
                return;
        }
        const Kept kept = kept_of(domain);
        g_autofree char *text = text_of(domain->persistent, &kept, change->shares);
        change->connection->definitions->define(change->connection, domain->uuid, text, on_shared, change);
}

void connection_share(Domain *domain, const char *who, char *const *actions, Call *call) {
        take_turn(&(Change){ .connection = domain->connection,
                             .domain = domain,
                             .who = g_strdup(who),
                             .actions = g_strdupv((char **) actions),
                             .begin = begin_share,
                             .call = call });
}

/* Another name */

static void on_renamed(void *data, const GError *error) {
        Change *change = data;
        Connection *connection = change->connection;
        Domain *domain = domain_ref(change->domain);
        if (error)
                refuse(change, error);
        else {
                domain_redefine(domain, change->definition);
                connection_know_as(connection, domain, change->definition->name);
                reply_domain_rename(change->call);
                told(change);
        }
        domain_hold(domain, false);
        domain_unref(domain);
}

static bool check_rename(const Change *change, GError **error) {
        const Domain *domain = change->domain, *same = connection_find_name(change->connection, change->definition->name);
        if (!check_persistent(domain, "Rename", error))
                return false;
        if (same)
                return domain_fail(same, error, VIRTBUS_ERROR_ALREADY_EXISTS,
                                   same == domain ? "that is its name already" : "a domain of that name exists; choose another");
        if (domain->state != DOMAIN_SHUTOFF)
                return domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID, "it is %s; for Rename it must be shutoff",
                                   domain_state_name(domain->state));
        return !domain->has_managed_save ||
               domain_fail(domain, error, VIRTBUS_ERROR_OPERATION_INVALID,
                           "it has a managed save, which has its name in it; remove that first, or start it");
}

/* What it is defined as by now, with another name. */
static Definition *rename_definition(const Domain *domain, const char *name, GError **error) {
        g_autoptr(xmlDoc) document = definition_document(domain->persistent, error);
        if (!document)
                return NULL;
        g_autofree xmlChar *quoted = xmlEncodeSpecialChars(document, (const xmlChar *) name);
        xmlNodeSetContent(xml_ensure_child(xmlDocGetRootElement(document), "name"), quoted);
        return definition_from_document(document, error);
}

static void begin_rename(Change *change) {
        Domain *domain = change->domain;
        g_autoptr(GError) error = NULL;
        g_autoptr(Definition) wanted = g_steal_pointer(&change->definition);
        change->definition = wanted;
        bool fine = check_rename(change, &error);
        change->definition = fine ? rename_definition(domain, wanted->name, &error) : NULL;
        if (!change->definition) {
                refuse(change, error);
                return;
        }
        domain_hold(domain, true);
        connection_store(domain, change->definition, on_renamed, change);
}

void connection_rename(Domain *domain, const char *name, Call *call) {
        g_autoptr(GError) error = NULL;
        Definition *definition = NULL;
        if (check_persistent(domain, "Rename", &error) && !(definition = rename_definition(domain, name, NULL)))
                virtbus_error_set(&error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                  "'%.64s' cannot be a name: use 1 to %d bytes without '/' and control characters", name,
                                  NAME_BYTES_MAX);
        if (definition)
                take_turn(&(Change){ .connection = domain->connection,
                                     .domain = domain,
                                     .definition = definition,
                                     .begin = begin_rename,
                                     .call = call });
        else
                call_fail(call, error);
}
