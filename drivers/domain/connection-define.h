/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What changes the definitions of a connection, on the disk and then in its tables: each in its turn for a name and a UUID. */

#include "base/store.h"
#include "domain/domain.h"

/* Makes an inactive transient domain of a document, which is checked. Borrowed: it goes away when it has run. */
Domain *connection_add_transient(Connection *connection, const char *xml, uid_t owner, GError **error);

/* What goes with a definition that is deleted: who has it, and does not say so, is refused. */
typedef struct UndefineOptions {
        bool nvram, tpm, managed_save, snapshots, checkpoints;
} UndefineOptions;

/* The options of CreateDomain. */
typedef struct CreateOptions {
        bool paused;
        GPtrArray *fds; /* FdGroup, to be freed, also where reading fails; or NULL */
} CreateOptions;
bool connection_read_create(const Connection *connection, sd_bus_message *options, CreateOptions *read, GError **error);

/* The methods of org.virtbus1.Connection and those of Domain that change the definition. Each answers its call. */
void connection_define(Connection *connection, const char *xml, bool unsupported, Call *call);
void connection_create(Connection *connection, const char *xml, bool paused, Call *call);
void connection_undefine(Domain *domain, const UndefineOptions *also, Call *call);
void connection_set_autostart(Domain *domain, bool autostart, Call *call);
void connection_share(Domain *domain, const char *who, char *const *actions, Call *call);
void connection_rename(Domain *domain, const char *name, Call *call);

/* In a turn: writes another definition of a domain, then calls DONE. */
void connection_store(Domain *domain, const Definition *definition, WorkDone done, void *data);
