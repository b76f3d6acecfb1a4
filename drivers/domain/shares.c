/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/shares.h"

#include <string.h>

#include "base/xml.h"

/* What may be let to others: nothing that opens the owner's files, or those of the host, nor to share it on. */
static const char *const actions_known[] = {
        "domain.console",  "domain.destroy",
        "domain.dump",     "domain.graphics",
        "domain.guest",    "domain.guest-control",
        "domain.log",      "domain.save",
        "domain.shutdown", "domain.start",
        "domain.suspend",  "read",
        "read-secure",     NULL,
};

static bool is_name(const char *name) {
        size_t length = strlen(name);
        for (const char *c = name; *c; c++)
                if (!g_ascii_isalnum(*c) && !strchr("._-@+$", *c))
                        return false;
        return length > 0 && length <= SHARE_NAME_BYTES_MAX && name[0] != '-';
}

static bool check_who(const char *who, GError **error) {
        const char *name = g_str_has_prefix(who, "user:")    ? who + strlen("user:")
                           : g_str_has_prefix(who, "group:") ? who + strlen("group:")
                                                             : NULL;
        return (name && is_name(name)) ||
               virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT,
                                 "'%.80s' is not a user or a group to share with: use user:NAME or group:NAME", who);
}

static bool check_action(const char *action, GError **error) {
        if (g_strv_contains(actions_known, action))
                return true;
        g_autofree char *known = g_strjoinv(", ", (char **) actions_known);
        return virtbus_error_set(error, VIRTBUS_ERROR_INVALID_ARGUMENT, "'%.64s' cannot be shared; what can is %s", action,
                                 known);
}

static bool is_of(const char *share, const char *who) {
        return g_str_has_prefix(share, who) && share[strlen(who)] == ':';
}

static int compare(const void *one, const void *two) {
        return strcmp(*(const char *const *) one, *(const char *const *) two);
}

/* How many there are in a sorted list, each once. */
static unsigned count_who(const GPtrArray *shares) {
        unsigned n = 0;
        for (guint i = 0; i < shares->len; i++) {
                const char *share = shares->pdata[i], *end = strrchr(share, ':');
                g_autofree char *who = g_strndup(share, (gsize) (end - share));
                n += i == 0 || !is_of(shares->pdata[i - 1], who);
        }
        return n;
}

char **shares_change(char *const *shares, const char *who, char *const *actions, GError **error) {
        g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
        if (!check_who(who, error))
                return NULL;
        for (; shares && *shares; shares++)
                if (!is_of(*shares, who))
                        g_ptr_array_add(list, g_strdup(*shares));
        guint others = list->len;
        for (; actions && *actions; actions++) {
                g_autofree char *share = g_strdup_printf("%s:%s", who, *actions);
                bool known = false;
                if (!check_action(*actions, error))
                        return NULL;
                for (guint i = others; i < list->len; i++)
                        known = known || strcmp(list->pdata[i], share) == 0;
                if (!known)
                        g_ptr_array_add(list, g_steal_pointer(&share));
        }
        g_ptr_array_sort(list, compare);
        if (count_who(list) > SHARES_MAX) {
                virtbus_error_set(error, VIRTBUS_ERROR_LIMIT_EXCEEDED,
                                  "it is shared with %d users and groups already, as many as it may", SHARES_MAX);
                return NULL;
        }
        g_ptr_array_add(list, NULL);
        return (char **) g_ptr_array_free(g_steal_pointer(&list), FALSE);
}

char *shares_add_text(const char *text, char *const *shares) {
        const char *end = strstr(text, "?>\n");
        if (!shares || !*shares || !end)
                return g_strdup(text);
        g_autofree char *list = g_strjoinv(" ", (char **) shares);
        end += strlen("?>\n");
        return g_strdup_printf("%.*s<?" SHARES_INSTRUCTION " %s?>\n%s", (int) (end - text), text, list, end);
}

static bool check(const char *share, GError **error) {
        const char *end = strrchr(share, ':');
        g_autofree char *who = g_strndup(share, (gsize) (end ? end - share : 0));
        return check_who(who, error) && check_action(end + 1, error);
}

static xmlNode *find_instruction(const xmlDoc *document) {
        xmlNode *node = document->children;
        while (node && (node->type != XML_PI_NODE || !xml_is(node, SHARES_INSTRUCTION)))
                node = node->next;
        return node;
}

void shares_drop(xmlDoc *document) {
        for (xmlNode *node; (node = find_instruction(document));)
                xml_remove(node);
}

bool shares_take(xmlDoc *document, char ***shares, GError **error) {
        xmlNode *node = find_instruction(document);
        *shares = NULL;
        if (!node)
                return true;
        g_auto(GStrv) list = g_strsplit(node->content ? (const char *) node->content : "", " ", -1);
        xml_remove(node);
        for (char **share = list; *share; share++)
                if (!check(*share, error))
                        return false;
        *shares = g_steal_pointer(&list);
        return true;
}
