/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/command/build-character.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "qemu/command/build-tls.h"
#include "qemu/command/builder-device.h"
#include "qemu/command/builder-read.h"
#include "qemu/command/builder-write.h"

/* The version of usb-redir's filter format: a device's binary coded decimal one. */
#define USB_FILTER_TEXT_MAX 4096

const char *build_chardev_id(Builder *builder, const DeviceDefinition *part) {
        return builder_format(builder, "char%s", part->alias);
}

/* Back ends */

/* A socket that libvirt has made for a run of a guest, in a document that was taken from it: this run gets one of its own. */
static bool is_libvirts_own(const char *path) {
        const char *found = strstr(path, "/channel/");
        return found && (g_str_has_prefix(found, "/channel/domain-") || g_str_has_prefix(found, "/channel/target/domain-") ||
                         g_str_has_prefix(found, "/channel/target/"));
}

char *build_chardev_socket(const xmlNode *element, const char *directory, const char *alias) {
        xmlNode *source = xml_child(element, "source");
        g_autofree char *path = xml_attribute(source, "path");
        bool is_given = path && *path && !is_libvirts_own(path);
        if (is_given && (xml_attribute_is(source, "mode", "connect") || xml_attribute_is(source, "mode", "client")))
                return NULL;
        return is_given ? g_steal_pointer(&path) : g_build_filename(directory, alias, NULL);
}

static void add_unix(Builder *builder, xmlNode *element, const DeviceDefinition *part, JsonObject *backend) {
        xmlNode *source = builder_element(builder, element, "source");
        const char *given = builder_get(builder, source, "@path"),
                   *mode = builder_choose(builder, source, "@mode", "bind connect client server");
        xmlNode *reconnect = builder_element(builder, source, "reconnect");
        json_add(backend, "backend", 's', "socket", NULL);
        if (given && is_libvirts_own(given)) {
                if (reconnect)
                        builder_invalid(builder, reconnect,
                                        "only a socket of mode connect is connected to again, and %s is libvirt's own", given);
                mode = given = NULL;
        }
        if (g_strcmp0(mode, "connect") == 0 || g_strcmp0(mode, "client") == 0) {
                const char *path = builder_require(builder, source ? source : element, "@path");
                if (reconnect && g_str_has_prefix(path, builder->context->directory) && builder->context->directory[0])
                        builder_invalid(builder, reconnect, "a socket of the guest's own directory is not connected to again");
                json_add(backend, "path", 's', path, NULL);
                if (reconnect && builder_flag(builder, reconnect, "@enabled") == 1)
                        json_add(backend, "reconnect", 'i', (gint64) builder_number(builder, reconnect, "@timeout", 1, 86400, 1),
                                 NULL);
                return;
        }
        if (reconnect)
                builder_invalid(builder, reconnect, "only a socket of mode connect is connected to again");
        if (!builder->files) {
                json_add(backend, "path", 's', given ? given : builder_format(builder, "%s.sock", part->alias), NULL);
        } else {
                File *file = builder_file(builder, element);
                if (!file) {
                        builder_unsupported(
                                        builder, element,
                                        "it is given no socket here: use type='pty', or a <source mode='connect' path='...'/>");
                        return;
                }
                source = xml_ensure_child(element, "source");
                builder_choose_now(source, "mode", "bind");
                builder_choose_now(source, "path", file->path);
                json_add(backend, "fd", 's', builder_pass(builder, steal_fd(&file->fd)), NULL);
        }
        json_add(backend, "server", 'b', TRUE, "wait", 'b', FALSE, NULL);
}

static void add_tcp(Builder *builder, xmlNode *element, const DeviceDefinition *part, JsonObject *backend) {
        xmlNode *source = builder_element(builder, element, "source");
        bool telnet = builder_is(builder, element, "protocol/@type", "telnet"),
             server = builder_is(builder, source, "@mode", "bind");
        builder_choose(builder, element, "protocol/@type", "raw telnet telnets tls");
        builder_choose(builder, source, "@mode", "bind connect");
        json_add(backend, "backend", 's', "socket", "host", 's', builder_require(builder, source ? source : element, "@host"),
                 "port", 's', builder_require(builder, source ? source : element, "@service"), NULL);
        if (telnet)
                json_add(backend, "telnet", 'b', TRUE, NULL);
        if (server)
                json_add(backend, "server", 'b', TRUE, "wait", 'b', FALSE, NULL);
        else if (builder_flag(builder, source, "reconnect/@enabled") == 1)
                json_add(backend, "reconnect", 'i', (gint64) builder_number(builder, source, "reconnect/@timeout", 0, 86400, 0),
                         NULL);
        if (builder_flag(builder, source, "@tls") == 1)
                json_add(backend, "tls-creds", 's', build_tls(builder, source, build_chardev_id(builder, part), server), NULL);
}

