/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/interfaces.h"

#include <net/if.h>
#include <netlink/cache.h>
#include <netlink/route/addr.h>
#include <string.h>
#include <sys/epoll.h>

#include "errors.h"
#include "log.h"
#include "network/netlink-listener.h"

/* Room for what the kernel tells while this program is at something else, in bytes. */
#define BUFFER_SIZE (4 << 20)

struct Interfaces {
        Objects *objects;
        const char *path;
        const InterfacesFace *face;
        Published *published; /* at the path */
        GHashTable *by_index; /* Interface */
        GHashTable *by_path;  /* those that are published */
        struct nl_cache_mngr *manager;
        struct nl_sock *socket;
        struct nl_cache *links, *addresses; /* the manager's */
        sd_event_source *source;
        bool has_too_many;
};

static struct rtnl_link *link_of(const struct nl_object *object) {
        return (struct rtnl_link *) object;
}

static struct rtnl_addr *address_of(const struct nl_object *object) {
        return (struct rtnl_addr *) object;
}

/* One of them */

const char *interface_name(const Interface *interface) {
        const char *name = rtnl_link_get_name(interface->link);
        return name ? name : "";
}

const char *interface_kind(const Interface *interface) {
        const char *kind = rtnl_link_get_type(interface->link);
        return kind ? kind : "";
}

const char *interface_type(const Interface *interface) {
        static const char *const types[] = { "bridge", "bond", "vlan" };
        for (size_t i = 0; i < G_N_ELEMENTS(types); i++)
                if (strcmp(interface_kind(interface), types[i]) == 0)
                        return types[i];
        return "ethernet";
}

const char *interface_state(const Interface *interface) {
        static const char *const states[] = { "unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up" };
        uint8_t state = rtnl_link_get_operstate(interface->link);
        return states[state < G_N_ELEMENTS(states) ? state : 0];
}

static int compare_names(const void *one, const void *other) {
        return strcmp(interface_name(*(const Interface *const *) one), interface_name(*(const Interface *const *) other));
}

GPtrArray *interface_members(const Interface *interface) {
        GPtrArray *members = g_ptr_array_new();
        GHashTableIter iterator;
        void *other;
        g_hash_table_iter_init(&iterator, interface->all->by_index);
        while (g_hash_table_iter_next(&iterator, NULL, &other))
                if (rtnl_link_get_master(((Interface *) other)->link) == rtnl_link_get_ifindex(interface->link))
                        g_ptr_array_add(members, other);
        g_ptr_array_sort(members, compare_names);
        return members;
}

static int compare_subnets(const void *one, const void *other) {
        const Subnet *a = one, *b = other;
        return address_compare(&a->address, &b->address);
}

GArray *interface_addresses(const Interface *interface) {
        GArray *found = g_array_new(FALSE, FALSE, sizeof(Subnet));
        for (struct nl_object *object = nl_cache_get_first(interface->all->addresses); object;
             object = nl_cache_get_next(object)) {
                struct nl_addr *local = rtnl_addr_get_local(address_of(object));
                Subnet subnet = { .prefix = (unsigned) rtnl_addr_get_prefixlen(address_of(object)) };
                if (rtnl_addr_get_ifindex(address_of(object)) != rtnl_link_get_ifindex(interface->link) || !local)
                        continue;
                subnet.address.family = nl_addr_get_family(local);
                memcpy(subnet.address.bytes, nl_addr_get_binary_addr(local),
                       MIN(nl_addr_get_len(local), sizeof subnet.address.bytes));
                if (subnet.address.family == AF_INET || subnet.address.family == AF_INET6)
                        g_array_append_val(found, subnet);
        }
        g_array_sort(found, compare_subnets);
        return found;
}

/* All of them */

const Interface *interfaces_find(const Interfaces *all, const char *name, GError **error) {
        GHashTableIter iterator;
        void *interface;
        g_hash_table_iter_init(&iterator, all->by_index);
        while (g_hash_table_iter_next(&iterator, NULL, &interface))
                if (strcmp(interface_name(interface), name) == 0)
                        return interface;
        virtbus_error_set(error, VIRTBUS_ERROR_NO_SUCH_INTERFACE, "there is no interface '%.64s' on this machine", name);
        return NULL;
}

GPtrArray *interfaces_with_mac(const Interfaces *all, const char *mac) {
        GPtrArray *found = g_ptr_array_new();
        GHashTableIter iterator;
        void *interface;
        g_hash_table_iter_init(&iterator, all->by_index);
        while (g_hash_table_iter_next(&iterator, NULL, &interface))
                if (g_ascii_strcasecmp(((const Interface *) interface)->mac, mac) == 0)
                        g_ptr_array_add(found, interface);
        g_ptr_array_sort(found, compare_names);
        return found;
}

static void withdraw(Interface *interface) {
        if (!interface->published)
                return;
        g_hash_table_remove(interface->all->by_path, published_path(interface->published));
        g_clear_pointer(&interface->published, published_withdraw);
}

