/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ports: each an interface by which a guest's card is connected, to a network or to what the host has itself. A port lasts as
 * long as its interface, and that as long as somebody has one of its descriptors, or as the container whose end of a pair it is:
 * when a guest ends, or whoever has asked for it is killed before a guest has it, the kernel takes it away (a macvtap, this
 * driver: direct-links.h), and says so. What is known of a port is in a file of the runtime
 * directory before its descriptors are given away: the next driver takes up those whose interface is still there, also where
 * their network has gone. */

#include "network/filter-binding.h"
#include "network/networks.h"

/* How many a network, or a bridge of the host's, may have: what a bridge of the kernel's takes. */
#define PORTS_MAX 1023

/* How many that are not in a bridge the host may have in one place. */
#define PORTS_ALONE_MAX 16384

/* How a port is connected. */
typedef enum PortPlug {
        PORT_NETWORK,     /* a tap in a network's bridge */
        PORT_BRIDGE,      /* a tap in a bridge of the host's */
        PORT_ETHERNET,    /* a tap alone */
        PORT_DIRECT,      /* a macvtap on an interface of the host's */
        PORT_PASSTHROUGH, /* a macvtap that has the whole of one */
} PortPlug;

/* By the words of documents, NULL at the end. */
extern const char *const port_plugs[];

/* To what. */
typedef struct PortPlace {
        Network *network; /* NULL: to the host */
        PortPlug plug;
        const char *source; /* the bridge of the host's, or the interface; or "" */
} PortPlace;

/* How a macvtap is on its interface, NULL at the end: the last, "passthrough", has the whole of it. */
extern const char *const port_modes[];

/* The one of a name; NULL: there is none. */
const char *port_find_mode(const char *name);

/* What it is called in messages; to be freed. */
char *port_place_text(const PortPlace *place);

/* Whether a user may have one more beside OTHERS, Port: of the places that other users have left, one has half at most, so that
 * there is always one for the next; root has all. */
bool port_check_count(const PortPlace *place, const GPtrArray *others, uid_t owner, GError **error);

/* How many queues one may have: what fits into a message. */
#define PORT_QUEUES_MAX 64

/* How long the name of a port's domain may be, in bytes. */
#define PORT_DOMAIN_BYTES_MAX 1024

/* All of the ports of all networks and of the host. */
typedef struct Ports Ports;

typedef struct Port {
        Ports *all;
        PortPlug plug;
        char *source;       /* the bridge of the host's, or the interface; or "" */
        const char *mode;   /* of a macvtap: of port_modes; else "" */
        Network *network;   /* which has it; NULL: the host, or that has gone, and the guest lives on */
        char *network_uuid; /* of which that is; "": the host's */
        char *uuid, *domain_name, *domain_uuid, *mac;
        char *interface; /* on the host */
        int index;       /* its number */
        uint32_t mtu;    /* in bytes; 0: the kernel's own */
        bool isolated;
        uid_t owner;               /* for whom it was added */
        FilterBinding *binding;    /* its filter, of an earlier driver's port that waits for the filters; or NULL */
        struct FilteredCard *card; /* filter-table.h: its filter; or NULL */
        char *bandwidth;           /* its <bandwidth>, or "" */
        bool is_changing;          /* its filter is */
        Published *published;
} Port;

/* LINK_GONE is told of each interface of the host that goes. */
typedef void (*PortsLinkGone)(Networks *networks, const char *name);
Ports *ports_open(Networks *networks, const char *runtime, PortsLinkGone link_gone, GError **error);

/* Reads what an earlier driver has written down, when all networks are there. */
void ports_recover(Networks *networks);
void ports_close(Ports *ports);

/* Whether there is any. */
bool ports_any(const Ports *ports);

/* Whether it is a macvtap. */
bool port_is_direct(const Port *port);

/* One that is being added, to be counted; until it is done. */
void ports_begin(Ports *ports, Port *port);
void ports_done(Ports *ports, Port *port);

/* How many macvtaps are on an interface, or are being put there; *HAS_WHOLE: one has the whole of it. */
unsigned ports_count_on(const Ports *ports, const char *interface, bool *has_whole);

Networks *ports_networks(const Ports *ports);
struct DirectLinks *ports_direct(const Ports *ports);

/* Of macvtaps that nobody holds any more, which may not have been told yet, those that one of this address or name would find in
 * its way are gone before what the worker is given from now on. */
void ports_end_unheld(const Ports *ports, const char *mac, const char *interface);