static void add_udp(Builder *builder, xmlNode *element, JsonObject *backend) {
        /* What a document leaves out is any address, and any port of ours. */
        json_add(backend, "backend", 's', "udp", "host", 's', "", "localaddr", 's', "", "localport", 's', "0", NULL);
        for_each (builder, source, element, "source") {
                bool local = builder_is(builder, source, "@mode", "bind");
                const char *host = builder_get(builder, source, "@host"), *service = builder_get(builder, source, "@service");
                if (host)
                        json_add(backend, local ? "localaddr" : "host", 's', host, NULL);
                if (service)
                        json_add(backend, local ? "localport" : "port", 's', service, NULL);
        }
        if (!json_object_has_member(backend, "port"))
                builder_invalid(builder, element, "<source mode='connect' service='...'/> is missing");
}

static void add_file(Builder *builder, xmlNode *element, JsonObject *backend) {
        File *file = builder_file(builder, element);
        const char *path = builder_require(builder, element, "source/@path");
        int none = -1;
        builder_switch(builder, element, "source/@append");
        json_add(backend, "backend", 's', "file", "path", 's',
                 builder_pass_as_file(builder,
                                      file             ? &file->fd
                                      : builder->files ? &none
                                                       : NULL,
                                      path),
                 "append", 'b', TRUE, NULL);
}

static void add_path(Builder *builder, xmlNode *element, JsonObject *backend, const char *name) {
        json_add(backend, "backend", 's', name, "path", 's', builder_require(builder, element, "source/@path"), NULL);
}

static void add_agent(Builder *builder, xmlNode *element, JsonObject *backend) {
        const char *mouse = builder_choose(builder, element, "source/mouse/@mode", "client server");
        int clipboard = builder_flag(builder, element, "source/clipboard/@copypaste");
        json_add(backend, "backend", 's', "qemu-vdagent", "name", 's', "vdagent", NULL);
        if (clipboard >= 0)
                json_add(backend, "clipboard", 'b', clipboard == 1, NULL);
        if (mouse)
                json_add(backend, "mouse", 'b', strcmp(mouse, "client") == 0, NULL);
}

static void add_log(Builder *builder, xmlNode *element, JsonObject *backend) {
        xmlNode *log = builder_element(builder, element, "log");
        if (!log)
                return;
        File *file = builder_file(builder, log);
        const char *path = builder_require(builder, log, "@file");
        builder_switch(builder, log, "@append"); /* files.c empties it; QEMU only ever appends to what it is given */
        json_add(backend, "logfile", 's', builder_pass_as_file(builder, file ? &file->fd : NULL, path), "logappend", 'b', TRUE,
                 NULL);
}

/* Which kind of SPICE channel each device is. */
static const char *spice_channel(const xmlNode *element) {
        static const char *const names[][2] = { { "channel", "vdagent" },
                                                { "smartcard", "smartcard" },
                                                { "redirdev", "usbredir" } };
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                if (xml_is(element, names[i][0]))
                        return names[i][1];
        return NULL;
}

