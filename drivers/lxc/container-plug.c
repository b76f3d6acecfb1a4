/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/container-plug.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/xml-compare.h"
#include "bus.h"
#include "domain/card-port.h"
#include "domain/definition-edit.h"
#include "domain/domain-run.h"
#include "domain/domain-status.h"
#include "domain/operations/device-change.h"
#include "lxc/card-document.h"
#include "lxc/container-entry.h"
#include "lxc/container-plan.h"
#include "lxc/container-process.h"
#include "lxc/container-socket.h"
#include "lxc/container-work.h"
#include "lxc/lxc-document.h"

/* What is at work: one of a container at a time, as an operation is. */
struct ContainerPlug {
        Container *container; /* NULL: it has gone, and the process is yet to end */
        Operation *operation;
        Process *process; /* lxc/guest/guest-plug.c: who puts a card in; NULL: a port changes */
        sd_event_source *heard, *timeout;
        int report;
        xmlNode *card; /* in the operation's document */
        char *cards;   /* its watcher's words, as of Container's; NULL: not said yet */
        bool is_in;    /* the card, for good */
        CardPort *port;
        char *place, *whose;
        CardPortAsking *asking;
        PortChange *change;
        xmlDoc *old; /* CHANGE: the document as it is */
        GError *failure;
};

/* What is only needed while the container is there. */
static void plug_let_go(struct ContainerPlug *plug) {
        plug->container = NULL;
        g_clear_pointer(&plug->asking, card_port_asking_free);
        g_clear_pointer(&plug->change, port_change_free);
        plug->heard = sd_event_source_disable_unref(plug->heard);
        plug->timeout = sd_event_source_disable_unref(plug->timeout);
        autofd_close(&plug->report); /* where that is not kept, it takes the card along */
        plug->report = -1;
}

static void plug_free(struct ContainerPlug *plug) {
        plug_let_go(plug);
        g_clear_pointer(&plug->port, card_port_free);
        g_clear_pointer(&plug->process, process_free);
        g_clear_pointer(&plug->old, xmlFreeDoc);
        g_clear_error(&plug->failure);
        g_free(plug->cards);
        g_free(plug->place);
        g_free(plug->whose);
        g_free(plug);
}

/* It has ended, or is left: where that ends its domain, too, the operation ends with that. */
static void forget(Container *container) {
        struct ContainerPlug *plug = g_steal_pointer(&container->plug);
        g_autoptr(GError) error = NULL;
        if (!plug)
                return;
        Operation *operation = plug->operation;
        if (plug->process)
                plug_let_go(plug);
        else
                plug_free(plug);
        if (!container->domain || container->domain->operation != operation)
                return;
        domain_fail(container->domain, &error, VIRTBUS_ERROR_OPERATION_INVALID, CONTAINER_STARTS_AGAIN);
        operation_finish(operation, error);
}

static struct ContainerPlug *plug_new(Operation *operation) {
        struct ContainerPlug *plug = g_new0(struct ContainerPlug, 1);
        Container *container = operation->domain->run;
        *plug = (struct ContainerPlug){ .container = container, .operation = operation, .report = -1 };
        container->forget_plug = forget;
        return container->plug = plug;
}

/* What follows may begin the next one. */
static void finish(struct ContainerPlug *plug, const GError *error) {
        Operation *operation = plug->operation;
        g_autoptr(GError) named = error ? domain_name_error(plug->container->domain, error) : NULL;
        plug->container->plug = NULL;
        plug_free(plug);
        operation_finish(operation, named);
}

static xmlNode *find_card(Operation *operation, xmlDoc *document, const Definition *definition, GError **error) {
        const DeviceChange *change = device_change_of(operation);
        xmlNode *element = definition_find_element(document, definition, change->alias);
        if (element && xml_is(element, "interface"))
                return element;
        domain_fail(operation->domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                    "the LXC driver cannot yet change <%s> while the container runs; use the option config",
                    element ? (const char *) element->name : "device");
        return NULL;
}

