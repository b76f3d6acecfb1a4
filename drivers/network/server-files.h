/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files that a network's dnsmasq reads, in a folder below the runtime directory that only root writes to: its configuration,
 * which it reads when it starts; and hosts and names, each as a file that it reads again when it is told to, and a folder beside
 * that, "NAME.d", of files whose lines it takes up when they come there, before it answers what comes after. In the folder "run"
 * dnsmasq writes itself. */

#include "network/network-definition.h"
#include "network/server.h"

/* Makes the folders and writes all files anew. */
bool server_files_write(const Servers *servers, const NetworkDefinition *definition, GError **error);

/* Makes files that are there those of another definition: lines that are added are put beside the others, which costs no more
 * than they do. */
bool server_files_change(const Servers *servers, const NetworkDefinition *definition, ServerNews *news, GError **error);

void server_files_remove(const Servers *servers, const char *uuid);

/* To be freed: the folder of a network, and what dnsmasq writes in it. */
char *server_files_folder(const Servers *servers, const char *uuid);
char *server_files_own(const Servers *servers, const char *uuid);

/* The names of what it writes. */
#define SERVER_NUMBER_FILE "pid" /* there when it listens */
#define SERVER_LEASES_FILE "leases"

/* The arguments by which it finds the folders of added lines: two, to be freed. */
void server_files_arguments(const char *folder, char *arguments[2]);