void build_chardev(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        const char *type = builder_require(builder, element, "@type");
        JsonObject *backend = json_make("backend", 's', type, "id", 's', build_chardev_id(builder, part), NULL);
        if (strcmp(type, "pty") == 0) {
                g_ptr_array_add(builder->line->consoles, g_strdup(part->alias));
                builder_know(builder, element, "source/@path @tty"); /* of a run, as libvirt writes it */
        } else if (strcmp(type, "null") == 0 || strcmp(type, "vc") == 0 || strcmp(type, "stdio") == 0) {
                if (strcmp(type, "stdio") == 0)
                        builder_not_here(builder, element, "its driver's standard input");
        } else if (strcmp(type, "unix") == 0)
                add_unix(builder, element, part, backend);
        else if (strcmp(type, "tcp") == 0)
                add_tcp(builder, element, part, backend);
        else if (strcmp(type, "udp") == 0)
                add_udp(builder, element, backend);
        else if (strcmp(type, "file") == 0)
                add_file(builder, element, backend);
        else if (strcmp(type, "dev") == 0)
                add_path(builder, element, backend, xml_is(element, "parallel") ? "parallel" : "serial");
        else if (strcmp(type, "pipe") == 0)
                add_path(builder, element, backend, "pipe");
        else if (strcmp(type, "spicevmc") == 0 && spice_channel(element)) {
                json_add(backend, "name", 's', spice_channel(element), NULL);
        } else if (strcmp(type, "spiceport") == 0 || strcmp(type, "dbus") == 0)
                json_add(backend, "name", 's', builder_require(builder, element, "source/@channel"), NULL);
        else if (strcmp(type, "qemu-vdagent") == 0)
                add_agent(builder, element, backend);
        else
                builder_unsupported(builder, element, "QEMU has no character device of type '%.32s' here", type);
        add_log(builder, element, backend);
        /* An empty source says nothing. */
        builder_know(builder, element, "source/seclabel source/@wiremode");
        if (strcmp(type, "tcp") != 0 && !builder_is(builder, element, "protocol/@type", "raw") &&
            builder_element(builder, element, "protocol"))
                builder_invalid(builder, builder_element(builder, element, "protocol"),
                                "a character device of type %.32s has no protocol but raw: leave it out", type);
        builder_add_options(builder, "-chardev", backend);
}

/* Ports */

void build_serial(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        static const struct {
                const char *type, *model, *driver; /* without a driver it is the board's own */
        } ports[] = {
                { "isa-serial", "isa-serial", "isa-serial" },
                { "usb-serial", "usb-serial", "usb-serial" },
                { "pci-serial", "pci-serial", "pci-serial" },
                { "isa-debug", "isa-debugcon", "isa-debugcon" },
                { "spapr-vio-serial", "spapr-vty", "spapr-vty" },
                { "sclp-serial", "sclpconsole", "sclpconsole" },
                { "sclp-serial", "sclplmconsole", "sclplmconsole" },
                { "system-serial", "pl011", NULL },
                { "system-serial", "16550a", NULL },
                { "", "", NULL },
        };
        const char *type = builder_get(builder, element, "target/@type"),
                   *model = builder_get(builder, element, "target/model/@name");
        builder_know(builder, element, "target/@port");
        if (!type || strcmp(type, "serial") == 0)
                type = builder->kind->serial ? builder->kind->serial : "";
        for (size_t i = 0; i < G_N_ELEMENTS(ports); i++)
                if (strcmp(type, ports[i].type) == 0 && (!model || strcmp(model, ports[i].model) == 0)) {
                        build_chardev(builder, element, part);
                        if (!ports[i].driver) {
                                builder_know(builder, element, "alias address");
                                builder_add(builder, "-serial", "chardev:%s", build_chardev_id(builder, part));
                                return;
                        }
                        JsonObject *device = builder_device_new(ports[i].driver, part);
                        json_add(device, "chardev", 's', build_chardev_id(builder, part), NULL);
                        if (strcmp(ports[i].driver, "isa-serial") == 0)
                                json_add(device, "index", 'i', (gint64) part->port, NULL);
                        builder_add_device(builder, element, device);
                        return;
                }
        builder_unsupported(builder, builder_element(builder, element, "target"),
                            "machine '%.64s' has no serial port of type '%.32s' and model '%.32s': leave out <target>, and it is "
                            "the machine's usual one",
                            builder->definition->machine, type, model ? model : "");
}

void build_parallel(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        builder_know(builder, element, "target/@port");
        build_chardev(builder, element, part);
        JsonObject *device = builder_device_new("isa-parallel", part);
        json_add(device, "chardev", 's', build_chardev_id(builder, part), NULL);
        builder_add_device(builder, element, device);
}

static const DeviceDefinition *first_of_kind(const Builder *builder, const char *kind) {
        for (guint i = 0; i < builder->definition->devices->len; i++) {
                const DeviceDefinition *part = builder->definition->devices->pdata[i];
                if (strcmp(part->kind, kind) == 0)
                        return part;
        }
        return NULL;
}