/* A card comes */

static void fail(struct ContainerPlug *plug, GError *error) {
        if (plug->failure)
                g_error_free(error);
        else
                plug->failure = error;
        g_clear_pointer(&plug->asking, card_port_asking_free);
        shutdown(plug->report, SHUT_RDWR);
        process_end(plug->process); /* which takes the card along; its end is seen */
}

static void go(const struct ContainerPlug *plug, unsigned mtu) {
        g_autofree char *text = g_strdup_printf("go %u", mtu);
        container_socket_say(plug->report, text);
}

static void on_port(void *data, const GError *error) {
        struct ContainerPlug *plug = data;
        g_clear_pointer(&plug->asking, card_port_asking_free);
        if (error) {
                fail(plug, g_error_copy(error));
                return;
        }
        xmlNode *source = xml_ensure_child(plug->card, "source");
        if (plug->port->bridge)
                xml_set_attribute(source, "bridge", plug->port->bridge);
        xml_set_attribute(source, "portid", plug->port->uuid);
        go(plug, plug->port->mtu);
}

static void take_card(struct ContainerPlug *plug, const char *text) {
        g_auto(GStrv) words = g_strsplit(text, " ", 2);
        GError *error = NULL;
        if (plug->cards || !words[0] || !words[1])
                return;
        plug->cards = g_strdup(text);
        xml_set_attribute(xml_ensure_child(plug->card, "target"), "dev", words[0]);
        plug->port = card_document_port(plug->card, words[0], (unsigned) atoi(words[1]));
        if (!plug->port) {
                go(plug, 0);
                return;
        }
        plug->place = xml_attribute_at(plug->card, "source", plug->port->plug);
        plug->whose = g_strdup_printf("network card '%s'", words[0]);
        plug->asking = card_port_ask(plug->container->domain, plug->operation->sender, plug->port, plug->place, plug->whose,
                                     on_port, plug, &error);
        if (!plug->asking)
                fail(plug, error);
}

/* It is in, and counts from now on: a driver that comes next knows its end on the host, whatever its document says. */
static void take_end(struct ContainerPlug *plug) {
        Container *container = plug->container;
        g_autofree char *before = container->cards;
        container->cards = before ? g_strdup_printf("%s %s", before, plug->cards) : g_strdup(plug->cards);
        domain_save_status(container->domain);
        plug->is_in = container_socket_say(plug->report, "keep");
        plug->timeout = sd_event_source_disable_unref(plug->timeout);
}

static void hear_all(struct ContainerPlug *plug) {
        char text[CONTAINER_MESSAGE_BYTES_MAX + 1];
        int fd = -1;
        while (plug->report >= 0 && container_socket_receive(plug->report, text, &fd) > 0) {
                autofd_close(&fd);
                if (g_str_has_prefix(text, "cards "))
                        take_card(plug, text + strlen("cards "));
                else if (g_str_has_prefix(text, "failed ") && !plug->failure)
                        virtbus_error_set(&plug->failure, VIRTBUS_ERROR_HYPERVISOR_FAILED, "%s", text + strlen("failed "));
                else if (strcmp(text, "plugged") == 0 && plug->cards && !plug->failure)
                        take_end(plug);
        }
}

static int on_heard(sd_event_source *source, int fd, uint32_t events, void *data) {
        (void) fd;
        if (events & (EPOLLHUP | EPOLLERR)) /* its end is seen by itself */
                sd_event_source_set_enabled(source, SD_EVENT_OFF);
        hear_all(data);
        return 0;
}

