/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/obstacles.h"

#include <linux/rtnetlink.h>
#include <string.h>

#include "log.h"
#include "network/bridge.h"
#include "network/dnsmasq.h"
#include "network/document-check.h"
#include "network/firewall.h"
#include "network/host-blocks.h"
#include "network/netlink-listener.h"
#include "network/run.h"

struct Obstacles {
        Networks *networks;
        Worker *worker;
        NetlinkListener *netlink;
        sd_event_source *pause; /* until it may look again; or NULL */
        bool is_looking, again;
};

/* What a thread knows of a network, and finds for it. */
typedef struct Subject {
        char *uuid, *bridge;
        bool runs, is_active, forwards, serves;
        Subnet *subnets;
        size_t n_subnets;
        GPtrArray *found; /* char */
} Subject;

typedef struct Look {
        Obstacles *obstacles;
        GPtrArray *subjects;
        GPtrArray *firewall; /* FirewallChain; or NULL */
} Look;

static void subject_free(void *data) {
        Subject *subject = data;
        g_free(subject->uuid);
        g_free(subject->bridge);
        g_free(subject->subnets);
        g_ptr_array_unref(subject->found);
        g_free(subject);
}

/* Of a network that has a bridge of its own. */
static Subject *subject_of(const Network *network) {
        const NetworkDefinition *definition = run_live(network);
        Subject *subject = g_new(Subject, 1);
        *subject = (Subject){ .uuid = g_strdup(definition->uuid),
                              .bridge = g_strdup(definition->bridge),
                              .is_active = run_is_active(network),
                              .runs = network->run,
                              .forwards = strcmp(definition->mode, "isolated") != 0,
                              .serves = dnsmasq_is_needed(definition),
                              .subnets = g_memdup2(definition->subnets, definition->n_subnets * sizeof *definition->subnets),
                              .n_subnets = definition->n_subnets,
                              .found = g_ptr_array_new_with_free_func(g_free) };
        return subject;
}

static void look_free(void *data) {
        Look *look = data;
        g_ptr_array_unref(look->subjects);
        g_clear_pointer(&look->firewall, g_ptr_array_unref);
        g_free(look);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Look, look_free)

/* Adds what is not known yet, up to MAX. TEXT is taken. */
static void add(Subject *subject, unsigned *n, char *text) {
        bool is_known = *n >= OBSTACLES_OF_A_KIND_MAX ||
                        g_ptr_array_find_with_equal_func(subject->found, text, g_str_equal, NULL);
        if (is_known) {
                g_free(text);
                return;
        }
        ++*n;
        g_ptr_array_add(subject->found, text);
}

/* In a thread: one kind after the other */

static void find_bridge(Subject *subject) {
        unsigned n = 0;
        if (!subject->runs && bridge_is_anothers(subject->bridge, subject->uuid))
                add(subject, &n,
                    g_strdup_printf("bridge: interface '%s' of this host is not the one of this network: remove it (ip link "
                                    "delete %s), or give the network another bridge",
                                    subject->bridge, subject->bridge));
}

static void compare_block(void *data, const HostBlock *block) {
        const Look *look = data;
        for (guint i = 0; i < look->subjects->len; i++) {
                Subject *subject = look->subjects->pdata[i];
                unsigned n = 0;
                for (guint k = 0; k < subject->found->len; k++)
                        n += g_str_has_prefix(subject->found->pdata[k], "address: ");
                for (size_t k = 0; k < subject->n_subnets && strcmp(block->interface, subject->bridge) != 0; k++) {
                        const Subnet *own = &subject->subnets[k];
                        if (!subnets_overlap(own, &block->subnet))
                                continue;
                        Address first = subnet_first(&block->subnet), own_first = subnet_first(own);
                        g_autofree char *theirs = address_text(&first), *ours = address_text(&own_first);
                        add(subject, &n,
                            g_strdup_printf("address: this host has %s/%u behind interface '%s', where %s/%u is to be this "
                                            "network's: give the network another block",
                                            theirs, block->subnet.prefix, *block->interface ? block->interface : "?", ours,
                                            own->prefix));
                }
        }
}

static bool forwards(int family) {
        g_autofree char *text = NULL;
        return !g_file_get_contents(family == AF_INET ? "/proc/sys/net/ipv4/ip_forward"
                                                      : "/proc/sys/net/ipv6/conf/all/forwarding",
                                    &text, NULL, NULL) ||
               text[0] != '0';
}

static bool has_family(const Subject *subject, int family) {
        bool has = false;
        for (size_t i = 0; i < subject->n_subnets; i++)
                has = has || subject->subnets[i].address.family == family;
        return has;
}

static void find_forwarding(Subject *subject) {
        static const struct {
                int family;
                const char *name, *setting;
        } families[] = { { AF_INET, "IPv4", "net.ipv4.ip_forward" }, { AF_INET6, "IPv6", "net.ipv6.conf.all.forwarding" } };
        unsigned n = 0;
        for (size_t i = 0; i < G_N_ELEMENTS(families) && subject->is_active && subject->forwards; i++)
                if (has_family(subject, families[i].family) && !forwards(families[i].family))
                        add(subject, &n,
                            g_strdup_printf("forwarding: this host forwards no %s packets any more, so that guests reach nothing "
                                            "outside: sysctl %s=1",
                                            families[i].name, families[i].setting));
}

