/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One client of libvirt's protocol, and its connection to the bus. */

#include <gio/gio.h>
#include <stdbool.h>

#include "conversation.h"
#include "libvirt-errors.h"
#include "origin.h"

#define MANAGER_PATH "/org/virtbus1"
#define INTERFACE(name) "org.virtbus1." name

typedef struct Domains Domains;
typedef struct Events Events;
typedef struct HostEvents HostEvents;
typedef struct MonitorEvents MonitorEvents;
typedef struct Streams Streams;
typedef struct Jobs Jobs;
typedef struct Associated Associated;

typedef struct Client {
        const Origin *origin;
        GMainLoop *loop;
        Conversation *conversation;
        GDBusConnection *bus;
        unsigned int watch;              /* of the service's name; 0 where that need not be watched */
        char *connection;                /* the path of what the client has opened; NULL before */
        char *connection_name;           /* its last element */
        bool is_named;                   /* opened by a URI, it may be to another host: "esx_HOST" */
        LibvirtErrorDomain error_domain; /* who errors are from: by the kind of the connection */
        bool read_only;                  /* it has asked for that itself, or has come where nothing is changed */
        bool tells_close;                /* it wants to hear when the service goes */
        Domains *domains;                /* of the connection; NULL before */
        Events *events;
        HostEvents *secret_events;
        HostEvents *network_events;
        MonitorEvents *monitor_events;
        Streams *streams;
        Jobs *jobs;
        Associated *associated; /* NULL: it has associated nothing */
        GQueue calls;           /* Call: those that are not answered */
        bool leaving;           /* what is at work is answered and sent, nothing more is done */
} Client;

/* Serves one client until it goes or the service does. Returns the exit status of its process. */
int client_serve(const Origin *origin);
