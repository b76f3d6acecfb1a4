/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lxc/container-cards.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "link/pair.h"
#include "lxc/container-socket.h"
#include "lxc/guest/guest-plan.h"

/* The live definition: what was written, with what was chosen for this run. */
static bool set_live(Container *container, char **words, GError **error) {
        xmlNode *devices = xml_child(xmlDocGetRootElement(container->document), "devices");
        guint n = g_strv_length(words), i = 0;
        for (xmlNode *card = xml_child(devices, "interface"); card && i + 1 < n; card = xml_next(card, "interface"), i += 2)
                if (strcmp(words[i], GUEST_NONE) != 0)
                        xml_set_attribute(xml_ensure_child(card, "target"), "dev", words[i]);
        g_autoptr(Definition) live = definition_from_document(container->document, error);
        if (live)
                domain_set_live(container->domain, live);
        return live;
}

void container_cards_remove(const char *text) {
        g_auto(GStrv) words = g_strsplit(text, " ", 2 * GUEST_CARDS_MAX);
        for (guint i = 0; words[i] && words[i + 1]; i += 2)
                if (strcmp(words[i], GUEST_NONE) != 0)
                        pair_remove(atoi(words[i + 1]), words[i]);
}

bool container_cards_made(Container *container, const char *text, GError **error) {
        g_auto(GStrv) words = g_strsplit(text, " ", 2 * GUEST_CARDS_MAX);
        g_free(container->cards);
        container->cards = g_strdup(text);
        if (!set_live(container, words, error))
                return false;
        return container_socket_say(container->connection, "go") ||
               virtbus_error_set_errno(error, errno, "cannot find who watches over it");
}