static void add_port(Builder *builder, const xmlNode *element, JsonObject *device) {
        xmlNode *address = builder_element(builder, element, "address");
        if (!address)
                return;
        if (!builder_is(builder, address, "@type", "virtio-serial")) {
                builder_invalid(builder, address, "its type must be virtio-serial");
                return;
        }
        uint64_t controller = builder_number(builder, address, "@controller", 0, 255, 0),
                 bus = builder_number(builder, address, "@bus", 0, 255, 0),
                 port = builder_number(builder, address, "@port", 0, 511, 0);
        /* Port 0 is a console's: a channel that is still there when places were chosen has found none. */
        if (port == 0 && xml_is(element, "channel"))
                builder_invalid(builder, address, "no port of the virtio-serial controller %" PRIu64 " is free", controller);
        json_add(device, "bus", 's',
                 builder_format(builder, "%s.%" PRIu64, builder_controller_bus(builder, address, "virtio-serial", controller),
                                bus),
                 "nr", 'i', (gint64) port, NULL);
}

static void add_port_device(Builder *builder, xmlNode *element, JsonObject *device) {
        add_port(builder, element, device);
        builder_know(builder, element, "alias");
        builder_add_json(builder, "-device", device);
}

void build_console(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        const char *type = part->target;
        if (strcmp(type, "serial") == 0) {
                /* The first console of this kind is the first serial port under another name; libvirt's format says so. */
                if (first_of_kind(builder, "console") != part)
                        builder_invalid(builder, element, "only the first console can be a serial port");
                builder_know(builder, element, "@type @tty source protocol target alias log address");
                if (!first_of_kind(builder, "serial"))
                        builder_invalid(builder, element, "there is no serial port for this console");
                return;
        }
        builder_know(builder, element, "target/@port target/@type");
        if (builder->kind->virtio == VIRTIO_ON_CCW && (strcmp(type, "sclp") == 0 || strcmp(type, "sclplm") == 0)) {
                build_chardev(builder, element, part);
                builder_add_device(builder, element,
                                   json_make("driver", 's', strcmp(type, "sclp") == 0 ? "sclpconsole" : "sclplmconsole", "id",
                                             's', part->alias, "chardev", 's', build_chardev_id(builder, part), NULL));
                return;
        }
        if (strcmp(type, "virtio") != 0) {
                builder_unsupported(builder, builder_element(builder, element, "target"),
                                    "machine '%.64s' has consoles of type serial and virtio, not '%.32s': leave out its type",
                                    builder->definition->machine, type);
                return;
        }
        build_chardev(builder, element, part);
        JsonObject *device = builder_device_new("virtconsole", part);
        json_add(device, "chardev", 's', build_chardev_id(builder, part), NULL);
        add_port_device(builder, element, device);
}

void build_channel(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        xmlNode *target = builder_element(builder, element, "target");
        const char *type = builder_get(builder, target, "@type"), *name = builder_get(builder, target, "@name");
        if (g_strcmp0(type, "guestfwd") == 0) {
                const char *address = builder_require(builder, target, "@address"),
                           *port = builder_require(builder, target, "@port");
                build_chardev(builder, element, part);
                JsonObject *backend = json_make("type", 's', "user", "id", 's', part->alias, NULL);
                JsonArray *forwards = json_array_new();
                json_array_add_object_element(forwards, json_make("str", 's',
                                                                  builder_format(builder, "tcp:%s:%s-chardev:%s", address, port,
                                                                                 build_chardev_id(builder, part)),
                                                                  NULL));
                json_object_set_array_member(backend, "guestfwd", forwards);
                builder_know(builder, element, "alias");
                builder_add_json(builder, "-netdev", backend);
                return;
        }
        if (g_strcmp0(type, "virtio") != 0) {
                builder_unsupported(builder, target ? target : element,
                                    "QEMU has channels of type virtio and guestfwd, not '%.32s'", type ? type : "");
                return;
        }
        builder_know(builder, target, "@state");
        /* SPICE's and QEMU's agents look for this name. */
        if (!name && (builder_is(builder, element, "@type", "spicevmc") || builder_is(builder, element, "@type", "qemu-vdagent")))
                name = "com.redhat.spice.0";
        build_chardev(builder, element, part);
        JsonObject *device = builder_device_new("virtserialport", part);
        json_add(device, "chardev", 's', build_chardev_id(builder, part), "name", 's', name, NULL);
        add_port_device(builder, element, device);
}

/* Others with a character device behind */