static void on_ended(void *data, int status) {
        struct ContainerPlug *plug = data;
        (void) status;
        if (!plug->container) {
                plug_free(plug);
                return;
        }
        hear_all(plug); /* what it said last */
        g_autoptr(GError) error = plug->is_in ? NULL : g_steal_pointer(&plug->failure);
        if (!error && !plug->is_in)
                virtbus_error_set(&error, VIRTBUS_ERROR_HYPERVISOR_FAILED,
                                  "what puts the card into it has ended before it was there");
        finish(plug, error);
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *data) {
        GError *error = NULL;
        (void) source;
        (void) usec;
        virtbus_error_set(&error, VIRTBUS_ERROR_TIMEOUT, "the card has not got into it within %d seconds",
                          (int) (CONTAINER_ENTRY_TIMEOUT / 1000000));
        fail(data, error);
        return 0;
}

static bool launch(struct ContainerPlug *plug, GError **error) {
        const Container *container = plug->container;
        Connection *connection = container->domain->connection;
        int pair[2];
        g_autofree char *stage = container_process_stage(connection, error);
        if (!stage)
                return false;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return virtbus_error_set_errno(error, errno, "it cannot be entered");
        plug->report = pair[0];
        g_autofd int theirs = pair[1];
        const GuestEntry entry = { container->init, theirs, -1, { -1, -1, -1 }, 0, 0 };
        g_autofd int plan = container_plan_plug(plug->card, &entry, stage, error);
        g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
        g_array_append_val(fds, plan);
        g_array_append_val(fds, container->init);
        g_array_append_val(fds, theirs);
        plug->process = plan >= 0 ? container_process_new(connection, plan, fds, on_ended, plug, error) : NULL;
        if (!plug->process)
                return false;
        int r = sd_event_add_io(connection->event, &plug->heard, plug->report, EPOLLIN, on_heard, plug);
        if (r >= 0)
                r = sd_event_add_time_relative(connection->event, &plug->timeout, CLOCK_MONOTONIC, CONTAINER_ENTRY_TIMEOUT, 0,
                                               on_timeout, plug);
        if (r < 0)
                return virtbus_error_set_errno(error, -r, "it cannot be watched");
        process_go(plug->process);
        return true;
}

/* What the document would be is checked as one that is defined. */
static bool check_card(const Domain *domain, const xmlDoc *document, const xmlNode *card, GError **error) {
        const xmlNode *root = xmlDocGetRootElement((xmlDoc *) document);
        if (!lxc_document_check(document, true, error) || !card_document_check_start(xml_child(root, "devices"), error))
                return false;
        return !xml_attribute_is(card, "type", "direct") || domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                                                                        "the LXC driver cannot yet attach or detach a network "
                                                                        "card of type 'direct' while the container runs; use "
                                                                        "the option config");
}

void container_plug_attach(Operation *operation) {
        const DeviceChange *change = device_change_of(operation);
        Container *container = operation->domain->run;
        g_autoptr(GError) error = NULL;
        xmlNode *card = container_check_runs(operation->domain, &error)
                                        ? find_card(operation, change->document, change->next, &error)
                                        : NULL;
        if (!card || !check_card(operation->domain, change->document, card, &error)) {
                operation_finish(operation, error);
                return;
        }
        card_document_choose_names(card->parent);
        struct ContainerPlug *plug = plug_new(operation);
        plug->card = card;
        if (!launch(plug, &error)) {
                plug_free(g_steal_pointer(&container->plug));
                operation_finish(operation, error);
        }
}

/* One goes */

/* The place of a card among them. */
static guint place_of(const xmlNode *card) {
        guint place = 0;
        for (const xmlNode *other = xml_child(card->parent, "interface"); other != card; other = xml_next(other, "interface"))
                place++;
        return place;
}

