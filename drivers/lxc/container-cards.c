/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/container-cards.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "domain/card-port.h"
#include "link/pair.h"
#include "lxc/card-document.h"
#include "lxc/container-socket.h"
#include "lxc/guest/guest-plan.h"

/* Cards that are being connected. */
struct ContainerCards {
        char **words;           /* the watcher's: a name and a number of each */
        unsigned n, at;         /* how many there are; the one at work */
        xmlNode *card;          /* that, in the container's document */
        CardPort *port;         /* its port, or NULL */
        char *place, *whose;    /* of that */
        CardPortAsking *asking; /* or NULL */
        GString *go;            /* what the watcher is told at the end */
        void (*fail)(Container *container, GError *error);
};

static void forget_port(struct ContainerCards *cards) {
        g_clear_pointer(&cards->asking, card_port_asking_free);
        g_clear_pointer(&cards->port, card_port_free);
        g_clear_pointer(&cards->place, g_free);
        g_clear_pointer(&cards->whose, g_free);
}

void container_cards_forget(Container *container) {
        struct ContainerCards *cards = g_steal_pointer(&container->connecting);
        if (!cards)
                return;
        forget_port(cards);
        g_strfreev(cards->words);
        g_string_free(cards->go, TRUE);
        g_free(cards);
}

void container_cards_remove(const char *text) {
        g_auto(GStrv) words = g_strsplit(text, " ", 2 * GUEST_CARDS_MAX);
        for (guint i = 0; words[i] && words[i + 1]; i += 2)
                if (strcmp(words[i], GUEST_NONE) != 0)
                        pair_remove(atoi(words[i + 1]), words[i]);
}

/* They are connected: the live definition is what was written, with what was chosen for this run. */
static bool finish(Container *container, GError **error) {
        g_autoptr(Definition) live = definition_from_document(container->document, error);
        if (!live)
                return false;
        domain_set_live(container->domain, live);
        return container_socket_say(container->connection, container->connecting->go->str) ||
               virtbus_error_set_errno(error, errno, "cannot find who watches over it");
}

static void on_port(void *data, const GError *error);

/* Whether there is nothing to be waited for. */
static bool connect_card(Container *container, GError **error) {
        struct ContainerCards *cards = container->connecting;
        const char *name = cards->words[2 * cards->at], *index = cards->words[2 * cards->at + 1];
        const char *sender = container->operation ? container->operation->sender : NULL;
        if (strcmp(name, GUEST_NONE) != 0)
                xml_set_attribute(xml_ensure_child(cards->card, "target"), "dev", name);
        cards->port = card_document_port(cards->card, name, (unsigned) atoi(index));
        if (!cards->port)
                return true;
        cards->place = xml_attribute_at(cards->card, "source", cards->port->plug);
        cards->whose = g_strdup_printf("network card %u, '%s' on the host,", cards->at, name);
        cards->asking = card_port_ask(container->domain, sender, cards->port, cards->place, cards->whose, on_port, container,
                                      error);
        return false;
}

static bool go_on(Container *container, GError **error) {
        struct ContainerCards *cards = container->connecting;
        for (; cards->card && cards->at < cards->n; cards->at++, cards->card = xml_next(cards->card, "interface")) {
                if (!connect_card(container, error))
                        return cards->asking;
                g_string_append(cards->go, " 0");
        }
        return finish(container, error);
}

/* ERROR is taken, unless it is NULL. */
static void see(Container *container, bool fine, GError *error) {
        if (fine && container->connecting->asking)
                return;
        void (*fail)(Container * container, GError * error) = container->connecting->fail;
        container_cards_forget(container);
        if (!fine)
                fail(container, error);
}

/* What it has is of this run. */
static void on_port(void *data, const GError *failure) {
        Container *container = data;
        struct ContainerCards *cards = container->connecting;
        GError *error = failure ? g_error_copy(failure) : NULL;
        bool fine = !failure;
        if (fine) {
                xmlNode *source = xml_ensure_child(cards->card, "source");
                if (cards->port->bridge)
                        xml_set_attribute(source, "bridge", cards->port->bridge);
                xml_set_attribute(source, "portid", cards->port->uuid);
                g_string_append_printf(cards->go, " %u", cards->port->mtu);
                cards->at++;
                cards->card = xml_next(cards->card, "interface");
        }
        forget_port(cards);
        fine = fine && go_on(container, &error);
        see(container, fine, error);
}

void container_cards_made(Container *container, const char *text, void (*fail)(Container *container, GError *error)) {
        GError *error = NULL;
        struct ContainerCards *cards = g_new0(struct ContainerCards, 1);
        container_cards_forget(container);
        container->connecting = cards;
        cards->fail = fail;
        cards->words = g_strsplit(text, " ", 2 * GUEST_CARDS_MAX);
        cards->n = g_strv_length(cards->words) / 2;
        cards->go = g_string_new("go");
        cards->card = xml_child(xml_child(xmlDocGetRootElement(container->document), "devices"), "interface");
        g_free(container->cards);
        container->cards = g_strdup(text);
        bool fine = go_on(container, &error);
        see(container, fine, error);
}

void container_cards_know(Container *container) {
        guint n = 0;
        for (guint i = 0; i < container->domain->live->devices->len; i++)
                n += ((const DeviceDefinition *) container->domain->live->devices->pdata[i])->device_class ==
                     DEVICE_NETWORK_INTERFACE;
        g_auto(GStrv) words = g_strsplit(container->cards ? container->cards : "", " ", -1);
        if (g_strv_length(words) <= 2 * n)
                return;
        g_autofree char *rest = g_strjoinv(" ", words + 2 * n);
        container_cards_remove(rest);
        g_clear_pointer(&words[2 * n], g_free);
        for (char **word = words + 2 * n + 1; *word; word++)
                g_free(*word);
        g_free(container->cards);
        container->cards = n > 0 ? g_strjoinv(" ", words) : NULL;
}