void build_smartcard(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        const char *mode = builder_choose(builder, element, "@mode", "host host-certificates passthrough");
        JsonObject *device;
        if (g_strcmp0(mode, "passthrough") == 0) {
                build_chardev(builder, element, part);
                device = builder_device_new("ccid-card-passthru", part);
                json_add(device, "chardev", 's', build_chardev_id(builder, part), NULL);
        } else {
                unsigned n = 0;
                bool certificates = g_strcmp0(mode, "host-certificates") == 0;
                device = builder_device_new("ccid-card-emulated", part);
                json_add(device, "backend", 's', certificates ? "certificates" : "nss-emulated", NULL);
                for_each (builder, certificate, element, "certificate")
                        json_add(device, builder_format(builder, "cert%u", ++n), 's', builder_get(builder, certificate, ""),
                                 NULL);
                if (certificates && n != 3)
                        builder_invalid(builder, element, "host-certificates needs three <certificate>");
                if (certificates)
                        json_add(device, "db", 's',
                                 builder_get(builder, element, "database") ? builder_get(builder, element, "database")
                                                                           : "/etc/pki/nssdb",
                                 NULL);
        }
        xmlNode *address = builder_element(builder, element, "address");
        if (!mode)
                builder_invalid(builder, element, "its attribute mode is missing");
        builder_know(builder, address, "@type @slot");
        json_add(device, "bus", 's',
                 builder_format(builder, "%s.0",
                                builder_controller_bus(builder, element, "ccid",
                                                       builder_number(builder, address, "@controller", 0, 255, 0))),
                 NULL);
        builder_know(builder, element, "alias");
        builder_add_json(builder, "-device", device);
}

/* "1.10" as usb-redir wants it: 0x0110. */
static const char *usb_version(Builder *builder, xmlNode *device) {
        const char *text = builder_get(builder, device, "@version");
        unsigned major, minor;
        int end = 0, point = 0;
        if (!text || strcmp(text, "-1") == 0)
                return "-1";
        if (sscanf(text, "%2u.%n%2u%n", &major, &point, &minor, &end) != 2 || text[end]) {
                builder_invalid(builder, device, "version is '%.16s'; it must be like 1.10", text);
                return "-1";
        }
        /* Hundredths, as in USB's own numbers: 9.4 is 9.40. */
        return builder_format(builder, "0x%02u%02u", major, end - point == 1 ? minor * 10 : minor);
}

static const char *usb_filter(Builder *builder) {
        g_autoptr(GString) filter = g_string_new(NULL);
        xmlNode *element = builder_element(builder, builder->devices, "redirfilter");
        static const char *const ids[] = { "@class", "@vendor", "@product" };
        for_each (builder, device, element, "usbdev") {
                if (filter->len > USB_FILTER_TEXT_MAX) {
                        builder_invalid(builder, device, "there are too many filters");
                        break;
                }
                for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
                        const char *id = builder_get(builder, device, ids[i]);
                        if (id && strcmp(id, "-1") != 0 && !g_str_has_prefix(id, "0x"))
                                builder_invalid(builder, device, "%s is '%.16s'; it must begin with 0x", ids[i] + 1, id);
                        g_string_append_printf(filter, "%s%s", i > 0 ? ":" : filter->len > 0 ? "|" : "", id ? id : "-1");
                }
                g_string_append_printf(filter, ":%s:%d", usb_version(builder, device),
                                       builder_flag(builder, device, "@allow") == 1);
        }
        return filter->len > 0 ? builder_format(builder, "%s", filter->str) : NULL;
}

void build_redirdev(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        builder_choose(builder, element, "@bus", "usb");
        build_chardev(builder, element, part);
        JsonObject *device = builder_device_new("usb-redir", part);
        json_add(device, "chardev", 's', build_chardev_id(builder, part), "filter", 's', usb_filter(builder), NULL);
        uint64_t order = builder_number(builder, element, "boot/@order", 1, DEVICES_MAX, 0);
        builder_know(builder, element, "boot/@loadparm");
        if (order > 0)
                json_add(device, "bootindex", 'i', (gint64) order, NULL);
        builder_add_device(builder, element, device);
}

