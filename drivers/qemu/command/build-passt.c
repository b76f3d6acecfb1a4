/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/build-passt.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>

#include "qemu/command/builder-read.h"
#include "qemu/command/builder-write.h"

#define PORT_MAX 65535

bool build_passt_is_for(const xmlNode *card) {
        return xml_attribute_is(card, "type", "user") && xml_attribute_is(xml_child(card, "backend"), "type", "passt");
}

/* A word of passt's, where '/', '%' and ',' mean something. */
static void check_device(Builder *builder, xmlNode *element, const char *path) {
        const char *name = builder_get(builder, element, path);
        if (name && (!*name || strlen(name) >= IFNAMSIZ || strpbrk(name, "/%,:~ \t\n") || name[0] == '-'))
                builder_invalid(builder, element, "dev is '%.32s', which is not the name of an interface of the host", name);
}

static int family_of(const char *address) {
        struct in6_addr unused;
        return inet_pton(AF_INET, address, &unused) == 1 ? AF_INET : inet_pton(AF_INET6, address, &unused) == 1 ? AF_INET6 : -1;
}

/* Those of the guest. */
static void check_addresses(Builder *builder, xmlNode *card) {
        for_each (builder, ip, card, "ip") {
                const char *address = builder_require(builder, ip, "@address"),
                           *family = builder_choose(builder, ip, "@family", "ipv4 ipv6");
                bool is_6 = g_strcmp0(family, "ipv6") == 0;
                builder_number(builder, ip, "@prefix", 1, is_6 ? 128 : 32, 0);
                if (builder->error)
                        return;
                if (family_of(address) != (is_6 ? AF_INET6 : AF_INET))
                        builder_invalid(builder, ip, "'%.64s' is not an address of family %s", address, is_6 ? "ipv6" : "ipv4");
        }
}

static void check_range(Builder *builder, xmlNode *range) {
        uint64_t start = builder_number(builder, range, "@start", 1, PORT_MAX, 0),
                 end = builder_number(builder, range, "@end", 1, PORT_MAX, start),
                 to = builder_number(builder, range, "@to", 1, PORT_MAX, 0);
        bool excludes = builder_flag(builder, range, "@exclude") == 1;
        builder_require(builder, range, "@start");
        if (end < start)
                builder_invalid(builder, range, "its end, %u, is below its start, %u", (unsigned) end, (unsigned) start);
        else if (to > 0 && to + end - start > PORT_MAX)
                builder_invalid(builder, range, "from %u on there are not as many ports as from %u to %u", (unsigned) to,
                                (unsigned) start, (unsigned) end);
        else if (excludes && to > 0)
                builder_invalid(builder, range, "what is excluded is forwarded to no port: leave out to, or exclude");
}

static void check_forwards(Builder *builder, xmlNode *card) {
        for_each (builder, forward, card, "portForward") {
                const char *address = builder_get(builder, forward, "@address");
                if (!builder_choose(builder, forward, "@proto", "tcp udp"))
                        builder_invalid(builder, forward, "its attribute proto is missing: tcp or udp");
                if (address && family_of(address) < 0)
                        builder_invalid(builder, forward, "'%.64s' is not an address of this host's", address);
                check_device(builder, forward, "@dev");
                for_each (builder, range, forward, "range")
                        check_range(builder, range);
        }
}

void build_passt_check(Builder *builder, xmlNode *card) {
        const char *log = builder_get(builder, card, "backend/@logFile");
        builder_choose(builder, card, "backend/@type", "default passt");
        if (!build_passt_is_for(card)) {
                if (log)
                        builder_unsupported(builder, builder_element(builder, card, "backend"),
                                            "only passt has a log: leave out logFile, or use type='passt'");
                return;
        }
        if (log && log[0] != '/')
                builder_invalid(builder, builder_element(builder, card, "backend"),
                                "logFile is '%.128s'; it must be the whole path of a file", log);
        check_device(builder, card, "source/@dev");
        check_addresses(builder, card);
        check_forwards(builder, card);
        builder_know(builder, card, "mtu/@size");
}

void build_passt(Builder *builder, xmlNode *card, const DeviceDefinition *part, JsonObject *backend) {
        File *file = builder_file(builder, card);
        JsonObject *address = file && file->fd >= 0 ? json_make("type", 's', "fd", "str", 's',
                                                                builder_pass(builder, steal_fd(&file->fd)), NULL)
                                                    : json_make("type", 's', "unix", "path", 's',
                                                                builder_format(builder, "%s-passt.socket", part->alias), NULL);
        json_add(backend, "type", 's', "stream", "addr", 'o', address, "server", 'b', FALSE, NULL);
}