static void find_firewall(Subject *subject, const GPtrArray *chains) {
        static const int families[] = { AF_INET, AF_INET6 };
        unsigned n = 0;
        for (guint i = 0; i < chains->len; i++) {
                const FirewallChain *chain = chains->pdata[i];
                bool drops = false, counts = chain->hook == FIREWALL_FORWARD ? subject->forwards : subject->serves;
                for (size_t k = 0; k < G_N_ELEMENTS(families) && counts; k++)
                        drops = drops ||
                                (has_family(subject, families[k]) && firewall_drops(chain, subject->bridge, families[k]));
                if (!drops)
                        continue;
                g_autofree char *remedy = firewall_remedy(chain, subject->bridge);
                add(subject, &n,
                    g_strdup_printf("firewall: chain '%s' of table '%s' drops what its rules do not accept, and none names "
                                    "'%s', so that guests %s: %s",
                                    chain->name, chain->table, subject->bridge,
                                    chain->hook == FIREWALL_FORWARD ? "reach nothing outside"
                                                                    : "are given no address and no names by this host",
                                    remedy));
        }
}

static void look_in_thread(void *data, GError **error) {
        Look *look = data;
        g_autoptr(GError) unread = NULL;
        look->firewall = firewall_read(&unread);
        if (!look->firewall)
                log_error("obstacles of networks: %s", unread->message);
        for (guint i = 0; i < look->subjects->len; i++)
                find_bridge(look->subjects->pdata[i]);
        if (!host_blocks_each(compare_block, look, error))
                return;
        for (guint i = 0; i < look->subjects->len; i++) {
                find_forwarding(look->subjects->pdata[i]);
                if (look->firewall)
                        find_firewall(look->subjects->pdata[i], look->firewall);
        }
}

/* What comes of it */

static int compare(const void *one, const void *other) {
        return strcmp(*(char *const *) one, *(char *const *) other);
}

/* A network that has started or stopped meanwhile is looked at again. */
static void tell(Obstacles *obstacles, Subject *subject) {
        Network *network = g_hash_table_lookup(obstacles->networks->registry.by_uuid, subject->uuid);
        if (!network)
                return;
        if (run_is_active(network) != subject->is_active || !network->run == subject->runs) {
                obstacles->again = true;
                return;
        }
        const NetworkDefinition *definition = network->entry.definition;
        g_ptr_array_sort(subject->found, compare);
        g_ptr_array_add(subject->found, NULL);
        char **found = (char **) subject->found->pdata;
        static const char *const none[] = { NULL };
        if (g_strv_equal(network->obstacles ? (const char *const *) network->obstacles : none, (const char *const *) found))
                return;
        g_strfreev(network->obstacles);
        network->obstacles = g_strdupv(found);
        for (char **text = found; *text; text++)
                log_info("network '%s': %s", definition->name, *text);
        entry_changed(&network->entry);
}

static int on_paused(sd_event_source *source, uint64_t time, void *data) {
        Obstacles *obstacles = data;
        (void) source;
        (void) time;
        obstacles->pause = sd_event_source_disable_unref(obstacles->pause);
        if (obstacles->again)
                obstacles_look(obstacles);
        return 0;
}

static void on_looked(void *data, const GError *error) {
        g_autoptr(Look) look = data;
        Obstacles *obstacles = look->obstacles;
        sd_event *event = obstacles->networks->registry.event;
        obstacles->is_looking = false;
        if (obstacles->networks->registry.cancelled)
                return;
        if (error)
                log_error("obstacles of networks: %s", error->message);
        for (guint i = 0; i < look->subjects->len && !error; i++)
                tell(obstacles, look->subjects->pdata[i]);
        int r = sd_event_add_time_relative(event, &obstacles->pause, CLOCK_MONOTONIC, OBSTACLES_PAUSE, 0, on_paused, obstacles);
        if (r < 0)
                log_error("obstacles of networks are not looked for any more: %s", g_strerror(-r));
}

void obstacles_look(Obstacles *obstacles) {
        if (!obstacles || obstacles->networks->registry.cancelled)
                return;
        obstacles->again = obstacles->is_looking || obstacles->pause;
        if (obstacles->again)
                return;
        g_autoptr(GPtrArray) all = registry_list(&obstacles->networks->registry);
        Look *look = g_new0(Look, 1);
        look->obstacles = obstacles;
        look->subjects = g_ptr_array_new_with_free_func(subject_free);
        for (guint i = 0; i < all->len; i++) {
                const Network *network = all->pdata[i];
                if (bridge_is_needed(run_live(network)))
                        g_ptr_array_add(look->subjects, subject_of(network));
        }
        obstacles->is_looking = true;
        worker_run(obstacles->worker, look_in_thread, on_looked, look);
}

/* The whole */

static void on_message(void *data, struct nlmsghdr *header) {
        (void) header;
        obstacles_look(data);
}

static void on_lost(void *data) {
        obstacles_look(data);
}

Obstacles *obstacles_new(Networks *networks, GError **error) {
        static const NetlinkEvents events = { .what = "the host's addresses and routes",
                                              .protocol = NETLINK_ROUTE,
                                              .groups = { RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                                                          RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_NETCONF,
                                                          RTNLGRP_IPV6_NETCONF },
                                              .message = on_message,
                                              .lost = on_lost };
        Obstacles *obstacles = g_new0(Obstacles, 1);
        obstacles->networks = networks;
        obstacles->worker = worker_new(networks->registry.event, 1, error);
        obstacles->netlink = obstacles->worker ? netlink_listener_new(networks->registry.event, &events, obstacles, error) : NULL;
        if (obstacles->netlink)
                return obstacles;
        obstacles_free(obstacles);
        return NULL;
}

/* What a thread is at is waited for: it reads from the kernel alone. */
void obstacles_free(Obstacles *obstacles) {
        g_clear_pointer(&obstacles->netlink, netlink_listener_free);
        g_clear_pointer(&obstacles->worker, worker_free);
        obstacles->pause = sd_event_source_disable_unref(obstacles->pause);
        g_free(obstacles);
}
