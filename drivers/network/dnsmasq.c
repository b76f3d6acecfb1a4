/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "network/dnsmasq.h"

#include <string.h>

#include "network/document-check.h"
#include "network/value.h"

/* The names of its files, below a network's folder. */
#define LEASES_FILE "dhcp-hosts"
#define NAMES_FILE "hosts"

/* What is being written, and of what. */
typedef struct Lines {
        const NetworkDefinition *definition;
        const xmlNode *root, *dns;
        const xmlNode *with_dhcp[2]; /* the <ip> of each family that has <dhcp> with somebody in it */
        bool answers_names;
        const char *folder;
        GString *text;
} Lines;

static void add(Lines *lines, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void add(Lines *lines, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        g_string_append_vprintf(lines->text, format, arguments);
        va_end(arguments);
}

/* A text that is one word of a line, whatever it has in it: in quotes where dnsmasq would read it as something else. */
static char *quote(const char *text) {
        bool is_plain = !strpbrk(text, "\"\\#,") && !g_ascii_isspace(text[0]) && !g_ascii_isspace(text[strlen(text) - 1]);
        g_autoptr(GString) quoted = g_string_new("\"");
        for (const char *c = text; *c; c++) {
                if (strchr("\"\\", *c))
                        g_string_append_c(quoted, '\\');
                g_string_append_c(quoted, *c);
        }
        g_string_append_c(quoted, '"');
        return is_plain ? g_strdup(text) : g_string_free(g_steal_pointer(&quoted), FALSE);
}

static Subnet subnet_of(const xmlNode *ip) {
        Subnet subnet;
        document_read_subnet(ip, &subnet, NULL);
        return subnet;
}

/* "10m" as a lease is to last, or "infinite"; NULL where dnsmasq decides. */
static char *lease_of(const xmlNode *element) {
        const xmlNode *lease = xml_child(element, "lease");
        g_autofree char *expiry = xml_attribute(lease, "expiry"), *unit = xml_attribute(lease, "unit");
        uint64_t number = 0;
        if (!lease || !value_number(expiry, &number))
                return NULL;
        return number == 0 ? g_strdup("infinite") : g_strdup_printf("%" G_GUINT64_FORMAT "%c", number, unit[0]);
}

static void add_lease(Lines *lines, const xmlNode *element) {
        g_autofree char *lease = lease_of(element);
        add(lines, "%s%s\n", lease ? "," : "", lease ? lease : "");
}

/* Names */

/* Those without a domain are asked instead of the servers that the host asks. */
static void add_forwarders(Lines *lines) {
        bool is_instead = false;
        for (xmlNode *forwarder = xml_child(lines->dns, "forwarder"); forwarder; forwarder = xml_next(forwarder, "forwarder")) {
                g_autofree char *domain = xml_attribute(forwarder, "domain"), *address = xml_attribute(forwarder, "addr");
                add(lines, "server=%s%s%s%s\n", domain ? "/" : "", domain ? domain : "", domain ? "/" : "",
                    address ? address : "#");
                is_instead = is_instead || !domain;
        }
        if (is_instead)
                add(lines, "no-resolv\n");
}

static void add_domain(Lines *lines) {
        const char *domain = lines->definition->domain;
        if (!*domain)
                return;
        if (xml_attribute_is(xml_child(lines->root, "domain"), "localOnly", "yes"))
                add(lines, "local=/%s/\n", domain);
        add(lines, "domain=%s\nexpand-hosts\n", domain);
}

static void add_plain_names(Lines *lines) {
        if (lines->answers_names && xml_attribute_is(lines->dns, "forwardPlainNames", "no"))
                add(lines, "domain-needed\nlocal=//\n");
}

/* The zone of a block's addresses, from its last whole part to its first. */
static void add_local_pointers(Lines *lines) {
        for (xmlNode *ip = xml_child(lines->root, "ip"); ip; ip = xml_next(ip, "ip")) {
                Subnet subnet = subnet_of(ip);
                const uint8_t *bytes = subnet.address.bytes;
                bool is_4 = subnet.address.family == AF_INET;
                if (!lines->answers_names || !xml_attribute_is(ip, "localPtr", "yes"))
                        continue;
                add(lines, "local=/");
                for (unsigned i = subnet.prefix / (is_4 ? 8 : 4); i-- > 0;)
                        if (is_4)
                                add(lines, "%u.", bytes[i]);
                        else
                                add(lines, "%x.", i % 2 ? bytes[i / 2] & 0xfU : (unsigned) bytes[i / 2] >> 4);
                add(lines, "%s/\n", is_4 ? "in-addr.arpa" : "ip6.arpa");
        }
}

static void add_records(Lines *lines) {
        for (xmlNode *record = xml_child(lines->dns, "txt"); record; record = xml_next(record, "txt")) {
                g_autofree char *name = xml_attribute(record, "name"), *value = xml_attribute(record, "value"),
                                *word = quote(value);
                if (lines->answers_names)
                        add(lines, "txt-record=%s,%s\n", name, word);
        }
}

/* Port, priority and weight are known by their places: what is left out before one that is given has dnsmasq's default. */
static void add_service(Lines *lines, const xmlNode *record) {
        static const struct {
                const char *name, *standard;
        } places[] = { { "port", "1" }, { "priority", "0" }, { "weight", "0" } };
        g_autofree char *service = xml_attribute(record, "service"), *protocol = xml_attribute(record, "protocol"),
                        *domain = xml_attribute(record, "domain"), *target = xml_attribute(record, "target");
        add(lines, "srv-host=_%s._%s%s%s", service, protocol, domain ? "." : "", domain ? domain : "");
        size_t last = 0;
        for (size_t i = 0; i < G_N_ELEMENTS(places); i++)
                if (xmlHasProp((xmlNode *) record, (const xmlChar *) places[i].name))
                        last = i + 1;
        if (target)
                add(lines, ",%s", target);
        for (size_t i = 0; target && i < last; i++) {
                g_autofree char *value = xml_attribute(record, places[i].name);
                add(lines, ",%s", value ? value : places[i].standard);
        }
        add(lines, "\n");
}

static void add_services(Lines *lines) {
        for (xmlNode *record = xml_child(lines->dns, "srv"); record; record = xml_next(record, "srv"))
                if (lines->answers_names)
                        add_service(lines, record);
}

/* Where it is asked */

static void add_place(Lines *lines) {
        if (!lines->answers_names)
                add(lines, "port=0\n");
        add(lines, "except-interface=lo\nbind-dynamic\ninterface=%s\n", lines->definition->bridge);
}

/* Guests are told of no way out, and names of elsewhere are no way either. */
static void add_isolation(Lines *lines) {
        if (strcmp(lines->definition->mode, "isolated") == 0)
                add(lines, "dhcp-option=3\nno-resolv\nra-param=*,0,0\n");
}

/* Addresses */

static uint64_t add_ranges(Lines *lines, const xmlNode *ip) {
        uint64_t n_addresses = 0;
        Subnet subnet = subnet_of(ip);
        Address mask = subnet_mask(&subnet);
        g_autofree char *own = address_text(&subnet.address), *netmask = address_text(&mask);
        bool is_4 = subnet.address.family == AF_INET;
        const xmlNode *dhcp = xml_child(ip, "dhcp");
        for (xmlNode *range = xml_child(dhcp, "range"); range; range = xml_next(range, "range")) {
                Address first = document_read_address(range, "start"), last = document_read_address(range, "end");
                g_autofree char *start = xml_attribute(range, "start"), *end = xml_attribute(range, "end"),
                                *prefix = g_strdup_printf("%u", subnet.prefix);
                add(lines, "dhcp-range=%s,%s,%s", start, end, is_4 ? netmask : prefix);
                add_lease(lines, range);
                n_addresses += address_count(&first, &last);
        }
        if (!xml_child(dhcp, "range") && is_4)
                add(lines, "dhcp-range=%s,static\n", own);
        else if (!xml_child(dhcp, "range"))
                add(lines, "dhcp-range=%s,static,%u\n", own, subnet.prefix);
        if (is_4)
                add(lines, "dhcp-no-override\ndhcp-authoritative\n");
        return n_addresses;
}

static void add_boot(Lines *lines) {
        for (xmlNode *ip = xml_child(lines->root, "ip"); ip; ip = xml_next(ip, "ip")) {
                const xmlNode *boot = xml_find(ip, "dhcp/bootp");
                g_autofree char *root = xml_attribute(xml_child(ip, "tftp"), "root"), *file = xml_attribute(boot, "file"),
                                *server = xml_attribute(boot, "server"), *root_word = root ? quote(root) : NULL,
                                *file_word = file ? quote(file) : NULL;
                if (root)
                        add(lines, "enable-tftp\ntftp-root=%s\n", root_word);
                if (file)
                        add(lines, "dhcp-boot=%s%s%s\n", file_word, server ? ",," : "", server ? server : "");
        }
}

static void add_dhcp(Lines *lines) {
        uint64_t n_addresses = 0;
        bool gives_any = false;
        for (size_t i = 0; i < G_N_ELEMENTS(lines->with_dhcp); i++) {
                if (lines->with_dhcp[i])
                        n_addresses += add_ranges(lines, lines->with_dhcp[i]);
                gives_any = gives_any || lines->with_dhcp[i];
        }
        if (n_addresses > 0)
                add(lines, "dhcp-lease-max=%" G_GUINT64_FORMAT "\n", n_addresses);
        if (gives_any)
                add(lines, "dhcp-hostsfile=%s/" LEASES_FILE "\n", lines->folder);
        if (lines->answers_names)
                add(lines, "addn-hosts=%s/" NAMES_FILE "\n", lines->folder);
        if (lines->definition->mtu > 0)
                add(lines, "dhcp-option=option:mtu,%u\n", lines->definition->mtu);
}

/* Of blocks of IPv6 without DHCP guests choose addresses themselves. */
static void add_advertisements(Lines *lines) {
        if (lines->with_dhcp[1])
                add(lines, "enable-ra\n");
        for (xmlNode *ip = xml_child(lines->root, "ip"); ip; ip = xml_next(ip, "ip")) {
                Subnet subnet = subnet_of(ip);
                g_autofree char *own = address_text(&subnet.address);
                if (subnet.address.family == AF_INET6 && !lines->with_dhcp[1])
                        add(lines, "dhcp-range=%s,ra-only\n", own);
        }
}

static void add_own_options(Lines *lines) {
        for (const xmlNode *element = lines->root->children; element; element = element->next)
                for (const xmlNode *option = element->ns && xml_is(element, "options") ? element->children : NULL; option;
                     option = option->next) {
                        g_autofree char *value = option->type == XML_ELEMENT_NODE ? xml_attribute(option, "value") : NULL;
                        if (value)
                                add(lines, "%s\n", value);
                }
}

/* The files of hosts */

static char *write_leases(Lines *lines) {
        lines->text = g_string_new(NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(lines->with_dhcp); i++)
                for (xmlNode *host = xml_child(xml_child(lines->with_dhcp[i], "dhcp"), "host"); host;
                     host = xml_next(host, "host")) {
                        g_autofree char *mac = xml_attribute(host, "mac"), *id = xml_attribute(host, "id"),
                                        *name = xml_attribute(host, "name"), *address = xml_attribute(host, "ip");
                        if (i == 0)
                                add(lines, "%s%s%s%s%s", mac ? mac : name, ",", address, mac && name ? "," : "",
                                    mac && name ? name : "");
                        else
                                add(lines, "%s%s%s%s,[%s]", id ? "id:" : "", id ? id : "", id && name ? "," : "",
                                    name ? name : "", address);
                        add_lease(lines, host);
                }
        return g_string_free(lines->text, FALSE);
}

static char *write_names(Lines *lines) {
        lines->text = g_string_new(NULL);
        for (xmlNode *host = xml_child(lines->dns, "host"); host; host = xml_next(host, "host")) {
                g_autofree char *address = xml_attribute(host, "ip");
                add(lines, "%s", address);
                for (xmlNode *name = xml_child(host, "hostname"); name; name = xml_next(name, "hostname")) {
                        g_autofree char *text = xml_text(name);
                        add(lines, "\t%s", text);
                }
                add(lines, "\n");
        }
        return g_string_free(lines->text, FALSE);
}

static char *write_configuration(Lines *lines) {
        static void (*const sections[])(Lines * lines) = {
                add_forwarders, add_domain,   add_plain_names, add_local_pointers, add_place,          add_isolation,
                add_records,    add_services, add_dhcp,        add_boot,           add_advertisements, add_own_options,
        };
        lines->text = g_string_new("strict-order\n");
        for (size_t i = 0; i < G_N_ELEMENTS(sections); i++)
                sections[i](lines);
        return g_string_free(lines->text, FALSE);
}

static bool gives_addresses(const xmlNode *ip) {
        const xmlNode *dhcp = xml_child(ip, "dhcp");
        return xml_child(dhcp, "range") || xml_child(dhcp, "host");
}

static Lines lines_of(const NetworkDefinition *definition, const char *folder) {
        const xmlNode *root = xmlDocGetRootElement(definition->document);
        Lines lines = { .definition = definition, .root = root, .dns = xml_child(root, "dns"), .folder = folder };
        lines.answers_names = !xml_attribute_is(lines.dns, "enable", "no");
        for (xmlNode *ip = xml_child(root, "ip"); ip; ip = xml_next(ip, "ip"))
                if (gives_addresses(ip))
                        lines.with_dhcp[xml_attribute_is(ip, "family", "ipv6")] = ip;
        return lines;
}

bool dnsmasq_is_needed(const NetworkDefinition *definition) {
        return document_mode_has_bridge(definition->mode) && definition->n_subnets > 0;
}

DnsmasqFiles *dnsmasq_files_new(const NetworkDefinition *definition, const char *folder) {
        Lines lines = lines_of(definition, folder);
        DnsmasqFiles *files = g_new0(DnsmasqFiles, 1);
        files->configuration = write_configuration(&lines);
        files->leases = lines.with_dhcp[0] || lines.with_dhcp[1] ? write_leases(&lines) : NULL;
        files->names = lines.answers_names ? write_names(&lines) : NULL;
        return files;
}

void dnsmasq_files_free(DnsmasqFiles *files) {
        g_free(files->configuration);
        g_free(files->leases);
        g_free(files->names);
        g_free(files);
}
