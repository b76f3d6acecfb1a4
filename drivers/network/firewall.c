/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/firewall.h"

#include <arpa/inet.h> /* before what the kernel has of the same */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>

#include "errors.h"
#include "network/nft-watch.h"

/* How many such chains are looked at: a host has a few. */
#define CHAINS_MAX 64

/* The table of firewalld's, whose chains reject at their end, with a policy of accepting. */
#define FIREWALLD "firewalld"

/* Docker's chain for rules of the administrator's. */
#define DOCKERS_USERS "DOCKER-USER"

typedef struct nl_sock NetlinkSocket;
typedef struct nl_msg NetlinkMessage;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkSocket, nl_socket_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetlinkMessage, nlmsg_free)

static const char *text_of(const struct nlattr *attribute) {
        bool is_text = attribute && nla_len(attribute) > 0 && memchr(nla_data(attribute), 0, (size_t) nla_len(attribute));
        return is_text ? nla_get_string(attribute) : "";
}

static uint32_t number_of(const struct nlattr *attribute) {
        return attribute && nla_len(attribute) == sizeof(uint32_t) ? ntohl(nla_get_u32(attribute)) : 0;
}

static void chain_free(void *data) {
        FirewallChain *chain = data;
        g_free(chain->table);
        g_free(chain->name);
        g_ptr_array_unref(chain->interfaces);
        g_free(chain);
}

/* Asking */

static int ask(NetlinkSocket *socket, int type, int family, const char *table, nl_recvmsg_msg_cb_t each, void *data) {
        const struct nfgenmsg header = { .nfgen_family = (uint8_t) family, .version = NFNETLINK_V0 };
        g_autoptr(NetlinkMessage) message = nlmsg_alloc_simple(NFNL_SUBSYS_NFTABLES << 8 | type, NLM_F_DUMP);
        if (!message || nlmsg_append(message, (void *) &header, sizeof header, NLMSG_ALIGNTO) < 0 ||
            (table && nla_put_string(message, NFTA_RULE_TABLE, table) < 0))
                return -NLE_NOMEM;
        int r = nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, each, data);
        if (r >= 0)
                r = nl_send_auto(socket, message);
        return r < 0 ? r : nl_recvmsgs_default(socket);
}

/* Chains */

static bool is_of_hook(uint32_t number, FirewallHook *hook) {
        *hook = number == NF_INET_FORWARD ? FIREWALL_FORWARD : FIREWALL_INPUT;
        return number == NF_INET_FORWARD || number == NF_INET_LOCAL_IN;
}

static int on_chain(struct nl_msg *message, void *data) {
        GPtrArray *chains = data;
        struct nlmsghdr *header = nlmsg_hdr(message);
        if (!nlmsg_valid_hdr(header, sizeof(struct nfgenmsg)))
                return NL_OK;
        const struct nfgenmsg *about = nlmsg_data(header);
        const char *table = text_of(nlmsg_find_attr(header, sizeof *about, NFTA_CHAIN_TABLE)),
                   *name = text_of(nlmsg_find_attr(header, sizeof *about, NFTA_CHAIN_NAME));
        struct nlattr *place = nlmsg_find_attr(header, sizeof *about, NFTA_CHAIN_HOOK);
        const struct nlattr *policy = nlmsg_find_attr(header, sizeof *about, NFTA_CHAIN_POLICY);
        bool is_firewalld = strcmp(table, FIREWALLD) == 0 && g_str_has_prefix(name, "filter_"),
             is_of_hosts = about->nfgen_family == NFPROTO_IPV4 || about->nfgen_family == NFPROTO_IPV6 ||
                           about->nfgen_family == NFPROTO_INET;
        FirewallHook hook;
        if (!place || !policy || !is_of_hosts || strcmp(table, NFT_TABLE) == 0 || chains->len >= CHAINS_MAX ||
            !is_of_hook(number_of(nla_find(nla_data(place), nla_len(place), NFTA_HOOK_HOOKNUM)), &hook) ||
            (number_of(policy) != NF_DROP && !is_firewalld))
                return NL_OK;
        FirewallChain *chain = g_new(FirewallChain, 1);
        *chain = (FirewallChain){ .family = about->nfgen_family,
                                  .hook = hook,
                                  .table = g_strdup(table),
                                  .name = g_strdup(name),
                                  .is_firewalld = is_firewalld,
                                  .interfaces = g_ptr_array_new_with_free_func(g_free) };
        g_ptr_array_add(chains, chain);
        return NL_OK;
}

/* Rules */

/* What one of them says, expression by expression. */
typedef struct Rule {
        bool reads_name; /* the last one has read an interface's name */
        bool drops;
        char name[IF_NAMESIZE + 1]; /* with '*' at its end where it is only how names begin */
} Rule;

static void read_comparison(Rule *rule, struct nlattr *data) {
        struct nlattr *compared = nla_find(nla_data(data), nla_len(data), NFTA_CMP_DATA);
        const struct nlattr *value = compared ? nla_find(nla_data(compared), nla_len(compared), NFTA_DATA_VALUE) : NULL;
        size_t length = value ? MIN((size_t) nla_len(value), IF_NAMESIZE) : 0;
        if (length == 0 || number_of(nla_find(nla_data(data), nla_len(data), NFTA_CMP_OP)) != NFT_CMP_EQ)
                return;
        memset(rule->name, 0, sizeof rule->name);
        memcpy(rule->name, nla_data(value), length);
        if (length < IF_NAMESIZE && !memchr(nla_data(value), 0, length))
                rule->name[length] = '*';
}

