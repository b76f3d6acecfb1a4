/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The dnsmasq of a network: a process of a user of its own, with no more of root's than its sockets need, which outlives the
 * driver and is found again by its number and start time.
 * What it is told is in dnsmasq.h, and the files of that in server-files.h. */

#include <systemd/sd-event.h>

#include "base/process.h"
#include "network/network-definition.h"

/* Who dnsmasq is. */
#define SERVER_USER "virtbus-dnsmasq"

/* The program that tells the driver of its leases, beside the driver's own. */
#define SERVER_HELPER "virtbus-lease-helper"

/* How large a file it may write, in bytes: that of its leases, and what it says. */
#define SERVER_FILE_SIZE_MAX (UINT64_C(64) << 20)

/* What all of them have in common. */
typedef struct Servers {
        sd_event *event;
        char *folder;
        char *runtime; /* the driver's folder, which the folder is in */
        uid_t uid;
        gid_t gid;
        bool has_user; /* there is one of that name */
} Servers;

/* May wait for the users' database. RUNTIME: the driver's folder. */
void servers_init(Servers *servers, sd_event *event, const char *runtime);
void servers_clear(Servers *servers);

typedef struct Server Server;

/* READY is called once: when it listens, or with an error where it cannot. ENDED: it has ended after that; SAID is why, where it
 * says so. */
typedef struct ServerListener {
        void (*ready)(void *data, const GError *error);
        void (*ended)(void *data, const char *said);
} ServerListener;

/* Whether the folders are there that it is to serve by TFTP, which it would find only after it has said that it listens. For a
 * thread: they may be a file system's that does not answer. */
bool server_check_boot(const NetworkDefinition *definition, GError **error);

/* Writes its files and forks it; it does nothing until server_go. DEFINITION is borrowed. */
Server *server_new(const Servers *servers, const NetworkDefinition *definition, const ServerListener *listener, void *data,
                   GError **error);
void server_go(Server *server);

/* Finds the one that an earlier driver has started; NULL where it has ended. It is taken for ready: READY is not called. */
Server *server_find(const Servers *servers, pid_t pid, uint64_t start_time, const ServerListener *listener, void *data);

/* What becomes of one that runs when its files are of another definition. */
typedef enum ServerNews {
        SERVER_KNOWS,        /* it has taken all of it up */
        SERVER_READS_AGAIN,  /* what it does when it is told to */
        SERVER_STARTS_AGAIN, /* it has to end, and another to be started */
} ServerNews;

/* Tells it to read its files of hosts again, and to tell of all leases. What has come before it has done so is answered as
 * before. */
void server_reload(const Server *server);

/* What it is known by. */
pid_t server_pid(const Server *server);
uint64_t server_start_time(const Server *server);

/* Tells it to end: ENDED is called when it has, in place of READY too. */
void server_end(Server *server);

/* Looks away; it runs on. */
void server_free(Server *server);