static void interface_free(void *data) {
        Interface *interface = data;
        withdraw(interface);
        rtnl_link_put(interface->link);
        g_free(interface->mac);
        g_free(interface->master);
        g_free(interface->lower);
        g_free(interface);
}

static Interface *at(const Interfaces *all, int index) {
        return index > 0 ? g_hash_table_lookup(all->by_index, GINT_TO_POINTER(index)) : NULL;
}

/* Where what it is made on is not of this network namespace, its number is another's here; of a pair it is the other end. */
static int lower_of(const Interface *interface) {
        int32_t other_space;
        return strcmp(interface_kind(interface), "veth") != 0 && rtnl_link_get_link_netnsid(interface->link, &other_space) < 0
                               ? rtnl_link_get_link(interface->link)
                               : 0;
}

static void set_name(char **name, const Interface *other) {
        g_free(*name);
        *name = g_strdup(other ? interface_name(other) : "");
}

static void refresh(Interface *interface) {
        char text[128]; /* whatever kind of card it is */
        struct nl_addr *address = rtnl_link_get_addr(interface->link);
        g_free(interface->mac);
        interface->mac = g_strdup(address && nl_addr_get_len(address) > 0 ? nl_addr2str(address, text, sizeof text) : "");
        set_name(&interface->master, at(interface->all, rtnl_link_get_master(interface->link)));
        set_name(&interface->lower, at(interface->all, lower_of(interface)));
}

static void tell(const Interfaces *all, int index) {
        Interface *interface = at(all, index);
        if (!interface || !interface->published)
                return;
        refresh(interface);
        published_changed(interface->published, all->face->interface[0], NULL);
}

/* Those that name it. */
static void tell_others(const Interfaces *all, int index) {
        GHashTableIter iterator;
        void *data;
        g_hash_table_iter_init(&iterator, all->by_index);
        while (g_hash_table_iter_next(&iterator, NULL, &data)) {
                const Interface *other = data;
                int its = rtnl_link_get_ifindex(other->link);
                if (its != index && (rtnl_link_get_master(other->link) == index || lower_of(other) == index))
                        tell(all, its);
        }
}

/* By these guests are connected. */
static bool is_of_guest(struct rtnl_link *link) {
        static const char *const kinds[] = { "tun", "macvtap", "ipvtap" };
        const char *kind = rtnl_link_get_type(link);
        for (size_t i = 0; kind && i < G_N_ELEMENTS(kinds); i++)
                if (strcmp(kind, kinds[i]) == 0)
                        return true;
        return false;
}

/* A bridge tells of its ports in the same way, by its family, which libnl gives the bridge itself, too. */
static bool is_wanted(struct rtnl_link *link) {
        bool is_itself = rtnl_link_get_family(link) == AF_UNSPEC || g_strcmp0(rtnl_link_get_type(link), "bridge") == 0;
        return is_itself && rtnl_link_get_name(link) && !is_of_guest(link);
}

/* Of two that have one name it is the one that is told of last: the other is gone, or named anew, which is told next. */
static void publish(Interfaces *all, Interface *interface) {
        g_autofree char *prefix = g_strdup_printf("%s/interface", all->path);
        char *path = NULL;
        refresh(interface);
        if (sd_bus_path_encode(prefix, interface_name(interface), &path) >= 0) {
                Interface *other = g_hash_table_lookup(all->by_path, path);
                if (other)
                        withdraw(other);
                interface->published = objects_publish(all->objects, path, interface, all->face->interface);
                g_hash_table_insert(all->by_path, (char *) published_path(interface->published), interface);
        }
        free(path);
}

/* It is published later; NULL where there is no room. */
static Interface *take(Interfaces *all, struct rtnl_link *link) {
        if (g_hash_table_size(all->by_index) >= INTERFACES_MAX) {
                if (!all->has_too_many)
                        log_error("there are more than %d interfaces: those that come now are not shown", INTERFACES_MAX);
                all->has_too_many = true;
                return NULL;
        }
        Interface *interface = g_new0(Interface, 1);
        *interface = (Interface){ .all = all, .link = link };
        nl_object_get((struct nl_object *) link);
        g_hash_table_insert(all->by_index, GINT_TO_POINTER(rtnl_link_get_ifindex(link)), interface);
        return interface;
}

static void add(Interfaces *all, struct rtnl_link *link) {
        Interface *interface = take(all, link);
        if (!interface)
                return;
        publish(all, interface);
        tell(all, rtnl_link_get_master(link));
        tell_others(all, rtnl_link_get_ifindex(link));
}

static void remove_one(Interfaces *all, int index) {
        const Interface *interface = at(all, index);
        int master = interface ? rtnl_link_get_master(interface->link) : 0;
        if (g_hash_table_remove(all->by_index, GINT_TO_POINTER(index))) {
                tell(all, master);
                tell_others(all, index);
        }
}