void build_rng(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        xmlNode *backend = builder_element(builder, element, "backend");
        const char *model = builder_get(builder, backend, "@model"), *object = builder_format(builder, "obj%s", part->alias);
        builder_know(builder, element, "@model");
        if (!g_str_has_prefix(part->model, "virtio"))
                builder_unsupported(builder, element, "QEMU has random number generators of model virtio, not '%.32s'",
                                    part->model);
        if (g_strcmp0(model, "builtin") == 0)
                builder_add_json(builder, "-object", json_make("qom-type", 's', "rng-builtin", "id", 's', object, NULL));
        else if (g_strcmp0(model, "random") == 0) {
                const char *path = builder_get(builder, backend, "");
                if (path && *path && *path != '/')
                        builder_invalid(builder, backend, "'%.256s' is not an absolute path", path);
                builder_add_json(builder, "-object",
                                 json_make("qom-type", 's', "rng-random", "id", 's', object, "filename", 's',
                                           path && *path ? path : "/dev/random", NULL));
        } else if (g_strcmp0(model, "egd") == 0) {
                const char *type = builder_get(builder, backend, "@type");
                if (g_strcmp0(type, "unix") == 0 && !builder_get(builder, backend, "source/@path"))
                        builder_invalid(builder, backend, "<source path='...'/> is missing for a socket");
                build_chardev(builder, backend, part);
                builder_add_json(builder, "-object",
                                 json_make("qom-type", 's', "rng-egd", "id", 's', object, "chardev", 's',
                                           build_chardev_id(builder, part), NULL));
        } else
                builder_unsupported(builder, backend ? backend : element, "random numbers come from random, builtin or egd");
        JsonObject *device = builder_virtio_device_new(builder, element, part, "virtio-rng");
        uint64_t bytes = builder_number(builder, element, "rate/@bytes", 1, UINT32_MAX, 0),
                 period = builder_number(builder, element, "rate/@period", 1, UINT32_MAX, 1000);
        json_add(device, "rng", 's', object, NULL);
        if (bytes > 0)
                json_add(device, "max-bytes", 'i', (gint64) bytes, "period", 'i', (gint64) period, NULL);
        builder_add_device(builder, element, device);
}

void build_tpm(Builder *builder, xmlNode *element, const DeviceDefinition *part) {
        xmlNode *backend = builder_element(builder, element, "backend");
        const char *model = builder_choose(builder, element, "@model", "tpm-tis tpm-crb tpm-spapr"),
                   *type = builder_get(builder, backend, "@type"), *id = builder_format(builder, "tpm-%s", part->alias);
        bool external = g_strcmp0(type, "external") == 0,
             is_board_tis = !builder->kind->is_x86 && (!model || strcmp(model, "tpm-tis") == 0);
        builder_know(builder, backend, "@version");
        if (++builder->n_tpms > 1)
                builder_unsupported(builder, element, "a machine has one TPM");
        if (g_strcmp0(type, "passthrough") == 0) {
                const char *path = builder_get(builder, backend, "device/@path");
                builder_not_here(builder, element, "the host's TPM");
                builder_add_options(builder, "-tpmdev",
                                    json_make("type", 's', "passthrough", "id", 's', id, "path", 's', path ? path : "/dev/tpm0",
                                              NULL));
        } else if (g_strcmp0(type, "emulator") == 0 || external) {
                const char *path = external ? builder_require(builder, backend, "source/@path") : NULL;
                File *file = builder_file(builder, backend);
                JsonObject *socket = json_make("backend", 's', "socket", "id", 's', "chrtpm", NULL);
                if (!external) /* what they say is its emulator's: guest-tpm.c */
                        builder_know(builder, backend, "@persistent_state @debug encryption active_pcr_banks");
                builder_know(builder, backend, "source/@type source/@mode source/seclabel");
                if (file)
                        json_add(socket, "fd", 's', builder_pass(builder, steal_fd(&file->fd)), NULL);
                else
                        json_add(socket, "path", 's', path ? path : "swtpm.sock", NULL);
                builder_add_options(builder, "-chardev", socket);
                builder_add_options(builder, "-tpmdev",
                                    json_make("type", 's', "emulator", "id", 's', id, "chardev", 's', "chrtpm", NULL));
        } else
                builder_unsupported(builder, backend ? backend : element, "a TPM is of type passthrough, emulator or external");
        JsonObject *device = builder_device_new(is_board_tis ? "tpm-tis-device" : model ? model : "tpm-tis", part);
        json_add(device, "tpmdev", 's', id, NULL);
        builder_add_device(builder, element, device);
}
