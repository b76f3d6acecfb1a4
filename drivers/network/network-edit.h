/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Changes of one element of a network's document, as libvirt's virNetworkUpdate has them: functions on the tree, one table of
 * what may be changed and by what an element is known. */

#include "network/network-definition.h"

typedef enum NetworkEditCommand {
        EDIT_ADD_FIRST,
        EDIT_ADD_LAST,
        EDIT_MODIFY,
        EDIT_DELETE,
        NETWORK_EDIT_N_COMMANDS
} NetworkEditCommand;

/* "add-first", ...; NULL at the end. */
extern const char *const network_edit_commands[];

typedef struct NetworkEdit {
        NetworkEditCommand command;
        size_t section;
        int parent; /* which <ip> a host or a range is in, from 0; -1: the first that gives addresses, or of its family */
        xmlDoc *element;
} NetworkEdit;

/* Reads one; NULL with InvalidArgument, InvalidXML or Unsupported. */
NetworkEdit *network_edit_read(const char *command, const char *section, int parent, const char *xml, GError **error);
void network_edit_free(NetworkEdit *edit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetworkEdit, network_edit_free)

/* What becomes of a definition; NULL with an error: it has no such element, or has one already, or would not be a network's. */
NetworkDefinition *network_edit(const NetworkDefinition *definition, const NetworkEdit *edit, GError **error);