static void read_verdict(Rule *rule, struct nlattr *data) {
        struct nlattr *given = nla_find(nla_data(data), nla_len(data), NFTA_IMMEDIATE_DATA),
                      *verdict = given ? nla_find(nla_data(given), nla_len(given), NFTA_DATA_VERDICT) : NULL,
                      *code = verdict ? nla_find(nla_data(verdict), nla_len(verdict), NFTA_VERDICT_CODE) : NULL;
        rule->drops = rule->drops || (code && number_of(code) == NF_DROP);
}

static void read_expression(Rule *rule, struct nlattr *expression) {
        const char *name = text_of(nla_find(nla_data(expression), nla_len(expression), NFTA_EXPR_NAME));
        struct nlattr *data = nla_find(nla_data(expression), nla_len(expression), NFTA_EXPR_DATA);
        bool was_name = rule->reads_name;
        rule->reads_name = false;
        if (!data)
                return;
        if (strcmp(name, "meta") == 0) {
                uint32_t key = number_of(nla_find(nla_data(data), nla_len(data), NFTA_META_KEY));
                rule->reads_name = key == NFT_META_IIFNAME || key == NFT_META_OIFNAME;
        } else if (strcmp(name, "cmp") == 0 && was_name)
                read_comparison(rule, data);
        else if (strcmp(name, "immediate") == 0)
                read_verdict(rule, data);
        else if (strcmp(name, "reject") == 0)
                rule->drops = true;
}

static int on_rule(struct nl_msg *message, void *data) {
        FirewallChain *chain = data;
        struct nlmsghdr *header = nlmsg_hdr(message);
        struct nlattr *expressions, *expression;
        int left;
        Rule rule = { 0 };
        if (!nlmsg_valid_hdr(header, sizeof(struct nfgenmsg)))
                return NL_OK;
        chain->is_docker = chain->is_docker ||
                           strcmp(text_of(nlmsg_find_attr(header, sizeof(struct nfgenmsg), NFTA_RULE_CHAIN)), DOCKERS_USERS) == 0;
        expressions = nlmsg_find_attr(header, sizeof(struct nfgenmsg), NFTA_RULE_EXPRESSIONS);
        if (!expressions)
                return NL_OK;
        nla_for_each_nested(expression, expressions, left) read_expression(&rule, expression);
        if (*rule.name && !rule.drops)
                g_ptr_array_add(chain->interfaces, g_strdup(rule.name));
        return NL_OK;
}

/* All of them */

GPtrArray *firewall_read(GError **error) {
        g_autoptr(NetlinkSocket) socket = nl_socket_alloc();
        g_autoptr(GPtrArray) chains = g_ptr_array_new_with_free_func(chain_free);
        int r = socket ? nl_connect(socket, NETLINK_NETFILTER) : -NLE_NOMEM;
        if (r >= 0)
                r = ask(socket, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, NULL, on_chain, chains);
        for (guint i = 0; i < chains->len && r >= 0; i++) {
                FirewallChain *chain = chains->pdata[i];
                r = ask(socket, NFT_MSG_GETRULE, chain->family, chain->table, on_rule, chain);
        }
        if (r >= 0)
                return g_steal_pointer(&chains);
        virtbus_error_set(error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "the host's rules of nftables cannot be read: %s",
                          nl_geterror(r));
        return NULL;
}

static bool fits(const char *pattern, const char *name) {
        size_t length = strlen(pattern);
        return pattern[length - 1] == '*' ? strncmp(pattern, name, length - 1) == 0 : strcmp(pattern, name) == 0;
}

bool firewall_drops(const FirewallChain *chain, const char *interface, int family) {
        if (chain->family != NFPROTO_INET && (chain->family == NFPROTO_IPV6) != (family == AF_INET6))
                return false;
        for (guint i = 0; i < chain->interfaces->len; i++)
                if (fits(chain->interfaces->pdata[i], interface))
                        return false;
        return true;
}

char *firewall_remedy(const FirewallChain *chain, const char *interface) {
        const char *name = chain->is_docker && chain->hook == FIREWALL_FORWARD ? DOCKERS_USERS : chain->name,
                   *family = chain->family == NFPROTO_INET   ? "inet"
                             : chain->family == NFPROTO_IPV6 ? "ip6"
                                                             : "ip";
        bool forwards = chain->hook == FIREWALL_FORWARD;
        if (chain->is_firewalld)
                return g_strdup_printf("firewall-cmd --permanent --zone=trusted --add-interface=%s; firewall-cmd --reload",
                                       interface);
        /* Rules that iptables is to understand are its own. */
        if (chain->family != NFPROTO_INET && strcmp(chain->table, "filter") == 0) {
                const char *program = chain->family == NFPROTO_IPV6 ? "ip6tables" : "iptables";
                return forwards ? g_strdup_printf("%s -I %s -i %s -j ACCEPT; %s -I %s -o %s -j ACCEPT", program, name, interface,
                                                  program, name, interface)
                                : g_strdup_printf("%s -I %s -i %s -j ACCEPT", program, name, interface);
        }
        return forwards ? g_strdup_printf("nft insert rule %s %s %s iifname %s accept; nft insert rule %s %s %s oifname %s "
                                          "accept",
                                          family, chain->table, name, interface, family, chain->table, name, interface)
                        : g_strdup_printf("nft insert rule %s %s %s iifname %s accept", family, chain->table, name, interface);
}
