/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which machines there are: their .vmx files are the definitions, which VMware's own windows make and change too. */

#include "domain/definitions.h"
#include "vmware/machine-files.h"
#include "vmware/vmware.h"

extern const Definitions machines_definitions;

/* Shows the machines of these files, MachineFile, and no others. */
void machines_show(Vmware *vmware, GPtrArray *files);

/* The configuration of a transient domain is written for its run, and taken away after it. */
void machines_write_transient(Domain *domain, WorkDone done, void *data);
void machines_remove_transient(Connection *connection, const char *uuid);

/* The path of a domain's configuration, or NULL. */
const char *machines_path(const Domain *domain);