static void on_gone(Operation *operation) {
        Container *container = operation->domain->run;
        const Definition *live = operation->domain->live;
        g_autofree char *alias = g_strdup(device_change_of(operation)->alias);
        g_autoptr(xmlDoc) document = definition_document(live, NULL);
        const xmlNode *card = document ? definition_find_element(document, live, alias) : NULL;
        g_auto(GStrv) words = g_strsplit(container->cards, " ", -1);
        guint at = card ? 2 * place_of(card) : G_MAXUINT, n = g_strv_length(words);
        g_autoptr(GPtrArray) kept = g_ptr_array_new();
        for (guint i = 0; i < n; i++)
                if (i != at && i != at + 1)
                        g_ptr_array_add(kept, words[i]);
        g_ptr_array_add(kept, NULL);
        g_free(container->cards);
        container->cards = g_strjoinv(" ", (char **) kept->pdata);
        domain_device_gone(operation->domain, alias);
}

void container_plug_detach(Operation *operation) {
        const Domain *domain = operation->domain;
        const Container *container = domain->run;
        g_autoptr(GError) error = NULL;
        g_autoptr(xmlDoc) document = container_check_runs(domain, &error) ? definition_document(domain->live, &error) : NULL;
        const xmlNode *card = document ? find_card(operation, document, domain->live, &error) : NULL;
        g_auto(GStrv) words = g_strsplit(container->cards ? container->cards : "", " ", -1);
        guint at = card ? 2 * place_of(card) : 0;
        if (card && check_card(domain, document, card, &error) && at + 1 < g_strv_length(words)) {
                g_autofree char *text = g_strdup_printf("%s %s", words[at], words[at + 1]);
                container_work_unplug(operation, text, on_gone);
                return;
        }
        if (!error)
                domain_fail(domain, &error, VIRTBUS_ERROR_HYPERVISOR_FAILED, "nothing is known of the card's end on the host");
        operation_finish(operation, error);
}

/* One changes */

static void on_changed(void *data, const GError *error) {
        finish(data, error);
}

/* Whether nothing but the filter and the bandwidth is another. */
static bool check_change(const Domain *domain, const xmlNode *old, const xmlNode *new, GError **error) {
        static const char *const parts[] = { "filterref", "bandwidth" };
        g_autoptr(xmlDoc) scratch = xmlNewDoc((const xmlChar *) "1.0");
        xmlNode *root = xmlNewDocNode(scratch, NULL, (const xmlChar *) "scratch", NULL);
        xmlNode *elements[] = { xmlDocCopyNode((xmlNode *) old, scratch, 1), xmlDocCopyNode((xmlNode *) new, scratch, 1) };
        xmlDocSetRootElement(scratch, root);
        for (size_t i = 0; i < G_N_ELEMENTS(elements); i++) {
                xmlAddChild(root, elements[i]);
                for (size_t k = 0; k < G_N_ELEMENTS(parts); k++)
                        xml_strip(elements[i], parts[k]);
        }
        g_autofree char *one = xml_canonical(elements[0]), *two = xml_canonical(elements[1]);
        return strcmp(one, two) == 0 || domain_fail(domain, error, VIRTBUS_ERROR_UNSUPPORTED,
                                                    "nothing of a network card but its <filterref> and its <bandwidth> can "
                                                    "change while the container runs; "
                                                    "use the option config");
}

void container_plug_update(Operation *operation) {
        const DeviceChange *change = device_change_of(operation);
        Domain *domain = operation->domain;
        Container *container = domain->run;
        g_autoptr(GError) error = NULL;
        xmlNode *new = container_check_runs(domain, &error) ? find_card(operation, change->document, change->next, &error) : NULL;
        g_autoptr(xmlDoc) document = new ? definition_document(domain->live, &error) : NULL;
        const xmlNode *old = document ? find_card(operation, document, domain->live, &error) : NULL;
        if (!old || !check_change(domain, old, new, &error)) {
                operation_finish(operation, error);
                return;
        }
        struct ContainerPlug *plug = plug_new(operation);
        plug->old = g_steal_pointer(&document);
        plug->change = card_port_change(domain, operation->sender, old, new, on_changed, plug, &error);
        if (!plug->change) {
                plug_free(g_steal_pointer(&container->plug));
                operation_finish(operation, error);
        }
}
