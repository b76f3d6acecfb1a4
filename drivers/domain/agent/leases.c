/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/agent/leases.h"

#include <string.h>
#include <time.h>

#include "base/errand.h"
#include "base/foreign.h"
#include "base/json.h"
#include "bus.h"
#include "domain/agent/addresses.h"
#include "errors.h"
#include "paths.h"

/* Where leases are: %s is the bridge's name. */
static const struct {
        const char *path;
        bool is_json;
} places[] = {
        { "/var/lib/misc/dnsmasq.leases", false },              /* dnsmasq's own, on Debian */
        { "/var/lib/dnsmasq/dnsmasq.leases", false },           /* on Fedora */
        { "/var/lib/NetworkManager/dnsmasq-%s.leases", false }, /* a shared connection */
        { "/var/lib/libvirt/dnsmasq/%s.status", true },         /* a network of libvirt's */
};

#define NETWORKS BUS_NAME ".Networks"
#define NETWORK BUS_NAME ".Network"

typedef struct Search {
        Worker *worker;
        Objects *objects;
        char *bridge, *mac;
        Call *call;
        GArray *addresses;
} Search;

static void add(Search *search, const char *mac, const char *address, gint64 expiry) {
        bool is_over = expiry > 0 && expiry < time(NULL);
        if (mac && address && !is_over && g_ascii_strcasecmp(mac, search->mac) == 0)
                addresses_add(search->addresses, address, 0);
}

/* dnsmasq(8), --dhcp-leasefile: "EXPIRY MAC ADDRESS NAME CLIENT-ID" a line, an EXPIRY of 0 means never; of IPv6, no MAC. */
static void read_lines(Search *search, char *text) {
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++) {
                g_auto(GStrv) words = g_strsplit(*line, " ", 4);
                if (g_strv_length(words) >= 3)
                        add(search, words[1], words[2], g_ascii_strtoll(words[0], NULL, 10));
        }
}

/* An array of objects. */
static void read_json(Search *search, const char *text) {
        g_autoptr(JsonNode) root = json_parse_array(text, -1, NULL);
        JsonArray *leases = root ? json_node_get_array(root) : NULL;
        for (guint i = 0; leases && i < json_array_get_length(leases); i++) {
                JsonObject *lease = json_object_at(leases, i);
                add(search, json_string(lease, "mac-address"), json_string(lease, "ip-address"),
                    json_int(lease, "expiry-time", 0));
        }
}

static void search_in_worker(void *data, GError **error) {
        Search *search = data;
        (void) error;
        for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
                g_auto(GStrv) parts = g_strsplit(places[i].path, "%s", 2);
                g_autofree char *path = g_strjoinv(search->bridge, parts);
                g_autofree char *text = parts[1] && !*search->bridge ? NULL : foreign_read(path);
                if (text)
                        places[i].is_json ? read_json(search, text) : read_lines(search, text);
        }
}

static void search_free(Search *search) {
        g_free(search->bridge);
        g_free(search->mac);
        g_free(search);
}

static void on_searched(void *data, const GError *unused) {
        Search *search = data;
        (void) unused;
        addresses_reply(search->call, search->addresses);
        search_free(search);
}

static void search_files(Search *search) {
        worker_run(search->worker, search_in_worker, on_searched, search);
}

/* Networks of virtbus */

static void fail(Search *search, const GError *error) {
        call_fail(search->call, error);
        g_array_unref(search->addresses);
        search_free(search);
}

/* Whether it is somebody else's network, or this driver has none to do with virtbus's. */
static bool is_not_ours(const GError *error) {
        return virtbus_error_code(error) == VIRTBUS_ERROR_NO_SUCH_NETWORK ||
               strcmp(virtbus_error_name_of(error), SD_BUS_ERROR_UNKNOWN_OBJECT) == 0 ||
               strcmp(virtbus_error_name_of(error), SD_BUS_ERROR_ACCESS_DENIED) == 0;
}

static int read_lease(Search *search, sd_bus_message *answer) {
        const char *address = NULL, *name;
        uint32_t prefix = 0;
        int r;
        while ((r = sd_bus_message_enter_container(answer, 'e', "sv")) > 0) {
                r = sd_bus_message_read(answer, "s", &name);
                if (r >= 0)
                        r = strcmp(name, "address") == 0  ? sd_bus_message_read(answer, "v", "s", &address)
                            : strcmp(name, "prefix") == 0 ? sd_bus_message_read(answer, "v", "u", &prefix)
                                                          : sd_bus_message_skip(answer, "v");
                if (r < 0 || (r = sd_bus_message_exit_container(answer)) < 0)
                        return r;
        }
        if (address)
                addresses_add(search->addresses, address, prefix);
        return r;
}

static int read_leases(Search *search, sd_bus_message *answer) {
        int r = sd_bus_message_enter_container(answer, 'a', "a{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(answer, 'a', "{sv}")) > 0) {
                r = read_lease(search, answer);
                if (r < 0 || (r = sd_bus_message_exit_container(answer)) < 0)
                        return r;
        }
        return r;
}

static void on_leases(void *data, sd_bus_message *answer, const GError *error) {
        Search *search = data;
        int r = error ? 0 : read_leases(search, answer);
        g_autoptr(GError) failure = error ? g_error_copy(error) : NULL;
        if (r < 0)
                virtbus_error_set_errno(&failure, -r, "the leases of its network cannot be read");
        if (failure)
                fail(search, failure);
        else
                search_files(search);
}

static void on_found(void *data, sd_bus_message *answer, const GError *error) {
        Search *search = data;
        g_autoptr(GError) failure = error && !is_not_ours(error) ? g_error_copy(error) : NULL;
        const char *network;
        int r = error ? 0 : sd_bus_message_read(answer, "o", &network);
        if (r < 0)
                virtbus_error_set_errno(&failure, -r, "its network cannot be found");
        bool asks = !error && !failure &&
                    errand_begin(search->objects, NULL, network, NETWORK, "GetLeases", on_leases, search, &failure, "a{sv}", 1,
                                 "mac", "s", search->mac);
        if (failure)
                fail(search, failure);
        else if (!asks)
                search_files(search);
}

void leases_answer(Worker *worker, const LeasesPlace *place, const char *mac, Call *call) {
        Search *search = g_new0(Search, 1);
        g_autoptr(GError) error = NULL;
        *search = (Search){ .worker = worker,
                            .objects = place->objects,
                            .bridge = g_strdup(strchr(place->bridge, '/') ? "" : place->bridge),
                            .mac = g_strdup(mac),
                            .call = call,
                            .addresses = addresses_new() };
        if (!place->network)
                search_files(search);
        else if (!errand_begin(search->objects, NULL, HOST_PATH, NETWORKS, "GetNetworkByName", on_found, search, &error, "s",
                               place->network))
                fail(search, error);
}
