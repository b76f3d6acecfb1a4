/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/agent/leases.h"

#include <string.h>
#include <time.h>

#include "base/foreign.h"
#include "base/json.h"
#include "domain/agent/addresses.h"

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

typedef struct Search {
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

static void on_searched(void *data, const GError *unused) {
        Search *search = data;
        (void) unused;
        addresses_reply(search->call, search->addresses);
        g_free(search->bridge);
        g_free(search->mac);
        g_free(search);
}

void leases_answer(Worker *worker, const char *bridge, const char *mac, Call *call) {
        Search *search = g_new0(Search, 1);
        *search = (Search){ .bridge = g_strdup(strchr(bridge, '/') ? "" : bridge),
                            .mac = g_strdup(mac),
                            .call = call,
                            .addresses = addresses_new() };
        worker_run(worker, search_in_worker, on_searched, search);
}