/* One that is named anew is another object. */
static void change(Interfaces *all, Interface *interface, struct rtnl_link *link) {
        struct rtnl_link *old = interface->link;
        int index = rtnl_link_get_ifindex(link), before = rtnl_link_get_master(old), after = rtnl_link_get_master(link);
        bool is_renamed = g_strcmp0(rtnl_link_get_name(old), rtnl_link_get_name(link)) != 0;
        nl_object_get((struct nl_object *) link);
        if (is_renamed)
                withdraw(interface);
        interface->link = link;
        rtnl_link_put(old);
        if (is_renamed) {
                publish(all, interface);
                tell_others(all, index);
        } else
                tell(all, index);
        if (before != after)
                tell(all, before);
        if (before != after || is_renamed)
                tell(all, after);
}

static void on_link(struct nl_cache *cache, struct nl_object *object, int action, void *data) {
        Interfaces *all = data;
        struct rtnl_link *link = link_of(object);
        int index = rtnl_link_get_ifindex(link);
        Interface *there = at(all, index);
        (void) cache;
        if (!is_wanted(link))
                return;
        if (action == NL_ACT_DEL)
                remove_one(all, index);
        else if (there)
                change(all, there, link);
        else
                add(all, link);
}

static void on_address(struct nl_cache *cache, struct nl_object *object, int action, void *data) {
        (void) cache;
        (void) action;
        tell(data, rtnl_addr_get_ifindex(address_of(object)));
}

/* Reads all anew: the kernel had more to tell than there was room for. */
static void read_again(Interfaces *all) {
        struct nl_sock *socket = nl_socket_alloc();
        g_autoptr(GList) indices = NULL;
        if (nl_connect(socket, NETLINK_ROUTE) >= 0 && nl_cache_refill(socket, all->links) >= 0 &&
            nl_cache_refill(socket, all->addresses) >= 0) {
                indices = g_hash_table_get_keys(all->by_index);
                for (const GList *one = indices; one; one = one->next) {
                        struct rtnl_link *link = rtnl_link_get(all->links, GPOINTER_TO_INT(one->data));
                        if (link)
                                rtnl_link_put(link);
                        else
                                remove_one(all, GPOINTER_TO_INT(one->data));
                }
                for (struct nl_object *object = nl_cache_get_first(all->links); object; object = nl_cache_get_next(object))
                        on_link(all->links, object, NL_ACT_CHANGE, all);
        }
        nl_socket_free(socket);
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *data) {
        Interfaces *all = data;
        (void) source;
        (void) fd;
        (void) events;
        if (nl_cache_mngr_data_ready(all->manager) < 0)
                read_again(all);
        return 0;
}

static int watch(Interfaces *all) {
        all->socket = nl_socket_alloc();
        int r = all->socket ? nl_cache_mngr_alloc(all->socket, NETLINK_ROUTE, 0, &all->manager) : -NLE_NOMEM;
        if (r >= 0) {
                netlink_hear_kernel_alone(all->socket);
                r = nl_socket_set_buffer_size(all->socket, BUFFER_SIZE, 0);
        }
        if (r >= 0)
                r = nl_cache_mngr_add(all->manager, "route/link", on_link, all, &all->links);
        if (r >= 0)
                r = nl_cache_mngr_add(all->manager, "route/addr", on_address, all, &all->addresses);
        return r;
}

static void publish_all(Interfaces *all) {
        GHashTableIter iterator;
        void *interface;
        g_hash_table_iter_init(&iterator, all->by_index);
        while (g_hash_table_iter_next(&iterator, NULL, &interface))
                publish(all, interface);
}

Interfaces *interfaces_open(sd_event *event, Objects *objects, const char *path, const InterfacesFace *face, GError **error) {
        Interfaces *all = g_new0(Interfaces, 1);
        *all = (Interfaces){ .objects = objects,
                             .path = path,
                             .face = face,
                             .by_index = g_hash_table_new_full(NULL, NULL, NULL, interface_free),
                             .by_path = g_hash_table_new(g_str_hash, g_str_equal) };
        int r = watch(all);
        if (r < 0)
                virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "the host's interfaces cannot be watched: %s",
                                  nl_geterror(r));
        else if ((r = sd_event_add_io(event, &all->source, nl_cache_mngr_get_fd(all->manager), EPOLLIN, on_readable, all)) < 0)
                virtbus_error_set_errno(error, -r, "the host's interfaces cannot be watched");
        if (r < 0) {
                interfaces_close(all);
                return NULL;
        }
        for (struct nl_object *object = nl_cache_get_first(all->links); object; object = nl_cache_get_next(object))
                if (is_wanted(link_of(object)))
                        take(all, link_of(object));
        all->published = objects_publish(objects, path, all, face->host);
        publish_all(all);
        return all;
}

void interfaces_close(Interfaces *all) {
        sd_event_source_disable_unref(all->source);
        g_hash_table_unref(all->by_index);
        g_hash_table_unref(all->by_path);
        g_clear_pointer(&all->published, published_withdraw);
        if (all->manager)
                nl_cache_mngr_free(all->manager);
        if (all->socket)
                nl_socket_free(all->socket);
        g_free(all);
}