/* Those that are in a place, Port (borrowed). */
GPtrArray *ports_at(const Ports *ports, const PortPlace *place);

/* Finds one, borrowed, or NULL. */
Port *ports_find(const Ports *ports, const char *uuid);

/* Writes down a new one of a network that is there, or of the host, and publishes it: then it is kept; else it stays the
 * caller's. */
bool port_enter(Ports *ports, Network *network, Port *port, GError **error);
void port_free(Port *port);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Port, port_free)

/* Whether its interface is there. */
bool port_is_there(const Port *port);

/* Gives it a filter that it has had none of: BINDING is taken. DONE: as of filtered_card_begin. */
void port_filter_begin(Port *port, const Networks *networks, FilterBinding *binding, WorkDone done, void *data);

/* Its filter has been changed, or not, with *ERROR: writes that down, and tells it. */
void port_filter_changed(Port *port, GError **error);

/* Whoever had the interface of that number has let go of it: an administrator's, which outlives its port. */
void ports_end(Ports *ports, int index);

/* What is asked for; borrowed. */
typedef struct PortRequest {
        PortPlace place;
        const char *domain_name, *domain_uuid, *mac;
        const char *interface; /* its name; "": chosen */
        const char *bridge;    /* or NULL */
        const char *mode;      /* for a macvtap: of port_modes; or "" */
        char *const *pool;     /* the interfaces of a network's of which it is on one; or NULL */
        uint32_t queues, mtu;  /* 0: one; the kernel's own */
        uint32_t pair;         /* the number of INTERFACE, an end of a pair that a driver has made; 0: a tap is */
        bool isolated;
        uid_t owner;
        bool for_driver;                                       /* a driver asks, which knows its domains */
        bool may_be_there;                                     /* an administrator has made the interface */
        const char *filter;                                    /* its <filterref>, or "" */
        const char *bandwidth;                                 /* its <bandwidth>, or "" */
        const char *group;                                     /* the port group of its network, or "" */
        bool (*check)(const Network *network, GError **error); /* whether the network may have ports: asked at both ends */
} PortRequest;

/* PORT is NULL with an error; else its descriptors, one for each queue, of a macvtap its holder, none of a pair, are closed
 * when this returns. */
typedef void (*PortDone)(void *data, const Port *port, const int *fds, unsigned n, const GError *error);

/* Adds one: port-add.c. */
void port_add(Networks *networks, const PortRequest *request, PortDone done, void *data);

/* Gives a port another filter (port-filter.c): FILTER is a <filterref>, or "": none. */
void port_set_filter(Port *port, const char *filter, WorkDone done, void *data);

/* Gives a port another <bandwidth>, or "": none (port-bandwidth.c). The kernel answers at once. */
bool port_set_bandwidth(Port *port, const char *bandwidth, GError **error);

/* Limits the interface of one by its bandwidth, if that has any: from any thread. */
bool port_limit(const Port *port, GError **error);

/* The bandwidth that an element says, checked and as it is kept; "" for "". To be freed; NULL with an error. */
char *port_read_bandwidth(const char *bandwidth, GError **error);

/* The <bandwidth> of the port group of that name, or, where that is "", of the network's default one; "": it has none. To be
 * freed; NULL with an error: there is no such group. */
char *port_group_bandwidth(const NetworkDefinition *definition, const char *group, GError **error);

/* What its filter is, or NULL. */
const FilterBinding *port_filter(const Port *port);

/* Earlier drivers' ports have their filters again. */
void ports_take_up_filters(Networks *networks);

/* Something of it has changed: that is written down, and told. */
bool port_changed(Port *port, GError **error);

/* Publishes a network's ports below its object, and those that it gets; or withdraws them. */
void ports_publish(Network *network, const Vtable *const *vtables);
void ports_withdraw(Network *network);

/* Publishes, with VTABLES, what those of the host are added by as another part of its object, and those that there are and will
 * be, EACH, below it; to be withdrawn before what else is at the object. */
void ports_publish_host(Ports *ports, const Vtable *const *vtables, const Vtable *const *each);
void ports_withdraw_host(Ports *ports);

/* A network goes: its ports have none, and keep their records and their filters as long as their interfaces are there. One of
 * the same UUID has them again. */
void ports_release(Network *network);
void ports_take_home(Network *network);

/* A network's ports as its bridge is to have them, for a thread; to be freed by g_ptr_array_unref. */
typedef struct PortLink {
        char *name;
        int index;
        bool isolated;
} PortLink;

GPtrArray *ports_links(const Network *network);
void ports_attach(const GPtrArray *links, const char *bridge);
